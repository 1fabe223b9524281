/** Play, pause, where one is, and how close one looks. */

import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { clock } from "../timeline/clock.ts";
import type { Playhead } from "../timeline/playhead.ts";
import { Icon } from "./icons.tsx";

/** The shortest stretch that is looked at, in seconds. */
export const CLOSEST = 2;

interface Props {
  playhead: Playhead;
  zoom?: Signal<number>;
  /** Whether it is the only one of its view: it is at work with keys wherever one is. */
  alone?: boolean;
  /** What is heard now, for those who do not see the chart. */
  told?: () => string;
  children?: ComponentChildren;
}

export function Player({ playhead, zoom, alone, told, children }: Props) {
  const player = useRef<HTMLDivElement>(null);
  const time = playhead.position.value;
  const most = Math.max(1, playhead.duration / CLOSEST);
  const closer = (factor: number): void => {
    if (zoom) zoom.value = Math.min(Math.max(zoom.value * factor, 1), most);
  };

  useEffect(() => {
    const keys: Record<string, () => void> = {
      " ": () => playhead.toggle(),
      "+": () => closer(2),
      "=": () => closer(2),
      "-": () => closer(0.5),
      "0": () => closer(0),
    };
    const press = (event: KeyboardEvent): void => {
      const at = event.target as Element;
      const busy = at.closest("input, select, textarea, button, a, summary, dialog");
      const seeking = at.matches("input.seek");
      if ((busy && !seeking) || event.ctrlKey || event.metaKey || event.altKey) return;
      const act = keys[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    const place: Document | HTMLElement | null = alone ? document : player.current;
    place?.addEventListener("keydown", press as EventListener);
    return () => place?.removeEventListener("keydown", press as EventListener);
  }, [playhead, most, alone]);

  return (
    <div class="player" role="group" aria-label="Player" ref={player}>
      {playhead.audible.value && (
        <button
          type="button"
          class="round primary"
          aria-label={playhead.playing.value ? "Pause" : "Play"}
          onClick={() => playhead.toggle()}
        >
          <Icon name={playhead.playing.value ? "pause" : "play"} />
        </button>
      )}
      <input
        type="range"
        class="seek"
        aria-label="Position"
        aria-valuetext={[clock(time, 1), told?.()].filter(Boolean).join(": ")}
        min="0"
        max={playhead.duration}
        step="any"
        value={time}
        style={{ "--share": `${(100 * time) / (playhead.duration || 1)}%` }}
        onInput={(event) => playhead.seek(Number(event.currentTarget.value))}
        onKeyDown={(event) => {
          const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
          if (!way) return;
          event.preventDefault();
          playhead.skip(way * (event.shiftKey ? 10 : 1));
        }}
      />
      <span class="times">
        {clock(time, 1)} <span class="muted">/ {clock(playhead.duration, 1)}</span>
      </span>
      {children}
      {zoom && (
        <span class="group">
          <button
            type="button"
            aria-label="Zoom out"
            disabled={zoom.value <= 1}
            onClick={() => closer(0.5)}
          >
            <Icon name="minus" />
          </button>
          <button
            type="button"
            aria-label="Zoom in"
            disabled={zoom.value >= most}
            onClick={() => closer(2)}
          >
            <Icon name="plus" />
          </button>
          <button type="button" disabled={zoom.value <= 1} onClick={() => closer(0)}>
            Whole
          </button>
        </span>
      )}
      {playhead.trouble.value && (
        <p class="trouble" role="alert">
          {playhead.trouble.value}
        </p>
      )}
    </div>
  );
}
