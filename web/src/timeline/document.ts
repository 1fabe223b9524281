/** A recording as its view needs it: made once from what the service gives. */

import type { AnalysisWithTimeline, Place, Segment, Timeline } from "../api/types.ts";
import type { Point } from "../draw/plane.ts";
import { percent } from "./clock.ts";
import { type Curve, circumplex, curve } from "./curve.ts";
import { at, type Lane, labelOf, lanes, overruled } from "./lanes.ts";
import { smooth } from "./path.ts";

/** The most points of a path; of a longer recording it is drawn through segments. */
const POINTS = 4000;

export class RecordingDocument {
  readonly timeline: Timeline;
  readonly lanes: Lane[];
  readonly curves: Curve[];
  /** Emotions that lead somewhere, in the vocabulary's order. */
  readonly shown: string[];
  /** Where it is in the circumplex when, by channel, smoothed. */
  readonly paths: { channel: number | null; points: Point[] }[];

  constructor(
    analysis: AnalysisWithTimeline & { timeline: Timeline },
    places: Record<string, Place>,
  ) {
    const { timeline } = analysis;
    this.timeline = timeline;
    this.lanes = lanes(timeline.segments);
    const channels = [...new Set(this.lanes.map((lane) => lane.channel))];
    this.curves = channels.map((channel) =>
      curve(channel, timeline.emotions, timeline.measurements, timeline.segments),
    );
    const leading = new Set<string>();
    for (const segment of timeline.segments) {
      if (segment.kind === "speech" || segment.label) leading.add(labelOf(segment));
      if (segment.emotion) leading.add(segment.emotion);
    }
    this.shown = [
      ...timeline.emotions.filter((name) => leading.has(name)),
      ...[...leading].filter((name) => !timeline.emotions.includes(name)),
    ];
    this.paths = this.curves.map((one) => ({
      channel: one.channel,
      points: smooth(pathOf(one, timeline, places)),
    }));
  }

  /** What is heard at a time, a line for each voice. */
  heard(time: number): string[] {
    return this.lanes.flatMap((lane) => {
      const segment = at(lane, time);
      if (!segment) return [];
      const sure =
        segment.label === null && segment.confidence !== undefined
          ? ` ${percent(segment.confidence)}`
          : "";
      const who = lane.name && this.lanes.length > 1 ? `${lane.name}: ` : "";
      const said = overruled(segment) ? " (corrected)" : " (confirmed)";
      return [`${who}${labelOf(segment)}${sure}${segment.label === null ? "" : said}`];
    });
  }

  /** What the first voice says that speaks at a time: of one channel, or of all. */
  speech(time: number, channel?: number | null): Segment | null {
    for (const lane of this.lanes) {
      if (channel !== undefined && lane.channel !== channel) continue;
      const segment = at(lane, time);
      if (segment?.kind === "speech") return segment;
    }
    return null;
  }
}

function pathOf(one: Curve, timeline: Timeline, places: Record<string, Place>): Point[] {
  if (one.starts.length <= POINTS) {
    return one.starts.map((start, i) => ({
      time: (start + (one.ends[i] as number)) / 2,
      ...circumplex(one.scores[i] as number[], timeline.emotions, places),
    }));
  }
  const said = timeline.segments.filter(
    (segment) => (segment.channel ?? null) === one.channel && segment.valence !== undefined,
  );
  const stride = Math.ceil(said.length / POINTS);
  return said
    .filter((_, i) => i % stride === 0)
    .map(({ start, end, valence = 0, arousal = 0 }) => ({
      time: (start + end) / 2,
      valence,
      arousal,
    }));
}

/** Share of speech of each label, as corrected; how many labels were, and how many there are. */
export function shares(segments: Segment[]): {
  shares: Record<string, number>;
  corrected: number;
  labelled: number;
} {
  const seconds: Record<string, number> = Object.create(null);
  let all = 0;
  let corrected = 0;
  let labelled = 0;
  for (const segment of segments) {
    if (segment.label !== null) labelled++;
    if (overruled(segment)) corrected++;
    if (segment.kind !== "speech") continue;
    const length = segment.end - segment.start;
    seconds[labelOf(segment)] = (seconds[labelOf(segment)] ?? 0) + length;
    all += length;
  }
  for (const name of Object.keys(seconds)) seconds[name] = (seconds[name] ?? 0) / (all || 1);
  return { shares: seconds, corrected, labelled };
}
