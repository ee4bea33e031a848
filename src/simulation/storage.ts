/**
 * The storage port on a simulated disk. Units are admitted and written in the same stored form as by every engine
 * (`admission.ts`, `unit.ts`); the faults of each append are told by whoever opened it.
 */
import { codeOf, type Instant, PlatformError } from "../kernel/index.ts";
import { type Admission, admit, checkUnits } from "../platform/storage/admission.ts";
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
} from "../platform/storage/index.ts";
import { noTags } from "../platform/storage/index.ts";
import { MemoryLog } from "../platform/storage/memory/memory-log.ts";
import type { Timers } from "../platform/timers/index.ts";
import { type Archived, archivedLog } from "./archived-log.ts";
import type { ColdFates } from "./cold-faults.ts";
import type { Disk } from "./disk.ts";
import type { Life } from "./scheduler.ts";

export const appendFaults = ["failed", "answer-lost", "not-made-unknown", "landed-late"] as const;
export const crashPoints = ["before-write", "written", "synced"] as const;

/** What is to happen to one append. Times in milliseconds. */
export interface AppendFate {
  readonly beforeMs: number;
  readonly writeMs: number;
  readonly answerMs: number;
  /**
   * `failed`: nothing is appended, and that is known. The others leave the caller in doubt; what `landed-late` is not
   * there yet when the caller looks for it, only just after.
   */
  readonly fault?: (typeof appendFaults)[number];
  /** The process dies here. */
  readonly crash?: (typeof crashPoints)[number];
}

export interface ReadFate {
  readonly ms: number;
  readonly fails: boolean;
}

/** Who decides what goes wrong. */
export interface Fates {
  append(units: readonly AppendUnit[]): AppendFate;
  read(): ReadFate;
  /** Ends the process that the storage belongs to, and crashes its disk. */
  crash(): void;
  /** Of cold files; undefined in a store that has none. */
  readonly cold?: ColdFates;
}

type Listener = (units: readonly RecordedUnit[]) => void;

export class SimulatedStorage implements Storage {
  readonly epochs: readonly Epoch[] = [{ number: 1, id: "simulated", startsAfter: 0 }];
  readonly #disk: Disk;
  readonly #timers: Timers;
  readonly #fates: Fates;
  readonly #life: Life;
  readonly tagging: Tagging;
  readonly #log: MemoryLog;
  readonly #archived: Archived | undefined;
  readonly #listeners = new Set<Listener>();
  #lastAppend: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #late: readonly AppendUnit[] = [];

  /** Opens what is durable on a disk. */
  constructor(disk: Disk, timers: Timers, fates: Fates, life: Life, tagging: Tagging = noTags) {
    this.tagging = tagging;
    this.#log = new MemoryLog(tagging, disk.read);
    this.#disk = disk;
    this.#timers = timers;
    this.#fates = fates;
    this.#life = life;
    for (const unit of disk.open()) this.#log.load(unit);
    this.#archived =
      fates.cold &&
      archivedLog({
        disk,
        fates: fates.cold,
        epochs: this.epochs,
        log: this.#log,
        wait: (ms) => this.#wait(ms),
        die: () => this.#die(),
        inTurn: (work) => this.#inTurn(work),
      });
  }

  get archive() {
    return this.#archived?.archive;
  }

  get derived() {
    return this.#disk.derived;
  }

  get outgoingPaused(): boolean {
    return this.#disk.outgoingPaused;
  }

  async setOutgoingPaused(paused: boolean): Promise<void> {
    this.#disk.outgoingPaused = paused;
  }

  async append(units: readonly AppendUnit[]): Promise<readonly AppendOutcome[]> {
    checkUnits(units);
    const fate = this.#fates.append(units);
    return this.#inTurn(() => this.#append(units, fate));
  }

  /** After all that was to be written before. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastAppend.then(work);
    this.#lastAppend = done.catch(() => undefined);
    return done;
  }

  async #append(units: readonly AppendUnit[], fate: AppendFate): Promise<readonly AppendOutcome[]> {
    if (this.#isClosed) throw new PlatformError("storage-unavailable", "the store is closed");
    await this.#wait(fate.beforeMs);
    if (fate.crash === "before-write") await this.#die();
    if (fate.fault === "failed") throw new PlatformError("storage-unavailable", "nothing was appended: a fault");
    if (fate.fault === "not-made-unknown") throw new Error("nobody knows whether it was appended: a fault");
    if (fate.fault === "landed-late") {
      this.#late = [...this.#late, ...units];
      throw new Error("nobody knows whether it was appended: a fault");
    }
    const admission = this.#admit(units);
    await this.#wait(fate.writeMs);
    if (fate.crash === "written") await this.#die();
    this.#disk.sync();
    if (fate.crash === "synced") await this.#die();
    this.#record(admission);
    await this.#wait(fate.answerMs);
    if (fate.fault === "answer-lost") throw new Error("the answer of the append was lost: a fault");
    return admission.outcomes;
  }

  #admit(asked: readonly AppendUnit[]): Admission {
    const admission = admit(asked, this.#log.books());
    const decidedAt = asked.flatMap(({ meta }, index) => (admission.outcomes[index]?.ok ? meta.recordedAt : []));
    this.#disk.write(admission.units.map(({ body }, index) => ({ body, decidedAt: decidedAt[index] ?? 0 })));
    return admission;
  }

  #record(admission: Admission): void {
    this.#log.record(admission);
    if (admission.units.length > 0) for (const listener of [...this.#listeners]) listener(admission.units);
  }

  #land(): void {
    if (this.#late.length === 0 || this.#life.dead) return;
    const admission = this.#admit(this.#late);
    this.#late = [];
    this.#disk.sync();
    this.#record(admission);
  }

  head(): Sequence {
    return this.#log.head();
  }

  lastRecordedAt(): Instant {
    return this.#log.lastRecordedAt();
  }

  async readStream(stream: string, after?: number, upTo?: number): Promise<readonly RecordedEvent[]> {
    await this.#reading();
    if (this.#archived === undefined) return this.#log.readStream(stream, after, upTo);
    const events: RecordedEvent[] = [];
    for (const seq of this.#log.placesOf(stream, after, upTo)) {
      const unit = await this.#archived.whole.unit(seq);
      for (const event of unit?.events ?? [])
        if (event.stream === stream && event.version > (after ?? 0) && event.version <= (upTo ?? event.version))
          events.push(event);
    }
    return events;
  }

  async versions(streams: readonly string[]): Promise<readonly number[]> {
    await this.#reading();
    return this.#log.versions(streams);
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    await this.#reading();
    return this.#archived?.whole.read(after, limit, this.#log.head()) ?? this.#log.readLog(after, limit);
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    await this.#reading();
    return this.#archived?.whole.sequenceAt(instant, this.#log.head()) ?? this.#log.sequenceAt(instant);
  }

  async findClaims(keys: readonly string[]): Promise<readonly (ClaimRecord | undefined)[]> {
    await this.#reading();
    return this.#log.findClaims(keys);
  }

  async findTagged(tag: string, before: Sequence | undefined, limit: number): Promise<readonly Sequence[]> {
    await this.#reading();
    return this.#log.findTagged(tag, before, limit);
  }

  async findCommands(commands: readonly string[], after: Sequence): Promise<readonly (Sequence | undefined)[]> {
    try {
      await this.#reading();
      return this.#log.findCommands(commands, after);
    } finally {
      void this.#inTurn(async () => this.#land());
    }
  }

  subscribe(listener: Listener): () => void {
    // A wrapper of its own, so that one function subscribed twice is stopped once for each.
    const own: Listener = (units) => listener(units);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  stats(): StorageStats {
    return { engine: "simulated", events: this.#log.head(), logBytes: this.#log.bytes(), derivedBytes: 0 };
  }

  async close(): Promise<void> {
    await this.archive?.close();
    await this.#lastAppend;
    this.#isClosed = true;
  }

  async #reading(): Promise<void> {
    const { ms, fails } = this.#fates.read();
    if (ms > 0) await this.#wait(ms);
    if (fails) throw new PlatformError("storage-unavailable", "the store can't be read: a fault");
  }

  /** A dead process waits for ever. */
  #wait(ms: number): Promise<void> {
    if (this.#life.dead) return new Promise(() => {});
    return ms === 0 ? Promise.resolve() : new Promise((resolve) => void this.#timers.after(ms, resolve));
  }

  /** Whether an error is one that this store, or its disk, has thrown on purpose. */
  readonly isFault = (error: unknown): boolean => {
    const isOurs = codeOf(error) !== undefined || String(error).endsWith("a fault");
    return isOurs || this.#life.dead || this.#isClosed;
  };

  #die(): Promise<never> {
    this.#fates.crash();
    return new Promise(() => {});
  }
}
