/** What all views share: what the service said of itself, what the person prefers, and messages. */

import { computed, effect, signal } from "@preact/signals";
import { ApiError, get, isAbort } from "./api/client.ts";
import type { Model, Service } from "./api/types.ts";

export const service = signal<Service | null>(null);
export const models = signal<Model[]>([]);

/** Ask the service what it is; throws what `get` throws. */
export async function greet(): Promise<void> {
  service.value = await get<Service>("service");
  models.value = (await get<{ items: Model[] }>("models")).items;
}

export interface Preferences {
  theme: "system" | "light" | "dark";
  /** Name of a model; "" is the service's default. */
  model: string;
  /** Below this confidence an answer is shown as uncertain; 0 never. */
  threshold: number;
  /** Whether the service keeps the audio of recordings; null is as the service has it. */
  keepAudio: boolean | null;
  /** Days after which new recordings are deleted; null is as the service has it. */
  keepDays: number | null;
  /** "mix" hears all channels as one, "split" each by itself. */
  channels: "mix" | "split";
  /** How many voices of a channel are told apart: "" is not at all. */
  speakers: "" | "auto" | "2" | "3" | "4";
  /** Whether the first-run hint has been read. */
  greeted: boolean;
}

const DEFAULTS: Preferences = {
  theme: "system",
  model: "",
  threshold: 0,
  keepAudio: null,
  keepDays: null,
  channels: "mix",
  speakers: "",
  greeted: false,
};
const PREFERENCES = "emotone.preferences";

function stored(): Preferences {
  try {
    const found = JSON.parse(localStorage.getItem(PREFERENCES) ?? "{}") as Partial<Preferences>;
    return { ...DEFAULTS, ...found };
  } catch {
    return { ...DEFAULTS };
  }
}

export const preferences = signal(stored());

export function prefer(values: Partial<Preferences>): void {
  preferences.value = { ...preferences.value, ...values };
  try {
    localStorage.setItem(PREFERENCES, JSON.stringify(preferences.value));
  } catch {
    // Storage that is full or closed: it holds for as long as the page is open.
  }
}

export const keepsAudio = computed(
  () => preferences.value.keepAudio ?? service.value?.retention.keeps_audio_by_default ?? false,
);

/** How long new recordings are kept, as a choice: days, or as the service has it. */
export function keptFor(days: number | null): string {
  return days === null ? "service" : String(days);
}

export function keepFor(choice: string): void {
  prefer({ keepDays: choice === "service" ? null : Number(choice) });
}

const system = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(system.matches);
system.addEventListener("change", () => {
  systemIsDark.value = system.matches;
});

export const dark = computed(() =>
  preferences.value.theme === "system" ? systemIsDark.value : preferences.value.theme === "dark",
);
effect(() => {
  const { theme } = preferences.value;
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
});

/** A short message at the edge of the page, read aloud by screen readers. */
export interface Message {
  id: number;
  text: string;
  remedy: string | null;
  bad: boolean;
}

export const messages = signal<Message[]>([]);
let count = 0;

export function dismiss(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id);
}

export function say(text: string): void {
  const id = ++count;
  messages.value = [...messages.value, { id, text, remedy: null, bad: false }];
  setTimeout(() => dismiss(id), 6000);
}

/** Say what went wrong; it stays until it is dismissed. What was given up has not gone wrong. */
export function complain(error: unknown): void {
  if (isAbort(error)) return;
  const remedy = error instanceof ApiError ? error.remedy : null;
  const text = error instanceof Error ? error.message : String(error);
  if (messages.value.some((message) => message.text === text)) return;
  messages.value = [...messages.value, { id: ++count, text, remedy, bad: true }];
}

/** Files of this tab by the analysis made of them: they can be played although nobody keeps them. */
export const ownFiles = new Map<string, Blob>();
