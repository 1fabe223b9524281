/** A mel spectrogram as a picture in the page's own colours. */

import { FLOOR, type Spectrogram } from "../audio/mel.ts";
import { dark } from "../state.ts";
import type { Frame } from "./frame.ts";

type Rgb = [number, number, number];

/** From the quietest to the loudest; lightness rises or falls all the way. */
const LIGHT: Rgb[] = [
  [244, 246, 248],
  [158, 205, 223],
  [38, 133, 175],
  [11, 84, 122],
  [5, 38, 61],
];
const DARK: Rgb[] = [
  [17, 22, 28],
  [12, 62, 92],
  [16, 118, 163],
  [92, 184, 224],
  [226, 245, 255],
];

function shades(stops: Rgb[]): Uint8ClampedArray {
  const found = new Uint8ClampedArray(3 * 256);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const below = Math.min(Math.floor(place), stops.length - 2);
    for (let k = 0; k < 3; k++) {
      const [a, b] = [(stops[below] as Rgb)[k] as number, (stops[below + 1] as Rgb)[k] as number];
      found[3 * i + k] = a + (b - a) * (place - below);
    }
  }
  return found;
}
const inLight = shades(LIGHT);
const inDark = shades(DARK);

const pictures = new WeakMap<Spectrogram, [boolean, HTMLCanvasElement]>();

/** The whole of it, a pixel for each frame and band, low sounds at the bottom. */
function picture(mel: Spectrogram): HTMLCanvasElement {
  const known = pictures.get(mel);
  if (known?.[0] === dark.value) return known[1];
  const canvas = document.createElement("canvas");
  canvas.width = mel.frames;
  canvas.height = mel.bands;
  const pen = canvas.getContext("2d") as CanvasRenderingContext2D;
  const image = pen.createImageData(mel.frames, mel.bands);
  const map = dark.value ? inDark : inLight;
  for (let frame = 0; frame < mel.frames; frame++) {
    for (let band = 0; band < mel.bands; band++) {
      const db = mel.levels[frame * mel.bands + band] as number;
      const shade = 3 * Math.round(255 * Math.min(Math.max(1 - db / FLOOR, 0), 1));
      const at = 4 * ((mel.bands - 1 - band) * mel.frames + frame);
      image.data.set(map.subarray(shade, shade + 3), at);
      image.data[at + 3] = 255;
    }
  }
  pen.putImageData(image, 0, 0);
  pictures.set(mel, [dark.value, canvas]);
  return canvas;
}

export function spectrum({ pen, from, to, width, height }: Frame, mel: Spectrogram): void {
  const whole = picture(mel);
  pen.imageSmoothingQuality = "high";
  const first = Math.max(0, from / mel.step);
  const last = Math.min(mel.frames, to / mel.step);
  const scale = width / (to - from);
  pen.drawImage(
    whole,
    first,
    0,
    Math.max(last - first, 0.01),
    mel.bands,
    (first * mel.step - from) * scale,
    0,
    (last - first) * mel.step * scale,
    height,
  );
}
