/** The table of segments: it follows the player, and labels are corrected in it. */

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import type { Segment } from "../api/types.ts";
import { preferences, service } from "../state.ts";
import { clock, percent } from "../timeline/clock.ts";
import { at, type Lane, labelOf, overruled } from "../timeline/lanes.ts";
import type { Playhead } from "../timeline/playhead.ts";
import { Ask } from "./dialog.tsx";
import { Emotion } from "./emotion.tsx";

const PAGE = 100;

type Filter = "all" | "uncertain" | "corrected";

interface Props {
  lanes: Lane[];
  segments: Segment[];
  emotions: string[];
  playhead: Playhead;
  /** Called with a label, or null for the model's own answer; and with a note, if that changes. */
  onCorrect: (segment: Segment, said: { label: string | null; note?: string }) => void;
}

export function Segments({ lanes, segments, emotions, playhead, onCorrect }: Props) {
  const filter = useSignal<Filter>("all");
  const page = useSignal(0);
  const noting = useSignal<Segment | null>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const { threshold } = preferences.value;
  const unsure = (segment: Segment): boolean =>
    segment.label === null && segment.confidence !== undefined && segment.confidence < threshold;

  const listed = useMemo(
    () =>
      segments.filter((segment) => {
        if (segment.kind === "silence") return false;
        if (filter.value === "corrected") return overruled(segment);
        if (filter.value === "uncertain") return unsure(segment);
        return true;
      }),
    [segments, filter.value, threshold],
  );
  const rows = useRef(new Map<number, number>());
  rows.current = useMemo(() => new Map(listed.map((segment, i) => [segment.index, i])), [listed]);

  const current = useComputed(() => {
    const time = playhead.position.value;
    const found = lanes.map((lane) => at(lane, time)?.index);
    return found.filter((index) => index !== undefined).join(" ");
  });
  // While it plays the table follows; who pauses to read it is left alone.
  useSignalEffect(() => {
    const row = rows.current.get(Number(current.value.split(" ")[0] || Number.NaN));
    if (row === undefined || !playhead.playing.value) return;
    page.value = Math.floor(row / PAGE);
    requestAnimationFrame(() => {
      const element = body.current?.querySelector<HTMLElement>("[aria-current]");
      const box = scroller.current;
      if (!element || !box || box.contains(document.activeElement)) return;
      const top = element.offsetTop - box.clientHeight / 2;
      box.scrollTo({ top, behavior: "smooth" });
    });
  });

  const pages = Math.max(1, Math.ceil(listed.length / PAGE));
  const first = Math.min(page.value, pages - 1) * PAGE;
  const here = new Set(current.value.split(" ").filter(Boolean).map(Number));
  const voices = lanes.length > 1;
  const nameOf = (segment: Segment): string =>
    segment.kind === "speech"
      ? (lanes.find((lane) => lane.segments.includes(segment))?.name ?? "")
      : "";
  const writes = service.value?.auth.scopes.includes("write") ?? false;

  return (
    <section class="panel" aria-labelledby="segments">
      <div class="row between">
        <h2 id="segments">Segments</h2>
        <label class="inline">
          <span>Show</span>
          <select
            value={filter.value}
            onChange={(event) => {
              filter.value = event.currentTarget.value as Filter;
              page.value = 0;
            }}
          >
            <option value="all">all</option>
            {threshold > 0 && <option value="uncertain">uncertain</option>}
            <option value="corrected">corrected</option>
          </select>
        </label>
      </div>
      {listed.length ? (
        <div class="rows" ref={scroller} tabIndex={0} role="group" aria-label="Table of segments">
          <table>
            <caption class="hidden">What is heard from when to when. Silence is left out.</caption>
            <thead>
              <tr>
                <th scope="col">From</th>
                <th scope="col" class="wide">
                  To
                </th>
                {voices && <th scope="col">Voice</th>}
                <th scope="col">Heard</th>
                <th scope="col" class="number">
                  Sure
                </th>
                <th scope="col">Label</th>
              </tr>
            </thead>
            <tbody ref={body}>
              {listed.slice(first, first + PAGE).map((segment) => (
                <tr key={segment.index} aria-current={here.has(segment.index) || undefined}>
                  <th scope="row">
                    <button
                      type="button"
                      class="link"
                      aria-label={`Go to ${clock(segment.start, 1)}`}
                      onClick={() => playhead.seek(segment.start)}
                    >
                      {clock(segment.start, 1)}
                    </button>
                  </th>
                  <td class="wide">{clock(segment.end, 1)}</td>
                  {voices && <td>{nameOf(segment)}</td>}
                  <td class={overruled(segment) ? "overruled" : ""}>
                    <Emotion name={segment.emotion ?? segment.kind} />
                    {unsure(segment) && <span class="tag">uncertain</span>}
                  </td>
                  <td class="number">
                    {segment.confidence !== undefined && percent(segment.confidence)}
                  </td>
                  <td>
                    <Label
                      segment={segment}
                      emotions={emotions}
                      disabled={!writes}
                      onCorrect={onCorrect}
                    />
                    {(segment.label !== null || segment.label_note) && (
                      <button
                        type="button"
                        class="link said"
                        disabled={!writes}
                        onClick={() => {
                          noting.value = segment;
                        }}
                      >
                        {segment.label_note || "add a note"}
                        <span class="hidden">, note on {clock(segment.start, 1)}</span>
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="muted">{filter.value === "all" ? "Nobody speaks." : "There are none."}</p>
      )}
      {pages > 1 && (
        <div class="row pager">
          <button
            type="button"
            disabled={!first}
            onClick={() => {
              page.value = first / PAGE - 1;
            }}
          >
            Earlier
          </button>
          <button
            type="button"
            disabled={first + PAGE >= listed.length}
            onClick={() => {
              page.value = first / PAGE + 1;
            }}
          >
            Later
          </button>
          <span class="muted" aria-live="polite">
            {first + 1} to {Math.min(first + PAGE, listed.length)} of {listed.length}
          </span>
        </div>
      )}
      {noting.value && (
        <Note
          segment={noting.value}
          onCancel={() => {
            noting.value = null;
          }}
          onAct={(note) => {
            const segment = noting.value;
            noting.value = null;
            if (segment) onCorrect(segment, { label: segment.label, note });
          }}
        />
      )}
    </section>
  );
}

interface NoteProps {
  segment: Segment;
  onAct: (note: string) => void;
  onCancel: () => void;
}

/** Why a person says so. */
function Note({ segment, onAct, onCancel }: NoteProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  return (
    <Ask
      title={`Note on ${labelOf(segment)} at ${clock(segment.start, 1)}`}
      action="Save"
      onCancel={onCancel}
      onAct={() => onAct(field.current?.value.trim() ?? "")}
    >
      <label class="field">
        <span>It is kept with the correction and goes with it into the corpus to train on.</span>
        <textarea ref={field} rows={3} maxLength={10_000} defaultValue={segment.label_note ?? ""} />
      </label>
    </Ask>
  );
}

interface LabelProps {
  segment: Segment;
  emotions: string[];
  disabled: boolean;
  onCorrect: Props["onCorrect"];
}

/** The model's answer, or what a person says it is. */
function Label({ segment, emotions, disabled, onCorrect }: LabelProps) {
  if (segment.kind !== "speech") return null;
  const choices =
    segment.label && !emotions.includes(segment.label) ? [...emotions, segment.label] : emotions;
  return (
    <select
      class={segment.label === null ? "label" : "label corrected"}
      aria-label={`Label at ${clock(segment.start, 1)}: ${labelOf(segment)}`}
      value={segment.label ?? ""}
      disabled={disabled}
      onChange={(event) => onCorrect(segment, { label: event.currentTarget.value || null })}
    >
      <option value="">{segment.label === null ? "correct …" : "as heard"}</option>
      {choices.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}
