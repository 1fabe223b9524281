/** What a recording looks like, made by the service while it listened: its sound as a picture. */

import type { Spectrogram } from "../audio/mel.ts";
import { ApiError, get } from "./client.ts";

/** As `/v1/analyses/{id}/tracks` gives it: numbers of one byte in base64. */
export interface RawTracks {
  duration_s: number;
  channels: { channel: number | null; step_s: number; low: string; high: string }[];
  mel: { step_s: number; bands: number; frames: number; low_db: number; data: string };
}

export interface Tracks {
  /** For each channel amplitudes from 0 to 1, in bins of equal length over the whole. */
  channels: { channel: number | null; peaks: Float32Array }[];
  /** Of the first channel. */
  mel: Spectrogram;
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** The larger of both sides; -127 and 127 are full scale. */
function peaks(low: string, high: string): Float32Array {
  const below = new Int8Array(bytes(low).buffer);
  const above = new Int8Array(bytes(high).buffer);
  return Float32Array.from(above, (value, i) => Math.max(value, -(below[i] ?? 0)) / 127);
}

export function read(raw: RawTracks): Tracks {
  const { bands, frames, step_s: step, low_db: low } = raw.mel;
  return {
    channels: raw.channels.map((one) => ({
      channel: one.channel,
      peaks: peaks(one.low, one.high),
    })),
    mel: {
      levels: Float32Array.from(bytes(raw.mel.data), (value) => low * (1 - value / 255)),
      bands,
      frames,
      step,
    },
  };
}

/** The tracks of a recording; null where the service has none. */
export async function tracksOf(id: string): Promise<Tracks | null> {
  try {
    return read(await get<RawTracks>(`analyses/${id}/tracks`));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}
