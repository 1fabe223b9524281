/** Shares of emotions as bars, the largest first. */

import type { Scores } from "../api/types.ts";
import { colourOf } from "../draw/palette.ts";
import { percent } from "../timeline/clock.ts";
import { Emotion } from "./emotion.tsx";

interface Props {
  scores: Scores;
  /** What they are shares of, for those who do not see them. */
  label: string;
  /** In a fixed order, for bars that move. */
  order?: string[];
  /** Whether the longest bar takes all the room; else 100 % does. */
  stretched?: boolean;
}

export function Bars({ scores, label, order, stretched = false }: Props) {
  const names = order ?? Object.keys(scores).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  const first = names[0];
  const longest = stretched && first ? Math.max(scores[first] ?? 1, 0.01) : 1;
  return (
    <ul class="bars" aria-label={label}>
      {names.map((name) => (
        <li key={name}>
          <Emotion name={name} />
          <span class="track" aria-hidden="true">
            <span
              class="fill"
              style={{
                "--shade": colourOf(name),
                transform: `scaleX(${(scores[name] ?? 0) / longest})`,
              }}
            />
          </span>
          <span class="figure">{percent(scores[name] ?? 0)}</span>
        </li>
      ))}
    </ul>
  );
}
