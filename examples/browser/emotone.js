// A model of emotone in a browser: the sound made ready as Python does it, the ONNX file, the scores.
//
//   const model = await load("model");                  // the folder that `models export` wrote
//   const sound = await decode(file, model.card.input.rate);
//   const { emotion, confidence, scores } = await predict(model, sound);
//
// Nothing leaves the page: model and sound stay in the browser.

import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

// Threads need two headers (COOP and COEP) that a plain file server does not send.
ort.env.wasm.numThreads = 1;

const FRAME = 2048;
const HOP = 512;

/** A model and its card from a folder; refused where the page could not prepare sound for it. */
export async function load(folder) {
  const card = await (await fetched(`${folder}/card.json`)).json();
  if (card.input.kind !== "waveform") {
    throw new Error("This model takes features. Export one of a neural family, or the default.");
  }
  for (const step of ["denoise", "band_hz", "length_s"]) {
    if (card.preparation[step] !== null) {
      throw new Error(`The card asks for '${step}', which this page does not do.`);
    }
  }
  if (![null, "peak"].includes(card.preparation.normalize)) {
    throw new Error(`The card asks for '${card.preparation.normalize}' loudness.`);
  }
  const bytes = await (await fetched(`${folder}/model.onnx`)).arrayBuffer();
  const options = { logSeverityLevel: 3 }; // errors, without its note on an input left out on purpose
  return { card, session: await ort.InferenceSession.create(new Uint8Array(bytes), options) };
}

/** Any file that the browser plays, as the mean of its channels at a rate in Hz. */
export async function decode(file, rate) {
  const context = new OfflineAudioContext(1, 1, rate); // decodes to its own rate
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    const samples = sound.getChannelData(channel);
    for (let i = 0; i < mono.length; i++) mono[i] += samples[i] / sound.numberOfChannels;
  }
  return mono;
}

/** The likeliest emotion, its probability, and that of every emotion. */
export async function predict({ card, session }, samples) {
  const { trim_db: threshold, normalize } = card.preparation;
  let heard = threshold === null ? samples : trim(samples, threshold);
  if (normalize === "peak") heard = atFullScale(heard);
  const waveform = new ort.Tensor("float32", heard, [1, heard.length]);
  const answer = await session.run({ waveform });
  const scores = Object.fromEntries(card.emotions.map((name, i) => [name, answer.scores.data[i]]));
  const emotion = card.emotions.reduce((best, name) => (scores[name] > scores[best] ? name : best));
  return { emotion, confidence: scores[emotion], scores };
}

/** Cuts off both ends what lies `threshold` dB or more below the loudest frame. */
export function trim(samples, threshold) {
  const energy = new Float64Array(samples.length + 1);
  for (let i = 0; i < samples.length; i++) energy[i + 1] = energy[i] + samples[i] ** 2;
  const power = [];
  for (let middle = 0; middle <= samples.length; middle += HOP) {
    const end = Math.min(middle + FRAME / 2, samples.length);
    power.push(energy[end] - energy[Math.max(middle - FRAME / 2, 0)]);
  }
  const least = power.reduce((most, value) => Math.max(most, value), 0) * 10 ** (-threshold / 10);
  const first = power.findIndex((value) => value > least);
  if (first < 0) return samples; // silence
  const last = power.findLastIndex((value) => value > least);
  return samples.subarray(first * HOP, Math.min((last + 1) * HOP, samples.length));
}

function atFullScale(samples) {
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return peak > 0 ? samples.map((value) => value / peak) : samples;
}

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} cannot be read: ${answer.status}.`);
  return answer;
}
