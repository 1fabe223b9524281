/** One recording: how far it is, and then what was heard in it. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, change, get, remove, request } from "../api/client.ts";
import { events } from "../api/events.ts";
import type { Analysis, AnalysisWithTimeline, Problem, Timeline } from "../api/types.ts";
import { problem } from "../hearing.ts";
import { Ask } from "../parts/dialog.tsx";
import { Exports } from "../parts/exports.tsx";
import { Heard } from "../parts/heard.tsx";
import { Icon } from "../parts/icons.tsx";
import { Keeping } from "../parts/keeping.tsx";
import { sentence, Trouble } from "../parts/problem.tsx";
import { go, href } from "../router.ts";
import { complain, ownFiles, say, service } from "../state.ts";
import { clock, moment, percent, until } from "../timeline/clock.ts";

export function Recording({ id }: { id: string }) {
  const analysis = useSignal<AnalysisWithTimeline | null>(null);
  const trouble = useSignal<Pick<Problem, "message" | "remedy"> | null>(null);
  const missing = useSignal(false);
  const away = useSignal<string | null>(null);
  const editing = useSignal(false);
  const deleting = useSignal(false);
  const lettingGo = useSignal(false);

  useEffect(() => {
    const leaving = new AbortController();
    analysis.value = null;
    trouble.value = null;
    lettingGo.value = false;
    const tell = (found: AnalysisWithTimeline): void => {
      away.value = null;
      analysis.value = found;
    };
    const wait = (why: string): void => {
      away.value = why;
    };
    void follow(id, leaving.signal, tell, wait).catch((error: unknown) => {
      if (leaving.signal.aborted) return;
      trouble.value = problem(error);
      missing.value = error instanceof ApiError && error.status === 404;
    });
    return () => leaving.abort();
  }, [id]);

  const found = analysis.value;
  // In the place that the name takes: whoever is at this heading stays there.
  const unnamed = (
    <header class="head">
      <div class="grow">
        <h1 tabIndex={-1}>Recording</h1>
      </div>
    </header>
  );
  if (trouble.value) {
    return (
      <>
        {unnamed}
        <Trouble of={trouble.value} />
        {missing.value && (
          <p class="muted">It may have been deleted or have expired, or belong to another key.</p>
        )}
        <p class="row">
          <a class="button" href={href({ view: "history" })}>
            <Icon name="history" /> All recordings
          </a>
          <a class="button" href={href({ view: "home" })}>
            <Icon name="hear" /> Hear another
          </a>
        </p>
      </>
    );
  }
  if (!found) {
    return (
      <>
        {unnamed}
        <p class="muted">Loading …</p>
      </>
    );
  }
  const writes = service.value?.auth.scopes.includes("write") ?? false;
  return (
    <>
      <header class="head">
        <div class="grow">
          <h1 tabIndex={-1}>
            <bdi>{found.name}</bdi>
          </h1>
          <p class="muted">
            {[
              found.duration_s !== null && clock(found.duration_s),
              `heard by ${found.model}`,
              moment(found.created_at),
              found.expires_at !== null && `deleted in ${until(found.expires_at)}`,
            ]
              .filter(Boolean)
              .join(" · ")}
          </p>
          {found.notes && !editing.value && <p class="notes">{found.notes}</p>}
        </div>
        <div class="row">
          {found.timeline && <Exports id={id} name={found.name} corrected={found.corrected > 0} />}
          {writes && (
            <>
              <button
                type="button"
                aria-expanded={editing.value}
                onClick={() => {
                  editing.value = !editing.value;
                }}
              >
                <Icon name="pen" /> <span class="words">Name and notes</span>
              </button>
              <button
                type="button"
                class="danger quiet"
                onClick={() => {
                  deleting.value = true;
                }}
              >
                <Icon name="bin" /> <span class="words">Delete</span>
              </button>
            </>
          )}
        </div>
      </header>
      {editing.value && (
        <About
          analysis={found}
          onLetGo={(going) => {
            lettingGo.value = going;
          }}
          onDone={(saved) => {
            editing.value = false;
            // A label may have been corrected since it was sent.
            if (saved && analysis.value) analysis.value = { ...analysis.value, ...saved };
          }}
        />
      )}
      {found.error && <Trouble of={found.error} />}
      {found.warnings.map((warning) => (
        <p key={warning} class="warned">
          {sentence(warning)}
        </p>
      ))}
      {away.value && (
        <p class="warned" role="status">
          The service {away.value}; trying again …
        </p>
      )}
      {found.state === "cancelled" && <p class="panel">It was stopped before it was done.</p>}
      {(found.state === "queued" || found.state === "running") && <Progress analysis={found} />}
      {found.timeline && (
        <Heard
          key={id}
          analysis={found as AnalysisWithTimeline & { timeline: Timeline }}
          kept={found.has_audio && !lettingGo.value}
          onChange={(changed) => {
            analysis.value = changed;
          }}
        />
      )}
      {deleting.value && (
        <Ask
          title="Delete this recording?"
          action="Delete"
          danger
          onCancel={() => {
            deleting.value = false;
          }}
          onAct={() => {
            deleting.value = false;
            lettingGo.value = true;
            remove(`analyses/${id}`)
              .then(() => {
                ownFiles.delete(id);
                say(`${found.name} is deleted.`);
                go({ view: "history" });
              })
              .catch((error) => {
                lettingGo.value = false;
                complain(error);
              });
          }}
        >
          <p>
            Its timeline, your corrections{found.has_audio && ", the audio"} and its notes are
            deleted from the service for good.
          </p>
        </Ask>
      )}
    </>
  );
}

/** Before a service that is away is asked again, in milliseconds, unless it says when itself. */
const PATIENCE = 2000;
/** And no longer than this. */
const LONGEST = 60_000;

/** What passes: nobody there, as a proxy before the service may say, too, or too much asked for. */
const TEMPORARY = [0, 429, 502, 503, 504];

/**
 * Give an analysis as it is, again with each step forward, and at last with its timeline; say why it
 * is waited for while the service is away, which does not lose what it works on.
 */
async function follow(
  id: string,
  leaving: AbortSignal,
  tell: (analysis: AnalysisWithTimeline) => void,
  wait: (why: string) => void,
): Promise<void> {
  let known = false;
  while (!leaving.aborted) {
    try {
      const found = await get<AnalysisWithTimeline>(`analyses/${id}`, leaving);
      known = true;
      tell(found);
      if (found.state !== "queued" && found.state !== "running") return;
      for await (const event of events(`analyses/${id}/events`, leaving)) {
        const step = JSON.parse(event.data) as Analysis;
        if (event.name === "progress") tell({ ...step, timeline: null });
        // Asked for once more, it is told that there is no such one.
      }
    } catch (error) {
      // What broke off within an answer is no error of the service's: it may be starting again.
      const said = error instanceof ApiError ? error : null;
      const temporary = said === null || TEMPORARY.includes(said.status);
      if (leaving.aborted || !known || !temporary) throw error;
      wait(said?.status === 429 ? "asks to wait" : "cannot be reached");
      const patience = Math.max(PATIENCE, 1000 * (said?.retryAfter ?? 0));
      await new Promise((resolve) => setTimeout(resolve, Math.min(patience, LONGEST)));
    }
  }
}

function Progress({ analysis }: { analysis: Analysis }) {
  const { state, progress, heard_s: heard, duration_s: whole } = analysis;
  return (
    <section class="panel working" aria-label="Progress">
      <p>
        <strong>{state === "queued" ? "Waiting for its turn" : "Listening"}</strong>
        <span class="muted">
          {state === "running" &&
            (whole !== null && progress !== null
              ? `${clock(progress * whole)} of ${clock(whole)}, ${percent(progress)}`
              : clock(heard))}
        </span>
      </p>
      <progress aria-label="Progress" {...(progress === null ? {} : { value: progress })} />
      <div class="row between">
        <p class="muted small">You may leave this page; it goes on without it.</p>
        <button
          type="button"
          class="quiet"
          onClick={() => {
            request(`analyses/${analysis.id}/cancel`, { method: "POST" }).catch(complain);
          }}
        >
          Stop
        </button>
      </div>
    </section>
  );
}

interface AboutProps {
  analysis: Analysis;
  /** The audio is about to be deleted, or was not after all. */
  onLetGo: (going: boolean) => void;
  onDone: (saved: Partial<Analysis> | null) => void;
}

/** Name, notes, and whether the audio stays. */
function About({ analysis, onLetGo, onDone }: AboutProps) {
  const keep = useSignal(analysis.has_audio);
  const days = useSignal("");
  const save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const values: Record<string, unknown> = {
      name: String(form.get("name")),
      notes: String(form.get("notes")),
    };
    const letsGo = analysis.has_audio && !keep.value;
    if (letsGo) {
      values["keep_audio"] = false;
      onLetGo(true);
    }
    if (days.value) values["keep_days"] = days.value === "service" ? null : Number(days.value);
    try {
      const path = `analyses/${analysis.id}`;
      const { name, notes, has_audio, expires_at } = await change<Analysis>(path, values);
      onDone({ name, notes, has_audio, expires_at });
    } catch (error) {
      if (letsGo) onLetGo(false);
      complain(error);
    }
  };
  return (
    <form class="panel about" onSubmit={save}>
      <label>
        Name
        <input name="name" defaultValue={analysis.name} maxLength={200} required />
      </label>
      <label>
        Notes
        <textarea name="notes" rows={3} maxLength={10_000} defaultValue={analysis.notes} />
      </label>
      {analysis.has_audio && (
        <label class="tick">
          <input
            type="checkbox"
            checked={keep.value}
            onChange={(event) => {
              keep.value = event.currentTarget.checked;
            }}
          />
          <span>Keep the audio on the service; without the tick it is deleted now</span>
        </label>
      )}
      <Keeping
        name="Keep all of it, from now"
        value={days.value}
        onChange={(value) => {
          days.value = value;
        }}
        now={
          analysis.expires_at === null
            ? "as it is: until it is deleted"
            : `as it is: deleted in ${until(analysis.expires_at)}`
        }
      />
      <div class="row end">
        <button type="button" class="quiet" onClick={() => onDone(null)}>
          Cancel
        </button>
        <button type="submit" class="primary">
          Save
        </button>
      </div>
    </form>
  );
}
