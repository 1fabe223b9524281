/** Where one is in a recording, with sound or without. */

import { type Signal, signal } from "@preact/signals";

export class Playhead {
  /** In seconds. */
  readonly position: Signal<number> = signal(0);
  readonly playing: Signal<boolean> = signal(false);
  /** What the browser says if it cannot play the sound. */
  readonly trouble: Signal<string | null> = signal(null);
  readonly duration: number;
  readonly media: HTMLAudioElement | null;
  private frame = 0;
  private readonly owned: string | null;

  /**
   * @param duration Of the recording in seconds.
   * @param source The sound itself, its address, or null for a recording without.
   */
  constructor(duration: number, source: Blob | string | null) {
    this.duration = duration;
    this.owned = source instanceof Blob ? URL.createObjectURL(source) : null;
    this.media = source === null ? null : document.createElement("audio");
    if (!this.media) return;
    this.media.preload = "metadata";
    this.media.src = this.owned ?? (source as string);
    const moved = (): void => {
      this.position.value = Math.min(this.media?.currentTime ?? 0, duration);
    };
    const tick = (): void => {
      moved();
      if (this.playing.value) this.frame = requestAnimationFrame(tick);
    };
    this.media.addEventListener("play", () => {
      this.playing.value = true;
      tick();
    });
    for (const name of ["pause", "ended"]) {
      this.media.addEventListener(name, () => {
        this.playing.value = false;
        moved();
      });
    }
    this.media.addEventListener("error", () => {
      this.trouble.value = "The browser cannot play this audio.";
    });
  }

  seek(time: number): void {
    this.position.value = Math.min(Math.max(time, 0), this.duration);
    if (this.media) this.media.currentTime = this.position.value;
  }

  skip(seconds: number): void {
    this.seek(this.position.value + seconds);
  }

  toggle(): void {
    if (!this.media) return;
    if (!this.media.paused) {
      this.media.pause();
      return;
    }
    if (this.position.value >= this.duration - 0.01) this.seek(0);
    this.media.play().catch(() => {
      this.trouble.value = "The browser cannot play this audio.";
    });
  }

  /** Stop, and let go of the sound. */
  dispose(): void {
    cancelAnimationFrame(this.frame);
    this.media?.pause();
    this.media?.removeAttribute("src");
    if (this.owned) URL.revokeObjectURL(this.owned);
  }
}
