/** An emotion by its colour, its letters and its name. */

import { colourOf, inkOn, letters } from "../draw/palette.ts";

export function Chip({ of }: { of: string }) {
  const speech = of !== "non-speech" && of !== "silence" && of !== "uncertain";
  const style = speech ? { "--shade": colourOf(of), "--on": inkOn(colourOf(of)) } : {};
  return (
    <span class={speech ? "chip" : "chip none"} style={style} aria-hidden="true">
      {letters(of)}
    </span>
  );
}

export function Emotion({ name }: { name: string }) {
  return (
    <span class="emotion">
      <Chip of={name} />
      {name}
    </span>
  );
}
