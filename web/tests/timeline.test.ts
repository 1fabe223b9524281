import { expect, test } from "vitest";
import type { Segment } from "../src/api/types.ts";
import { clock, percent, signed, size, until } from "../src/timeline/clock.ts";
import { circumplex, curve, means } from "../src/timeline/curve.ts";
import { shares } from "../src/timeline/document.ts";
import { at, labelOf, lanes, overruled } from "../src/timeline/lanes.ts";

const part = (start: number, end: number, more: Partial<Segment> = {}): Segment => ({
  index: 0,
  start,
  end,
  kind: more.emotion ? "speech" : "silence",
  label: null,
  ...more,
});

test("times are written as clocks write them", () => {
  expect(clock(0)).toBe("0:00");
  expect(clock(59.96, 1)).toBe("1:00.0");
  expect(clock(3599.99)).toBe("1:00:00");
  expect(clock(7325.25, 1)).toBe("2:02:05.3");
  expect(percent(0.496)).toBe("50\u00a0%");
  expect(signed(-0.5)).toBe("−0.50");
  expect(size(999)).toBe("999 bytes");
  expect(size(4_294_967_296)).toBe("4.3 GB");
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(until("2026-01-04T12:00:00Z", now)).toBe("3 days");
  expect(until("2026-01-01T00:30:00Z", now)).toBe("1 hour");
  expect(until("2025-12-31T00:00:00Z", now)).toBe("any moment");
});

test("each voice has a lane, with the silence of its channel", () => {
  const found = lanes([
    part(0, 1, { channel: 0 }),
    part(0, 2, { channel: 1, emotion: "sad" }),
    part(1, 2, { channel: 0, emotion: "happy", speaker: "speaker 1" }),
    part(2, 3, { channel: 0, emotion: "angry", speaker: "speaker 2" }),
  ]);
  expect(found.map((lane) => lane.name)).toEqual([
    "Channel 0, speaker 1",
    "Channel 0, speaker 2",
    "Channel 1",
  ]);
  expect(found.map((lane) => lane.segments.length)).toEqual([2, 2, 1]);
  expect(lanes([part(0, 1)]).map((lane) => lane.name)).toEqual([""]);
});

test("what is heard at a time is the segment that holds it", () => {
  const [lane] = lanes([
    part(0, 1),
    part(1, 2, { emotion: "sad" }),
    part(3, 4, { emotion: "calm" }),
  ]);
  if (!lane) throw new Error("no lane");
  expect(at(lane, 0.5)?.kind).toBe("silence");
  // A hair before the beginning is where players stand that were sent to it.
  expect(at(lane, 0.9999)?.emotion).toBe("sad");
  expect(at(lane, 2.5)).toBeNull();
  expect(at(lane, 9)).toBeNull();
  expect(labelOf(part(0, 1, { emotion: "sad", label: "calm" }))).toBe("calm");
});

test("windows that overlap share the time by their middles", () => {
  const emotions = ["happy", "sad"];
  const windows = [
    { start: 0, end: 2, scores: { happy: 1, sad: 0 } },
    { start: 1, end: 3, scores: { happy: 0, sad: 1 } },
    { start: 5, end: 6, scores: { happy: 0.5, sad: 0.5 } },
  ];
  const found = curve(null, emotions, windows, []);
  expect(found.starts).toEqual([0, 1.5, 5]);
  expect(found.ends).toEqual([1.5, 3, 6]);
  expect(means(found, 0, 6, 6)).toEqual([[1, 0], [0.5, 0.5], [0, 1], null, null, [0.5, 0.5]]);
  // A view of a part gives what that part has.
  expect(means(found, 1.5, 2.5, 2)).toEqual([
    [0, 1],
    [0, 1],
  ]);
});

test("without measurements the segments stand for them", () => {
  const said = part(1, 2, { emotion: "sad", scores: { happy: 0.2, sad: 0.8 }, channel: 1 });
  const found = curve(1, ["happy", "sad"], [], [part(0, 1), said]);
  expect([found.starts, found.scores]).toEqual([[1], [[0.2, 0.8]]]);
});

test("the place of scores is the mean of the known emotions' places", () => {
  const places = { happy: { valence: 1, arousal: 0.5 }, sad: { valence: -1, arousal: -0.5 } };
  const found = circumplex([0.6, 0.2, 0.2], ["happy", "sad", "other"], places);
  expect(found.valence).toBeCloseTo(0.5);
  expect(found.arousal).toBeCloseTo(0.25);
});

test("a label that agrees with the model confirms it, and corrects nothing", () => {
  const confirmed = part(0, 1, { emotion: "sad", label: "sad" });
  const corrected = part(1, 2, { emotion: "sad", label: "calm" });
  const said = [confirmed, corrected, part(2, 3, { emotion: "sad" })];
  expect(said.map(overruled)).toEqual([false, true, false]);
  expect(shares(said)).toMatchObject({ corrected: 1, labelled: 2 });
});

test("a label may be a word that every object knows", () => {
  const said = ["constructor", "__proto__", "toString"].map((label, i) =>
    part(i, i + 1, { emotion: "happy", label }),
  );
  const { shares: found, corrected } = shares(said);
  expect(corrected).toBe(3);
  expect(Object.keys(found).sort()).toEqual(["__proto__", "constructor", "toString"]);
  for (const name of Object.keys(found)) expect(found[name]).toBeCloseTo(1 / 3);
});
