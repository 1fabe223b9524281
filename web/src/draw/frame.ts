/** What every picture over time is drawn on: a canvas that shows a stretch of a recording. */

import { type Palette, palette } from "./palette.ts";

export interface Frame {
  pen: CanvasRenderingContext2D;
  colours: Palette;
  /** In CSS pixels. */
  width: number;
  height: number;
  /** What is shown, in seconds. */
  from: number;
  to: number;
  /** Where a time is, in CSS pixels. */
  x: (time: number) => number;
}

/** Make a canvas as sharp as the screen, cleared, and give what to draw with; null if it is hidden. */
export function frame(
  canvas: HTMLCanvasElement,
  height: number,
  from: number,
  to: number,
): Frame | null {
  const width = canvas.clientWidth;
  const pen = canvas.getContext("2d");
  if (!width || !pen) return null;
  const density = Math.min(Math.max(devicePixelRatio, 1), 3);
  const [columns, rows] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
    canvas.style.height = `${height}px`;
  }
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  pen.lineJoin = "round";
  const scale = width / (to - from || 1);
  return { pen, colours: palette(), width, height, from, to, x: (time) => (time - from) * scale };
}
