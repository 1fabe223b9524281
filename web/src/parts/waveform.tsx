/** The waveform, in the colours of what is heard in it; it can be clicked, dragged and zoomed. */

import { type Signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import WaveSurfer from "wavesurfer.js";
import { palette } from "../draw/palette.ts";
import { dark } from "../state.ts";
import style from "../style/waveform.css?inline";
import type { Playhead } from "../timeline/playhead.ts";

/** What is shown of a recording, in seconds. */
export interface View {
  from: number;
  to: number;
}

const BAR = 2;
const GAP = 1;

interface Props {
  /** For each channel amplitudes from 0 to 1, in bins of equal length over the whole. */
  channels: Float32Array[];
  playhead: Playhead;
  /** The colour of a channel at a time; null for that of sound in which nobody speaks. */
  colour: (time: number, channel: number) => string | null;
  /** Redrawn when it changes. */
  version?: unknown;
  /** Of each channel. */
  height: number;
  /** How many times closer than the whole. */
  zoom?: Signal<number>;
  /** Told what is in view. */
  view?: Signal<View>;
  /** Where the view is asked to begin, in seconds; null leaves it where it is. */
  begin?: Signal<number | null>;
}

/** What is most often given for places within a bar, from 0 to 1; null only if nothing is. */
function mostOf(of: (share: number) => string | null): string | null {
  const counts = new Map<string, number>();
  for (const share of [0, 0.25, 0.5, 0.75]) {
    const found = of(share);
    if (found !== null) counts.set(found, (counts.get(found) ?? 0) + 1);
  }
  return [...counts].reduce<[string | null, number]>((a, b) => (b[1] > a[1] ? b : a), [null, 0])[0];
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(style);

export function Waveform({
  channels,
  playhead,
  colour,
  version,
  height,
  zoom,
  view,
  begin,
}: Props) {
  const host = useRef<HTMLDivElement>(null);
  const surfer = useRef<WaveSurfer | null>(null);
  const colourAt = useRef(colour);
  colourAt.current = colour;

  useEffect(() => {
    const container = host.current;
    if (!container) return;
    const { duration } = playhead;
    const loudest = channels.reduce(
      (most, peaks) => peaks.reduce((a, b) => Math.max(a, b), most),
      1e-4,
    );
    let made: WaveSurfer | null = null;
    const before = view?.value.from ?? 0;

    /** One canvas of several: where it stands says which part of the recording it shows. */
    const draw = (
      channel: number,
      parts: (Float32Array | number[])[],
      pen: CanvasRenderingContext2D,
    ): void => {
      const values = parts[0] ?? [];
      const { canvas } = pen;
      const scale = canvas.width / (Number.parseFloat(canvas.style.width) || 1);
      const left = Number.parseFloat(canvas.style.left) || 0;
      const whole = made?.getWrapper().clientWidth || container.clientWidth || 1;
      const { line, muted } = palette();
      const step = (BAR + GAP) * scale;
      // Bars of neighbouring canvases keep their distance.
      const first = (Math.ceil(left / (BAR + GAP)) * (BAR + GAP) - left) * scale;
      for (let x = first; x < canvas.width; x += step) {
        const begin = Math.floor((x / canvas.width) * values.length);
        const end = Math.max(begin + 1, Math.floor(((x + step) / canvas.width) * values.length));
        let peak = 0;
        for (let i = begin; i < end && i < values.length; i++) {
          peak = Math.max(peak, Math.abs(values[i] as number));
        }
        const time = ((left + x / scale) / whole) * duration;
        // Softened, or a single shout would leave nothing to be seen of the rest.
        const share = (peak / loudest) ** 0.6;
        const size = Math.max(scale, share * (canvas.height - 2 * scale));
        const span = (step / scale / whole) * duration;
        const most = mostOf((share) => colourAt.current(time + share * span, channel));
        pen.fillStyle = most ?? (peak > 0.02 * loudest ? muted : line);
        pen.beginPath();
        pen.roundRect(x, (canvas.height - size) / 2, BAR * scale, size, (BAR * scale) / 2);
        pen.fill();
      }
    };

    made = WaveSurfer.create({
      container,
      peaks: channels,
      duration,
      height,
      cursorWidth: 2,
      cursorColor: palette().ink,
      dragToSeek: { debounceTime: 0 },
      hideScrollbar: false,
      autoCenter: false,
      splitChannels: channels.map((_, i) => ({
        renderFunction: (parts, pen) => draw(i, parts, pen),
      })),
    });
    surfer.current = made;
    const root = made.getWrapper().getRootNode() as ShadowRoot;
    root.adoptedStyleSheets = [sheet];
    const scroller = root.querySelector(".scroll");
    scroller?.setAttribute("tabindex", "-1");
    made.on("interaction", (time) => {
      playhead.seek(time);
    });
    const told = (): void => {
      if (!made || !view) return;
      const [all, seen] = [made.getWrapper().clientWidth || 1, made.getWidth() || 1];
      const from = (made.getScroll() / all) * duration;
      view.value = { from, to: Math.min(duration, from + (seen / all) * duration) };
    };
    made.on("scroll", told);
    made.on("redrawcomplete", told);
    made.on("ready", () => {
      applyZoom();
      // Made anew, as when its sound arrives, it shows what was in view before.
      if ((zoom?.value ?? 1) > 1) made?.setScrollTime(before);
      told();
    });
    return () => {
      surfer.current = null;
      made?.destroy();
    };
  }, [channels, playhead, height]);

  const applyZoom = (): void => {
    const closer = zoom?.value ?? 1;
    const now = surfer.current;
    const seen = now?.getWidth() ?? 0;
    if (!now?.getDecodedData() || !seen) return;
    now.zoom(closer <= 1 ? 0 : (closer * seen) / playhead.duration);
    if (closer > 1) {
      const span = playhead.duration / closer;
      now.setScrollTime(Math.max(0, playhead.position.value - span / 2));
    }
  };
  useSignalEffect(applyZoom);

  useSignalEffect(() => {
    const wanted = begin?.value ?? null;
    if (wanted !== null) surfer.current?.setScrollTime(Math.max(0, wanted));
  });

  // It shows where the player is, and has no sound of its own.
  useSignalEffect(() => {
    surfer.current?.setTime(playhead.position.value);
  });

  useEffect(() => {
    surfer.current?.setOptions({ cursorColor: palette().ink });
  }, [dark.value, version]);

  return <div class="waveform" ref={host} aria-hidden="true" />;
}
