/** Requests to the service, with the key where there is one, and its errors. */

import { signal } from "@preact/signals";
import type { Problem } from "./types.ts";

const KEY = "emotone.key";

function stored(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage that is closed
  }
}

/** The API key, kept for as long as the tab is open; where storage is closed, as the page is. */
export const key = signal(stored());

/** Whether the service has refused for want of a key. */
export const refused = signal(false);

export function setKey(value: string | null): void {
  key.value = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage that is full or closed: it holds for as long as the page is open.
  }
}

/** An answer that is none, with what the service says of it. */
export class ApiError extends Error {
  readonly code: string;
  readonly remedy: string | null;
  readonly status: number;
  /** How long the service asks to wait, in seconds; null where it does not say. */
  readonly retryAfter: number | null;

  constructor(problem: Problem, status: number, retryAfter: string | null = null) {
    super(problem.message);
    this.name = "ApiError";
    this.code = problem.code;
    this.remedy = problem.remedy;
    this.status = status;
    this.retryAfter = retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) : null;
  }
}

/** The address of a part of the API, relative to the page. */
export function address(path: string): URL {
  return new URL(`v1/${path}`, document.baseURI);
}

function headers(): Headers {
  const found = new Headers();
  if (key.value) found.set("Authorization", `Bearer ${key.value}`);
  return found;
}

/** What an answer says went wrong, whether or not it is in the service's own form. */
function problemIn(body: string, status: number, retryAfter: string | null = null): ApiError {
  if (status === 401) refused.value = true;
  try {
    const { error } = JSON.parse(body) as { error: Problem };
    if (typeof error.message === "string") return new ApiError(error, status, retryAfter);
  } catch {
    // Not the service but something before it, a proxy say.
  }
  const message = `The service answered with status ${status}.`;
  return new ApiError({ code: "unknown", message, remedy: null }, status, retryAfter);
}

function unreachable(): ApiError {
  const message = "The service cannot be reached.";
  const remedy = "See whether it still runs, then try again.";
  return new ApiError({ code: "unreachable", message, remedy }, 0);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Send a request; whatever is no success becomes an `ApiError`. */
export async function request(path: string, options: RequestInit = {}): Promise<Response> {
  const sent = headers();
  new Headers(options.headers).forEach((value, name) => {
    sent.set(name, value);
  });
  let response: Response;
  try {
    response = await fetch(address(path), { ...options, headers: sent, cache: "no-store" });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw unreachable();
  }
  if (!response.ok) {
    const wait = response.headers.get("Retry-After");
    throw problemIn(await response.text(), response.status, wait);
  }
  return response;
}

/** How long an answer may take to begin, in milliseconds: what waits for it does not for ever. */
const PATIENCE = 60_000;

async function answerTo<T>(path: string, options: RequestInit = {}): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException("late", "TimeoutError")), PATIENCE);
  const given = options.signal ? [options.signal] : [];
  try {
    const signal = AbortSignal.any([...given, late.signal]);
    const response = await request(path, { ...options, signal });
    clearTimeout(timer); // a long timeline may take its time on a slow line
    return (await response.json()) as T;
  } finally {
    clearTimeout(timer);
  }
}

/** Ended with the last change that was made. */
let changes: Promise<unknown> = Promise.resolve();

/** What is asked waits for the changes that were made before it, and so tells of them. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  await changes;
  return answerTo<T>(path, signal ? { signal } : {});
}

/** Changes are sent one after the other: the service keeps the last that reaches it. */
export function change<T>(path: string, values: Record<string, unknown>): Promise<T> {
  const answer = changes.then(() =>
    answerTo<T>(path, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(values),
    }),
  );
  changes = answer.catch(() => undefined); // which is told to who made it
  return answer;
}

/** After what was changed before: the service would not find it any more. */
export async function remove(path: string): Promise<void> {
  await changes;
  await request(path, { method: "DELETE" });
}

export interface Sending {
  /** Told the share that is sent, from 0 to 1. */
  progress?: (share: number) => void;
  signal?: AbortSignal;
}

/** Send a form, telling which share of it is sent: `fetch` cannot tell. */
export function upload<T>(
  path: string,
  form: FormData,
  { progress, signal }: Sending = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const sender = new XMLHttpRequest();
    sender.open("POST", address(path));
    headers().forEach((value, name) => {
      sender.setRequestHeader(name, value);
    });
    sender.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress?.(event.loaded / event.total);
    });
    sender.addEventListener("load", () => {
      if (sender.status >= 400) reject(problemIn(sender.responseText, sender.status));
      else resolve(JSON.parse(sender.responseText) as T);
    });
    sender.addEventListener("error", () => reject(unreachable()));
    sender.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
    signal?.addEventListener("abort", () => sender.abort());
    sender.send(form);
  });
}

/**
 * The name of a file in what `Content-Disposition` says: the encoded one, beside which the plain one
 * has only what is left of it in ASCII.
 */
export function nameIn(said: string | null): string | null {
  const encoded = /filename\*=UTF-8'[^']*'([^;\s]+)/i.exec(said ?? "")?.[1];
  try {
    if (encoded) return decodeURIComponent(encoded);
  } catch {
    // Not encoded as it says: the plain one.
  }
  return /filename="([^"]+)"/.exec(said ?? "")?.[1] ?? null;
}

/** Give a file of the service to the person, under the name that the service gives it. */
export async function download(path: string, name: string): Promise<void> {
  await changes;
  const response = await request(path);
  const said = nameIn(response.headers.get("Content-Disposition"));
  save(await response.blob(), said ?? name);
}

/** Give a file to the person. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The download has begun by then; the address would keep the blob in memory.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
