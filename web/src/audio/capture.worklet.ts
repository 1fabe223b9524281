/** Runs on the audio thread: hands on what the microphone gives, 40 ms at a time, as mono. */

declare const sampleRate: number;
declare function registerProcessor(name: string, of: new () => AudioWorkletProcessor): void;
declare abstract class AudioWorkletProcessor {
  readonly port: MessagePort;
  abstract process(inputs: Float32Array[][]): boolean;
}

const BLOCK_S = 0.04;

class Capture extends AudioWorkletProcessor {
  private block = new Float32Array(Math.round(BLOCK_S * sampleRate));
  private filled = 0;

  process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0] ?? [];
    const length = channels[0]?.length ?? 0;
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i] ?? 0;
      this.block[this.filled++] = sum / channels.length;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(Math.round(BLOCK_S * sampleRate));
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
