import { expect, test } from "vitest";
import { FLOOR, fft, spectrogram } from "../src/audio/mel.ts";
import { peaks } from "../src/audio/sound.ts";
import { pcm16, wav } from "../src/audio/wav.ts";

test("the transform is that of the definition", () => {
  const n = 32;
  const values = Float32Array.from({ length: n }, (_, i) => Math.sin(i * i) + 0.3 * i);
  const real = values.slice();
  const imaginary = new Float32Array(n);
  fft(real, imaginary);
  for (let k = 0; k < n; k++) {
    let [re, im] = [0, 0];
    values.forEach((value, i) => {
      re += value * Math.cos((2 * Math.PI * k * i) / n);
      im -= value * Math.sin((2 * Math.PI * k * i) / n);
    });
    expect(real[k]).toBeCloseTo(re, 3);
    expect(imaginary[k]).toBeCloseTo(im, 3);
  }
});

test("a tone is loudest in its own band, and silence at the floor", () => {
  const rate = 16_000;
  const samples = new Float32Array(rate);
  for (let i = 0; i < rate / 2; i++) samples[i] = Math.sin((2 * Math.PI * 1000 * i) / rate);
  const { levels, bands, frames, step } = spectrogram(samples, rate);
  expect(frames).toBe(100);
  expect(step).toBeCloseTo(0.01);
  const at = (frame: number): Float32Array => levels.subarray(frame * bands, (frame + 1) * bands);
  const sounding = at(25);
  const loudest = sounding.indexOf(Math.max(...sounding));
  // 1 kHz is at 1000 mel of HTK's scale, half of the rate at 2840.
  expect(Math.abs(loudest - (1000 / 2840) * (bands + 1) + 1)).toBeLessThan(1);
  expect(Math.max(...at(80))).toBe(FLOOR);
});

test("samples become 16-bit numbers in a file that says what it holds", async () => {
  expect([...pcm16(Float32Array.of(0, 1, -1, 2, -2, 0.5))]).toEqual([
    0, 32767, -32768, 32767, -32768, 16384,
  ]);
  const file = wav([Int16Array.of(1, -2), Int16Array.of(3)], 48_000);
  const view = new DataView(await file.arrayBuffer());
  const text = (at: number): string =>
    String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
  expect([text(0), text(8), text(36)]).toEqual(["RIFF", "WAVE", "data"]);
  expect(view.byteLength).toBe(44 + 6);
  expect(view.getUint32(4, true)).toBe(view.byteLength - 8);
  expect(view.getUint32(24, true)).toBe(48_000);
  expect(view.getUint32(40, true)).toBe(6);
  expect([44, 46, 48].map((at) => view.getInt16(at, true))).toEqual([1, -2, 3]);
});

test("peaks cover every sample", () => {
  const samples = new Float32Array(1001);
  samples[1000] = -0.7;
  samples[3] = 0.5;
  const found = peaks(samples, 10);
  expect(found).toHaveLength(10);
  expect(found[0]).toBeCloseTo(0.5);
  expect(found[9]).toBeCloseTo(0.7);
  expect(peaks(new Float32Array(3), 10)).toHaveLength(3);
});
