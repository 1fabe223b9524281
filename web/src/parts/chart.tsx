/** A picture over time below the waveform: it shows the same stretch and has the same cursor. */

import { type ReadonlySignal, useSignalEffect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Frame, frame } from "../draw/frame.ts";
import { dark } from "../state.ts";
import { clock } from "../timeline/clock.ts";
import type { Playhead } from "../timeline/playhead.ts";
import type { View } from "./waveform.tsx";

interface Props {
  caption?: ComponentChildren;
  height: number;
  view: ReadonlySignal<View>;
  playhead: Playhead;
  draw: (frame: Frame) => void;
  /** Redrawn when it changes. */
  version?: unknown;
  /** Whether it has the cursor too; the axis has none. */
  pointed?: boolean;
  /** What is at a time, for whoever points at it. */
  tell?: (time: number) => string[];
}

export function Chart({
  caption,
  height,
  view,
  playhead,
  draw,
  version,
  tell,
  pointed = true,
}: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const cursor = useRef<HTMLDivElement>(null);
  const drawing = useRef(draw);
  drawing.current = draw;
  const [tip, setTip] = useState<{ x: number; lines: string[] } | null>(null);

  const paint = (): void => {
    const { from, to } = view.value;
    if (!canvas.current || to <= from) return;
    const on = frame(canvas.current, height, from, to);
    if (on) drawing.current(on);
  };
  useSignalEffect(paint);
  useEffect(paint, [version, dark.value, height]);
  useEffect(() => {
    if (!canvas.current) return;
    const observer = new ResizeObserver(paint);
    observer.observe(canvas.current);
    return () => observer.disconnect();
  }, []);
  useSignalEffect(() => {
    const { from, to } = view.value;
    const share = (playhead.position.value - from) / (to - from || 1);
    if (!cursor.current) return;
    cursor.current.hidden = share < 0 || share > 1;
    cursor.current.style.left = `${100 * share}%`;
  });

  const timeAt = (event: PointerEvent): number => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const { from, to } = view.value;
    return from + (to - from) * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  };
  const point = (event: PointerEvent): void => {
    const time = timeAt(event);
    if (event.buttons & 1) playhead.seek(time);
    if (!tell || event.pointerType === "touch") return;
    const box = (event.currentTarget as Element).getBoundingClientRect();
    setTip({ x: event.clientX - box.left, lines: [clock(time, 1), ...tell(time)] });
  };

  return (
    <figure class="chart">
      {caption && <figcaption>{caption}</figcaption>}
      {/* What it shows is in the table, and the player moves the cursor by keys. */}
      <div
        class="plot"
        aria-hidden="true"
        onPointerDown={(event) => {
          if (event.button) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          playhead.seek(timeAt(event));
        }}
        onPointerMove={point}
        onPointerLeave={() => setTip(null)}
      >
        <canvas ref={canvas} height={height} />
        {pointed && <div class="cursor" ref={cursor} />}
        {tip && (
          <div class="tip" style={{ left: `${tip.x}px` }}>
            {tip.lines.join("\n")}
          </div>
        )}
      </div>
    </figure>
  );
}
