/** Drop files or record, and see the answer. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { CLIP_S, hear, items, type Way } from "../hearing.ts";
import { Clip } from "../parts/clip.tsx";
import { Icon } from "../parts/icons.tsx";
import { Keeping } from "../parts/keeping.tsx";
import { Recorder } from "../parts/recorder.tsx";
import { keepFor, keepsAudio, keptFor, prefer, preferences, service } from "../state.ts";
import { size } from "../timeline/clock.ts";

const WAYS: [Way, string][] = [
  ["auto", "By length"],
  ["clip", "One answer"],
  ["recording", "Timeline"],
];

export function Home() {
  const way = useSignal<Way>("auto");
  const recording = useSignal(false);
  const over = useSignal(false);
  const chooser = useRef<HTMLInputElement>(null);
  const take = (files: FileList | null | undefined): void => {
    if (files?.length) void hear([...files], way.value);
  };

  useEffect(() => {
    // A file that is dropped beside the field would be opened in place of the page.
    const drag = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      over.value = event.type === "dragover";
      if (event.type === "drop") take(event.dataTransfer.files);
    };
    const names = ["dragover", "dragleave", "drop"] as const;
    for (const name of names) document.addEventListener(name, drag);
    return () => {
      for (const name of names) document.removeEventListener(name, drag);
    };
  }, []);

  const limits = service.value?.limits;
  return (
    <>
      <div class="intro">
        <h1 tabIndex={-1}>Hear the emotion in a voice</h1>
        <p class="lede">
          Which one, when it changes, and how sure the model is. Everything stays with this service.
        </p>
      </div>
      {!preferences.value.greeted && <Hint />}
      <section class={over.value ? "drop over" : "drop"} aria-label="New sound">
        {recording.value ? (
          <Recorder
            onCancel={() => {
              recording.value = false;
            }}
            onDone={(file) => {
              recording.value = false;
              void hear([file], way.value);
            }}
          />
        ) : (
          <>
            <p class="invitation">
              {over.value ? "Let go to hear it" : "Drop audio or video here, or"}
            </p>
            <div class="row centre">
              <button
                type="button"
                class="primary large"
                onClick={() => {
                  recording.value = true;
                }}
              >
                <Icon name="record" /> Record
              </button>
              <button type="button" class="large" onClick={() => chooser.current?.click()}>
                <Icon name="upload" /> Choose files
              </button>
              <input
                ref={chooser}
                type="file"
                multiple
                hidden
                accept="audio/*,video/*,.flac,.opus,.amr,.aiff,.mkv"
                aria-label="Files"
                onChange={(event) => {
                  take(event.currentTarget.files);
                  event.currentTarget.value = "";
                }}
              />
            </div>
            <fieldset class="segmented">
              <legend class="hidden">How to hear it</legend>
              {WAYS.map(([value, name]) => (
                <label key={value}>
                  <input
                    type="radio"
                    name="way"
                    checked={way.value === value}
                    onChange={() => {
                      way.value = value;
                    }}
                  />
                  <span>{name}</span>
                </label>
              ))}
            </fieldset>
            <p class="muted small">
              {way.value === "auto" &&
                `One answer for up to ${CLIP_S} seconds, a timeline for what is longer.`}
              {way.value === "clip" &&
                limits &&
                `One answer for the whole, of up to ${Math.round(limits.max_clip_s / 60)} minutes.`}
              {way.value === "recording" &&
                limits &&
                `What is heard when, in up to ${Math.round(limits.max_recording_s / 3600)} hours and ${size(limits.max_upload_bytes)}.`}
            </p>
            {way.value !== "clip" && <Kept />}
          </>
        )}
      </section>
      <div class="answers">
        {items.value.map((item) => (
          <Clip key={item.id} item={item} />
        ))}
      </div>
    </>
  );
}

/** What stays of a recording, and how long. */
function Kept() {
  return (
    <fieldset class="kept">
      <legend class="hidden">What is kept of a recording</legend>
      <label class="inline">
        <input
          type="checkbox"
          checked={keepsAudio.value}
          onChange={(event) => prefer({ keepAudio: event.currentTarget.checked })}
        />
        <span>Keep its audio</span>
      </label>
      <Keeping
        name="Keep its timeline"
        class="inline"
        value={keptFor(preferences.value.keepDays)}
        onChange={keepFor}
      />
    </fieldset>
  );
}

/** What a newcomer should know, once. */
function Hint() {
  return (
    <section class="panel hint" aria-labelledby="hint">
      <h2 id="hint">Before you begin</h2>
      <ul>
        <li>
          <strong>A clip</strong> of one person gets one answer at once.{" "}
          <strong>A recording</strong> gets a timeline: what is heard when, to look through, correct
          and export.
        </li>
        <li>
          <strong>The scores say how sure the model is.</strong> It was taught by actors; on another
          voice, microphone or language it errs more often. Take it as a hint, never as a fact about
          a person.
        </li>
        <li>
          <strong>Audio is not kept</strong> unless you say so in the settings, and nothing leaves
          the machine that runs this service.
        </li>
      </ul>
      <p class="small">{service.value?.responsible_use}</p>
      <button type="button" class="primary" onClick={() => prefer({ greeted: true })}>
        I understand
      </button>
    </section>
  );
}
