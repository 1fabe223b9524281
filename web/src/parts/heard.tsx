/** What was heard in a recording: charts, table, shares and the path through the circumplex. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { change, get, request } from "../api/client.ts";
import { type Tracks, tracksOf } from "../api/tracks.ts";
import type { Analysis, AnalysisWithTimeline, Peak, Segment, Timeline } from "../api/types.ts";
import { axis } from "../draw/axis.ts";
import { band } from "../draw/bands.ts";
import { frame } from "../draw/frame.ts";
import { colourOf } from "../draw/palette.ts";
import { plane } from "../draw/plane.ts";
import { lines, stack } from "../draw/scores.ts";
import { spectrum } from "../draw/spectrum.ts";
import { complain, dark, ownFiles, preferences, service } from "../state.ts";
import { clock, percent, signed } from "../timeline/clock.ts";
import { RecordingDocument, shares } from "../timeline/document.ts";
import { labelOf, overruled } from "../timeline/lanes.ts";
import { Playhead } from "../timeline/playhead.ts";
import { Bars } from "./bars.tsx";
import { Chart } from "./chart.tsx";
import { Emotion } from "./emotion.tsx";
import { Icon } from "./icons.tsx";
import { CLOSEST, Player } from "./player.tsx";
import { Segments } from "./segments.tsx";
import { type View, Waveform } from "./waveform.tsx";

interface Props {
  analysis: AnalysisWithTimeline & { timeline: Timeline };
  /** Whether the service has the audio, and is to keep it. */
  kept: boolean;
  onChange: (changed: AnalysisWithTimeline) => void;
}

export function Heard({ analysis, kept, onChange }: Props) {
  const { timeline } = analysis;
  const places = service.value?.places ?? {};
  const recording = useMemo(() => new RecordingDocument(analysis, places), [timeline]);
  const [tracks, setTracks] = useState<Tracks | null>(null);
  const playhead = useMemo(() => new Playhead(timeline.duration_s), [analysis.id]);
  useEffect(() => () => playhead.detach(), [playhead]);
  const waves = useMemo(() => tracks?.channels.map((one) => one.peaks) ?? SILENT, [tracks]);
  const view = useSignal<View>({ from: 0, to: timeline.duration_s });
  const zoom = useSignal(1);
  const begin = useSignal<number | null>(null);
  const charts = useRef<HTMLElement>(null);

  useEffect(() => {
    const { current } = charts;
    const turn = (event: WheelEvent): void => {
      const { from, to } = view.value;
      const most = Math.max(1, timeline.duration_s / CLOSEST);
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoom.value = Math.min(Math.max(zoom.value * (event.deltaY > 0 ? 0.8 : 1.25), 1), most);
      } else if (sideways && Math.abs(sideways) >= Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        if (zoom.value <= 1) return;
        event.preventDefault();
        begin.value = from + (sideways / (current?.clientWidth || 1)) * (to - from);
      }
    };
    current?.addEventListener("wheel", turn, { passive: false });
    return () => current?.removeEventListener("wheel", turn);
  }, [timeline.duration_s]);

  useEffect(() => {
    tracksOf(analysis.id).then(setTracks).catch(complain);
  }, [analysis.id]);
  useLayoutEffect(() => {
    const own = ownFiles.get(analysis.id);
    if (own) playhead.attach(own);
  }, [analysis.id]);
  // Let go of before the service is told to delete it: what has not come by then would be an error.
  useLayoutEffect(() => {
    if (!kept || ownFiles.has(analysis.id)) return;
    const leaving = new AbortController();
    audioOf(analysis.id, leaving.signal)
      .then((source) => leaving.signal.aborted || playhead.attach(source))
      .catch((error) => leaving.signal.aborted || complain(error));
    return () => {
      leaving.abort();
      if (!ownFiles.has(analysis.id)) playhead.detach();
    };
  }, [analysis.id, kept]);

  // Corrections may overlap: each replaces its segment in what there is by then, and the answer to
  // one that another has followed tells nothing of what is wanted now.
  const latest = useRef(analysis);
  latest.current = analysis;
  const asked = useRef(new Map<number, { times: number; stored: Segment }>());
  const corrections = useRef(0);
  const correct = async (
    segment: Segment,
    said: { label: string | null; note?: string },
  ): Promise<void> => {
    const tell = (timeline: Partial<Timeline>, counted: Partial<Analysis> = {}): void => {
      const { current } = latest;
      latest.current = {
        ...current,
        ...counted,
        timeline: { ...current.timeline, ...timeline },
      };
      onChange(latest.current);
    };
    const replace = (changed: Segment): void => {
      const { segments } = latest.current.timeline;
      tell({ segments: segments.map((one) => (one.index === changed.index ? changed : one)) });
    };
    const path = `analyses/${analysis.id}`;
    const own = asked.current.get(segment.index) ?? { times: 0, stored: segment };
    asked.current.set(segment.index, own);
    const time = ++own.times;
    const turn = ++corrections.current;
    replace({ ...segment, label: said.label });
    try {
      own.stored = await change<Segment>(`${path}/segments/${segment.index}`, said);
    } catch (error) {
      complain(error);
    }
    if (time === own.times) {
      replace(own.stored);
      asked.current.delete(segment.index);
    }
    // What is counted of the whole follows, once the last correction of any segment is stored: the
    // answers to two such questions could overtake each other.
    if (turn !== corrections.current) return;
    try {
      const { summary, corrected } = await get<Analysis>(`${path}?timeline=false`);
      if (summary && turn === corrections.current) tell({ summary }, { summary, corrected });
    } catch (error) {
      complain(error);
    }
  };

  // How sure the model was of another label says nothing.
  const corrected = ({ emotion, time, channel }: Peak): boolean =>
    timeline.segments.some(
      (one) =>
        overruled(one) &&
        one.label === emotion &&
        one.start <= time &&
        time <= one.end &&
        (channel ?? null) === (one.channel ?? null),
    );

  const { threshold } = preferences.value;
  const now = shares(timeline.segments);
  const { summary } = timeline;
  return (
    <>
      <dl class="figures" aria-label="Summary">
        <div>
          <dt>Speech</dt>
          <dd>{clock(summary.speech_s)}</dd>
          <dd class="muted small">of {clock(timeline.duration_s)}</dd>
        </div>
        <div>
          <dt>Changes</dt>
          <dd>{summary.changes_per_minute.toFixed(1)}</dd>
          <dd class="muted small">of emotion, per minute of speech</dd>
        </div>
        <div>
          <dt>Valence</dt>
          <dd>{summary.valence === null ? "–" : signed(summary.valence)}</dd>
          <dd class="muted small">from −1, unpleasant, to 1, pleasant</dd>
        </div>
        <div>
          <dt>Arousal</dt>
          <dd>{summary.arousal === null ? "–" : signed(summary.arousal)}</dd>
          <dd class="muted small">from −1, at rest, to 1, agitated</dd>
        </div>
      </dl>
      <section class="panel timeline" aria-labelledby="when" ref={charts}>
        <h2 id="when" class="hidden">
          Timeline
        </h2>
        <Player
          playhead={playhead}
          zoom={zoom}
          alone
          told={() => recording.heard(playhead.position.value).join(", ")}
        >
          <Now recording={recording} playhead={playhead} />
        </Player>
        {!analysis.has_audio && !playhead.audible.value && (
          <NoAudio id={analysis.id} playhead={playhead} />
        )}
        <Waveform
          channels={waves}
          playhead={playhead}
          zoom={zoom}
          view={view}
          begin={begin}
          height={waves.length > 1 ? 60 : 84}
          version={`${dark.value} ${now.labelled} ${JSON.stringify(now.shares)}`}
          colour={(time, i) => {
            const segment = recording.speech(time, tracks?.channels[i]?.channel);
            return segment && colourOf(labelOf(segment));
          }}
        />
        {recording.lanes.map((lane) => (
          <Chart
            key={lane.key}
            caption={lane.name || "Emotion"}
            height={28}
            view={view}
            playhead={playhead}
            version={`${now.labelled} ${threshold} ${JSON.stringify(now.shares)}`}
            draw={(on) => band(on, lane.segments, threshold)}
            tell={(time) => recording.heard(time)}
          />
        ))}
        {recording.curves.map((curve) => (
          <Chart
            key={`scores ${curve.channel}`}
            caption={curve.channel === null ? "Scores" : `Scores of channel ${curve.channel}`}
            height={92}
            view={view}
            playhead={playhead}
            draw={(on) => stack(on, curve, timeline.emotions)}
            tell={(time) => recording.heard(time)}
          />
        ))}
        {recording.curves.map((curve) => (
          <Chart
            key={`places ${curve.channel}`}
            caption={
              <>
                <span class="key valence">Valence</span> <span class="key arousal">Arousal</span>
                {curve.channel !== null && ` of channel ${curve.channel}`}
              </>
            }
            height={66}
            view={view}
            playhead={playhead}
            draw={(on) => lines(on, curve, timeline.emotions, places)}
          />
        ))}
        {tracks && (
          <Chart
            caption="Mel spectrogram, 0 to 8 kHz"
            height={92}
            view={view}
            playhead={playhead}
            version={tracks}
            draw={(on) => spectrum(on, tracks.mel)}
          />
        )}
        <Chart pointed={false} height={22} view={view} playhead={playhead} draw={axis} />
        <ul class="legend" aria-label="Colours">
          {recording.shown.map((name) => (
            <li key={name}>
              <Emotion name={name} />
            </li>
          ))}
        </ul>
        <p class="muted small keys">
          Click or drag to move. Keys: <kbd>Space</kbd> plays, <kbd>←</kbd> <kbd>→</kbd> a second on
          the slider, with <kbd>Shift</kbd> ten, <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd> zoom, as
          does the wheel with <kbd>Ctrl</kbd>.
        </p>
      </section>
      <div class="columns">
        <Segments
          lanes={recording.lanes}
          segments={timeline.segments}
          emotions={timeline.emotions}
          playhead={playhead}
          onCorrect={correct}
        />
        <div>
          <section class="panel" aria-labelledby="shares">
            <h2 id="shares">Share of speech</h2>
            {summary.speech_s > 0 ? (
              <Bars scores={summary.shares} label="Share of speech of each emotion" stretched />
            ) : (
              <p class="muted">Nobody speaks.</p>
            )}
            {now.corrected > 0 && (
              <p class="muted small">
                With {now.corrected} corrected {now.corrected === 1 ? "label" : "labels"}, as are
                the figures above and the exports. The model alone:{" "}
                {Object.entries(analysis.model_summary?.shares ?? {})
                  .map(([name, share]) => `${name} ${percent(share)}`)
                  .join(", ")}
                .
              </p>
            )}
            {summary.peaks.length > 0 && (
              <>
                <h3>Surest moments</h3>
                <ul class="peaks">
                  {summary.peaks.map((peak) => (
                    <li key={peak.emotion}>
                      <button type="button" onClick={() => playhead.seek(peak.time)}>
                        <Emotion name={peak.emotion} />{" "}
                        {corrected(peak) ? "corrected" : percent(peak.confidence)} at{" "}
                        {clock(peak.time, 1)}
                        {typeof peak.channel === "number" && ` on channel ${peak.channel}`}
                      </button>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </section>
          {summary.speech_s > 0 && Object.keys(places).length > 0 && (
            <section class="panel" aria-labelledby="path">
              <h2 id="path">Valence and arousal</h2>
              {recording.paths.map((path) => (
                <Plane
                  key={String(path.channel)}
                  recording={recording}
                  path={path}
                  playhead={playhead}
                />
              ))}
              <p class="muted small">
                The way that the voice takes, smoothed: from the ring to the square, fading towards
                its beginning; the dot is now. Derived from the scores by where psychology places
                each emotion: a picture, not a measurement.
              </p>
            </section>
          )}
        </div>
      </div>
    </>
  );
}

/** Before the waveform is there. */
const SILENT = [new Float32Array(2)];

/** The audio that the service keeps: by its address, or where a key has to be shown, whole. */
async function audioOf(id: string, leaving: AbortSignal): Promise<Blob | string> {
  const path = `analyses/${id}/audio`;
  if (!service.value?.auth.required) return new URL(`v1/${path}`, document.baseURI).href;
  return (await request(path, { signal: leaving })).blob();
}

function Now({ recording, playhead }: { recording: RecordingDocument; playhead: Playhead }) {
  const time = playhead.position.value;
  const segment = recording.speech(time);
  return (
    <span class="now" aria-hidden="true">
      {segment ? <Emotion name={labelOf(segment)} /> : <span class="muted">nobody speaks</span>}
    </span>
  );
}

/** Nobody keeps the audio; a person may have it. */
function NoAudio({ id, playhead }: { id: string; playhead: Playhead }) {
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <p class="note">
      The service keeps no audio of this recording.{" "}
      <button type="button" class="link" onClick={() => chooser.current?.click()}>
        <Icon name="upload" /> Open your own file
      </button>{" "}
      to listen along; it is not sent anywhere.
      <input
        ref={chooser}
        type="file"
        hidden
        accept="audio/*,video/*"
        aria-label="Audio of this recording"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (!file) return;
          ownFiles.set(id, file);
          playhead.attach(file);
        }}
      />
    </p>
  );
}

interface PlaneProps {
  recording: RecordingDocument;
  path: RecordingDocument["paths"][number];
  playhead: Playhead;
}

function Plane({ recording, path, playhead }: PlaneProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const places = recording.timeline.emotions.flatMap((name) => {
    const place = service.value?.places[name];
    return place ? [[name, place] as [string, typeof place]] : [];
  });
  const paint = (): void => {
    const { current } = canvas;
    if (!current) return;
    const on = frame(current, Math.min(current.clientWidth, 320), 0, 1);
    if (on) plane(on, path.points, places, playhead.position.value);
  };
  useSignalEffect(paint);
  useEffect(paint, [dark.value, path]);
  useEffect(() => {
    if (!canvas.current) return;
    const observer = new ResizeObserver(paint);
    observer.observe(canvas.current);
    return () => observer.disconnect();
  }, []);
  return (
    <figure class="plane">
      {path.channel !== null && <figcaption>Channel {path.channel}</figcaption>}
      <canvas
        ref={canvas}
        role="img"
        aria-label={`Path through valence and arousal, mean ${recording.timeline.summary.valence ?? 0} and ${recording.timeline.summary.arousal ?? 0}`}
      />
    </figure>
  );
}
