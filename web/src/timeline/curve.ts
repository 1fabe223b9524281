/** The scores of a channel over time, and where they lie in the circumplex. */

import type { Measurement, Place, Scores, Segment } from "../api/types.ts";
import { firstAfter } from "./lanes.ts";

/** Steps that never overlap; gaps where nobody speaks. */
export interface Curve {
  channel: number | null;
  starts: number[];
  ends: number[];
  /** For each step a score for each emotion, in the order of the timeline's. */
  scores: number[][];
}

/**
 * The scores of a channel: its measurements or, where there are none, its segments.
 *
 * Windows overlap. Each stands for the part of it that lies nearer to its middle than to that of
 * its neighbours, as in the plots and reports.
 */
export function curve(
  channel: number | null,
  emotions: string[],
  measurements: Measurement[],
  segments: Segment[],
): Curve {
  const mine = (one: { channel?: number }): boolean => (one.channel ?? null) === channel;
  const measured = measurements.filter(mine);
  const heard: { start: number; end: number; scores?: Scores }[] = measured.length
    ? measured
    : segments.filter((segment) => mine(segment) && segment.scores);
  const ordered = [...heard].sort((a, b) => a.start + a.end - b.start - b.end);
  const starts = ordered.map((one) => one.start);
  const ends = ordered.map((one) => one.end);
  for (let i = 0; i + 1 < ordered.length; i++) {
    const [one, next] = [ordered[i], ordered[i + 1]] as [Measurement, Measurement];
    if (next.start >= one.end) continue;
    starts[i + 1] = ends[i] = (one.start + one.end + next.start + next.end) / 4;
  }
  const scores = ordered.map((one) => emotions.map((name) => one.scores?.[name] ?? 0));
  return { channel, starts, ends, scores };
}

/** Mean scores in each column of a view, over what is covered; null where nobody speaks. */
export function means(
  { starts, ends, scores }: Curve,
  from: number,
  to: number,
  columns: number,
): (number[] | null)[] {
  const found: (number[] | null)[] = new Array(columns).fill(null);
  const covered = new Float64Array(columns);
  const scale = columns / (to - from);
  const first = firstAfter(starts.length, (i) => starts[i] as number, from) - 1;
  for (let i = Math.max(0, first); i < starts.length; i++) {
    if ((starts[i] as number) > to) break;
    const left = (Math.max(starts[i] as number, from) - from) * scale;
    const right = (Math.min(ends[i] as number, to) - from) * scale;
    for (let column = Math.floor(left); column < right && column < columns; column++) {
      const weight = Math.min(right, column + 1) - Math.max(left, column);
      if (weight <= 0) continue;
      const sums = (found[column] ??= new Array(scores[i]?.length ?? 0).fill(0));
      scores[i]?.forEach((score, k) => {
        sums[k] = (sums[k] as number) + weight * score;
      });
      covered[column] = (covered[column] as number) + weight;
    }
  }
  return found.map((sums, i) => (sums ? sums.map((sum) => sum / (covered[i] as number)) : null));
}

/** The mean of the emotions' places, weighted by their scores. */
export function circumplex(
  scores: number[],
  emotions: string[],
  places: Record<string, Place>,
): Place {
  let total = 0;
  let valence = 0;
  let arousal = 0;
  emotions.forEach((name, k) => {
    const place = places[name];
    if (!place) return;
    const score = scores[k] ?? 0;
    total += score;
    valence += score * place.valence;
    arousal += score * place.arousal;
  });
  return { valence: valence / (total || 1), arousal: arousal / (total || 1) };
}
