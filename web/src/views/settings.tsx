/** What the person prefers, and what the service is. */

import { key, refused, setKey } from "../api/client.ts";
import { leave } from "../hearing.ts";
import { Icon } from "../parts/icons.tsx";
import { Keeping } from "../parts/keeping.tsx";
import {
  complain,
  greet,
  keepFor,
  keepsAudio,
  keptFor,
  models,
  type Preferences,
  prefer,
  preferences,
  say,
  service,
} from "../state.ts";
import { percent, size } from "../timeline/clock.ts";

export function Settings() {
  const chosen = preferences.value;
  const found = service.value;
  const model = models.value.find((one) =>
    chosen.model ? one.name === chosen.model : one.default,
  );
  const advised = model?.uncertain_below ?? null;
  const days = found?.retention.results_days ?? null;
  return (
    <>
      <h1 tabIndex={-1}>Settings</h1>
      <section class="panel settings" aria-labelledby="answers">
        <h2 id="answers">Answers</h2>
        <label>
          <span>Model</span>
          <select
            value={chosen.model}
            onChange={(event) => prefer({ model: event.currentTarget.value })}
          >
            <option value="">
              the service's own ({models.value.find((model) => model.default)?.model})
            </option>
            {models.value.map((model) => (
              <option key={model.name} value={model.name}>
                {model.name} ({model.model}, {model.emotions.length} emotions)
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>
            Uncertain below{" "}
            <strong>{chosen.threshold ? percent(chosen.threshold) : "never"}</strong>
          </span>
          <input
            type="range"
            min="0"
            max="0.9"
            step="0.05"
            aria-valuetext={chosen.threshold ? percent(chosen.threshold) : "never"}
            value={chosen.threshold}
            style={{ "--share": `${(100 * chosen.threshold) / 0.9}%` }}
            onInput={(event) => prefer({ threshold: Number(event.currentTarget.value) })}
          />
          <small>
            Answers less sure than this are shown as uncertain; what the model thought likeliest is
            still said beside it.{advised !== null && ` The model advises ${percent(advised)}.`}
          </small>
        </label>
        <label>
          <span>Channels of a recording</span>
          <select
            value={chosen.channels}
            onChange={(event) =>
              prefer({ channels: event.currentTarget.value as Preferences["channels"] })
            }
          >
            <option value="mix">heard together</option>
            <option value="split">each by itself, as for calls</option>
          </select>
        </label>
        <label>
          <span>Speakers of a recording</span>
          <select
            value={chosen.speakers}
            onChange={(event) =>
              prefer({ speakers: event.currentTarget.value as Preferences["speakers"] })
            }
          >
            <option value="">not told apart</option>
            <option value="2">two</option>
            <option value="3">three</option>
            <option value="4">four</option>
            <option value="auto">as many as it seems</option>
          </select>
          <small>
            Experimental, by their voices. Where each is on a channel of their own, take the
            channels: that is exact.
          </small>
        </label>
      </section>
      <section class="panel settings" aria-labelledby="retention">
        <h2 id="retention">What is kept</h2>
        <label class="tick">
          <input
            type="checkbox"
            checked={keepsAudio.value}
            onChange={(event) => prefer({ keepAudio: event.currentTarget.checked })}
          />
          <span>Keep the audio of new recordings on the service, to listen and to train with</span>
        </label>
        <Keeping
          name="Keep new recordings and their results"
          value={keptFor(chosen.keepDays)}
          onChange={keepFor}
        />
        <p class="muted small">
          {days === null
            ? "Results stay until you delete them."
            : `Results are deleted after ${days} ${days === 1 ? "day" : "days"}; whoever runs the service has set this.`}{" "}
          Clips that are answered at once and live sessions leave nothing behind.
        </p>
      </section>
      <section class="panel settings" aria-labelledby="look">
        <h2 id="look">Look</h2>
        <fieldset class="segmented">
          <legend class="hidden">Colours</legend>
          {(["system", "light", "dark"] as const).map((theme) => (
            <label key={theme}>
              <input
                type="radio"
                name="theme"
                checked={chosen.theme === theme}
                onChange={() => prefer({ theme })}
              />
              <span>
                {theme === "system" ? "As the system" : theme === "light" ? "Light" : "Dark"}
              </span>
            </label>
          ))}
        </fieldset>
      </section>
      {key.value && (
        <section class="panel settings" aria-labelledby="key">
          <h2 id="key">API key</h2>
          <p>
            It may {found?.auth.scopes.join(", ")}. It is forgotten when this tab is closed.{" "}
            <button
              type="button"
              onClick={() => {
                leave();
                setKey(null);
                refused.value = true;
              }}
            >
              Forget it now
            </button>
          </p>
        </section>
      )}
      <section class="panel settings" aria-labelledby="about">
        <h2 id="about">About</h2>
        <p>
          emotone {found?.version}. Recordings of up to{" "}
          {Math.round((found?.limits.max_recording_s ?? 0) / 3600)} hours and{" "}
          {size(found?.limits.max_upload_bytes ?? 0)}. The page asks nothing of any other place.{" "}
          <a href="./v1/openapi.json">The API</a>, <a href="./licences.md">licences</a>.
        </p>
        <h3>Responsible use</h3>
        <p id="responsible-use">{found?.responsible_use}</p>
        <p>
          <button type="button" onClick={() => prefer({ greeted: false })}>
            Show the first hint again
          </button>
        </p>
      </section>
    </>
  );
}

/** Asked for where the service demands a key. */
export function KeyGate() {
  const enter = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const given = String(new FormData(event.currentTarget as HTMLFormElement).get("key")).trim();
    if (given !== key.value) leave();
    setKey(given);
    refused.value = false;
    try {
      await greet();
      say("The key is right.");
    } catch (error) {
      setKey(null);
      refused.value = true;
      complain(error);
    }
  };
  return (
    <form class="panel gate" onSubmit={enter}>
      <h1 tabIndex={-1}>This service asks for a key</h1>
      <p>
        Whoever runs it makes one with <code>emotone server keys create</code>. It stays in this tab
        until you close it.
      </p>
      <label>
        <span>API key</span>
        <input name="key" type="password" autoComplete="off" required />
      </label>
      <button type="submit" class="primary large">
        <Icon name="check" /> Go on
      </button>
    </form>
  );
}
