import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Listener, Measurement, Status, Totals } from "../src/live/realtime.ts";

const RATE = 1000;

/** A connection whose other end is the test. */
class Line {
  static all: Line[] = [];
  sent: (string | Int16Array)[] = [];
  bufferedAmount = 0;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly url: string;

  constructor(url: URL) {
    this.url = url.href;
    Line.all.push(this);
  }
  send(data: string | Int16Array): void {
    this.sent.push(data);
  }
  close(): void {
    this.drop(1000);
  }
  drop(code: number): void {
    this.onclose?.({ code });
  }
  says(type: string, more: object = {}): void {
    this.onmessage?.({ data: JSON.stringify({ type, ...more }) });
  }
  opens(): void {
    this.says("session.created");
    this.says("session.updated");
  }
  get samples(): number {
    return this.sent.reduce((sum, one) => sum + (typeof one === "string" ? 0 : one.length), 0);
  }
}

vi.stubGlobal("sessionStorage", { getItem: () => "secret", setItem: () => {} });
vi.stubGlobal("document", { baseURI: "https://host/below/" });
vi.stubGlobal("addEventListener", () => {});
vi.stubGlobal("removeEventListener", () => {});
vi.stubGlobal("window", globalThis);
vi.stubGlobal("WebSocket", Line);
const { Realtime } = await import("../src/live/realtime.ts");

const told = {
  statuses: [] as Status[],
  notes: [] as (string | null)[],
  measured: [] as Measurement[],
  missed: [] as [number, number][],
  closed: [] as (Totals | null)[],
};
const listener: Listener = {
  status: (status, note) => {
    told.statuses.push(status);
    told.notes.push(note);
  },
  started: () => {},
  measured: (measurement) => told.measured.push(measurement),
  ended: () => {},
  missed: (from, to) => told.missed.push([from, to]),
  behind: () => {},
  closed: (totals) => told.closed.push(totals),
};

const opened = (): [InstanceType<typeof Realtime>, Line] => {
  const realtime = new Realtime(RATE, { model: "mine", threshold: 0.5 }, listener);
  return [realtime, Line.all.at(-1) as Line];
};
const hear = (realtime: InstanceType<typeof Realtime>, seconds: number): void => {
  for (let i = 0; i < 10 * seconds; i++) {
    vi.advanceTimersByTime(100);
    realtime.feed(new Float32Array(RATE / 10));
  }
};

beforeEach(() => {
  vi.useFakeTimers();
  Line.all = [];
  for (const list of Object.values(told)) list.length = 0;
});
afterEach(() => vi.useRealTimers());

test("it says what it wants first, the key among it and never in the address", () => {
  const [, line] = opened();
  expect(line.url).toBe("wss://host/below/v1/realtime");
  line.says("session.created");
  expect(JSON.parse(line.sent[0] as string)).toEqual({
    type: "session.update",
    rate: RATE,
    encoding: "pcm_s16le",
    channels: 1,
    key: "secret",
    model: "mine",
    threshold: 0.5,
  });
});

test("what is spoken before it is ready is sent when it is, two seconds of it", () => {
  const [realtime, line] = opened();
  hear(realtime, 5);
  expect(line.samples).toBe(0);
  line.opens();
  expect(line.samples).toBe(2 * RATE);
  // So the session's first sample is the fourth second's, and its times are counted from there.
  line.says("measurement", { start: 0.5, end: 1, scores: {}, latency_ms: 7 });
  const [measured] = told.measured;
  expect([measured?.start, measured?.end]).toEqual([3.5, 4]);
  // Spoken a second ago.
  expect(measured?.latency).toBeCloseTo(1000);
  expect(measured?.served).toBe(7);
});

test("a connection that drops is taken up again, and what was not heard is told", () => {
  const [realtime, line] = opened();
  line.opens();
  hear(realtime, 2);
  line.drop(1006);
  expect(told.statuses.at(-1)).toBe("lost");
  hear(realtime, 5);
  const next = Line.all.at(-1) as Line;
  expect(next).not.toBe(line);
  next.opens();
  expect(told.statuses.at(-1)).toBe("open");
  hear(realtime, 1);
  // Two of the five seconds waited.
  expect(told.missed).toEqual([[2, 5]]);
  expect(next.samples).toBe(3 * RATE);
  next.says("measurement", { start: 0, end: 1, scores: {}, latency_ms: 7 });
  expect(told.measured.at(-1)?.end).toBe(6);
});

test("it tries again later and later, until it is stopped", () => {
  const [realtime] = opened();
  const begun: number[] = [];
  for (let i = 0; i < 8; i++) {
    (Line.all.at(-1) as Line).drop(1006);
    const before = Date.now();
    vi.advanceTimersToNextTimer();
    begun.push(Date.now() - before);
  }
  expect(begun).toEqual([300, 700, 1500, 3000, 5000, 5000, 5000, 5000]);
  const lines = Line.all.length;
  realtime.stop();
  vi.advanceTimersByTime(60_000);
  expect(Line.all.length).toBe(lines);
  expect(told.statuses.at(-1)).toBe("closed");
});

test("a connection over which nothing goes is given up", () => {
  const [realtime, line] = opened();
  line.opens();
  line.bufferedAmount = 9 * 2 * RATE;
  hear(realtime, 0.1);
  expect(told.statuses.at(-1)).toBe("lost");
});

test("a refusal that would come again is not asked for again", () => {
  const [, line] = opened();
  line.says("session.created");
  line.says("error", { code: "unauthorised", message: "there is no such key", fatal: true });
  vi.advanceTimersByTime(60_000);
  expect(Line.all).toHaveLength(1);
  expect(told.notes.at(-1)).toBe("there is no such key");
});

test("a busy service is asked again", () => {
  const [, line] = opened();
  line.says("error", { code: "server_busy", message: "too much to do", fatal: true });
  line.drop(1013);
  expect(told.notes.at(-1)).toBe("The service is busy.");
  vi.advanceTimersByTime(1000);
  expect(Line.all).toHaveLength(2);
});

test("it ends with the service's totals", () => {
  const [realtime, line] = opened();
  line.opens();
  hear(realtime, 1);
  realtime.stop();
  expect(line.sent.at(-1)).toBe('{"type":"session.close"}');
  line.says("session.closed", { audio_s: 1, utterances: 0 });
  expect(told.statuses.at(-1)).toBe("closed");
  expect(told.closed).toEqual([expect.objectContaining({ audio_s: 1 })]);
});
