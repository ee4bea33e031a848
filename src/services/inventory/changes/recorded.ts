/** The log for tools that have it without a server: a folder at rest, or a backup. */
import type { Outcome } from "../../../kernel/index.ts";
import type { LogReader, Sequence, Storage } from "../../../platform/storage/index.ts";
import { parsePosition, reachOf } from "../positions.ts";
import type { RecordedCloudEvent } from "../wire.ts";
import { isPublic, toCloudEvent } from "./cloud-events.ts";

/** Events read at a time: bounds the memory of a tool, whatever the size of the log. */
const readEvents = 1000;

/** Every event that the change feed would give, in its order, up to the end of the log. */
export async function* recordedChanges(log: LogReader): AsyncGenerator<RecordedCloudEvent> {
  let seen: Sequence = 0;
  while (seen < log.head()) {
    const units = await log.readLog(seen, readEvents);
    if (units.length === 0) return;
    for (const event of units.flatMap(({ events }) => events)) {
      seen = event.seq;
      if (isPublic(event)) yield toCloudEvent(event, log.epochs);
    }
  }
}

/** The event that a client's position stands after; rejects one that can't be read or is of another history. */
export function sequenceOfPosition(
  position: string,
  log: Pick<LogReader, "epochs" | "head"> & { readonly shared?: Storage["shared"] },
): Outcome<Sequence> {
  return parsePosition(position, log.epochs, reachOf(log));
}
