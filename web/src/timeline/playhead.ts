/** Where one is in a recording, with sound or without. */

import { type Signal, signal } from "@preact/signals";

export class Playhead {
  /** In seconds. */
  readonly position: Signal<number> = signal(0);
  readonly playing: Signal<boolean> = signal(false);
  /** Whether there is sound to be played. */
  readonly audible: Signal<boolean> = signal(false);
  /** What the browser says if it cannot play the sound. */
  readonly trouble: Signal<string | null> = signal(null);
  readonly duration: number;
  readonly media = document.createElement("audio");
  private frame = 0;
  private owned: string | null = null;

  /** @param duration Of the recording in seconds. */
  constructor(duration: number) {
    this.duration = duration;
    this.media.preload = "metadata";
    const moved = (): void => {
      if (this.audible.value) this.position.value = Math.min(this.media.currentTime, duration);
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
      if (this.audible.value) this.trouble.value = "The browser cannot play this audio.";
    });
  }

  /** Play this from now on: the sound itself, or its address. */
  attach(source: Blob | string): void {
    this.halt();
    if (this.owned) URL.revokeObjectURL(this.owned);
    this.owned = source instanceof Blob ? URL.createObjectURL(source) : null;
    this.trouble.value = null;
    this.media.src = this.owned ?? (source as string);
    this.media.currentTime = this.position.value;
    this.audible.value = true;
  }

  seek(time: number): void {
    this.position.value = Math.min(Math.max(time, 0), this.duration);
    this.media.currentTime = this.position.value;
  }

  skip(seconds: number): void {
    this.seek(this.position.value + seconds);
  }

  toggle(): void {
    if (!this.audible.value) return;
    if (!this.media.paused) {
      this.media.pause();
      return;
    }
    if (this.position.value >= this.duration - 0.01) this.seek(0);
    this.media.play().catch((error: unknown) => {
      // It was let go of before it began.
      if (error instanceof DOMException && error.name === "AbortError") return;
      this.trouble.value = "The browser cannot play this audio.";
    });
  }

  /** Stop, and let go of the sound, also of what of it is still on its way. */
  detach(): void {
    this.audible.value = false;
    this.trouble.value = null;
    this.halt();
    this.media.removeAttribute("src");
    this.media.load();
    if (this.owned) URL.revokeObjectURL(this.owned);
    this.owned = null;
  }

  /** Another sound drops the event that would tell of the end of this one. */
  private halt(): void {
    cancelAnimationFrame(this.frame);
    this.media.pause();
    this.playing.value = false;
  }
}
