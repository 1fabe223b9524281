/** Live: what is heard while it is said. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Device, microphones } from "../audio/capture.ts";
import { frame } from "../draw/frame.ts";
import { live } from "../draw/live.ts";
import { analyse, nameOfNow, open } from "../hearing.ts";
import { Session } from "../live/session.ts";
import { Bars } from "../parts/bars.tsx";
import { Chip } from "../parts/emotion.tsx";
import { Icon } from "../parts/icons.tsx";
import { Meter } from "../parts/meter.tsx";
import { sentence } from "../parts/problem.tsx";
import { route } from "../router.ts";
import { complain, models, preferences, service } from "../state.ts";
import { capital, clock, percent } from "../timeline/clock.ts";
import { shares } from "../timeline/document.ts";

/** How much of the past the picture shows, in seconds: less where there is less room. */
const SPAN = 60;
const SHORT_SPAN = 30;

export function Live() {
  const session = useSignal<Session | null>(null);
  const opening = useSignal(false);
  const keep = useSignal(false);
  const device = useSignal("");
  const devices = useSignal<Device[]>([]);
  const latest = useRef<Session | null>(null);

  useEffect(() => {
    const look = (): void => {
      microphones()
        .then((found) => {
          devices.value = found;
        })
        .catch(complain);
    };
    look();
    navigator.mediaDevices?.addEventListener("devicechange", look);
    return () => {
      navigator.mediaDevices?.removeEventListener("devicechange", look);
      latest.current?.abandon(); // also one whose microphone is still being opened
    };
  }, []);

  const start = async (): Promise<void> => {
    opening.value = true;
    const begun = new Session(keep.value);
    latest.current = begun;
    try {
      await begun.start(device.value || null);
      session.value = begun;
      devices.value = await microphones();
    } catch (error) {
      if (begun.running.value) complain(error); // else the page was left meanwhile
    }
    opening.value = false;
  };

  const current = session.value;
  const running = current?.running.value ?? false;
  return (
    <>
      <header class="head">
        <div class="grow">
          <h1 tabIndex={-1}>Live</h1>
          <p class="muted">
            Speak, and see what is heard while you do. Nothing of it is kept by the service.
          </p>
        </div>
        <div class="row">
          {running ? (
            <button type="button" class="primary large" onClick={() => current?.stop()}>
              <Icon name="stop" /> Stop
            </button>
          ) : (
            <button type="button" class="primary large" disabled={opening.value} onClick={start}>
              <Icon name="record" /> {current ? "Start again" : "Start"}
            </button>
          )}
        </div>
      </header>
      {!running && (
        <section class="panel row options" aria-label="Options">
          {devices.value.length > 1 && (
            <label class="inline">
              <span>Microphone</span>
              <select
                value={device.value}
                onChange={(event) => {
                  device.value = event.currentTarget.value;
                }}
              >
                <option value="">as the system has it</option>
                {devices.value.map(({ id, name }) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          )}
          <label class="tick">
            <input
              type="checkbox"
              checked={keep.value}
              onChange={(event) => {
                keep.value = event.currentTarget.checked;
              }}
            />
            <span>Keep the sound in this tab, to make a recording of it afterwards</span>
          </label>
        </section>
      )}
      {current && <Stage session={current} />}
      {current && !running && <After session={current} />}
    </>
  );
}

function Stage({ session }: { session: Session }) {
  const emotions = useMemo(() => {
    const chosen = models.value.find((model) =>
      preferences.value.model ? model.name === preferences.value.model : model.default,
    );
    return chosen?.emotions ?? service.value?.emotions ?? [];
  }, []);
  const now = session.now.value;
  const { threshold } = preferences.value;
  const unsure = now !== null && (now.emotion === "uncertain" || now.confidence < threshold);
  const speaking = session.speaking.value;
  const shown = now ? (unsure ? "uncertain" : now.emotion) : null;
  return (
    <section class="panel stage" aria-label="What is heard">
      <Connection session={session} />
      <div class="answer">
        <div>
          <div class={speaking ? "verdict big" : "verdict big resting"}>
            <Chip of={shown ?? "silence"} />
            <p>
              <strong>{shown ? capital(shown) : "–"}</strong>
              <span class="muted">
                {now === null
                  ? "nobody has spoken yet"
                  : speaking
                    ? `${percent(now.confidence)} sure`
                    : "nobody speaks; this was the last"}
              </span>
            </p>
          </div>
          <Meter level={session.level.value} />
        </div>
        <Bars scores={now?.scores ?? {}} order={emotions} label="Scores now" />
      </div>
      <Moving session={session} emotions={emotions} />
      <Spoken session={session} />
    </section>
  );
}

function Connection({ session }: { session: Session }) {
  const status = session.status.value;
  const words = {
    connecting: "Connecting …",
    open: "Connected",
    lost: `${session.note.value ?? ""} Trying again …`,
    closed: session.note.value ? sentence(session.note.value) : "Stopped",
  };
  const count = session.reconnections.value;
  const { value: latency } = session.latency;
  const { value: served } = session.served;
  return (
    <div class="connection">
      <p role="status" class={status}>
        <span class="beacon" aria-hidden="true" />
        {words[status]}
        {status === "open" &&
          count > 0 &&
          (count === 1 ? ", after a break" : `, after ${count} breaks`)}
      </p>
      <p class="muted">
        <span role="timer" aria-label="Time">
          {clock(session.seconds.value)}
        </span>
      </p>
      {latency !== null && (
        <p class="muted latency">
          Latency {Math.round(latency)}&nbsp;ms
          {served !== null && <>, {Math.round(served)}&nbsp;ms of it in the service</>}
        </p>
      )}
      {session.lag.value > 0.5 && (
        <p class="warning">The service is {session.lag.value.toFixed(1)} s behind.</p>
      )}
    </div>
  );
}

/** The last minute, moving. */
function Moving({ session, emotions }: { session: Session; emotions: string[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let frames = 0;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let before = 0;
    const tick = (when: number): void => {
      frames = requestAnimationFrame(tick);
      if (!canvas.current || when - before < (calm ? 500 : 30)) return;
      before = when;
      const span = canvas.current.clientWidth < 500 ? SHORT_SPAN : SPAN;
      const running = session.running.value;
      const since = running && session.timeAt ? (performance.now() - session.timeAt) / 1000 : 0;
      const time = session.time + Math.min(since, 0.2);
      const on = frame(canvas.current, 210, time - span, time);
      if (on) live(on, session, emotions, preferences.value.threshold);
    };
    frames = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(frames);
  }, [session, emotions]);
  return (
    <figure class="chart">
      <figcaption>Level, emotion and scores of the last seconds</figcaption>
      <canvas ref={canvas} height={210} role="img" aria-label="The moving timeline" />
    </figure>
  );
}

/** For screen readers: what each utterance was, once it is over. */
function Spoken({ session }: { session: Session }) {
  const last = session.segments.value.at(-1);
  return (
    <p class="hidden" aria-live="polite">
      {last?.emotion && `${last.emotion}, ${percent(last.confidence ?? 0)} sure`}
    </p>
  );
}

/** When it is over: what there was. */
function After({ session }: { session: Session }) {
  const busy = useSignal(false);
  const segments = session.segments.value;
  const totals = session.totals.value;
  const sound = useMemo(() => session.recording(), [session]);
  const missed = session.missed.reduce((sum, gap) => sum + gap.end - gap.start, 0);
  const make = async (): Promise<void> => {
    if (!sound) return;
    busy.value = true;
    try {
      const here = route.value;
      open(await analyse(sound, `${nameOfNow()}.wav`), here);
    } catch (error) {
      complain(error);
    }
    busy.value = false;
  };
  return (
    <section class="panel" aria-labelledby="after">
      <h2 id="after">What was heard</h2>
      {segments.length ? (
        <Bars scores={shares(segments).shares} label="Share of speech of each emotion" stretched />
      ) : (
        <p class="muted">Nobody spoke.</p>
      )}
      <p class="muted small">
        {clock(session.time, 1)} of sound
        {totals && `, ${totals.utterances} ${totals.utterances === 1 ? "utterance" : "utterances"}`}
        {missed > 0 && `, ${missed.toFixed(1)} s not heard while there was no connection`}
        {totals !== null && totals.skipped > 0 && `, ${totals.skipped} windows left out in a hurry`}
        .
      </p>
      {sound && (
        <button type="button" class="primary" disabled={busy.value} onClick={make}>
          <Icon name="hear" /> Make a recording of it
        </button>
      )}
    </section>
  );
}
