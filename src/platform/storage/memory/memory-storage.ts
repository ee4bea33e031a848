import { type Instant, PlatformError } from "../../../kernel/index.ts";
import { admit, checkUnits } from "../admission.ts";
import type {
  AppendOutcome,
  AppendUnit,
  ClaimRecord,
  Epoch,
  RecordedEvent,
  RecordedUnit,
  Sequence,
  Storage,
  StorageStats,
  Tagging,
} from "../port.ts";
import { MemoryDerivedStore } from "./memory-derived.ts";
import { MemoryLog } from "./memory-log.ts";

type Listener = (units: readonly RecordedUnit[]) => void;
type Fault = { readonly kind: "fail" | "lose-answer" } | { readonly kind: "hold"; readonly until: Promise<void> };

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
  readonly #log: MemoryLog;
  readonly #listeners = new Set<Listener>();
  readonly #faults: Fault[] = [];
  #lastAppend: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** Begins with what a log holds already. */
  constructor({
    epochs,
    tagging,
    log,
  }: { readonly epochs?: readonly Epoch[]; readonly tagging?: Tagging; readonly log?: MemoryLog } = {}) {
    this.epochs = epochs ?? [{ number: 1, id: "memory", startsAfter: 0 }];
    this.#log = log ?? new MemoryLog(tagging);
    this.tagging = this.#log.tagging;
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
    const admission = admit(units, this.#log.books());
    this.#log.record(admission);
    if (admission.units.length > 0) for (const listener of [...this.#listeners]) listener(admission.units);
    if (fault?.kind === "lose-answer") throw new Error("the answer of the append was lost: a fault was armed");
    return admission.outcomes;
  }

  head(): Sequence {
    return this.#log.head();
  }

  lastRecordedAt(): Instant {
    return this.#log.lastRecordedAt();
  }

  async readStream(stream: string, after?: number, upTo?: number): Promise<readonly RecordedEvent[]> {
    return this.#log.readStream(stream, after, upTo);
  }

  async versions(streams: readonly string[]): Promise<readonly number[]> {
    return this.#log.versions(streams);
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    return this.#log.readLog(after, limit);
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    return this.#log.sequenceAt(instant);
  }

  async findClaims(keys: readonly string[]): Promise<readonly (ClaimRecord | undefined)[]> {
    return this.#log.findClaims(keys);
  }

  async findTagged(tag: string, before: Sequence | undefined, limit: number): Promise<readonly Sequence[]> {
    return this.#log.findTagged(tag, before, limit);
  }

  async findCommands(commands: readonly string[], after: Sequence): Promise<readonly (Sequence | undefined)[]> {
    return this.#log.findCommands(commands, after);
  }

  subscribe(listener: Listener): () => void {
    // A wrapper of its own, so that one function subscribed twice is stopped once for each.
    const own: Listener = (units) => listener(units);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  stats(): StorageStats {
    return { engine: "memory", events: this.#log.head(), logBytes: this.#log.bytes(), derivedBytes: 0 };
  }

  async close(): Promise<void> {
    await this.#lastAppend;
    this.#isClosed = true;
  }
}
