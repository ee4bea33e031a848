import type { RecordedEvent, Storage } from "./port.ts";

/** Events that are read before others get their turn: 40 ms on a slow machine, where an engine reads in this process. */
const eventsInTurn = 2000;

/**
 * The whole of a stream, in portions between which `soon` lets others have their turn. `newest` is about the version that it has
 * come to: what is behind it is read in one go.
 */
export async function readInTurns(
  storage: Pick<Storage, "readStream">,
  stream: string,
  newest: number,
  soon: (run: () => void) => void,
): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  // Each portion goes on where the events end, so that one which is missing is found as when all are read at once.
  for (let upTo = eventsInTurn; upTo < newest; upTo += eventsInTurn) {
    for (const event of await storage.readStream(stream, events.length, upTo)) events.push(event);
    await new Promise<void>((resolve) => soon(resolve));
  }
  const rest = await storage.readStream(stream, events.length);
  if (events.length === 0) return rest;
  for (const event of rest) events.push(event);
  return events;
}
