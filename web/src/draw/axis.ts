/** The axis of time. */

import { clock } from "../timeline/clock.ts";
import type { Frame } from "./frame.ts";

const STEPS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800,
];

export function axis({ pen, colours, width, from, to, x }: Frame): void {
  const most = Math.max(2, Math.floor(width / 80));
  const step = STEPS.find((each) => (to - from) / each <= most) ?? 86_400;
  pen.textBaseline = "alphabetic";
  pen.textAlign = "center";
  for (let i = Math.ceil(from / step - 1e-6); i * step <= to + 1e-6; i++) {
    const place = x(i * step);
    const text = clock(i * step, step < 1 ? 1 : 0);
    const half = pen.measureText(text).width / 2;
    pen.fillStyle = colours.line;
    pen.fillRect(Math.min(Math.max(place, 0), width - 1), 0, 1, 5);
    pen.fillStyle = colours.muted;
    pen.fillText(text, Math.min(Math.max(place, half), width - half), 18);
  }
}
