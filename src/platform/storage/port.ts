/**
 * The storage port: what Larder asks of an engine. `storage.contract.ts` says it again as tests, which every engine
 * passes.
 *
 * The log is a sequence of units. A unit is what one command appended: one or more events, over one or more streams,
 * all or none of them. Beside the log an engine keeps what can be rebuilt from it: the derived store.
 */
import type { Instant } from "../../kernel/index.ts";

/**
 * Where an event stands in the log: 1, 2, 3, … without gaps, in an order that never changes within an epoch. The unit's
 * place is that of its first event.
 */
export type Sequence = number;

/** What a unit says of itself beside its events. Opaque ids only: personal data does not belong in the log. */
export interface UnitMeta {
  /** The id of the command; after an unknown outcome it tells whether the unit was appended. */
  readonly command: string;
  /** When the store recorded the unit. Never runs backwards: an append raises it to that of the unit before it. */
  readonly recordedAt: Instant;
  /** Who: the id of a credential, or the name of a consumer in `system:…`. */
  readonly actor: string;
  /** The fact that caused it. */
  readonly fact?: FactMeta;
}

export interface FactMeta {
  readonly source: string;
  readonly id: string;
  /** The CloudEvents type of the fact. */
  readonly type: string;
  /** When the fact says it happened, as received; absent when it did not say. */
  readonly time?: Instant;
}

export interface NewEvent {
  readonly stream: string;
  /** Past tense: `StockReserved`. */
  readonly type: string;
  /** The version of the shape of `data`, from 1. */
  readonly schema: number;
  readonly data: object;
}

/**
 * A name that can be taken once, for ever: a fact's (source, id), or an order's. `key` is 32 hexadecimal digits,
 * `print` 16 of them: a digest of the content, so that the same fact can be told from another one under its name.
 */
export interface Claim {
  readonly key: string;
  readonly print: string;
}

/** One atomic append. */
export interface AppendUnit {
  readonly meta: UnitMeta;
  /**
   * The version that each stream must have: that of its last event, 0 when it has none. Every stream of `events` is
   * listed; others may be, as guards.
   */
  readonly expected: readonly { readonly stream: string; readonly version: number }[];
  readonly events: readonly NewEvent[];
  /** Names that the unit takes; it fails when one of them is taken. */
  readonly claims?: readonly Claim[];
  /** Names that nobody may have taken; the unit fails when somebody has. */
  readonly free?: readonly string[];
  /**
   * It has to be recorded before this instant: what it was decided on lapses then. It fails when the recording time would
   * be raised to that, because others have recorded later.
   */
  readonly before?: Instant;
  /**
   * It must not be appended once the store's clock has come to this instant: whoever asked for it has given it up then.
   * A shared log judges that when nobody else can append, however long the unit was on its way.
   */
  readonly deadline?: Instant;
}

export type AppendOutcome =
  | { readonly ok: true; readonly seq: Sequence }
  /** Nothing of the unit was appended. */
  | { readonly ok: false; readonly conflict: Conflict };

/** A stream has another version than expected, a claim is taken, or it is too late for the unit. */
export type Conflict = { readonly stream: string } | { readonly claim: string } | { readonly tooLate: true };

export interface RecordedEvent {
  readonly seq: Sequence;
  readonly stream: string;
  /** 1 for the first event of its stream, then one more for each. */
  readonly version: number;
  readonly type: string;
  readonly schema: number;
  readonly data: object;
  readonly unit: UnitMeta;
}

export interface RecordedUnit {
  readonly meta: UnitMeta;
  readonly events: readonly RecordedEvent[];
  readonly claims: readonly Claim[];
  /** The unit as it is stored, a text without line ends; seals hash it. */
  readonly body: string;
}

export interface ClaimRecord {
  readonly print: string;
  /** The first event of the unit that took the claim. */
  readonly seq: Sequence;
}

/** A stretch of history between two restores. */
export interface Epoch {
  /** 1 for the first, then one more for each restore or migration. */
  readonly number: number;
  /** Random, so that two restores of one backup are told apart. */
  readonly id: string;
  /** The last sequence that it shares with the epoch before it; 0 for the first epoch. */
  readonly startsAfter: Sequence;
}

export interface Storage {
  /** The epochs of this log, the current one last. */
  readonly epochs: readonly Epoch[];
  /** Whether everything outgoing waits for `larder resume`: so after a restore. Kept by the engine. */
  readonly outgoingPaused: boolean;
  /** How this store tags units; told when it was opened. */
  readonly tagging: Tagging;
  setOutgoingPaused(paused: boolean): Promise<void>;

  /**
   * Appends units in order, in one durable write: when it resolves, the accepted ones survive a loss of power. Each
   * unit succeeds or fails by itself; a later one sees the earlier ones. A unit also fails when an earlier one of the
   * same append has failed that was to append to one of its streams: it may have been decided on top of that one, and
   * others may have made the version that it expects true again.
   *
   * Throws `PlatformError("storage-unavailable")` when nothing at all was appended (a full disk). Any other throw means
   * that the outcome is unknown: the caller looks its commands up by `findCommands` before it decides again.
   */
  append(units: readonly AppendUnit[]): Promise<readonly AppendOutcome[]>;

  /**
   * The sequence of the last durable event; 0 when the log is empty. Readers never see beyond it. In a shared log it is
   * the last one that this process knows of, and only listeners wait for that: reads show all that is durable.
   */
  head(): Sequence;

  /** The recording time of the last durable unit; 0 when the log is empty. */
  lastRecordedAt(): Instant;

  /** The events of one stream with a version above `after` and up to `upTo`, in order. */
  readStream(stream: string, after?: number, upTo?: number): Promise<readonly RecordedEvent[]>;

  /** The version of each stream, 0 for one without events. */
  versions(streams: readonly string[]): Promise<readonly number[]>;

  /**
   * Whole units that begin after `after`, in order: the first one however large, then more while all their events are
   * at most `limit`. A position inside a unit gives the rest of that unit first, its other events left out; its meta,
   * claims and bytes are those of the whole unit.
   */
  readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]>;

  /** The last unit that was recorded at or before an instant: the sequence of its last event, 0 when there is none. */
  sequenceAt(instant: Instant): Promise<Sequence>;

  /** Who took each claim, or undefined. */
  findClaims(keys: readonly string[]): Promise<readonly (ClaimRecord | undefined)[]>;

  /**
   * The units with a tag, newest first, at most `limit` of those that begin before `before`: the place of each. Tags are
   * kept as hashes, so a unit may be there by chance: the caller looks whether it is what it asked for.
   */
  findTagged(tag: string, before: Sequence | undefined, limit: number): Promise<readonly Sequence[]>;

  /**
   * For each command id whether its unit is in the log, looking at units after `after`. In a shared log no append of this
   * process whose outcome was unknown before can land any more once it has answered.
   */
  findCommands(commands: readonly string[], after: Sequence): Promise<readonly (Sequence | undefined)[]>;

  /**
   * Calls `listener` with the units of each append, after they are durable and in the log's order, before `append`
   * resolves. Returns the way to stop it. A listener must not throw and must not block.
   *
   * In a shared log listeners get the units of all processes, without gaps. When `append` resolves, also with nothing
   * appended, they have had everything that was durable when it was judged.
   */
  subscribe(listener: (units: readonly RecordedUnit[]) => void): () => void;

  /** What a log offers to which other processes append too; undefined where this process is the only one. */
  readonly shared?: SharedLog;

  readonly derived: DerivedStore;

  /** Moves old days into cold files; undefined where the engine has none. All reads go on giving the same answers. */
  readonly archive?: LogArchive | undefined;

  /** Figures of the engine for metrics and `doctor`. */
  stats(): StorageStats;

  close(): Promise<void>;
}

/**
 * A log that several processes append to. Each decides by what it knows; the conditions of `append` keep it right, and
 * what appends nothing is answered after `catchUp`.
 */
export interface SharedLog {
  /** Milliseconds to add to this process's clock to get the store's, by which all of them decide. */
  clockOffsetMs(): number;

  /**
   * Resolves once listeners have had everything that was durable when it was called. Throws
   * `PlatformError("storage-unavailable")` when the store does not answer.
   */
  catchUp(): Promise<void>;

  /**
   * As `catchUp`, and lets no other process append until this one's next `append` has ended, or `end` is called: so that
   * what is decided in between can't lose against others. For a short while only: one that takes over a second loses
   * the turn, and its append may meet conflicts again.
   */
  takeTurn(): Promise<Turn>;

  /**
   * Asks for a lease, which at most one process has at a time, until the returned function is called, which gives it up.
   * A process that is paused or cut off loses it within seconds and is told when it comes to itself; who can't bear two
   * holders for that while stores the token beside what it writes, and refuses a lesser one.
   */
  lease(name: string, holder: LeaseHolder): () => Promise<void>;

  /**
   * Leaves word for whoever has a lease next, in place of what was left before: how far the work has come, so that it is
   * not begun anew. False, with nothing left, when the lease has changed hands since `token` was given. Durable.
   */
  leaveWord(name: string, token: number, word: string): Promise<boolean>;
}

export interface Turn {
  /** The store's clock once nobody else could append: nothing with a deadline up to this is appended any more. */
  readonly at: Instant;
  /** Others may append again. Does nothing after an append. */
  end(): Promise<void>;
}

export interface LeaseHolder {
  /**
   * This process has it now. Each time it changes hands the token is greater. `word` is what was left last; undefined
   * when nothing ever was.
   */
  acquired(token: number, word: string | undefined): void;
  /** This process has it no more; it may be acquired again later. */
  lost(): void;
}

/** A log that is only read, as it was when it was opened: for tools beside a running server. */
export type LogReader = Pick<
  Storage,
  "epochs" | "outgoingPaused" | "head" | "lastRecordedAt" | "readLog" | "sequenceAt" | "close"
>;

export interface StorageStats {
  readonly engine: string;
  readonly events: number;
  /** Bytes on disk, of the log and of what is derived from it. */
  readonly logBytes: number;
  readonly derivedBytes: number;
}

/**
 * The part of the log that was moved into cold files, and the way to move more. Only whole UTC days of recording time
 * are moved, oldest first, and never the newest unit of the log nor the day that it is of.
 */
export interface LogArchive {
  figures(): ArchiveFigures;
  /** What `run` would move. */
  plan(bounds: ArchiveBounds): readonly ArchiveSpan[];
  /**
   * Moves what `plan` names, file after file. The events of a file leave the hot log only when the file is on disk and,
   * read back, is what the log holds.
   *
   * Throws `PlatformError`: `storage-unavailable` when the disk refuses, or another run is under way. What was moved
   * before that stays moved; nothing is ever in neither place.
   */
  run(bounds: ArchiveBounds, options?: ArchiveOptions): Promise<readonly ArchivedFile[]>;
}

export interface ArchiveBounds {
  /** Only days that had ended by this instant. */
  readonly before: Instant;
  /** Only days whose last event is at most this one: what consumers and seals have passed. */
  readonly upTo: Sequence;
}

export interface ArchiveOptions {
  /** Ends the run after the file under way. */
  readonly signal?: AbortSignal;
  /** Called for each file before its events are moved, with the streams that it has events of. */
  readonly beforeMove?: (streams: readonly string[], lastSequence: Sequence) => Promise<void>;
  readonly onFile?: (file: ArchivedFile) => void;
}

/** Days that are still to be moved: each becomes a file, or several when it is very large. */
export interface ArchiveSpan {
  /** As `2026-08-26`. */
  readonly day: string;
  readonly firstSequence: Sequence;
  readonly lastSequence: Sequence;
}

export interface ArchivedFile extends ArchiveSpan {
  readonly file: string;
  readonly events: number;
  readonly bytes: number;
}

export interface ArchiveFigures {
  /** The last event that is in a cold file; 0 when there is none. */
  readonly seam: Sequence;
  /** When the first unit that is still hot was recorded; undefined in an empty log. */
  readonly hotSince: Instant | undefined;
  readonly files: number;
  readonly coldBytes: number;
  /** Bytes of the log's own file that are free, and taken by what is appended next. */
  readonly freeBytes: number;
}

/**
 * What units are found by, beside their streams and claims: told to an engine when it is opened, and kept in its index.
 */
export interface Tagging {
  /** Another number lets the index be derived again. */
  readonly version: number;
  /** The tags of a unit, each once. From the unit alone, so that they can be derived again; must not throw. */
  of(unit: RecordedUnit): readonly string[];
  /** Families of streams (the name up to the first `-`) each unit of which has the tag `familyTag`. */
  readonly families?: ReadonlySet<string>;
}

/** The tag of all units of a family of streams. */
export function familyTag(family: string): string {
  return `family:${family}`;
}

export const noTags: Tagging = { version: 0, of: () => [] };

/** A document of a read model. */
export interface DerivedDocument {
  readonly id: string;
  readonly body: string;
}

/** One atomic step of a consumer: what it derived, and how far in the log it has come by it. */
export interface DerivedChanges {
  /** The consumer, which is also the name of its documents. */
  readonly consumer: string;
  /** All events up to here are in what is kept. */
  readonly checkpoint: Sequence;
  readonly put: readonly DerivedDocument[];
  readonly remove: readonly string[];
}

/**
 * What consumers keep beside the log: checkpoints, snapshots, read models. All of it can be rebuilt, so a commit need
 * not survive a loss of power; but a checkpoint never survives without what it stands for. Emptied by the engine when
 * the epoch changes or the files are damaged.
 */
export interface DerivedStore {
  /** How far a consumer has come; 0 when it has not begun. */
  checkpoint(consumer: string): Sequence;
  commit(changes: readonly DerivedChanges[]): void;
  get(consumer: string, id: string): DerivedDocument | undefined;
  /** All documents of a consumer, by id; `after` is an id. */
  scan(consumer: string, after: string, limit: number): readonly DerivedDocument[];
  /** Forgets all that a consumer has kept, its checkpoint too. */
  reset(consumer: string): void;
}
