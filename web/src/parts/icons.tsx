/** Small pictures beside words; a screen reader passes them over. */

const PATHS = {
  hear: "M4 12v0M8 8v8M12 4v16M16 8v8M20 11v2",
  live: "M12 9v6M8 7a7 7 0 0 0 0 10M16 7a7 7 0 0 1 0 10M5 4a11 11 0 0 0 0 16M19 4a11 11 0 0 1 0 16",
  history: "M12 7v5l3 2M4 12a8 8 0 1 0 2.6-5.9M4 4v4h4",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  play: "M8 5v14l11-7z",
  pause: "M8 5v14M16 5v14",
  record: "M12 15a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3zM6 11a6 6 0 0 0 12 0M12 17v4",
  upload: "M12 16V5M7 9l5-5 5 5M4 19h16",
  download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  close: "M6 6l12 12M18 6L6 18",
  pen: "M4 20l4-1L19 8l-3-3L5 16zM14 7l3 3",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  stop: "M7 7h10v10H7z",
  check: "M5 12l5 5 9-10",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4",
};

export type IconName = keyof typeof PATHS;

const FILLED = new Set<IconName>(["play", "stop"]);

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={FILLED.has(name) ? "icon filled" : "icon"} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
