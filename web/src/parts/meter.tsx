/** How loud it is. */

interface Props {
  /** In dB relative to full scale. */
  level: number;
}

const QUIETEST = -60;

export function Meter({ level }: Props) {
  const share = Math.min(Math.max((level - QUIETEST) / -QUIETEST, 0), 1);
  return (
    <div
      class="meter"
      role="meter"
      aria-label="Level"
      aria-valuemin={QUIETEST}
      aria-valuemax={0}
      aria-valuenow={Math.round(Math.max(level, QUIETEST))}
      aria-valuetext={level <= QUIETEST ? "silence" : `${Math.round(level)} dB`}
    >
      <span style={{ transform: `scaleX(${share})` }} class={level > -1.5 ? "clipped" : ""} />
    </div>
  );
}
