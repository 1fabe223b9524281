import { expect, test, vi } from "vitest";

vi.stubGlobal("sessionStorage", { getItem: () => null });
const { read } = await import("../src/api/tracks.ts");

const base64 = (bytes: number[]): string => btoa(String.fromCharCode(...bytes.map((b) => b & 255)));

test("tracks are read as the service packs them", () => {
  const found = read({
    duration_s: 2,
    channels: [{ channel: 1, step_s: 1, low: base64([-127, -20]), high: base64([64, 127]) }],
    mel: { step_s: 1, bands: 2, frames: 2, low_db: -80, data: base64([0, 255, 51, 102]) },
  });
  expect(found.channels[0]?.channel).toBe(1);
  expect([...(found.channels[0]?.peaks ?? [])]).toEqual([1, 1]);
  expect([...found.mel.levels]).toEqual([-80, -0, -64, -48]);
});
