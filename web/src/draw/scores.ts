/** Scores over time: stacked shares, and the lines of valence and arousal. */

import type { Place } from "../api/types.ts";
import { type Curve, circumplex, means } from "../timeline/curve.ts";
import type { Frame } from "./frame.ts";
import { fill } from "./palette.ts";

function ground({ pen, colours, width, height }: Frame): void {
  pen.fillStyle = colours.grid;
  pen.globalAlpha = 0.45;
  pen.fillRect(0, 0, width, height);
  pen.globalAlpha = 1;
}

/** The score of each emotion, stacked to 100 %. */
export function stack(frame: Frame, curve: Curve, emotions: string[]): void {
  const { pen, from, to, width, height } = frame;
  ground(frame);
  const columns = means(curve, from, to, Math.ceil(width));
  // By emotion and not by column: runs of columns share a fill and its pattern.
  const floors = columns.map(() => height);
  emotions.forEach((emotion, k) => {
    columns.forEach((shares, left) => {
      if (!shares) return;
      const total = shares.reduce((sum, share) => sum + share, 0) || 1;
      const tall = ((shares[k] ?? 0) / total) * height;
      floors[left] = (floors[left] as number) - tall;
      if (tall >= 0.05) fill(pen, emotion, left, floors[left] as number, 1.02, tall);
    });
  });
}

/** Valence as a line and arousal as a broken one, from -1 at the bottom to 1 at the top. */
export function lines(
  frame: Frame,
  curve: Curve,
  emotions: string[],
  places: Record<string, Place>,
): void {
  const { pen, colours, from, to, width, height } = frame;
  ground(frame);
  pen.fillStyle = colours.line;
  pen.fillRect(0, height / 2, width, 1);
  const columns = means(curve, from, to, Math.ceil(width)).map(
    (shares) => shares && circumplex(shares, emotions, places),
  );
  for (const name of ["valence", "arousal"] as const) {
    pen.strokeStyle = name === "valence" ? colours.accent : colours.second;
    pen.lineWidth = 1.7;
    pen.setLineDash(name === "valence" ? [] : [5, 2]);
    pen.beginPath();
    let drawing = false;
    columns.forEach((place, left) => {
      if (!place) {
        drawing = false;
        return;
      }
      const y = (height / 2) * (1 - 0.94 * place[name]);
      // A column alone is a short stroke: a point would not be seen.
      if (drawing) pen.lineTo(left + 0.5, y);
      else pen.moveTo(left - 0.5, y);
      pen.lineTo(left + 1, y);
      drawing = true;
    });
    pen.stroke();
    pen.setLineDash([]);
  }
}
