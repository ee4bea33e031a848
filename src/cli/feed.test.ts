import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lines, serverSentEvents } from "./feed.ts";

async function* chunks(text: string, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let from = 0;
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]) {
    yield bytes.subarray(from, cut);
    from = Math.max(from, cut);
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe("server-sent events", () => {
  it("carry the last id seen, join their data, and end with an empty line", async () => {
    const text =
      "retry: 1000\n\nid: p1\ndata: {\ndata: }\n\n:beat\n\nevent: heartbeat\nid: p2\ndata: x\n\ndata: cut off";
    expect(await all(serverSentEvents(chunks(text, [])))).toEqual([
      { id: "p1", event: "message", data: "{\n}" },
      { id: "p1", event: "comment", data: "beat" },
      { id: "p2", event: "heartbeat", data: "x" },
    ]);
  });

  it("are the same however the bytes are cut, also inside a character", async () => {
    const event = fc.record({ id: fc.stringMatching(/^[\w-]{1,8}$/), data: fc.string({ unit: "grapheme" }) });
    await fc.assert(
      fc.asyncProperty(fc.array(event), fc.array(fc.nat()), async (events, cuts) => {
        const sent = events.map(({ id, data }) => ({ id, event: "message", data: JSON.stringify(data) }));
        const text = sent.map(({ id, data }) => `id: ${id}\ndata: ${data}\n\n`).join("");
        expect(await all(serverSentEvents(chunks(text, cuts)))).toEqual(sent);
      }),
    );
  });

  it("of lines leave out one that is cut", async () => {
    expect(await all(lines(chunks('{"a":1}\r\n{"b":2}\n{"c"', [3, 8])))).toEqual(['{"a":1}', '{"b":2}']);
  });
});
