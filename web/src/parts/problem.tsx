/** What went wrong and what to do about it. */

import type { Problem } from "../api/types.ts";
import { capital } from "../timeline/clock.ts";

export function Trouble({ of }: { of: Pick<Problem, "message" | "remedy"> }) {
  return (
    <div class="trouble" role="alert">
      <p>
        <strong>{sentence(of.message)}</strong> {of.remedy}
      </p>
    </div>
  );
}

/** With a capital and a full stop: the service's messages begin as clauses do, or with a name. */
export function sentence(text: string): string {
  const begun = /^[a-z]+ /.test(text) ? capital(text) : text;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
