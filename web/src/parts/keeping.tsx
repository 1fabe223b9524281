/** How long a recording is kept: until somebody deletes it, or for some days. */

import { service } from "../state.ts";

const TERMS = [1, 7, 30, 90, 365];

interface Props {
  name: string;
  class?: string;
  /** A number of days, "service" for its own term, or "" for what is not to change. */
  value: string;
  onChange: (value: string) => void;
  /** How it is now, where that can stay. */
  now?: string;
}

/** Terms that the service allows. */
export function Keeping({ name, value, onChange, now, class: style = "" }: Props) {
  const most = service.value?.retention.results_days ?? null;
  const terms = TERMS.filter((days) => most === null || days < most);
  return (
    <label class={style}>
      <span>{name}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {now !== undefined && <option value="">{now}</option>}
        <option value="service">
          {most === null ? "until it is deleted" : `${inDays(most)}, as the service has it`}
        </option>
        {terms.map((days) => (
          <option key={days} value={String(days)}>
            {inDays(days)}
          </option>
        ))}
      </select>
    </label>
  );
}

function inDays(days: number): string {
  const rounded = Number(days.toPrecision(3));
  return `for ${rounded} ${rounded === 1 ? "day" : "days"}`;
}
