/** Reading server-sent events (WHATWG HTML, 9.2.6): as much of it as a feed of JSON needs. */

export interface ServerSentEvent {
  /** Where to resume after this one: the last id seen so far; undefined before the first. */
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** The events of a stream of bytes. A comment is told as an event named `comment`, for it is a sign of life. */
export async function* serverSentEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  let id: string | undefined;
  let event = "";
  let data: string[] = [];
  for await (const line of lines(bytes)) {
    if (line === "") {
      if (data.length > 0) yield { id, event: event || "message", data: data.join("\n") };
      [event, data] = ["", []];
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "") yield { id, event: "comment", data: value };
    else if (field === "id") id = value;
    else if (field === "event") event = value;
    else if (field === "data") data.push(value);
  }
}

/** The lines of a stream of bytes, without their ends; a last one without an end is left out, for it may be cut. */
export async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of bytes) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    rest = parts.pop() ?? "";
    yield* parts;
  }
}
