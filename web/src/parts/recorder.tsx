/** Records the microphone as a file. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Capture, capture, level } from "../audio/capture.ts";
import { pcm16, wav } from "../audio/wav.ts";
import { nameOfNow } from "../hearing.ts";
import { complain, say, service } from "../state.ts";
import { clock } from "../timeline/clock.ts";
import { Icon } from "./icons.tsx";
import { Meter } from "./meter.tsx";

interface Props {
  onDone: (file: File) => void;
  onCancel: () => void;
}

export function Recorder({ onDone, onCancel }: Props) {
  const loudness = useSignal(-100);
  const seconds = useSignal(0);
  const microphone = useRef<Capture | null>(null);
  const blocks = useRef<Int16Array<ArrayBuffer>[]>([]);
  const stopButton = useRef<HTMLButtonElement>(null);

  const finish = (): void => {
    const { current } = microphone;
    if (!current) return;
    current.stop();
    microphone.current = null;
    if (!blocks.current.length) {
      onCancel();
      return;
    }
    const name = `${nameOfNow()}.wav`;
    onDone(new File([wav(blocks.current, current.rate)], name, { type: "audio/wav" }));
  };

  useEffect(() => {
    let gone = false;
    let samples = 0;
    const most = (service.value?.limits.max_upload_bytes ?? Infinity) / 2 - 50;
    const hear = (block: Float32Array): void => {
      const { current } = microphone;
      if (!current) return;
      samples += block.length;
      blocks.current.push(pcm16(block));
      loudness.value = level(block);
      seconds.value = samples / current.rate;
      if (samples + block.length > most) {
        say("That is as much as the service takes in one file.");
        finish();
      }
    };
    capture(null, hear, finish)
      .then((opened) => {
        if (gone) opened.stop();
        else microphone.current = opened;
      })
      .catch((error: unknown) => {
        complain(error);
        onCancel();
      });
    stopButton.current?.focus();
    return () => {
      gone = true;
      microphone.current?.stop();
      microphone.current = null;
    };
  }, []);

  return (
    <div class="recorder" role="group" aria-label="Recorder">
      <p class="elapsed">
        <span class="beacon" aria-hidden="true" />
        <span role="timer" aria-label="Recorded">
          {clock(seconds.value, 1)}
        </span>
      </p>
      <Meter level={loudness.value} />
      <div class="row centre">
        <button type="button" class="primary large" ref={stopButton} onClick={finish}>
          <Icon name="stop" /> Stop and hear
        </button>
        <button type="button" class="quiet large" onClick={onCancel}>
          Discard
        </button>
      </div>
    </div>
  );
}
