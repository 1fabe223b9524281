/** Server-sent events, read with `fetch`: `EventSource` cannot send a key. */

import { request } from "./client.ts";

export interface ServerEvent {
  name: string;
  data: string;
}

/** Takes text as it comes, in any pieces, and gives the events that are complete. */
export class EventReader {
  private rest = "";

  feed(text: string): ServerEvent[] {
    const blocks = (this.rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this.rest = blocks.pop() ?? "";
    const found: ServerEvent[] = [];
    for (const block of blocks) {
      let name = "message";
      const data: string[] = [];
      for (const line of block.split("\n")) {
        if (line.startsWith(":")) continue; // a heartbeat
        const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
        if (field === "event") name = value ?? "";
        if (field === "data") data.push(value ?? "");
      }
      if (data.length) found.push({ name, data: data.join("\n") });
    }
    return found;
  }
}

/** The events of an address until it ends, or the signal aborts it. */
export async function* events(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  const response = await request(path, { signal, headers: { Accept: "text/event-stream" } });
  const stream = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const reader = new EventReader();
  for (;;) {
    const piece = await stream?.read();
    if (!piece || piece.done) return;
    yield* reader.feed(piece.value);
  }
}
