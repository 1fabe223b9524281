/** A mel spectrogram, for a picture of a clip that no server has to draw. */

export interface Spectrogram {
  /** Level in dB relative to the loudest, from `FLOOR` to 0, band after band for each frame. */
  levels: Float32Array;
  bands: number;
  frames: number;
  /** From one frame to the next, in seconds. */
  step: number;
}

export const FLOOR = -70;

/** HTK's mel scale. */
const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
const hertz = (mels: number): number => 700 * (10 ** (mels / 2595) - 1);

/** In-place fast Fourier transform (Cooley and Tukey 1965); the length is a power of two. */
export function fft(real: Float32Array, imaginary: Float32Array): void {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j] as number, real[i] as number];
      [imaginary[i], imaginary[j]] = [imaginary[j] as number, imaginary[i] as number];
    }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const half = size >> 1;
    for (let k = 0; k < half; k++) {
      const angle = (-2 * Math.PI * k) / size;
      const c = Math.cos(angle);
      const s = Math.sin(angle);
      for (let start = k; start < n; start += size) {
        const a = start + half;
        const re = (real[a] as number) * c - (imaginary[a] as number) * s;
        const im = (real[a] as number) * s + (imaginary[a] as number) * c;
        real[a] = (real[start] as number) - re;
        imaginary[a] = (imaginary[start] as number) - im;
        real[start] = (real[start] as number) + re;
        imaginary[start] = (imaginary[start] as number) + im;
      }
    }
  }
}

/** Triangles over the bins of a spectrum: for each band the first bin and the weights from there. */
function triangles(bands: number, size: number, rate: number): [number, number[]][] {
  const edges = Array.from(
    { length: bands + 2 },
    (_, i) => (hertz((mel(rate / 2) * i) / (bands + 1)) * size) / rate,
  );
  return Array.from({ length: bands }, (_, band) => {
    const [low, middle, high] = edges.slice(band, band + 3) as [number, number, number];
    const first = Math.ceil(low);
    const weights: number[] = [];
    for (let bin = first; bin <= Math.min(high, size / 2); bin++) {
      weights.push(
        bin <= middle ? (bin - low) / (middle - low || 1) : (high - bin) / (high - middle || 1),
      );
    }
    // A band narrower than a bin takes the bin beside it.
    return weights.length ? [first, weights] : [Math.round(middle), [1]];
  });
}

/**
 * The mel spectrogram of samples, in at most about 1,200 frames.
 *
 * @param samples Mono.
 * @param rate In Hz.
 * @param bands Mel bands from 0 Hz to half the rate.
 */
export function spectrogram(samples: Float32Array, rate: number, bands = 64): Spectrogram {
  const size = 2 ** Math.round(Math.log2(0.032 * rate));
  const hop = Math.max(Math.round(0.01 * rate), Math.ceil(samples.length / 1200));
  const frames = Math.max(1, Math.ceil(samples.length / hop));
  const hann = Float32Array.from(
    { length: size },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size),
  );
  const filters = triangles(bands, size, rate);
  const levels = new Float32Array(frames * bands);
  const real = new Float32Array(size);
  const imaginary = new Float32Array(size);
  let loudest = 1e-12;
  for (let frame = 0; frame < frames; frame++) {
    const start = frame * hop - size / 2;
    for (let i = 0; i < size; i++) real[i] = (samples[start + i] ?? 0) * (hann[i] as number);
    imaginary.fill(0);
    fft(real, imaginary);
    filters.forEach(([first, weights], band) => {
      let power = 0;
      weights.forEach((weight, i) => {
        const re = real[first + i] as number;
        const im = imaginary[first + i] as number;
        power += weight * (re * re + im * im);
      });
      levels[frame * bands + band] = power;
      loudest = Math.max(loudest, power);
    });
  }
  for (let i = 0; i < levels.length; i++) {
    levels[i] = Math.max(FLOOR, 10 * Math.log10((levels[i] as number) / loudest + 1e-12));
  }
  return { levels, bands, frames, step: hop / rate };
}
