/** Colours and patterns of emotions: no emotion is told by colour alone. */

import { dark, service } from "../state.ts";

/** The page's own colours, as the style sheet has them now. */
export interface Palette {
  ink: string;
  muted: string;
  line: string;
  grid: string;
  panel: string;
  accent: string;
  second: string;
}

export function palette(): Palette {
  void dark.value; // whoever draws with it draws again when the theme changes
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: read("ink"),
    muted: read("muted"),
    line: read("line"),
    grid: read("grid"),
    panel: read("panel"),
    accent: read("accent"),
    second: read("second"),
  };
}

/** A label may be any word, one that every object knows too, such as "constructor". */
export function colourOf(emotion: string): string {
  const colours = service.value?.colours ?? {};
  return (Object.hasOwn(colours, emotion) && colours[emotion]) || "#5F5F5F";
}

const SHORT = new Map([
  ["non-speech", "··"],
  ["silence", "–"],
  ["uncertain", "?"],
]);

/** Two letters for an emotion, where there is no room for its name. */
export function letters(emotion: string): string {
  return SHORT.get(emotion) ?? emotion.slice(0, 1).toUpperCase() + emotion.slice(1, 2);
}

/** Black or white, whichever reads better on a colour (WCAG relative luminance). */
export function inkOn(hex: string): "#000" | "#fff" {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
    const c = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff";
}

const TILE = 8;
type Stroke = (pen: CanvasRenderingContext2D) => void;

const slash = (pen: CanvasRenderingContext2D): void => {
  for (const shift of [-TILE, 0, TILE]) {
    pen.moveTo(shift, TILE);
    pen.lineTo(shift + TILE, 0);
  }
};
const backslash = (pen: CanvasRenderingContext2D): void => {
  for (const shift of [-TILE, 0, TILE]) {
    pen.moveTo(shift, 0);
    pen.lineTo(shift + TILE, TILE);
  }
};
const level = (pen: CanvasRenderingContext2D): void => {
  pen.moveTo(0, TILE / 2);
  pen.lineTo(TILE, TILE / 2);
};
const upright = (pen: CanvasRenderingContext2D): void => {
  pen.moveTo(TILE / 2, 0);
  pen.lineTo(TILE / 2, TILE);
};
const dot = (pen: CanvasRenderingContext2D): void => {
  pen.moveTo(TILE / 2 + 0.9, TILE / 2);
  pen.arc(TILE / 2, TILE / 2, 0.9, 0, 2 * Math.PI);
};
const tooth = (pen: CanvasRenderingContext2D): void => {
  pen.moveTo(0, 6);
  pen.lineTo(TILE / 2, 2);
  pen.lineTo(TILE, 6);
};
const both =
  (...strokes: Stroke[]): Stroke =>
  (pen) => {
    for (const stroke of strokes) stroke(pen);
  };

/** One for each emotion of the vocabulary in its order; the first has none. */
const STROKES: (Stroke | null)[] = [
  null,
  level,
  dot,
  backslash,
  slash,
  both(slash, backslash),
  upright,
  tooth,
  both(level, upright),
  both(level, dot),
];

const made = new Map<string, CanvasPattern | null>();

/** The pattern that lies over an emotion's colour; null for plain. */
export function patternOf(emotion: string, pen: CanvasRenderingContext2D): CanvasPattern | null {
  const known = made.get(emotion);
  if (known !== undefined) return known;
  const order = service.value?.emotions.indexOf(emotion) ?? -1;
  const stroke = STROKES[order < 0 ? STROKES.length - 1 : order % STROKES.length] ?? null;
  let pattern: CanvasPattern | null = null;
  const tile = document.createElement("canvas");
  const on = tile.getContext("2d");
  if (stroke && on) {
    tile.width = tile.height = 2 * TILE;
    on.scale(2, 2);
    on.globalAlpha = 0.24;
    on.strokeStyle = inkOn(colourOf(emotion));
    on.lineWidth = 1;
    on.beginPath();
    stroke(on);
    on.stroke();
    pattern = pen.createPattern(tile, "repeat");
    pattern?.setTransform(new DOMMatrix().scale(0.5));
  }
  made.set(emotion, pattern);
  return pattern;
}

/** Fill the path with an emotion's colour and pattern. */
export function paint(pen: CanvasRenderingContext2D, emotion: string): void {
  pen.fillStyle = colourOf(emotion);
  pen.fill();
  const pattern = patternOf(emotion, pen);
  if (!pattern) return;
  pen.fillStyle = pattern;
  pen.fill();
}

/** Fill a rectangle with an emotion's colour and pattern. */
export function fill(
  pen: CanvasRenderingContext2D,
  emotion: string,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  pen.beginPath();
  pen.rect(x, y, width, height);
  paint(pen, emotion);
}
