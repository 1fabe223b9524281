/** The segments of one voice as a band of coloured and named stretches. */

import type { Segment } from "../api/types.ts";
import { firstAfter, labelOf } from "../timeline/lanes.ts";
import type { Frame } from "./frame.ts";
import { colourOf, fill, inkOn, letters } from "./palette.ts";

interface Stretch {
  start: number;
  end: number;
  label: string;
  speech: boolean;
  corrected: boolean;
  unsure: boolean;
}

const stretch = (segment: Segment, threshold: number): Stretch => ({
  start: segment.start,
  end: segment.end,
  label: labelOf(segment),
  speech: segment.kind === "speech",
  corrected: segment.label !== null,
  unsure: segment.label === null && (segment.confidence ?? 1) < threshold,
});

/** The segments in view or, where a pixel holds several, what takes most of each. */
function visible(frame: Frame, segments: Segment[], threshold: number): Stretch[] {
  const { from, to, width, x } = frame;
  const startOf = (i: number): number => (segments[i] as Segment).start;
  const first = Math.max(0, firstAfter(segments.length, startOf, from) - 1);
  const found = segments
    .slice(first, firstAfter(segments.length, startOf, to))
    .map((segment) => stretch(segment, threshold));
  if (found.length < width / 2) return found;
  const taken: Map<string, { much: number; of: Stretch }>[] = [];
  for (const one of found) {
    const [left, right] = [Math.max(x(one.start), 0), Math.min(x(one.end), width)];
    for (let column = Math.floor(left); column < right; column++) {
      const kinds = (taken[column] ??= new Map());
      const much = Math.min(right, column + 1) - Math.max(left, column);
      const before = kinds.get(one.label)?.much ?? 0;
      kinds.set(one.label, { much: before + much, of: one });
    }
  }
  const merged: Stretch[] = [];
  const span = (to - from) / width;
  taken.forEach((kinds, column) => {
    const most = [...kinds.values()].reduce((a, b) => (b.much > a.much ? b : a)).of;
    const start = from + column * span;
    const last = merged.at(-1);
    if (last && last.label === most.label && Math.abs(last.end - start) < span / 2) {
      last.end = start + span;
    } else merged.push({ ...most, start, end: start + span });
  });
  return merged;
}

function hatch({ pen, colours, height }: Frame, left: number, right: number): void {
  pen.save();
  pen.beginPath();
  pen.rect(left, 0, right - left, height);
  pen.clip();
  pen.strokeStyle = colours.line;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let slant = Math.floor(left / 6) * 6 - height; slant < right; slant += 6) {
    pen.moveTo(slant, height);
    pen.lineTo(slant + height, 0);
  }
  pen.stroke();
  pen.restore();
}

/**
 * Draw a band.
 *
 * @param threshold Segments less sure than this are pale, with a question mark.
 */
export function band(frame: Frame, segments: Segment[], threshold: number): void {
  const { pen, colours, width, height, x } = frame;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const one of visible(frame, segments, threshold)) {
    const [left, right] = [Math.max(x(one.start), -1), Math.min(x(one.end), width + 1)];
    if (right <= 0) continue;
    if (one.label === "silence") {
      pen.fillStyle = colours.line;
      pen.fillRect(left, height / 2 - 1, right - left, 2);
      continue;
    }
    if (!one.speech && !one.corrected) {
      hatch(frame, left, right);
      continue;
    }
    // A hair of space tells neighbours apart that have one emotion, where there is room for it.
    const room = right - left > 4 ? right - left - 1 : right - left;
    pen.globalAlpha = one.unsure ? 0.3 : 1;
    fill(pen, one.label, left, 0, room, height);
    pen.globalAlpha = 1;
    const mark = `${one.unsure ? "?" : ""}${one.corrected ? " ✓" : ""}`;
    const text = [one.label, letters(one.label)]
      .map((name) => name + mark)
      .find((name) => pen.measureText(name).width + 8 < room);
    if (!text) continue;
    const middle = (Math.max(left, 0) + Math.min(left + room, width)) / 2;
    const size = pen.measureText(text).width + 8;
    if (!one.unsure) {
      // The pattern ends where the name begins: it has to be read.
      pen.fillStyle = colourOf(one.label);
      pen.fillRect(middle - size / 2, 3, size, height - 6);
    }
    pen.fillStyle = one.unsure ? colours.ink : inkOn(colourOf(one.label));
    pen.fillText(text, middle, height / 2 + 0.5);
  }
}
