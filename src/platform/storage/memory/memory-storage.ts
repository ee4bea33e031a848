import { type Instant, PlatformError } from "../../../kernel/index.ts";
import { type Admission, admit, checkUnits } from "../admission.ts";
import {
  type AppendOutcome,
  type AppendUnit,
  type ClaimRecord,
  type Epoch,
  noTags,
  type RecordedEvent,
  type RecordedUnit,
  type Sequence,
  type Storage,
  type StorageStats,
  type Tagging,
} from "../port.ts";
import { readUnit, type StoredUnit } from "../unit.ts";
import { MemoryDerivedStore } from "./memory-derived.ts";

type Listener = (units: readonly RecordedUnit[]) => void;
type Fault = { readonly kind: "fail" | "lose-answer" } | { readonly kind: "hold"; readonly until: Promise<void> };

/** Where a unit begins in the log, and its stored form: read back from the text, as from a disk. */
interface Row {
  readonly seq: Sequence;
  readonly at: Instant;
  readonly body: string;
}

/**
 * The log in memory, for tests and the simulator: it forgets everything when its process ends, and takes no timer and
 * no clock. Reads give what was stored, not the caller's objects.
 *
 * Faults are armed one at a time, each for the next append that has none yet.
 */
export class MemoryStorage implements Storage {
  readonly derived = new MemoryDerivedStore();
  readonly epochs: readonly Epoch[];
  readonly tagging: Tagging;
  #outgoingPaused = false;
  #head: Sequence = 0;
  #lastRecordedAt: Instant = 0;
  readonly #rows: Row[] = [];
  /** For each stream the index of the row of each event. */
  readonly #streams = new Map<string, number[]>();
  readonly #claims = new Map<string, ClaimRecord>();
  readonly #tags = new Map<string, Sequence[]>();
  readonly #listeners = new Set<Listener>();
  readonly #faults: Fault[] = [];
  #lastAppend: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor({ epochs, tagging }: { readonly epochs?: readonly Epoch[]; readonly tagging?: Tagging } = {}) {
    this.epochs = epochs ?? [{ number: 1, id: "memory", startsAfter: 0 }];
    this.tagging = tagging ?? noTags;
  }

  /** The next append appends nothing and throws `PlatformError("storage-unavailable")`. */
  failNextAppend(): void {
    this.#faults.push({ kind: "fail" });
  }

  /** The next append is made and seen by listeners, but throws as if the answer had been lost. */
  loseNextAnswer(): void {
    this.#faults.push({ kind: "lose-answer" });
  }

  /** The next append waits, unseen, until the returned function is called. */
  holdNextAppend(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#faults.push({ kind: "hold", until: promise });
    return resolve;
  }

  get outgoingPaused(): boolean {
    return this.#outgoingPaused;
  }

  async setOutgoingPaused(paused: boolean): Promise<void> {
    this.#outgoingPaused = paused;
  }

  async append(units: readonly AppendUnit[]): Promise<readonly AppendOutcome[]> {
    checkUnits(units);
    const fault = this.#faults.shift();
    const appended = this.#lastAppend.then(() => this.#append(units, fault));
    this.#lastAppend = appended.catch(() => undefined);
    return appended;
  }

  async #append(units: readonly AppendUnit[], fault: Fault | undefined): Promise<readonly AppendOutcome[]> {
    if (fault?.kind === "hold") await fault.until;
    if (this.#isClosed) throw new PlatformError("storage-unavailable", "the store is closed");
    if (fault?.kind === "fail")
      throw new PlatformError("storage-unavailable", "nothing was appended: a fault was armed");
    const admission = admit(units, {
      head: this.#head,
      lastRecordedAt: this.#lastRecordedAt,
      version: (stream) => this.#streams.get(stream)?.length ?? 0,
      isClaimed: (key) => this.#claims.has(key),
    });
    this.#record(admission);
    if (admission.units.length > 0) for (const listener of [...this.#listeners]) listener(admission.units);
    if (fault?.kind === "lose-answer") throw new Error("the answer of the append was lost: a fault was armed");
    return admission.outcomes;
  }

  #record({ units, head, lastRecordedAt, claims }: Admission): void {
    for (const unit of units) {
      for (const { stream } of unit.events) {
        const rows = this.#streams.get(stream);
        if (rows === undefined) this.#streams.set(stream, [this.#rows.length]);
        else rows.push(this.#rows.length);
      }
      for (const tag of this.tagging.of(unit)) {
        const tagged = this.#tags.get(tag);
        if (tagged === undefined) this.#tags.set(tag, [unit.seq]);
        else tagged.push(unit.seq);
      }
      this.#rows.push({ seq: unit.seq, at: unit.meta.recordedAt, body: unit.body });
    }
    for (const [key, record] of claims) this.#claims.set(key, record);
    this.#head = head;
    this.#lastRecordedAt = lastRecordedAt;
  }

  head(): Sequence {
    return this.#head;
  }

  lastRecordedAt(): Instant {
    return this.#lastRecordedAt;
  }

  async readStream(stream: string, after = 0, upTo = Number.POSITIVE_INFINITY): Promise<readonly RecordedEvent[]> {
    const rows = new Set((this.#streams.get(stream) ?? []).slice(after, upTo));
    return [...rows]
      .flatMap((row) => this.#unitAt(row)?.events ?? [])
      .filter((event) => event.stream === stream && event.version > after && event.version <= upTo);
  }

  async versions(streams: readonly string[]): Promise<readonly number[]> {
    return streams.map((stream) => this.#streams.get(stream)?.length ?? 0);
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    const found: StoredUnit[] = [];
    let events = 0;
    for (let row = this.#rowAfter(after); row < this.#rows.length; row += 1) {
      const unit = this.#unitAt(row)?.after(after);
      if (unit === undefined) break;
      events += unit.events.length;
      if (found.length > 0 && events > limit) break;
      found.push(unit);
    }
    return found;
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    const next = this.#rows[this.#firstRow((row) => row.at > instant)];
    return next === undefined ? this.#head : next.seq - 1;
  }

  async findClaims(keys: readonly string[]): Promise<readonly (ClaimRecord | undefined)[]> {
    return keys.map((key) => this.#claims.get(key));
  }

  async findTagged(tag: string, before: Sequence | undefined, limit: number): Promise<readonly Sequence[]> {
    const tagged = this.#tags.get(tag) ?? [];
    return tagged
      .filter((seq) => before === undefined || seq < before)
      .reverse()
      .slice(0, limit);
  }

  async findCommands(commands: readonly string[], after: Sequence): Promise<readonly (Sequence | undefined)[]> {
    const found = new Map<string, Sequence>();
    for (let row = this.#rowAfter(after); row < this.#rows.length; row += 1) {
      const unit = this.#unitAt(row);
      if (unit !== undefined && !found.has(unit.meta.command)) found.set(unit.meta.command, unit.seq);
    }
    return commands.map((command) => found.get(command));
  }

  subscribe(listener: Listener): () => void {
    // A wrapper of its own, so that one function subscribed twice is stopped once for each.
    const own: Listener = (units) => listener(units);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  stats(): StorageStats {
    const logBytes = this.#rows.reduce((sum, { body }) => sum + body.length, 0);
    return { engine: "memory", events: this.#head, logBytes, derivedBytes: 0 };
  }

  async close(): Promise<void> {
    await this.#lastAppend;
    this.#isClosed = true;
  }

  #unitAt(index: number): StoredUnit | undefined {
    const row = this.#rows[index];
    return row && readUnit(row.seq, row.body);
  }

  /** The index of the row that holds the first event after a position. */
  #rowAfter(after: Sequence): number {
    if (after >= this.#head) return this.#rows.length;
    return Math.max(0, this.#firstRow((row) => row.seq > after + 1) - 1);
  }

  #firstRow(isBeyond: (row: Row) => boolean): number {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.#rows[middle];
      if (row === undefined || isBeyond(row)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
