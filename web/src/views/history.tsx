/** All recordings: searched, filtered, followed while they are worked on. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { download, get, remove } from "../api/client.ts";
import { again, inWork, PAGE } from "../api/listing.ts";
import type { Analysis, Listing, State } from "../api/types.ts";
import { colourOf } from "../draw/palette.ts";
import { Ask } from "../parts/dialog.tsx";
import { Chip } from "../parts/emotion.tsx";
import { Icon } from "../parts/icons.tsx";
import { href } from "../router.ts";
import { complain, ownFiles, say, service } from "../state.ts";
import { clock, moment, percent } from "../timeline/clock.ts";

const NONE = { q: "", emotion: "", label: "", state: "", since: "", until: "" };
type Filters = typeof NONE;

const STATES: State[] = ["queued", "running", "done", "failed", "cancelled"];

/** Filters as the service takes them; days are whole, by the reader's own clock. */
function query(filters: Filters, cursor: string | null, limit: number): string {
  const found = new URLSearchParams({ limit: String(limit) });
  for (const name of ["q", "emotion", "label", "state"] as const) {
    if (filters[name]) found.set(name, filters[name]);
  }
  if (filters.since) found.set("since", new Date(`${filters.since}T00:00`).toISOString());
  if (filters.until) {
    const end = new Date(`${filters.until}T00:00`);
    end.setDate(end.getDate() + 1);
    found.set("until", end.toISOString());
  }
  if (cursor) found.set("cursor", cursor);
  return found.toString();
}

export function History() {
  const filters = useSignal<Filters>(NONE);
  const listing = useSignal<Listing<Analysis> | null>(null);
  const busy = useSignal(false);
  const deleting = useSignal<Analysis | null>(null);
  /** The filters of what is listed. */
  const shown = useRef<Filters | null>(null);
  const turn = useRef(0);
  const waiting = useRef(0);

  const load = async (more = false): Promise<void> => {
    const mine = ++turn.current;
    const asked = filters.value;
    const ask = (cursor: string | null, limit: number): Promise<Listing<Analysis>> =>
      get(`analyses?${query(asked, cursor, limit)}`);
    // Of other filters it is another list.
    const before = shown.current === asked ? listing.value : null;
    waiting.current++;
    try {
      let found: Listing<Analysis>;
      if (more && before?.next) {
        found = await ask(before.next, PAGE);
        found = { ...found, items: [...before.items, ...found.items] };
      } else found = before ? await again(before, ask) : await ask(null, PAGE);
      if (mine !== turn.current) return; // another question has been asked meanwhile
      shown.current = asked;
      listing.value = found;
    } catch (error) {
      if (mine === turn.current) complain(error);
    } finally {
      waiting.current--;
    }
    if (mine === turn.current) busy.value = false;
  };

  useSignalEffect(() => {
    void filters.value;
    busy.value = true;
    const patience = setTimeout(() => void load(), 200);
    return () => clearTimeout(patience);
  });
  const working = listing.value?.items.some(inWork);
  useEffect(() => {
    if (!working) return;
    // A question that follows another drops its answer: one that is slow would never be seen.
    const timer = setInterval(() => {
      if (!waiting.current) void load();
    }, 1500);
    return () => clearInterval(timer);
  }, [working]);

  const found = listing.value;
  const filtered = Object.values(filters.value).some(Boolean);
  const set = (name: keyof Filters, value: string): void => {
    filters.value = { ...filters.value, [name]: value };
  };
  return (
    <>
      <header class="head">
        <div class="grow">
          <h1 tabIndex={-1}>History</h1>
          <p class="muted" role="status">
            {found && (filtered ? `${found.total} found` : `${found.total} recordings`)}
          </p>
        </div>
        <button
          type="button"
          onClick={() => {
            download("corrections/export", "corrections.zip")
              .then(() => say("Your corrections are exported, ready for `emotone train`."))
              .catch(complain);
          }}
        >
          <Icon name="download" /> Corrections
        </button>
      </header>
      <search class="panel filters">
        <label class="grow">
          <span>Search names and notes</span>
          <input
            type="search"
            value={filters.value.q}
            onInput={(event) => set("q", event.currentTarget.value)}
          />
        </label>
        <Choice name="Emotion" value={filters.value.emotion} onChange={(v) => set("emotion", v)} />
        <Choice name="Corrected to" value={filters.value.label} onChange={(v) => set("label", v)} />
        <label>
          <span>State</span>
          <select
            value={filters.value.state}
            onChange={(event) => set("state", event.currentTarget.value)}
          >
            <option value="">any</option>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {state}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>From</span>
          <input
            type="date"
            value={filters.value.since}
            onChange={(event) => set("since", event.currentTarget.value)}
          />
        </label>
        <label>
          <span>To</span>
          <input
            type="date"
            value={filters.value.until}
            onChange={(event) => set("until", event.currentTarget.value)}
          />
        </label>
        {filtered && (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              filters.value = NONE;
            }}
          >
            Clear
          </button>
        )}
      </search>
      {found && found.items.length === 0 && (
        <p class="empty">
          {filtered ? (
            "Nothing matches."
          ) : (
            <>
              Nothing here yet. <a href={href({ view: "home" })}>Drop a recording</a> to begin.
            </>
          )}
        </p>
      )}
      <ul class="history" aria-busy={busy.value} aria-label="Recordings">
        {found?.items.map((analysis) => (
          <Entry
            key={analysis.id}
            analysis={analysis}
            onDelete={() => {
              deleting.value = analysis;
            }}
          />
        ))}
      </ul>
      {found?.next && (
        <p class="row centre">
          <button type="button" onClick={() => void load(true)}>
            More
          </button>
        </p>
      )}
      {deleting.value && (
        <Ask
          title="Delete this recording?"
          action="Delete"
          danger
          onCancel={() => {
            deleting.value = null;
          }}
          onAct={() => {
            const gone = deleting.value;
            deleting.value = null;
            if (!gone) return;
            remove(`analyses/${gone.id}`)
              .then(() => {
                ownFiles.delete(gone.id);
                say(`${gone.name} is deleted.`);
                // What is asked for again may not reach it.
                const { value } = listing;
                if (value) {
                  const items = value.items.filter(({ id }) => id !== gone.id);
                  listing.value = { ...value, items };
                }
                return load();
              })
              .catch(complain);
          }}
        >
          <p>
            <bdi>{deleting.value.name}</bdi>, with its timeline, corrections and notes, is deleted
            from the service for good.
          </p>
        </Ask>
      )}
    </>
  );
}

interface ChoiceProps {
  name: string;
  value: string;
  onChange: (value: string) => void;
}

function Choice({ name, value, onChange }: ChoiceProps) {
  return (
    <label>
      <span>{name}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">any</option>
        {service.value?.emotions.map((emotion) => (
          <option key={emotion} value={emotion}>
            {emotion}
          </option>
        ))}
      </select>
    </label>
  );
}

function Entry({ analysis, onDelete }: { analysis: Analysis; onDelete: () => void }) {
  const { summary, state } = analysis;
  const writes = service.value?.auth.scopes.includes("write") ?? false;
  const working = inWork(analysis);
  const parts = Object.entries(summary?.shares ?? {});
  return (
    <li class="panel entry">
      <div class="grow">
        <a class="title" href={href({ view: "recording", id: analysis.id })}>
          <bdi>{analysis.name}</bdi>
        </a>
        <p class="muted small">
          {[
            analysis.duration_s !== null && clock(analysis.duration_s),
            moment(analysis.created_at),
            analysis.has_audio && "audio kept",
            analysis.corrected > 0 &&
              `${analysis.corrected} ${analysis.corrected === 1 ? "label" : "labels"} corrected`,
          ]
            .filter(Boolean)
            .join(" · ")}
        </p>
        {analysis.notes && <p class="notes small">{analysis.notes}</p>}
        {state === "failed" && <p class="small bad">{analysis.error?.message}</p>}
        {state === "cancelled" && <p class="small muted">stopped</p>}
      </div>
      {working && (
        <div class="progress">
          <progress
            aria-label={`Progress of ${analysis.name}`}
            {...(analysis.progress === null ? {} : { value: analysis.progress })}
          />
          <span class="muted small">
            {state === "queued" ? "waiting" : percent(analysis.progress ?? 0)}
          </span>
        </div>
      )}
      {parts.length > 0 && (
        <div class="glance">
          <div class="strip" aria-hidden="true">
            {parts.map(([name, share]) => (
              <span key={name} style={{ "--shade": colourOf(name), flexGrow: String(share) }} />
            ))}
          </div>
          <p class="small">
            {parts.map(([name, share]) => (
              <span key={name} class="emotion">
                <Chip of={name} />
                {name} {percent(share)}
              </span>
            ))}
          </p>
        </div>
      )}
      {writes && (
        <button
          type="button"
          class="bare"
          aria-label={`Delete ${analysis.name}`}
          onClick={onDelete}
        >
          <Icon name="bin" />
        </button>
      )}
    </li>
  );
}
