/** A live session as the page shows it: microphone, connection, and what was heard so far. */

import { type Signal, signal } from "@preact/signals";
import type { Segment } from "../api/types.ts";
import { type Capture, capture, level } from "../audio/capture.ts";
import { pcm16, wav } from "../audio/wav.ts";
import { preferences } from "../state.ts";
import { type Measurement, Realtime, type Status, type Totals } from "./realtime.ts";

/** A stretch of time, in seconds since the microphone was opened. */
export interface Span {
  start: number;
  end: number;
}

/** How far back the moving picture may look, in seconds. */
export const KEPT_S = 120;

/** Levels are kept for each of so many parts of a second. */
export const LEVELS = 25;

export class Session {
  readonly status: Signal<Status> = signal("connecting");
  /** What is to be said of the connection. */
  readonly note: Signal<string | null> = signal(null);
  readonly reconnections: Signal<number> = signal(0);
  readonly now: Signal<Measurement | null> = signal(null);
  readonly speaking: Signal<boolean> = signal(false);
  /** From the air to the screen, and of that the service's part, in milliseconds. */
  readonly latency: Signal<number | null> = signal(null);
  readonly served: Signal<number | null> = signal(null);
  readonly lag: Signal<number> = signal(0);
  /** Of the sound that comes in, in dB relative to full scale. */
  readonly level: Signal<number> = signal(-100);
  /** Whole seconds since the microphone was opened. */
  readonly seconds: Signal<number> = signal(0);
  /** All segments of utterances that are over. */
  readonly segments: Signal<Segment[]> = signal([]);
  readonly totals: Signal<Totals | null> = signal(null);
  readonly running: Signal<boolean> = signal(true);

  /** For the moving picture, which is drawn anew in each frame anyway. */
  readonly measurements: Measurement[] = [];
  readonly missed: Span[] = [];
  readonly levels: number[] = [];
  /** Seconds since the microphone was opened, and when that was known. */
  time = 0;
  timeAt = 0;

  private microphone: Capture | null = null;
  private realtime: Realtime | null = null;
  private readonly kept: Int16Array<ArrayBuffer>[] | null;
  private samples = 0;

  /** @param keep Whether the sound is kept in this tab, to be made a recording afterwards. */
  constructor(keep: boolean) {
    this.kept = keep ? [] : null;
  }

  /** Open the microphone and the connection; throws a `MicrophoneError`. */
  async start(device: string | null): Promise<void> {
    const microphone = await capture(
      device,
      (block) => this.hear(block),
      () => {
        this.note.value = "The microphone is gone.";
        this.stop();
      },
    );
    if (!this.running.value) {
      microphone.stop(); // the page was left meanwhile
      return;
    }
    this.microphone = microphone;
    const { model, threshold } = preferences.value;
    this.realtime = new Realtime(
      microphone.rate,
      { model, threshold },
      {
        status: (status, note) => {
          if (status === "open" && this.status.value === "lost") this.reconnections.value++;
          if (status !== "open") this.speaking.value = false;
          this.status.value = status;
          this.note.value = note ?? (status === "open" ? null : this.note.value);
          if (status === "closed") this.release();
        },
        started: () => {
          this.speaking.value = true;
        },
        measured: (measurement) => this.measured(measurement),
        ended: (_, segments) => {
          this.speaking.value = false;
          this.segments.value = [...this.segments.value, ...segments];
        },
        missed: (start, end) => this.missed.push({ start, end }),
        behind: (lag) => {
          this.lag.value = lag;
        },
        closed: (totals) => {
          this.totals.value = totals;
        },
      },
    );
  }

  /** Stop hearing; the totals come when the service has heard all. */
  stop(): void {
    this.microphone?.stop();
    this.microphone = null;
    this.level.value = -100;
    this.speaking.value = false;
    if (this.running.value) this.realtime?.stop();
    this.running.value = false;
  }

  /** Let go of everything at once, for a page that is no longer shown. */
  abandon(): void {
    this.microphone?.stop();
    this.microphone = null;
    this.realtime?.abandon();
    this.running.value = false;
  }

  /** What was heard as a WAV file; null if it was not kept. */
  recording(): Blob | null {
    return this.kept?.length ? wav(this.kept, this.rate) : null;
  }

  private rate = 0;

  private release(): void {
    this.microphone?.stop();
    this.microphone = null;
    this.running.value = false;
  }

  private hear(block: Float32Array): void {
    if (!this.microphone) return;
    this.rate = this.microphone.rate;
    this.samples += block.length;
    this.time = this.samples / this.rate;
    this.timeAt = performance.now();
    this.level.value = level(block);
    this.levels.push(this.level.value);
    if (this.levels.length > 2 * KEPT_S * LEVELS) this.levels.splice(0, KEPT_S * LEVELS);
    const seconds = Math.floor(this.time);
    if (seconds !== this.seconds.value) this.seconds.value = seconds;
    this.kept?.push(pcm16(block));
    this.realtime?.feed(block);
  }

  private measured(measurement: Measurement): void {
    this.now.value = measurement;
    this.measurements.push(measurement);
    this.lag.value = 0;
    while ((this.measurements[0]?.end ?? Infinity) < this.time - KEPT_S) this.measurements.shift();
    // The middle of the last ones: a figure that can be read.
    const last = this.measurements.slice(-9).filter((one) => Number.isFinite(one.latency));
    if (!last.length) return;
    this.latency.value = median(last.map((one) => one.latency));
    this.served.value = median(last.map((one) => one.served));
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}
