import type { AppendUnit } from "../port.ts";
import type { ColdWriter } from "./cold-writer.ts";
import type { SqliteStorage } from "./index.ts";
import { writeColdFile } from "./write-cold-file.ts";

/** Moves all units into a cold file but the newest one, and those that a file holds already. */
export async function archiveAll(storage: SqliteStorage): Promise<void> {
  const head = storage.head();
  if (head === 0) return;
  const [newest] = await storage.readLog(head - 1, 1);
  await archiveUpTo(storage, head - (JSON.parse(newest?.body ?? "") as { events: unknown[] }).events.length);
}

/** Moves the units that end by a sequence. */
export async function archiveUpTo(storage: SqliteStorage, lastSequence: number): Promise<void> {
  const firstSequence = storage.archive.figures().seam + 1;
  if (lastSequence < firstSequence) return;
  await storage.archive.move({ day: "1970-01-01", firstSequence, lastSequence });
}

/** Writes cold files on the test's own thread: starting another one would take most of the time of a short test. */
export const ownThread: ColdWriter = { write: writeColdFile, stop: async () => undefined };

/** Lets a store move what it has after every second append. */
export function archiveOften(storage: SqliteStorage): void {
  const append = storage.append.bind(storage);
  let appends = 0;
  let moving: Promise<void> | undefined;
  storage.append = async (units: readonly AppendUnit[]) => {
    const outcomes = await append(units);
    appends += 1;
    if (appends % 2 === 0)
      moving ??= archiveAll(storage).finally(() => {
        moving = undefined;
      });
    await moving;
    return outcomes;
  };
}
