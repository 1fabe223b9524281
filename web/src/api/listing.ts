/** A list that is asked for again while its end is not. */

import type { Analysis, Listing } from "./types.ts";

/** How much of it is asked for at first, and with each "More". */
export const PAGE = 25;
/** The most that the service gives at once. */
const MOST = 200;

export function inWork({ state }: Pick<Analysis, "state">): boolean {
  return state === "queued" || state === "running";
}

/** A list with its beginning as it is now; what that does not reach stays as it was. */
export function renewed<One extends { id: string }>(
  before: Listing<One>,
  beginning: Listing<One>,
): Listing<One> {
  const told = new Set(beginning.items.map(({ id }) => id));
  const reached = before.items.findLastIndex(({ id }) => told.has(id));
  const rest = before.items.slice(reached + 1);
  if (beginning.next === null || reached < 0 || rest.length === 0) return beginning;
  return { ...beginning, items: [...beginning.items, ...rest], next: before.next };
}

/**
 * Ask for as much of a list as there was, as far as it may have changed: its beginning, and the rest
 * as long as something in that is in work.
 */
export async function again<One extends Pick<Analysis, "id" | "state">>(
  before: Listing<One>,
  ask: (cursor: string | null, limit: number) => Promise<Listing<One>>,
): Promise<Listing<One>> {
  let found = await ask(null, Math.min(MOST, Math.max(PAGE, before.items.length)));
  for (;;) {
    const whole = renewed(before, found);
    const rest = whole.items.slice(found.items.length);
    if (!rest.some(inWork)) return whole;
    const more = await ask(found.next, Math.min(MOST, rest.length));
    found = { ...more, items: [...found.items, ...more.items] };
  }
}
