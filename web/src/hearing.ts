/** What was dropped or recorded in this tab, and what came of it. */

import { signal } from "@preact/signals";
import { ApiError, remove, type Sending, upload } from "./api/client.ts";
import type { Analysis, Prediction, Problem } from "./api/types.ts";
import { decode, lengthOf, type Sound } from "./audio/sound.ts";
import { go, type Route, route } from "./router.ts";
import {
  complain,
  keepsAudio,
  messages,
  models,
  ownFiles,
  preferences,
  say,
  service,
} from "./state.ts";
import { size } from "./timeline/clock.ts";

/** How something is to be heard: one answer for all of it, or a timeline; "auto" goes by length. */
export type Way = "auto" | "clip" | "recording";

/** What is longer than this in seconds is a recording. */
export const CLIP_S = 20;
/** What is larger than this, in bytes, is one if the browser cannot tell its length. */
const CLIP_BYTES = 3_000_000;
/** Of a clip that is longer no picture is drawn, in seconds. */
const PICTURE_S = 120;

export interface Item {
  id: number;
  file: File;
  state: "sending" | "answered" | "accepted" | "failed";
  /** Share that is sent. */
  sent: number;
  /** How long the answer took, in milliseconds. */
  took: number | null;
  /** undefined is not yet known, null is not for this browser. */
  sound: Sound | null | undefined;
  prediction: Prediction | null;
  analysis: Analysis | null;
  problem: Pick<Problem, "message" | "remedy"> | null;
  /** Aborted when it is removed. */
  removal: AbortController;
}

/** The newest first. */
export const items = signal<Item[]>([]);
let count = 0;
/** Aborted when somebody else takes the tab over. */
let owner = new AbortController();

function update(id: number, values: Partial<Item>): void {
  items.value = items.value.map((item) => (item.id === id ? { ...item, ...values } : item));
}

/** Nothing more of it is sent. */
export function forget(id: number): void {
  items.value.find((item) => item.id === id)?.removal.abort();
  items.value = items.value.filter((item) => item.id !== id);
}

/** Give up what is being sent, and forget all that the tab holds of whoever used it. */
export function leave(): void {
  owner.abort();
  owner = new AbortController();
  for (const item of items.value) item.removal.abort();
  items.value = [];
  ownFiles.clear();
  messages.value = [];
  service.value = null;
  models.value = [];
}

export function problem(error: unknown): Pick<Problem, "message" | "remedy"> {
  if (error instanceof ApiError) return { message: error.message, remedy: error.remedy };
  return { message: error instanceof Error ? error.message : String(error), remedy: null };
}

/**
 * Hear some files, one after the other. A recording alone is shown as soon as it is accepted, unless
 * its owner went elsewhere meanwhile.
 */
export async function hear(files: File[], way: Way): Promise<void> {
  const begun = files.map(
    (file): Item => ({
      id: ++count,
      file,
      state: "sending",
      sent: 0,
      took: null,
      sound: undefined,
      prediction: null,
      analysis: null,
      problem: null,
      removal: new AbortController(),
    }),
  );
  items.value = [...begun, ...items.value];
  const here = route.value;
  for (const item of begun) {
    if (item.removal.signal.aborted) continue;
    const most = service.value?.limits.max_upload_bytes ?? Infinity;
    if (item.file.size > most) {
      const message = `It has ${size(item.file.size)}, and the service takes up to ${size(most)}.`;
      update(item.id, { state: "failed", problem: { message, remedy: "Compress or split it." } });
      continue;
    }
    const length = await lengthOf(item.file);
    const short = length === null ? item.file.size <= CLIP_BYTES : length <= CLIP_S;
    if (way === "clip" || (way === "auto" && short)) await asClip(item, length);
    else await asRecording(item, begun.length === 1 ? here : null);
  }
}

async function asClip(
  { id, file, removal: { signal } }: Item,
  length: number | null,
): Promise<void> {
  const { model, threshold } = preferences.value;
  const form = new FormData();
  form.append("file", file);
  if (model) form.append("model", model);
  if (threshold) form.append("threshold", String(threshold));
  const begun = performance.now();
  const drawn = length !== null && length > PICTURE_S ? Promise.resolve(null) : decode(file);
  try {
    const progress = (sent: number): void => update(id, { sent });
    const prediction = await upload<Prediction>("predict", form, { progress, signal });
    update(id, { state: "answered", prediction, took: performance.now() - begun });
    update(id, { sound: await drawn });
  } catch (error) {
    update(id, { state: "failed", problem: problem(error) });
  }
}

/** `from`: where its owner waits for it; null for nowhere. */
async function asRecording(item: Item, from: Route | null): Promise<void> {
  const { id, file, removal } = item;
  try {
    const progress = (sent: number): void => update(id, { sent });
    const analysis = await analyse(file, file.name, { progress, signal: removal.signal });
    update(id, { state: "accepted", analysis });
    if (from && open(analysis, from)) forget(id);
  } catch (error) {
    update(id, { state: "failed", problem: problem(error) });
  }
}

/** Have a timeline made of a file; it is worked on when this returns. Aborted, the service has none. */
export async function analyse(
  file: Blob,
  name: string,
  { progress, signal }: Sending = {},
): Promise<Analysis> {
  signal?.throwIfAborted();
  const { model, channels, speakers, keepDays } = preferences.value;
  const form = new FormData();
  form.append("file", file, name);
  form.append("name", name.replace(/\.[a-z0-9]{2,4}$/i, ""));
  form.append("channels", channels);
  form.append("keep_audio", String(keepsAudio.value));
  if (keepDays !== null) form.append("keep_days", String(keepDays));
  if (speakers) form.append("speakers", speakers);
  if (model) form.append("model", model);
  // What is sent whole the service may have already, and only its answer tells as what.
  let whole = false;
  const sending = new AbortController();
  const stop = (): void => {
    if (!whole) sending.abort();
  };
  signal?.addEventListener("abort", stop);
  const analysis = await upload<Analysis>("analyses", form, {
    progress: (sent) => {
      whole = sent >= 1;
      progress?.(sent);
    },
    signal: AbortSignal.any([sending.signal, owner.signal]),
  });
  if (signal?.aborted) {
    await remove(`analyses/${analysis.id}`).catch(complain);
    signal.throwIfAborted();
  }
  ownFiles.set(analysis.id, file);
  return analysis;
}

/** Show a recording to who waited for it there; who went elsewhere meanwhile is told, and stays. */
export function open(analysis: Analysis, from: Route): boolean {
  if (route.value !== from) {
    say(`${analysis.name} is listened to now; the history has it.`);
    return false;
  }
  go({ view: "recording", id: analysis.id });
  return true;
}

/** A name for what was recorded now: "Recording 2026-11-21 14.03". */
export function nameOfNow(now = new Date()): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  return `Recording ${day} ${two(now.getHours())}.${two(now.getMinutes())}.${two(now.getSeconds())}`;
}
