/** Samples as 16-bit numbers and as WAV files. */

/** Samples from -1 to 1 as 16-bit integers; what is louder is clipped. */
export function pcm16(samples: Float32Array): Int16Array<ArrayBuffer> {
  const found = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const sample = Math.min(1, Math.max(-1, samples[i] ?? 0));
    found[i] = Math.round(sample * (sample < 0 ? 32768 : 32767));
  }
  return found;
}

/** A mono WAV file (RIFF, PCM) of blocks of 16-bit samples. */
export function wav(blocks: Int16Array<ArrayBuffer>[], rate: number): Blob {
  const bytes = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, letters: string): void => {
    for (let i = 0; i < letters.length; i++) header.setUint8(at + i, letters.charCodeAt(i));
  };
  text(0, "RIFF");
  header.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, rate, true);
  header.setUint32(28, 2 * rate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, "data");
  header.setUint32(40, bytes, true);
  return new Blob([header.buffer, ...blocks], { type: "audio/wav" });
}
