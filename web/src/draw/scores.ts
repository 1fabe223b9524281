/** Scores over time: stacked shares, and the lines of valence and arousal. */

import type { Place } from "../api/types.ts";
import { type Curve, circumplex, means } from "../timeline/curve.ts";
import type { Frame } from "./frame.ts";
import { paint } from "./palette.ts";

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
  const floors = columns.map(() => height);
  emotions.forEach((emotion, k) => {
    const tops = columns.map((shares, i) => {
      const total = shares?.reduce((sum, share) => sum + share, 0) || 1;
      return (floors[i] as number) - ((shares?.[k] ?? 0) / total) * height;
    });
    // One shape for each stretch of speech: columns by themselves would show their seams.
    pen.beginPath();
    for (let first = 0; first < columns.length; first++) {
      if (!columns[first]) continue;
      let end = first;
      while (columns[end]) end++;
      pen.moveTo(first, tops[first] as number);
      for (let i = first; i < end; i++) {
        pen.lineTo(i, tops[i] as number);
        pen.lineTo(i + 1, tops[i] as number);
      }
      for (let i = end - 1; i >= first; i--) {
        pen.lineTo(i + 1, floors[i] as number);
        pen.lineTo(i, floors[i] as number);
      }
      pen.closePath();
      first = end;
    }
    paint(pen, emotion);
    floors.splice(0, floors.length, ...tops);
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
