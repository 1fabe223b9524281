import { expect, test } from "vitest";
import { again, renewed } from "../src/api/listing.ts";
import type { Listing, State } from "../src/api/types.ts";

interface One {
  id: string;
  state?: string;
}

const list = (ids: string, next: string | null, total = 99): Listing<One> => ({
  items: [...ids].map((id) => ({ id })),
  next,
  total,
});

const ids = ({ items }: Listing<One>): string => items.map(({ id }) => id).join("");

test("what lies beyond the part that is new stays, with the place where more begins", () => {
  const found = renewed(list("abcdef", "f"), {
    ...list("abc", "c", 7),
    items: [{ id: "a", state: "done" }, { id: "b" }, { id: "c" }],
  });
  expect(ids(found)).toBe("abcdef");
  expect(found.items[0]).toEqual({ id: "a", state: "done" });
  expect([found.next, found.total]).toEqual(["f", 7]);
});

test("what is gone vanishes where the new part covers it", () => {
  expect(ids(renewed(list("abcdef", "f"), list("acd", "d")))).toBe("acdef");
  expect(ids(renewed(list("abcdef", "f"), list("bcd", "d")))).toBe("bcdef");
  // The part is all there is.
  expect(renewed(list("abcdef", "f"), list("ac", null, 2))).toEqual(list("ac", null, 2));
});

test("what is new comes before the rest", () => {
  expect(ids(renewed(list("abcdef", "f"), list("xyab", "b")))).toBe("xyabcdef");
});

test("a part that reaches further than the list, or nowhere into it, takes its place", () => {
  expect(renewed(list("ab", "b"), list("bcd", "d"))).toEqual(list("bcd", "d"));
  expect(renewed(list("ab", "b"), list("wxyz", "z"))).toEqual(list("wxyz", "z"));
  expect(renewed(list("", null), list("ab", "b"))).toEqual(list("ab", "b"));
});

test("of the rest as much is asked for again as may change", async () => {
  const all = Array.from({ length: 500 }, (_, n) => ({ id: String(n), state: "done" as State }));
  const asked: [string | null, number][] = [];
  const ask = async (cursor: string | null, limit: number): Promise<Listing<(typeof all)[0]>> => {
    asked.push([cursor, limit]);
    const from = Number(cursor ?? 0);
    const next = from + limit < all.length ? String(from + limit) : null;
    return { items: all.slice(from, from + limit), next, total: all.length };
  };
  const first = async (count: number): Promise<Listing<(typeof all)[0]>> => {
    const found = await ask(null, count);
    asked.length = 0;
    return found;
  };
  expect(await again(await first(450), ask)).toEqual(await first(450));
  await again(await first(24), ask);
  expect(asked).toEqual([[null, 25]]);
  asked.length = 0;
  const before = await first(450);
  before.items[230] = { id: "230", state: "running" };
  expect(await again(before, ask)).toEqual({ items: all.slice(0, 450), next: "450", total: 500 });
  expect(asked).toEqual([
    [null, 200],
    ["200", 200],
  ]);
});
