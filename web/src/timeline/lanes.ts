/** The segments of a recording by voice, and which of them are heard when. */

import type { Segment } from "../api/types.ts";
import { capital } from "./clock.ts";

/** The segments of one voice, which never overlap. */
export interface Lane {
  key: string;
  /** "Channel 1, speaker 2", or as much of it as there is; "" for one voice alone. */
  name: string;
  channel: number | null;
  segments: Segment[];
}

/** What a segment is taken for: a person's correction, else the model's answer, else its kind. */
export function labelOf(segment: Segment): string {
  return segment.label ?? segment.emotion ?? segment.kind;
}

/** Whether a person says something else than the model; a label may also confirm its answer. */
export function overruled(segment: Segment): boolean {
  return segment.label !== null && segment.label !== segment.emotion;
}

/** A lane for each channel, or for each of its speakers where they were told apart. */
export function lanes(segments: Segment[]): Lane[] {
  const channels = [...new Set(segments.map((segment) => segment.channel ?? null))];
  const found: Lane[] = [];
  for (const channel of channels) {
    const here = segments.filter((segment) => (segment.channel ?? null) === channel);
    const said = here.filter((segment) => segment.kind === "speech");
    const speakers = [...new Set(said.map((segment) => segment.speaker ?? null))];
    for (const speaker of speakers.length ? speakers : [null]) {
      // Silence and other sound belong to every speaker of the channel.
      const mine = here.filter((s) => s.kind !== "speech" || (s.speaker ?? null) === speaker);
      const parts = [
        ...(channel === null ? [] : [`channel ${channel}`]),
        ...(speaker === null ? [] : [speaker]),
      ];
      const name = parts.join(", ");
      found.push({
        key: `${channel} ${speaker}`,
        name: capital(name),
        channel,
        segments: mine,
      });
    }
  }
  return found;
}

/** The index of the first of a rising sequence that begins after a time. */
export function firstAfter(count: number, startOf: (i: number) => number, time: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (startOf(middle) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What is heard in a lane at a time. */
export function at(lane: Lane, time: number): Segment | null {
  const { segments } = lane;
  // A player that is sent to the beginning of a segment may stand a hair before it.
  const here = time + 0.0015;
  const last = firstAfter(segments.length, (i) => (segments[i] as Segment).start, here) - 1;
  const found = segments[last];
  return found && here < found.end ? found : null;
}
