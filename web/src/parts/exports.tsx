/** The menu of what a timeline can be exported as. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { download } from "../api/client.ts";
import { complain, say, service } from "../state.ts";
import { Icon } from "./icons.tsx";

const NAMES: Record<string, string> = {
  csv: "Table (CSV)",
  json: "Everything (JSON)",
  jsonl: "Segments, one a line (JSONL)",
  parquet: "Table (Parquet)",
  srt: "Subtitles (SRT)",
  vtt: "Subtitles (WebVTT)",
  TextGrid: "Praat (TextGrid)",
  eaf: "ELAN (EAF)",
  txt: "Audacity labels",
  rttm: "Turns (RTTM)",
  png: "Picture (PNG)",
  svg: "Drawing (SVG)",
  html: "Page with everything (HTML)",
};

interface Props {
  id: string;
  name: string;
  /** Whether some labels are a person's. */
  corrected: boolean;
}

export function Exports({ id, name, corrected }: Props) {
  const menu = useRef<HTMLDetailsElement>(null);
  const labels = useSignal<"corrected" | "model">("corrected");
  const busy = useSignal<string | null>(null);

  useEffect(() => {
    const leave = (event: Event): void => {
      const { current } = menu;
      if (!current?.open) return;
      const left = event instanceof KeyboardEvent && event.key === "Escape";
      if (event instanceof KeyboardEvent && !left) return;
      if (!left && current.contains(event.target as Node)) return;
      current.open = false;
      if (left) current.querySelector("summary")?.focus();
    };
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, leave);
    return () => {
      for (const kind of ["pointerdown", "keydown"]) document.removeEventListener(kind, leave);
    };
  }, []);

  const take = async (format: string): Promise<void> => {
    busy.value = format;
    try {
      const query = new URLSearchParams({ format, labels: labels.value });
      await download(`analyses/${id}/export?${query}`, `${name}.${format}`);
      say(`Exported as ${NAMES[format] ?? format}.`);
      if (menu.current) menu.current.open = false;
    } catch (error) {
      complain(error);
    }
    busy.value = null;
  };

  return (
    <details class="menu" ref={menu}>
      <summary class="button">
        <Icon name="download" /> Export
      </summary>
      <div class="sheet">
        {corrected && (
          <fieldset class="segmented">
            <legend class="hidden">Labels</legend>
            {(["corrected", "model"] as const).map((value) => (
              <label key={value}>
                <input
                  type="radio"
                  name="labels"
                  checked={labels.value === value}
                  onChange={() => {
                    labels.value = value;
                  }}
                />
                <span>{value === "corrected" ? "As corrected" : "The model's"}</span>
              </label>
            ))}
          </fieldset>
        )}
        <ul>
          {service.value?.export_formats.map((format) => (
            <li key={format}>
              <button type="button" disabled={busy.value !== null} onClick={() => take(format)}>
                {NAMES[format] ?? format}
                {busy.value === format && " …"}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </details>
  );
}
