import { type Instant, PlatformError } from "../../../kernel/index.ts";
import { migrate, Postgres, sqlStateOf } from "../../postgres/index.ts";
import { noTags, type Sequence, type Tagging } from "../port.ts";
import { LocalDerived } from "../sqlite/index.ts";
import { readUnit } from "../unit.ts";
import { copyMark } from "./copy-mark.ts";
import { PostgresStorage } from "./postgres-storage.ts";
import { storedTag } from "./proposal.ts";
import { readMeta } from "./reader.ts";
import { codes } from "./statements.ts";

export interface PostgresStorageOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Where this process keeps what it derives from the log; of this process alone, and made when it is not there. */
  readonly folder: string;
  readonly tagging?: Tagging;
  /** This process's clock; the system's unless given. */
  readonly clock?: () => Instant;
}

/**
 * Opens the log in a PostgreSQL database, making its tables when they are not there.
 *
 * Throws `PlatformError("storage-unavailable")` when the server can't be reached or is none that Larder works with, when the
 * log has been written by a newer version, and when it is shorter than what this process has derived from it.
 */
export async function openPostgresStorage({
  url,
  folder,
  tagging = noTags,
  clock = Date.now,
}: PostgresStorageOptions): Promise<PostgresStorage> {
  const postgres = new Postgres({ url, name: "larder" });
  try {
    await postgres.check();
    await refusePooler(postgres);
    await migrate(postgres, "log", new URL("migrations/", import.meta.url));
    await refuseUnfinished(postgres);
    await tagAll(postgres, tagging);
    const meta = await readMeta(postgres);
    await makePartsAhead(postgres, meta.seq + 20_000_000);
    const history = `${meta.storeId} ${meta.epochs.at(-1)?.id} ${tagging.version}`;
    const derived = LocalDerived.open(folder, history);
    const furthest = derived.store.furthestCheckpoint();
    if (furthest > meta.seq) {
      await derived.close();
      throw new PlatformError(
        "storage-unavailable",
        `the log at ${postgres.where} ends at event ${meta.seq}, but ${furthest} events have been there. If it was brought ` +
          "back to an earlier point, begin a new epoch first: docs/operations/postgresql.md",
      );
    }
    const storage = new PostgresStorage(postgres, derived, meta, { tagging, clock });
    await storage.catchUp();
    return storage;
  } catch (error) {
    await postgres.close();
    throw error;
  }
}

/** A role that does not own the log can't make parts of it: those that are there have to do for it. */
async function makePartsAhead(postgres: Postgres, upto: Sequence): Promise<void> {
  try {
    await postgres.query("select larder.make_parts($1)", [upto]);
  } catch (error) {
    if (sqlStateOf(error) !== codes.notAllowed) throw error;
  }
}

/**
 * A pooler between this process and the server would hand out sessions of others: leases and notices would be lost without a
 * word. It shows by the process that the server says to serve us.
 */
async function refusePooler(postgres: Postgres): Promise<void> {
  const session = await postgres.session();
  try {
    const [row] = await session.query<{ pid: number }>("select pg_backend_pid() as pid");
    if (row?.pid === session.processId) return;
    throw new PlatformError(
      "storage-unavailable",
      `there is a pooler at ${postgres.where}: connect Larder to PostgreSQL itself, of which it needs few connections`,
    );
  } finally {
    await session.close();
  }
}

async function refuseUnfinished(postgres: Postgres): Promise<void> {
  const found = await postgres.query("select from larder.settings where key = $1", [copyMark]);
  if (found.length === 0) return;
  throw new PlatformError(
    "storage-unavailable",
    `a log is being copied into the database at ${postgres.where}: let \`larder migrate\` finish, by running it again`,
  );
}

/** Tags the units that are there as this version of Larder does, if another one has tagged them. */
export async function tagAll(postgres: Postgres, tagging: Tagging): Promise<void> {
  await postgres.transaction(async ({ query }) => {
    const [head] = await query<{ seq: number; tagging: number | null }>("select seq, tagging from larder.head");
    const known = head?.tagging ?? undefined;
    if (known === tagging.version) return;
    if (known !== undefined && known > tagging.version)
      throw new PlatformError(
        "storage-unavailable",
        `the log at ${postgres.where} is tagged by a newer version of Larder (${known}; this one has ${tagging.version})`,
      );
    await query("select larder.lock()");
    await query("delete from larder.tags");
    for (let after = 0; ; ) {
      const units = await query<{ seq: number; last: number; body: string }>(
        "select seq, last, body from larder.log where seq > $1 order by seq limit 1000",
        [after],
      );
      const rows = units.flatMap(({ seq, body }) =>
        [...new Set(tagging.of(readUnit(seq, body)).map(storedTag))].map((tag) => ({ tag, seq })),
      );
      await query(
        "insert into larder.tags (tag, base, firsts) select t, s - 1, array[1] from unnest($1::bigint[], $2::bigint[]) u (t, s)",
        [rows.map(({ tag }) => tag), rows.map(({ seq }) => seq)],
      );
      const last = units.at(-1);
      if (last === undefined) break;
      after = last.seq;
    }
    await query("update larder.head set tagging = $1", [tagging.version]);
  });
}
