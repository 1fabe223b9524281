/** The last minute of a live session, moving to the left. */

import { KEPT_S, LEVELS, type Session } from "../live/session.ts";
import { clock } from "../timeline/clock.ts";
import type { Frame } from "./frame.ts";
import { colourOf, fill, inkOn, letters } from "./palette.ts";

const SOUND = 44;
const BAND = 26;
const GAP = 6;
const AXIS = 20;

/**
 * Draw it.
 *
 * Each measurement stands for the time up to its end: what is known last is at the right edge.
 *
 * @param emotions In the order in which scores are stacked.
 */
export function live(frame: Frame, session: Session, emotions: string[], threshold: number): void {
  const { pen, colours, width, height, from, to, x } = frame;
  const scores = SOUND + BAND + 2 * GAP;
  const tall = height - scores - AXIS;

  pen.fillStyle = colours.grid;
  pen.globalAlpha = 0.45;
  pen.fillRect(0, scores, width, tall);
  pen.globalAlpha = 1;

  pen.fillStyle = colours.accent;
  const last = session.levels.length;
  for (let i = Math.max(0, last - KEPT_S * LEVELS); i < last; i++) {
    const time = session.time - (last - i) / LEVELS;
    if (time < from - 1) continue;
    const share = Math.min(1, Math.max(0, ((session.levels[i] as number) + 60) / 54));
    const half = Math.max(0.5, (share * SOUND) / 2);
    pen.fillRect(
      x(time),
      SOUND / 2 - half,
      Math.max(1, x(time + 1 / LEVELS) - x(time) - 0.7),
      2 * half,
    );
  }

  let before = -Infinity;
  let named: { emotion: string; from: number; to: number } | null = null;
  const name = (): void => {
    if (!named) return;
    const { emotion } = named;
    const room = named.to - Math.max(0, named.from);
    const text = [emotion, letters(emotion)].find((one) => pen.measureText(one).width + 10 < room);
    if (text) {
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      const middle = (Math.max(0, named.from) + named.to) / 2;
      const size = pen.measureText(text).width + 8;
      pen.fillStyle = colourOf(emotion);
      pen.fillRect(middle - size / 2, SOUND + GAP + 3, size, BAND - 6);
      pen.fillStyle = inkOn(colourOf(emotion));
      pen.fillText(text, middle, SOUND + GAP + BAND / 2 + 0.5);
    }
    named = null;
  };
  for (const one of session.measurements) {
    const start = Math.max(one.start, before);
    // Within an utterance windows overlap: each is known from the end of the one before.
    const left = x(before > one.start ? before : start);
    const right = x(one.end);
    const room = right - left;
    const likeliest = emotions.reduce((a, b) =>
      (one.scores[b] ?? 0) > (one.scores[a] ?? 0) ? b : a,
    );
    if (right > 0 && room > 0) {
      pen.globalAlpha = one.confidence < threshold ? 0.3 : 1;
      fill(pen, likeliest, left, SOUND + GAP, room + 0.5, BAND);
      pen.globalAlpha = 1;
      let bottom = scores + tall;
      for (const emotion of emotions) {
        const size = (one.scores[emotion] ?? 0) * tall;
        bottom -= size;
        if (size >= 0.05) fill(pen, emotion, left, bottom, room + 0.5, size);
      }
      if (named && (named.emotion !== likeliest || left - named.to > 2)) name();
      named ??= { emotion: likeliest, from: left, to: right };
      named.to = right;
    }
    before = one.end;
  }
  name();

  for (const gap of session.missed) {
    const [left, right] = [x(gap.start), x(gap.end)];
    if (right <= 0) continue;
    pen.save();
    pen.beginPath();
    pen.rect(left, SOUND + GAP, right - left, height - SOUND - GAP - AXIS);
    pen.clip();
    pen.strokeStyle = colours.second;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let slant = left - height; slant < right; slant += 7) {
      pen.moveTo(slant, height);
      pen.lineTo(slant + height, 0);
    }
    pen.stroke();
    pen.restore();
  }

  pen.textBaseline = "alphabetic";
  pen.textAlign = "center";
  const step = width < 500 ? 20 : 10;
  for (let time = Math.ceil(Math.max(0, from) / step) * step; time <= to; time += step) {
    const half = pen.measureText(clock(time)).width / 2;
    if (x(time) + half > width || x(time) - half < 0) continue;
    pen.fillStyle = colours.line;
    pen.fillRect(x(time), height - AXIS + 2, 1, 4);
    pen.fillStyle = colours.muted;
    pen.fillText(clock(time), x(time), height - 2);
  }
}
