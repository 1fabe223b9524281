/** The microphone as blocks of samples. */

import workletAddress from "./capture.worklet.ts?worker&url";

export class MicrophoneError extends Error {}

export interface Capture {
  /** Of the samples, in Hz. */
  readonly rate: number;
  readonly stop: () => void;
}

/** What a browser's refusal means to a person. */
function explained(error: unknown): MicrophoneError {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") {
    return new MicrophoneError(
      "The browser was not allowed to use the microphone. Allow it beside the address, then try again.",
    );
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return new MicrophoneError("No microphone was found. Plug one in, then try again.");
  }
  if (name === "NotReadableError") {
    return new MicrophoneError("The microphone cannot be opened; another program may be using it.");
  }
  return new MicrophoneError(error instanceof Error ? error.message : String(error));
}

/**
 * Open the microphone.
 *
 * @param device Which one; null is the system's choice.
 * @param heard Called with each block: mono, from -1 to 1, 40 ms long.
 * @param ended Called if the microphone goes away by itself.
 */
export async function capture(
  device: string | null,
  heard: (block: Float32Array) => void,
  ended: () => void,
): Promise<Capture> {
  if (!navigator.mediaDevices) {
    throw new MicrophoneError(
      "Browsers open the microphone only for pages from this machine or over HTTPS.",
    );
  }
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        ...(device ? { deviceId: { exact: device } } : {}),
        // What is made for calls changes the very thing that is to be heard.
        echoCancellation: false,
        noiseSuppression: false,
        autoGainControl: false,
      },
    });
  } catch (error) {
    throw explained(error);
  }
  const context = new AudioContext();
  const stop = (): void => {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
  };
  try {
    await context.audioWorklet.addModule(workletAddress);
    await context.resume();
  } catch (error) {
    stop();
    throw explained(error);
  }
  const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
  node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => heard(data);
  context.createMediaStreamSource(stream).connect(node);
  stream.getAudioTracks()[0]?.addEventListener("ended", ended);
  return { rate: context.sampleRate, stop };
}

export interface Device {
  id: string;
  name: string;
}

/** The microphones, with names once one was allowed. */
export async function microphones(): Promise<Device[]> {
  const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return found
    .filter((device) => device.kind === "audioinput" && device.deviceId && device.label)
    .map((device) => ({ id: device.deviceId, name: device.label }));
}

/** Level of a block in dB relative to full scale, -100 at least. */
export function level(block: Float32Array): number {
  let sum = 0;
  for (const sample of block) sum += sample * sample;
  return Math.max(-100, 10 * Math.log10(sum / Math.max(1, block.length) + 1e-12));
}
