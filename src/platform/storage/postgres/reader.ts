import { PlatformError } from "../../../kernel/index.ts";
import { Postgres } from "../../postgres/index.ts";
import type { LogReader } from "../port.ts";
import { type LogMeta, metaStatement, statements } from "./statements.ts";
import { unitsAfter } from "./units.ts";

/**
 * Opens the log of a database for reading only, as it is now, also beside servers that write it. Throws
 * `PlatformError("storage-unavailable")` when the server can't be reached, or holds no log.
 */
export async function openPostgresReader(url: string): Promise<LogReader> {
  const postgres = new Postgres({ url, name: "larder-reader", connectionsMax: 2 });
  try {
    await refuseEmpty(postgres);
    const meta = await readMeta(postgres);
    return {
      epochs: meta.epochs,
      outgoingPaused: meta.paused,
      head: () => meta.seq,
      lastRecordedAt: () => meta.at,
      readLog: (after, limit) => unitsAfter(postgres, after, limit, meta.seq),
      async sequenceAt(instant) {
        const [row] = await postgres.query<{ seq: number }>(statements.sequenceAt, [instant]);
        return Math.min(row?.seq ?? 0, meta.seq);
      },
      close: () => postgres.close(),
    };
  } catch (error) {
    await postgres.close();
    throw error;
  }
}

/**
 * Lets everything outgoing go on; false when it was not waiting. Servers that run hear of it. Throws
 * `PlatformError("storage-unavailable")` as `openPostgresReader` does.
 */
export async function resumeInPostgres(url: string): Promise<boolean> {
  const postgres = new Postgres({ url, name: "larder-resume", connectionsMax: 1 });
  try {
    await refuseEmpty(postgres);
    const rows = await postgres.query("update larder.head set paused = false where paused returning seq");
    return rows.length > 0;
  } finally {
    await postgres.close();
  }
}

async function refuseEmpty(postgres: Postgres): Promise<void> {
  const [row] = await postgres.query<{ head: string | null }>("select to_regclass('larder.head')::text as head");
  if (row?.head !== null) return;
  throw new PlatformError("storage-unavailable", `there is no log at ${postgres.where}: name a server's database`);
}

export async function readMeta(postgres: Postgres): Promise<LogMeta> {
  const [row] = await postgres.query<Omit<LogMeta, "epochs"> & { readonly epochs: string }>(metaStatement);
  if (row === undefined) throw new PlatformError("storage-unavailable", `the log at ${postgres.where} has no head`);
  return { ...row, epochs: JSON.parse(row.epochs) };
}
