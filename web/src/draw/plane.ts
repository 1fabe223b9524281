/** The path through the circumplex: valence to the right, arousal up (Russell 1980). */

import type { Place } from "../api/types.ts";
import { along, apart, type Box } from "../timeline/path.ts";
import type { Frame } from "./frame.ts";
import { colourOf, inkOn, letters } from "./palette.ts";

export interface Point extends Place {
  time: number;
}

/** How long the bright trail behind now is, in seconds. */
const RECENT = 15;
/** Of a label, in CSS pixels. */
const [WIDE, HIGH] = [24, 17];
const MARGIN = 22;

export function plane(
  frame: Frame,
  path: Point[],
  places: [string, Place][],
  position: number,
): void {
  const { pen, colours, width, height } = frame;
  const x = (valence: number): number => MARGIN + ((valence + 1) / 2) * (width - 2 * MARGIN);
  const y = (arousal: number): number => MARGIN + ((1 - arousal) / 2) * (height - 2 * MARGIN);
  const on = (point: Place): Box => ({ x: x(point.valence), y: y(point.arousal) });

  axes(frame, x, y);
  const spots = places.map(([, place]) => on(place));
  const boxes = apart(spots, WIDE + 2, HIGH + 2);
  pen.strokeStyle = colours.muted;
  pen.lineWidth = 1;
  boxes.forEach((box, i) => {
    const spot = spots[i] as Box;
    if (Math.hypot(box.x - spot.x, box.y - spot.y) < 2) return;
    pen.beginPath();
    pen.moveTo(box.x, box.y);
    pen.lineTo(spot.x, spot.y);
    pen.stroke();
  });

  const curve = path.map(on);
  // Each piece by itself: what is long ago is fainter.
  curve.forEach((_, i) => {
    if (!i) return;
    const age = i / (curve.length - 1 || 1);
    trace(pen, curve, i, colours.ink, 1 + 1.5 * age, 0.1 + 0.6 * age ** 1.5);
  });
  places.forEach(([emotion], i) => {
    const { x: left, y: top } = boxes[i] as Box;
    pen.fillStyle = colourOf(emotion);
    pen.beginPath();
    pen.roundRect(left - WIDE / 2, top - HIGH / 2, WIDE, HIGH, 5);
    pen.fill();
    pen.fillStyle = inkOn(colourOf(emotion));
    pen.font = "600 11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(letters(emotion), left, top + 0.5);
  });

  const [first, last] = [curve[0], curve.at(-1)];
  if (!first || !last) return;
  path.forEach((point, i) => {
    if (i && point.time <= position && point.time > position - RECENT)
      trace(pen, curve, i, colours.accent, 3, 0.95);
  });
  pen.lineWidth = 2;
  pen.fillStyle = colours.panel;
  pen.strokeStyle = colours.ink;
  pen.beginPath();
  pen.arc(first.x, first.y, 4.5, 0, 2 * Math.PI);
  pen.fill();
  pen.stroke();
  pen.fillStyle = colours.ink;
  pen.strokeStyle = colours.panel;
  pen.beginPath();
  pen.rect(last.x - 4.5, last.y - 4.5, 9, 9);
  pen.fill();
  pen.stroke();
  const here = along(path, position);
  if (!here) return;
  const now = on(here);
  pen.fillStyle = colours.accent;
  pen.beginPath();
  pen.arc(now.x, now.y, 6.5, 0, 2 * Math.PI);
  pen.fill();
  pen.stroke();
}

function axes(
  { pen, colours, height }: Frame,
  x: (valence: number) => number,
  y: (arousal: number) => number,
): void {
  pen.strokeStyle = colours.grid;
  pen.lineWidth = 1;
  pen.strokeRect(x(-1) + 0.5, y(1) + 0.5, x(1) - x(-1), y(-1) - y(1));
  pen.strokeStyle = colours.line;
  pen.beginPath();
  pen.moveTo(x(-1), y(0));
  pen.lineTo(x(1), y(0));
  pen.moveTo(x(0), y(-1));
  pen.lineTo(x(0), y(1));
  pen.stroke();
  pen.fillStyle = colours.muted;
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.fillText("unpleasant", x(-1), height - 9);
  pen.textAlign = "right";
  pen.fillText("pleasant", x(1), height - 9);
  pen.textAlign = "center";
  pen.fillText("agitated", x(0), 10);
  pen.fillText("at rest", x(0), height - 9);
}

/** The piece of a curve that leads to one of its points, round at both ends (Catmull and Rom). */
function trace(
  pen: CanvasRenderingContext2D,
  curve: Box[],
  i: number,
  colour: string,
  thick: number,
  alpha: number,
): void {
  const [from, to] = [curve[i - 1] as Box, curve[i] as Box];
  const [before, after] = [curve[i - 2] ?? from, curve[i + 1] ?? to];
  pen.strokeStyle = colour;
  pen.lineWidth = thick;
  pen.globalAlpha = alpha;
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.bezierCurveTo(
    from.x + (to.x - before.x) / 6,
    from.y + (to.y - before.y) / 6,
    to.x - (after.x - from.x) / 6,
    to.y - (after.y - from.y) / 6,
    to.x,
    to.y,
  );
  pen.stroke();
  pen.globalAlpha = 1;
}
