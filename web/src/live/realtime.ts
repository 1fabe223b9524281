/** A live session over `WS /v1/realtime`, taken up again by itself when the connection drops. */

import { address, key } from "../api/client.ts";
import type { Scores, Segment } from "../api/types.ts";
import { pcm16 } from "../audio/wav.ts";

export type Status = "connecting" | "open" | "lost" | "closed";

export interface Measurement {
  /** In seconds since the microphone was opened, through all sessions. */
  start: number;
  end: number;
  emotion: string;
  confidence: number;
  scores: Scores;
  valence: number;
  arousal: number;
  /** From when the last of it was spoken until it is known here, in milliseconds. */
  latency: number;
  /** Of that, the service's part. */
  served: number;
}

export interface Totals {
  audio_s: number;
  measurements: number;
  utterances: number;
  skipped: number;
  bad_frames: number;
  reason: string;
}

/** What happens in a session; times are in seconds since the microphone was opened. */
export interface Listener {
  status: (status: Status, note: string | null) => void;
  started: (time: number) => void;
  measured: (measurement: Measurement) => void;
  ended: (time: number, segments: Segment[]) => void;
  /** A stretch that was not heard, because there was no connection. */
  missed: (from: number, to: number) => void;
  /** The service leaves windows out because it cannot keep up. */
  behind: (lag: number) => void;
  closed: (totals: Totals | null) => void;
}

export interface Wishes {
  model: string;
  threshold: number;
}

type Message = { type: string } & Record<string, unknown>;

/** How much sound waits for a connection before the oldest is given up, in seconds. */
const PATIENCE = 2;
/** With more than this on its way, in seconds, the connection is taken for dead. */
const STALLED = 8;
/** How long the service may take to hear what is left of a session, in milliseconds. */
const PARTING = 30_000;
/** Before the connection is tried again, in milliseconds. */
const DELAYS = [300, 700, 1500, 3000, 5000];
/** After one of these there is nothing to try again. */
const FINAL = new Set(["unauthorised", "forbidden", "bad_message", "too_large"]);

interface Sent {
  /** Samples since the microphone was opened, up to the last of this block. */
  end: number;
  /** When the last of them was heard, on the clock of `performance.now()`. */
  at: number;
}

export class Realtime {
  private socket: WebSocket | null = null;
  private ready = false;
  private tries = 0;
  private retry = 0;
  private stopping = false;
  private waiting: { samples: Float32Array; end: number }[] = [];
  private recent: Sent[] = [];
  private captured = 0;
  /** Where the session's first sample is among all that were captured; null before it. */
  private origin: number | null = null;
  /** Up to where the service has been sent what was captured. */
  private sentTo = 0;
  private final: string | null = null;
  private readonly rate: number;
  private readonly wishes: Wishes;
  private readonly listener: Listener;

  constructor(rate: number, wishes: Wishes, listener: Listener) {
    this.rate = rate;
    this.wishes = wishes;
    this.listener = listener;
    addEventListener("online", this.connectNow);
    this.connect();
  }

  /** Hear the next block of the microphone. */
  feed(samples: Float32Array): void {
    this.captured += samples.length;
    this.recent.push({ end: this.captured, at: performance.now() });
    if (this.recent.length > 1000) this.recent.splice(0, 500);
    if (this.ready && this.socket) {
      this.transmit(samples, this.captured);
      if (this.socket.bufferedAmount > STALLED * 2 * this.rate) this.drop();
      return;
    }
    this.waiting.push({ samples, end: this.captured });
    let total = this.waiting.reduce((sum, one) => sum + one.samples.length, 0);
    while (total > PATIENCE * this.rate) total -= this.waiting.shift()?.samples.length ?? total;
  }

  /** End it; `closed` tells the totals when the service has heard all. */
  stop(): void {
    this.stopping = true;
    removeEventListener("online", this.connectNow);
    clearTimeout(this.retry);
    if (this.ready && this.socket) {
      this.socket.send(JSON.stringify({ type: "session.close" }));
      const socket = this.socket;
      setTimeout(() => socket.close(), PARTING);
    } else {
      this.socket?.close();
      this.listener.status("closed", null);
      this.listener.closed(null);
    }
  }

  /** Leave without a word, for a page that is no longer shown. */
  abandon(): void {
    this.stopping = true;
    removeEventListener("online", this.connectNow);
    clearTimeout(this.retry);
    if (this.socket) this.socket.onclose = this.socket.onmessage = null;
    this.socket?.close();
  }

  private readonly connectNow = (): void => {
    if (this.socket || this.stopping) return;
    clearTimeout(this.retry);
    this.connect();
  };

  private connect(): void {
    const url = address("realtime");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (!this.tries) this.listener.status("connecting", null);
    const socket = new WebSocket(url, "emotone.v1");
    this.socket = socket;
    this.origin = null;
    socket.onmessage = ({ data }: MessageEvent<string>) => this.hear(JSON.parse(data) as Message);
    socket.onclose = ({ code }) => this.lost(code);
  }

  /** Give up a connection over which nothing goes any more. */
  private drop(): void {
    const { socket } = this;
    if (!socket) return;
    socket.onclose = socket.onmessage = null;
    socket.close();
    this.lost(1006);
  }

  private lost(code: number): void {
    const had = this.ready;
    this.socket = null;
    this.ready = false;
    if (this.stopping || this.final !== null) {
      this.listener.status("closed", this.final);
      this.listener.closed(null);
      this.stopping = true;
      return;
    }
    if (had) this.tries = 0;
    const delay = DELAYS[Math.min(this.tries++, DELAYS.length - 1)] as number;
    const why = code === 1013 ? "The service is busy." : "The connection was lost.";
    this.listener.status("lost", why);
    this.retry = window.setTimeout(() => this.connect(), delay);
  }

  private transmit(samples: Float32Array, end: number): void {
    const start = end - samples.length;
    if (this.origin === null) {
      this.origin = start;
      if (this.sentTo && start > this.sentTo) {
        this.listener.missed(this.sentTo / this.rate, start / this.rate);
      }
    }
    this.socket?.send(pcm16(samples));
    this.sentTo = end;
  }

  /** A time of the session as one since the microphone was opened. */
  private time(seconds: unknown): number {
    return (this.origin ?? 0) / this.rate + Number(seconds);
  }

  private latency(end: number): number {
    const sample = end * this.rate;
    const block = this.recent.find((one) => one.end >= sample - 1);
    if (!block) return Number.NaN;
    return performance.now() - block.at + (1000 * (block.end - sample)) / this.rate;
  }

  private hear(message: Message): void {
    switch (message.type) {
      case "session.created": {
        const { model, threshold } = this.wishes;
        const update = {
          type: "session.update",
          rate: this.rate,
          encoding: "pcm_s16le",
          channels: 1,
          ...(key.value ? { key: key.value } : {}),
          ...(model ? { model } : {}),
          ...(threshold ? { threshold } : {}),
        };
        this.socket?.send(JSON.stringify(update));
        break;
      }
      case "session.updated": {
        this.ready = true;
        this.tries = 0;
        const waiting = this.waiting.splice(0);
        for (const { samples, end } of waiting) this.transmit(samples, end);
        this.listener.status("open", null);
        break;
      }
      case "utterance.start":
        this.listener.started(this.time(message["time"]));
        break;
      case "measurement": {
        const end = this.time(message["end"]);
        this.listener.measured({
          start: this.time(message["start"]),
          end,
          emotion: String(message["emotion"]),
          confidence: Number(message["confidence"]),
          scores: message["scores"] as Scores,
          valence: Number(message["valence"]),
          arousal: Number(message["arousal"]),
          latency: this.latency(end),
          served: Number(message["latency_ms"]),
        });
        break;
      }
      case "utterance.end": {
        const segments = (message["segments"] as Segment[]).map((segment) => ({
          ...segment,
          label: null,
          start: this.time(segment.start),
          end: this.time(segment.end),
        }));
        this.listener.ended(this.time(message["time"]), segments);
        break;
      }
      case "behind":
        this.listener.behind(Number(message["lag_s"]));
        break;
      case "error":
        // Before it is ready nothing but what was asked for can be wrong, and would be again.
        if (message["fatal"] ? FINAL.has(String(message["code"])) : !this.ready) {
          this.final = String(message["message"]);
          this.socket?.close();
        }
        break;
      case "session.closed":
        if (this.stopping) {
          this.listener.status("closed", null);
          this.listener.closed(message as unknown as Totals);
          if (this.socket) this.socket.onclose = null;
          this.socket?.close();
          this.socket = null;
        }
        break;
    }
  }
}
