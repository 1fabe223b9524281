/** Files of the person's own, as far as the browser can read them. */

import { type Spectrogram, spectrogram } from "./mel.ts";

/** A short sound as a picture needs it. */
export interface Sound {
  duration: number;
  /** Largest amplitude in each of some thousand bins, from 0 to 1. */
  peaks: Float32Array;
  mel: Spectrogram;
}

const RATE = 16_000;
const BINS = 2400;

/** How long a file is in seconds, or null if the browser cannot tell. */
export function lengthOf(file: Blob): Promise<number | null> {
  return new Promise((resolve) => {
    const media = document.createElement("audio");
    const done = (seconds: number | null): void => {
      clearTimeout(patience);
      media.removeAttribute("src");
      URL.revokeObjectURL(source);
      resolve(seconds !== null && Number.isFinite(seconds) ? seconds : null);
    };
    const patience = setTimeout(() => done(null), 1500);
    media.preload = "metadata";
    media.addEventListener("loadedmetadata", () => done(media.duration));
    media.addEventListener("error", () => done(null));
    const source = URL.createObjectURL(file);
    media.src = source;
  });
}

/** The largest amplitudes in bins. */
export function peaks(samples: Float32Array, bins: number): Float32Array {
  const found = new Float32Array(Math.min(bins, samples.length));
  for (let bin = 0; bin < found.length; bin++) {
    const end = Math.ceil(((bin + 1) * samples.length) / found.length);
    let most = 0;
    for (let i = Math.floor((bin * samples.length) / found.length); i < end; i++) {
      most = Math.max(most, Math.abs(samples[i] ?? 0));
    }
    found[bin] = most;
  }
  return found;
}

/** Decode a file; null where the browser cannot (the service reads more formats than browsers). */
export async function decode(file: Blob): Promise<Sound | null> {
  let buffer: AudioBuffer;
  try {
    const context = new OfflineAudioContext(1, 1, RATE);
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    return null;
  }
  const mixed = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const data = buffer.getChannelData(channel);
    for (let i = 0; i < mixed.length; i++) {
      mixed[i] = (mixed[i] as number) + (data[i] as number) / buffer.numberOfChannels;
    }
  }
  return {
    duration: buffer.duration,
    peaks: peaks(mixed, BINS),
    mel: spectrogram(mixed, buffer.sampleRate),
  };
}
