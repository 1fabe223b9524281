/** Which view is shown, by the part of the address after `#`. */

import { signal } from "@preact/signals";

export type Route =
  | { view: "home" }
  | { view: "recording"; id: string }
  | { view: "live" }
  | { view: "history" }
  | { view: "settings" };

export function parse(hash: string): Route {
  const [first = "", second = ""] = hash.replace(/^#?\/?/, "").split("/");
  if (first === "recordings" && second)
    return { view: "recording", id: decodeURIComponent(second) };
  if (first === "live" || first === "history" || first === "settings") return { view: first };
  return { view: "home" };
}

export function href(route: Route): string {
  if (route.view === "home") return "#/";
  if (route.view === "recording") return `#/recordings/${encodeURIComponent(route.id)}`;
  return `#/${route.view}`;
}

export const route = signal(parse(location.hash));

export function go(to: Route): void {
  location.hash = href(to);
}

addEventListener("hashchange", () => {
  route.value = parse(location.hash);
});
