/** The frame around every view. */

import { useEffect, useRef } from "preact/hooks";
import { refused } from "./api/client.ts";
import { Icon, type IconName } from "./parts/icons.tsx";
import { Messages } from "./parts/messages.tsx";
import { href, type Route, route } from "./router.ts";
import { service } from "./state.ts";
import { History } from "./views/history.tsx";
import { Home } from "./views/home.tsx";
import { Live } from "./views/live.tsx";
import { Recording } from "./views/recording.tsx";
import { KeyGate, Settings } from "./views/settings.tsx";

const PLACES: [Exclude<Route["view"], "recording">, string, IconName][] = [
  ["home", "Hear", "hear"],
  ["live", "Live", "live"],
  ["history", "History", "history"],
  ["settings", "Settings", "settings"],
];

const TITLES: Record<Route["view"], string> = {
  home: "emotone",
  recording: "Recording · emotone",
  live: "Live · emotone",
  history: "History · emotone",
  settings: "Settings · emotone",
};

function View() {
  const at = route.value;
  if (at.view === "recording") return <Recording key={at.id} id={at.id} />;
  if (at.view === "live") return <Live />;
  if (at.view === "history") return <History />;
  if (at.view === "settings") return <Settings />;
  return <Home />;
}

export function App({ trouble }: { trouble: string | null }) {
  const at = route.value;
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = TITLES[at.view];
    if (first.current) {
      first.current = false;
      return;
    }
    // Whoever cannot see that the view has changed is put at its heading.
    window.scrollTo(0, 0);
    main.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [href(at)]);

  const locked = refused.value;
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header class="bar">
        <a class="brand" href={href({ view: "home" })}>
          <img src="./mark.svg" alt="" width="26" height="26" />
          emotone
        </a>
        {service.value && !locked && (
          <nav aria-label="Views">
            {PLACES.map(([view, name, icon]) => {
              const here = at.view === view || (at.view === "recording" && view === "history");
              return (
                <a key={view} href={href({ view })} aria-current={here ? "page" : undefined}>
                  <Icon name={icon} />
                  <span>{name}</span>
                </a>
              );
            })}
          </nav>
        )}
      </header>
      <main id="main" tabIndex={-1} ref={main}>
        {locked ? (
          <KeyGate />
        ) : service.value ? (
          <View />
        ) : (
          <div class="panel">
            <h1>emotone</h1>
            <p role="status">{trouble ?? "Loading …"}</p>
            {trouble && (
              <button type="button" onClick={() => location.reload()}>
                Try again
              </button>
            )}
          </div>
        )}
      </main>
      <footer>
        <p>
          What a model hears in a voice, not what a person feels.{" "}
          <a href={href({ view: "settings" })}>Responsible use</a>
        </p>
      </footer>
      <Messages />
    </>
  );
}
