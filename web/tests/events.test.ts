import { expect, test, vi } from "vitest";

vi.stubGlobal("sessionStorage", { getItem: () => null });
const { EventReader } = await import("../src/api/events.ts");

test("events are read whole, however they are cut", () => {
  const text =
    'event: progress\ndata: {"a": 1}\n\n: still here\n\nevent: done\r\ndata: x\r\ndata: y\r\n\r\n';
  const wanted = [
    { name: "progress", data: '{"a": 1}' },
    { name: "done", data: "x\ny" },
  ];
  for (let size = 1; size <= text.length; size++) {
    const reader = new EventReader();
    const found = [];
    for (let at = 0; at < text.length; at += size)
      found.push(...reader.feed(text.slice(at, at + size)));
    expect(found, `pieces of ${size}`).toEqual(wanted);
  }
});
