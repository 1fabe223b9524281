import { describe, expect, it } from "vitest";
import { along, apart, smooth } from "../src/timeline/path.ts";

const jumpy = Array.from({ length: 240 }, (_, i) => ({
  time: i / 2,
  valence: i % 2 ? 1 : -1,
  arousal: i / 240,
}));

describe("a path", () => {
  it("loses its jumps and keeps its way", () => {
    const path = smooth(jumpy);
    expect(path[0]?.time).toBe(0);
    expect(path.at(-1)?.time).toBe(119.5);
    expect(path.length).toBeLessThan(200);
    expect(Math.max(...path.map((point) => Math.abs(point.valence)))).toBeLessThan(0.1);
    const rising = path.slice(6, -6).map((point) => point.arousal);
    expect([...rising].sort((a, b) => a - b)).toEqual(rising);
    expect(rising[0]).toBeCloseTo(0.05, 1);
  });

  it("has as few points for a day as for an hour", () => {
    const day = Array.from({ length: 4000 }, (_, i) => ({ time: 20 * i, valence: 0, arousal: 0 }));
    expect(smooth(day).length).toBeLessThan(200);
  });

  it("leads over what is silent", () => {
    const path = smooth([
      { time: 0, valence: -1, arousal: 0 },
      { time: 60, valence: 1, arousal: 0 },
    ]);
    expect(path.map((point) => point.valence)).toEqual(expect.arrayContaining([-1, 1]));
    expect(along(path, 30)?.valence).toBeCloseTo(0, 0);
  });

  it("is nothing of nothing, and one point of one", () => {
    expect(smooth([])).toEqual([]);
    const one = { time: 3, valence: 0.5, arousal: 0.5 };
    expect(smooth([one])[0]).toEqual(one);
    expect(along([one], 2)).toBeNull();
    expect(along([one], 9)).toEqual({ ...one, time: 9 });
  });
});

describe("labels", () => {
  it("lie on no other", () => {
    const middles = [
      { x: 50, y: 50 },
      { x: 52, y: 51 },
      { x: 60, y: 44 },
      { x: 200, y: 200 },
      { x: 52, y: 51 },
    ];
    const found = apart(middles, 26, 19);
    for (const [i, one] of found.entries())
      for (const other of found.slice(i + 1)) {
        const free = Math.abs(one.x - other.x) >= 25.9 || Math.abs(one.y - other.y) >= 18.9;
        expect(free).toBe(true);
      }
    expect(found[3]).toEqual(middles[3]);
  });
});
