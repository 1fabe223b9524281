/** The answer about a clip: emotion, confidence, scores, waveform and spectrogram. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Sound } from "../audio/sound.ts";
import { axis } from "../draw/axis.ts";
import { colourOf } from "../draw/palette.ts";
import { spectrum } from "../draw/spectrum.ts";
import { analyse, forget, type Item, open } from "../hearing.ts";
import { route } from "../router.ts";
import { complain, dark, preferences } from "../state.ts";
import { capital, clock, percent } from "../timeline/clock.ts";
import { Playhead } from "../timeline/playhead.ts";
import { Bars } from "./bars.tsx";
import { Chart } from "./chart.tsx";
import { Chip } from "./emotion.tsx";
import { Icon } from "./icons.tsx";
import { Player } from "./player.tsx";
import { Trouble } from "./problem.tsx";
import { Waveform } from "./waveform.tsx";

export function Clip({ item }: { item: Item }) {
  const { prediction, file } = item;
  const busy = useSignal(false);
  const follow = async (): Promise<void> => {
    busy.value = true;
    try {
      const here = route.value;
      open(await analyse(file, file.name, { signal: item.removal.signal }), here);
    } catch (error) {
      complain(error);
    }
    busy.value = false;
  };
  return (
    <article class="panel clip" aria-label={file.name}>
      <header class="row between">
        <h2>
          <bdi>{file.name}</bdi>
        </h2>
        <div class="row">
          {prediction && (
            <button type="button" class="quiet" disabled={busy.value} onClick={follow}>
              <Icon name="hear" /> Timeline
            </button>
          )}
          <button
            type="button"
            class="bare"
            aria-label={`Remove ${file.name}`}
            onClick={() => forget(item.id)}
          >
            <Icon name="close" />
          </button>
        </div>
      </header>
      {item.state === "sending" && <Sending share={item.sent} />}
      {item.problem && <Trouble of={item.problem} />}
      {item.analysis && (
        <p>
          A timeline is being made of it.{" "}
          <a href={`#/recordings/${item.analysis.id}`}>See how far it is</a>
        </p>
      )}
      {prediction && (
        <div class="answer">
          <div>
            <Verdict item={item} />
            <Bars scores={prediction.scores} label="Scores" />
          </div>
          <div class="seen">
            {item.sound && <Pictures sound={item.sound} file={file} emotion={prediction} />}
            {item.sound === null && (
              <p class="muted">
                This browser cannot decode the file, so there is no picture of it. The answer does
                not depend on it.
              </p>
            )}
          </div>
        </div>
      )}
      {prediction && (
        <p class="muted small">
          {clock(prediction.duration_s, 1)}, heard by {prediction.model}
          {item.took !== null && <>, answered in {(item.took / 1000).toFixed(2)}&nbsp;s</>}
        </p>
      )}
    </article>
  );
}

export function Sending({ share }: { share: number }) {
  const done = share >= 1;
  return (
    <div class="sending">
      <progress aria-label="Sending" {...(done ? {} : { value: share })} />
      <span class="muted">{done ? "Listening …" : `Sending, ${percent(share)}`}</span>
    </div>
  );
}

/** The emotion in large letters, or that it is uncertain. */
function Verdict({ item }: { item: Item }) {
  const { prediction } = item;
  if (!prediction) return null;
  const likeliest = Object.entries(prediction.scores).reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  const unsure =
    prediction.emotion === "uncertain" || prediction.confidence < preferences.value.threshold;
  return (
    <div class="verdict" role="status">
      <Chip of={unsure ? "uncertain" : likeliest} />
      <p>
        <strong>{unsure ? "Uncertain" : capital(likeliest)}</strong>
        <span class="muted">
          {unsure && `likeliest ${likeliest}, `}
          {percent(prediction.confidence)} sure
        </span>
      </p>
    </div>
  );
}

interface PicturesProps {
  sound: Sound;
  file: Blob;
  emotion: { emotion: string; scores: Record<string, number> };
}

function Pictures({ sound, file, emotion }: PicturesProps) {
  const playhead = useMemo(() => new Playhead(sound.duration), [sound]);
  useEffect(() => {
    playhead.attach(file);
    return () => playhead.detach();
  }, [playhead, file]);
  const channels = useMemo(() => [sound.peaks], [sound]);
  const view = useComputed(() => ({ from: 0, to: sound.duration }));
  const shade = emotion.emotion === "uncertain" ? null : colourOf(emotion.emotion);
  return (
    <>
      <Waveform
        channels={channels}
        playhead={playhead}
        colour={() => shade}
        version={dark.value}
        height={72}
      />
      <Chart
        caption="Mel spectrogram, 0 to 8 kHz"
        height={96}
        view={view}
        playhead={playhead}
        draw={(frame) => spectrum(frame, sound.mel)}
      />
      <Chart pointed={false} height={22} view={view} playhead={playhead} draw={axis} />
      <Player playhead={playhead} />
    </>
  );
}
