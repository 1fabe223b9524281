/** The way through the circumplex, as it can be followed by eye. */

import type { Point } from "../draw/plane.ts";

/** What is averaged at least, in seconds, and into how many such stretches the whole is parted. */
const LEAST_S = 6;
const STRETCHES = 24;
/** Points of a stretch. */
const EACH = 6;

/**
 * A path without the jumps from one window to the next: means over some seconds of sound, the nearer
 * the heavier (a triangular window), a few for each such stretch. Where nobody speaks there is
 * nothing to average, so the path leads straight from what was before to what comes after.
 */
export function smooth(points: Point[]): Point[] {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return [];
  const length = last.time - first.time;
  const reach = Math.max(LEAST_S, length / STRETCHES);
  const count = Math.max(1, Math.ceil((length / reach) * EACH));
  const found: Point[] = [];
  let begin = 0;
  for (let i = 0; i <= count; i++) {
    const time = first.time + (length * i) / count;
    while ((points[begin] as Point).time < time - reach && begin + 1 < points.length) begin++;
    let [weights, valence, arousal] = [0, 0, 0];
    for (let k = begin; k < points.length; k++) {
      const point = points[k] as Point;
      const weight = 1 - Math.abs(point.time - time) / reach;
      if (point.time >= time + reach) break;
      if (weight <= 0) continue;
      weights += weight;
      valence += weight * point.valence;
      arousal += weight * point.arousal;
    }
    if (weights > 0) found.push({ time, valence: valence / weights, arousal: arousal / weights });
  }
  return found;
}

/** Where a path is at a time, between its points; null before it begins. */
export function along(path: Point[], time: number): Point | null {
  const next = path.findIndex((point) => point.time > time);
  if (next === 0 || !path.length) return null;
  const before = (next < 0 ? path.at(-1) : path[next - 1]) as Point;
  const after = next < 0 ? before : (path[next] as Point);
  const share = after === before ? 0 : (time - before.time) / (after.time - before.time);
  return {
    time,
    valence: before.valence + share * (after.valence - before.valence),
    arousal: before.arousal + share * (after.arousal - before.arousal),
  };
}

export interface Box {
  x: number;
  y: number;
}

/** Boxes of one size by their middles, pushed from each other until none lies on another. */
export function apart(middles: Box[], width: number, height: number): Box[] {
  const found = middles.map((middle) => ({ ...middle }));
  for (let round = 0; round < 100; round++) {
    let moved = false;
    for (let i = 0; i < found.length; i++) {
      for (let k = i + 1; k < found.length; k++) {
        const [one, other] = [found[i] as Box, found[k] as Box];
        const over = width - Math.abs(one.x - other.x);
        const above = height - Math.abs(one.y - other.y);
        if (over <= 0.01 || above <= 0.01) continue;
        moved = true;
        // The short way out; of two in one place the first goes left.
        if (over < above) {
          const push = ((one.x <= other.x ? -1 : 1) * over) / 2;
          one.x += push;
          other.x -= push;
        } else {
          const push = ((one.y <= other.y ? -1 : 1) * above) / 2;
          one.y += push;
          other.y -= push;
        }
      }
    }
    if (!moved) break;
  }
  return found;
}
