import { type Instant, invariant } from "../../kernel/index.ts";
import type { AppendOutcome, AppendUnit, Conflict, Sequence } from "./port.ts";
import { recordUnit, type StoredUnit } from "./unit.ts";

/** What the log says so far; engines with one writer answer it from memory and their own index. */
export interface Books {
  readonly head: Sequence;
  readonly lastRecordedAt: Instant;
  /** The store's clock, for deadlines; they are not judged without it. */
  readonly now?: Instant;
  /** The version of a stream, 0 when it has no events. */
  version(stream: string): number;
  isClaimed(key: string): boolean;
}

/** What an append comes to: an outcome for each unit asked for, and the accepted ones as they will be stored. */
export interface Admission {
  readonly outcomes: readonly AppendOutcome[];
  readonly units: readonly StoredUnit[];
  /** The head and versions once these units are durable. */
  readonly head: Sequence;
  readonly lastRecordedAt: Instant;
  readonly versions: ReadonlyMap<string, number>;
}

/**
 * Decides which units may be appended, in order, each seeing the accepted ones before it. Writes nothing. The recording
 * time of a unit is raised to that of the unit before it, so that time never runs backwards in the log.
 */
export function admit(asked: readonly AppendUnit[], books: Books): Admission {
  const outcomes: AppendOutcome[] = [];
  const units: StoredUnit[] = [];
  const versions = new Map<string, number>();
  const claims = new Set<string>();
  /** Streams that a failed unit was to append to: what comes after it may stand on it. */
  const shaky = new Set<string>();
  let head = books.head;
  let lastRecordedAt = books.lastRecordedAt;

  const known = (stream: string) => versions.get(stream) ?? books.version(stream);
  const isClaimed = (key: string) => claims.has(key) || books.isClaimed(key);

  for (const unit of asked) {
    const recordedAt = Math.max(unit.meta.recordedAt, lastRecordedAt);
    const conflict = isTooLate(unit, recordedAt, books.now) ? tooLate : findConflict(unit, known, isClaimed, shaky);
    if (conflict !== undefined) {
      for (const { stream } of unit.events) shaky.add(stream);
      outcomes.push({ ok: false, conflict });
      continue;
    }
    const meta = unit.meta.recordedAt === recordedAt ? unit.meta : { ...unit.meta, recordedAt };
    const seq = head + 1;
    const stored = recordUnit(unit, meta, seq, (stream) => {
      const version = known(stream) + 1;
      versions.set(stream, version);
      return version;
    });
    for (const { key } of stored.claims) claims.add(key);
    head = stored.lastSeq;
    lastRecordedAt = recordedAt;
    units.push(stored);
    outcomes.push({ ok: true, seq });
  }
  return { outcomes, units, head, lastRecordedAt, versions };
}

const tooLate: Conflict = { tooLate: true };

function isTooLate({ before, deadline }: AppendUnit, recordedAt: Instant, now: Instant | undefined): boolean {
  const hasLapsed = before !== undefined && recordedAt >= before;
  return hasLapsed || (deadline !== undefined && now !== undefined && now >= deadline);
}

function findConflict(
  unit: AppendUnit,
  known: (stream: string) => number,
  isClaimed: (key: string) => boolean,
  shaky: ReadonlySet<string>,
): Conflict | undefined {
  for (const { stream, version } of unit.expected) {
    if (known(stream) !== version || shaky.has(stream)) return { stream };
  }
  for (const { key } of unit.claims ?? []) {
    if (isClaimed(key)) return { claim: key };
  }
  for (const key of unit.free ?? []) {
    if (isClaimed(key)) return { claim: key };
  }
  return undefined;
}

/** Throws `InvariantError` for a unit that no caller may ask for; engines call it before anything else. */
export function checkUnits(units: readonly AppendUnit[]): void {
  for (const unit of units) checkUnit(unit);
}

function checkUnit({ meta, events, expected, before, deadline, claims = [] }: AppendUnit): void {
  invariant(events.length > 0, "a unit has at least one event");
  invariant(Number.isSafeInteger(meta.recordedAt), "a unit's recording time is in whole milliseconds");
  invariant(
    Number.isSafeInteger(before ?? 0) && Number.isSafeInteger(deadline ?? 0),
    "the instant before which a unit has to be recorded is in whole milliseconds",
  );
  for (const { stream } of events) {
    invariant(
      expected.some((guard) => guard.stream === stream),
      "a unit says which version it expects of each of its streams",
    );
  }
  for (const { key, print } of claims) {
    invariant(/^[0-9a-f]{32}$/.test(key) && /^[0-9a-f]{16}$/.test(print), "a claim is 32 and 16 hexadecimal digits");
  }
  invariant(
    claims.length < 2 || new Set(claims.map(({ key }) => key)).size === claims.length,
    "a unit takes a name once",
  );
}
