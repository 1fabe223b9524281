/** The path through the circumplex: valence to the right, arousal up (Russell 1980). */

import type { Place } from "../api/types.ts";
import type { Frame } from "./frame.ts";
import { colourOf, inkOn, letters } from "./palette.ts";

export interface Point extends Place {
  time: number;
}

/** How long the bright end of the path is, in seconds. */
const RECENT = 15;

export function plane(
  frame: Frame,
  path: Point[],
  places: [string, Place][],
  position: number,
): void {
  const { pen, colours, width, height } = frame;
  const margin = 22;
  const x = (valence: number): number => margin + ((valence + 1) / 2) * (width - 2 * margin);
  const y = (arousal: number): number => margin + ((1 - arousal) / 2) * (height - 2 * margin);

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

  const trace = (points: Point[], colour: string, thick: number, alpha: number): void => {
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.globalAlpha = alpha;
    pen.beginPath();
    points.forEach((point, i) => {
      if (i) pen.lineTo(x(point.valence), y(point.arousal));
      else pen.moveTo(x(point.valence), y(point.arousal));
    });
    pen.stroke();
    pen.globalAlpha = 1;
  };
  trace(path, colours.ink, 1, 0.28);
  for (const [emotion, place] of places) {
    pen.fillStyle = colourOf(emotion);
    pen.beginPath();
    pen.roundRect(x(place.valence) - 11, y(place.arousal) - 8, 22, 16, 5);
    pen.fill();
    pen.fillStyle = inkOn(colourOf(emotion));
    pen.font = "600 11px system-ui, sans-serif";
    pen.fillText(letters(emotion), x(place.valence), y(place.arousal) + 0.5);
  }

  const past = path.filter((point) => point.time <= position && point.time > position - RECENT);
  trace(past, colours.accent, 2.5, 0.9);
  const now = past.at(-1);
  if (!now) return;
  pen.beginPath();
  pen.arc(x(now.valence), y(now.arousal), 6, 0, 2 * Math.PI);
  pen.fillStyle = colours.accent;
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = colours.panel;
  pen.stroke();
}
