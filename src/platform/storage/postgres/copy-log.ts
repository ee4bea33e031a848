import { createHash, randomUUID } from "node:crypto";
import { PlatformError } from "../../../kernel/index.ts";
import { migrate, Postgres } from "../../postgres/index.ts";
import type { Epoch, LogReader, RecordedUnit, Sequence, Tagging } from "../port.ts";
import { readUnit, type StoredUnit } from "../unit.ts";
import { copyMark } from "./copy-mark.ts";
import { tagAll } from "./open-storage.ts";
import { parametersOf } from "./proposal.ts";
import { readMeta } from "./reader.ts";
import { type Appended, statements } from "./statements.ts";
import { unitsAfter } from "./units.ts";

export interface LogCopyOptions {
  /** The log to copy. Nobody may write it meanwhile. */
  readonly source: LogReader;
  /** The database; it has to hold no log of its own. */
  readonly url: string;
  readonly tagging: Tagging;
  /** Looks at the copy before it counts; what it throws leaves it unfinished. */
  readonly verify: (url: string) => Promise<void>;
  readonly onProgress?: (copied: Sequence) => void;
}

export interface LogCopy {
  readonly events: number;
  /** Where it began: over 0 when an earlier attempt had been broken off. */
  readonly resumedAfter: Sequence;
  /** The epoch that begins with it. */
  readonly epoch: Epoch;
}

/**
 * Copies a log into a PostgreSQL database, unit by unit as they are stored, and with them what is found by them: streams, claims, tags.
 * What was copied by an attempt that was broken off is kept, and the next goes on behind it. Until all is copied, read back
 * and verified, the database is refused to servers.
 *
 * Throws `PlatformError("storage-unavailable")` when the database holds another log, or what is read back is not what the
 * source holds.
 */
export async function copyLog({ source, url, tagging, verify, onProgress }: LogCopyOptions): Promise<LogCopy> {
  const postgres = new Postgres({ url, name: "larder-migrate", connectionsMax: 2 });
  try {
    await postgres.check();
    await migrate(postgres, "log", new URL("migrations/", import.meta.url));
    await claimDatabase(postgres, source);
    await tagAll(postgres, tagging);
    const { seq: resumedAfter } = await readMeta(postgres);
    await copyUnits(postgres, source, resumedAfter, tagging, onProgress);
    await compare(postgres, source);
    await verify(url);
    return { events: source.head(), resumedAfter, epoch: await finish(postgres, source) };
  } finally {
    await postgres.close();
  }
}

async function claimDatabase(postgres: Postgres, { epochs }: LogReader): Promise<void> {
  const id = epochs.at(-1)?.id ?? "";
  const [row] = await postgres.query<{ value: string | null; seq: number }>(
    "select (select value from larder.settings where key = $1) as value, seq from larder.head",
    [copyMark],
  );
  if (row?.value === id) return;
  if (row?.value !== null || row.seq > 0)
    throw new PlatformError(
      "storage-unavailable",
      row?.value == null
        ? `the database at ${postgres.where} holds a log already: name an empty one`
        : `another log is being copied into the database at ${postgres.where}: name an empty one`,
    );
  await postgres.query("insert into larder.settings (key, value) values ($1, $2)", [copyMark, id]);
}

async function copyUnits(
  postgres: Postgres,
  source: LogReader,
  from: Sequence,
  tagging: Tagging,
  onProgress?: (copied: Sequence) => void,
): Promise<void> {
  const writer = randomUUID();
  const { epochs } = await readMeta(postgres);
  let parts = 0;
  for (let head = from; head < source.head(); ) {
    const units = (await source.readLog(head, eventsAtOnce)).map(stored);
    const last = units.at(-1);
    if (last === undefined) throw lostSource(head);
    if (last.lastSeq > parts) {
      parts = last.lastSeq + partsAhead;
      await postgres.query("select larder.make_parts($1)", [parts]);
    }
    const footing = { head, ...basesOf(units), free: [] };
    const fixed = [head, 0, epochs.at(-1)?.number, tagging.version, writer, 1, false];
    const [answer] = await postgres.query<Appended>(statements.append, [
      ...fixed,
      ...parametersOf(units, footing, tagging),
    ]);
    if (answer?.appended !== true || answer.base !== head)
      throw new PlatformError("storage-unavailable", `the log does not fit behind event ${head} of its copy`);
    head = last.lastSeq;
    onProgress?.(head);
  }
}

/** The versions that streams have before these units. */
function basesOf(units: readonly StoredUnit[]): { readonly streams: string[]; readonly bases: number[] } {
  const bases = new Map<string, number>();
  for (const { events } of units)
    for (const { stream, version } of events) if (!bases.has(stream)) bases.set(stream, version - 1);
  return { streams: [...bases.keys()], bases: [...bases.values()] };
}

/** Reads both back, and compares every byte. */
async function compare(postgres: Postgres, source: LogReader): Promise<void> {
  const digests = [createHash("sha256"), createHash("sha256")] as const;
  for (let at = 0; at < source.head(); ) {
    const ours = await source.readLog(at, eventsAtOnce);
    const theirs = await unitsAfter(postgres, at, eventsAtOnce);
    for (const { body } of ours) digests[0].update(`${body}\n`);
    for (const { body } of theirs) digests[1].update(`${body}\n`);
    at = ours.at(-1)?.events.at(-1)?.seq ?? source.head();
  }
  const { seq } = await readMeta(postgres);
  if (seq === source.head() && digests[0].digest("hex") === digests[1].digest("hex")) return;
  throw new PlatformError(
    "storage-unavailable",
    `what was copied to ${postgres.where} is not what the log holds: drop that database, and begin again with an empty one`,
  );
}

/** From here on the copy is the log: in an epoch of its own, so that what the old one may go on to is told apart. */
async function finish(postgres: Postgres, source: LogReader): Promise<Epoch> {
  const before = source.epochs.at(-1)?.number ?? 0;
  const epoch: Epoch = { number: before + 1, id: randomUUID(), startsAfter: source.head() };
  await postgres.transaction(async ({ query }) => {
    await query("select larder.lock()");
    await query("delete from larder.epochs");
    for (const { number, id, startsAfter } of [...source.epochs, epoch])
      await query("insert into larder.epochs (number, id, starts_after) values ($1, $2, $3)", [
        number,
        id,
        startsAfter,
      ]);
    await query("update larder.head set epoch = $1, paused = $2", [epoch.number, source.outgoingPaused]);
    await query("delete from larder.settings where key = $1", [copyMark]);
  });
  return epoch;
}

function stored({ events, body }: RecordedUnit): StoredUnit {
  return readUnit(events[0]?.seq ?? 0, body);
}

function lostSource(after: Sequence): PlatformError {
  return new PlatformError("storage-unavailable", `the log has no event ${after + 1}, but later ones`);
}

const eventsAtOnce = 2000;
const partsAhead = 10_000_000;
