import { type Instant, PlatformError } from "../../../kernel/index.ts";
import { admit, checkUnits } from "../admission.ts";
import type {
  AppendOutcome,
  AppendUnit,
  ClaimRecord,
  Epoch,
  LeaseHolder,
  RecordedEvent,
  RecordedUnit,
  Sequence,
  SharedLog,
  Storage,
  StorageStats,
  Tagging,
  Turn,
} from "../port.ts";
import { MemoryDerivedStore } from "./memory-derived.ts";
import { MemoryLog } from "./memory-log.ts";

type Listener = (units: readonly RecordedUnit[]) => void;

/** Lets something happen between two steps of the engine, for tests; others may append there. */
export type Interruption = (step: "before-append" | "after-append" | "before-read") => Promise<void>;

/**
 * A log in memory that several processes append to, each through a `SharedMemoryStorage` of its own. For tests: what
 * one process knows is as far behind the others as on a real store, and `deliver` stands for the store's notice.
 */
export class SharedMemoryLog {
  readonly log: MemoryLog;
  readonly epochs: readonly Epoch[];
  readonly #members = new Set<SharedMemoryStorage>();
  /** Appends and turns, one after another. */
  #lastTurn: Promise<unknown> = Promise.resolve();
  readonly #leases = new Map<string, LeaseState>();
  /** The store's clock, by which deadlines pass; unless given, none ever does. */
  readonly clock: () => Instant;

  constructor(tagging?: Tagging, clock = (): Instant => 0) {
    this.log = new MemoryLog(tagging);
    this.clock = clock;
    this.epochs = [{ number: 1, id: "shared-memory", startsAfter: 0 }];
  }

  /** Another process that uses the log. */
  open(options: { readonly clockOffsetMs?: number; readonly interrupt?: Interruption } = {}): SharedMemoryStorage {
    const member = new SharedMemoryStorage(this, options);
    this.#members.add(member);
    return member;
  }

  /** Tells every process what the others have appended. */
  deliver(): void {
    for (const member of this.#members) member.hear();
  }

  leave(member: SharedMemoryStorage): void {
    this.#members.delete(member);
    for (const [name, { asking }] of this.#leases) {
      for (const request of asking.filter(({ owner }) => owner === member)) this.giveUp(name, request);
    }
  }

  /** Runs what holds the log while nobody else does. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#lastTurn.then(work);
    this.#lastTurn = mine.catch(() => undefined);
    return await mine;
  }

  ask(name: string, request: LeaseRequest): void {
    const lease = this.#leases.get(name) ?? { token: 0, word: undefined, asking: [] };
    this.#leases.set(name, lease);
    lease.asking.push(request);
    if (lease.asking.length === 1) this.#grant(lease);
  }

  giveUp(name: string, request: LeaseRequest): void {
    const lease = this.#leases.get(name);
    const place = lease?.asking.indexOf(request) ?? -1;
    if (lease === undefined || place < 0) return;
    lease.asking.splice(place, 1);
    if (place > 0) return;
    request.holder.lost();
    this.#grant(lease);
  }

  /** Takes a lease from whoever has it, as a store does of which a process has not heard for too long: it asks again, behind all others. */
  passOn(name: string): void {
    const lease = this.#leases.get(name);
    const first = lease?.asking.shift();
    if (lease === undefined || first === undefined) return;
    lease.asking.push(first);
    first.holder.lost();
    this.#grant(lease);
  }

  leaveWord(name: string, token: number, word: string): boolean {
    const lease = this.#leases.get(name);
    if (lease?.token !== token) return false;
    lease.word = word;
    return true;
  }

  #grant(lease: LeaseState): void {
    const [next] = lease.asking;
    if (next === undefined) return;
    lease.token += 1;
    next.holder.acquired(lease.token, lease.word);
  }
}

interface LeaseState {
  token: number;
  word: string | undefined;
  readonly asking: LeaseRequest[];
}

interface LeaseRequest {
  readonly owner: SharedMemoryStorage;
  readonly holder: LeaseHolder;
}

/** One process's view of a `SharedMemoryLog`. */
export class SharedMemoryStorage implements Storage, SharedLog {
  readonly derived = new MemoryDerivedStore();
  readonly shared: SharedLog = this;
  readonly epochs: readonly Epoch[];
  readonly tagging: Tagging;
  readonly #board: SharedMemoryLog;
  readonly #offsetMs: number;
  readonly #interrupt: Interruption;
  readonly #listeners = new Set<Listener>();
  #outgoingPaused = false;
  /** Listeners have had everything up to here. */
  #heard: Sequence = 0;
  #heardAt: Instant = 0;
  #endTurn: (() => void) | undefined;
  #faults: ("fail" | "lose-answer")[] = [];
  #isClosed = false;
  #underWay = 0;

  constructor(
    board: SharedMemoryLog,
    { clockOffsetMs = 0, interrupt }: { readonly clockOffsetMs?: number; readonly interrupt?: Interruption },
  ) {
    this.#board = board;
    this.#offsetMs = clockOffsetMs;
    this.#interrupt = interrupt ?? (async () => undefined);
    this.epochs = board.epochs;
    this.tagging = board.log.tagging;
    this.#heard = board.log.head();
    this.#heardAt = board.log.lastRecordedAt();
  }

  /** The next append appends nothing and throws `PlatformError("storage-unavailable")`. */
  failNextAppend(): void {
    this.#faults.push("fail");
  }

  /** The next append is made, but throws as if the answer had been lost. */
  loseNextAnswer(): void {
    this.#faults.push("lose-answer");
  }

  get outgoingPaused(): boolean {
    return this.#outgoingPaused;
  }

  async setOutgoingPaused(paused: boolean): Promise<void> {
    this.#outgoingPaused = paused;
  }

  async append(units: readonly AppendUnit[]): Promise<readonly AppendOutcome[]> {
    checkUnits(units);
    if (this.#isClosed) throw new PlatformError("storage-unavailable", "the store is closed");
    const fault = this.#faults.shift();
    this.#underWay += 1;
    await this.#interrupt("before-append");
    try {
      const outcomes =
        this.#endTurn === undefined
          ? await this.#board.exclusively(async () => this.#append(units, fault))
          : this.#append(units, fault);
      await this.#interrupt("after-append");
      if (fault === "lose-answer") throw new Error("the answer of the append was lost: a fault was armed");
      this.hear();
      return outcomes;
    } finally {
      this.#underWay -= 1;
      this.#endTurn?.();
    }
  }

  #append(units: readonly AppendUnit[], fault: "fail" | "lose-answer" | undefined): readonly AppendOutcome[] {
    if (fault === "fail") throw new PlatformError("storage-unavailable", "nothing was appended: a fault was armed");
    const admission = admit(units, { ...this.#board.log.books(), now: this.#board.clock() });
    this.#board.log.record(admission);
    return admission.outcomes;
  }

  /** Tells listeners what they have not had yet. */
  hear(): void {
    const units = this.#board.log.readLog(this.#heard, Number.MAX_SAFE_INTEGER);
    const last = units.at(-1);
    if (last === undefined) return;
    this.#heard = this.#board.log.head();
    this.#heardAt = last.meta.recordedAt;
    for (const listener of [...this.#listeners]) listener(units);
  }

  clockOffsetMs(): number {
    return this.#offsetMs;
  }

  async catchUp(): Promise<void> {
    await this.#interrupt("before-read");
    this.hear();
  }

  async takeTurn(): Promise<Turn> {
    const { promise: taken, resolve: take } = Promise.withResolvers<void>();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    void this.#board.exclusively(async () => {
      take();
      await ended;
    });
    await taken;
    const endTurn = () => {
      this.#endTurn = undefined;
      end();
    };
    this.#endTurn = endTurn;
    this.hear();
    return { at: this.#board.clock(), end: async () => (this.#endTurn === endTurn ? endTurn() : undefined) };
  }

  lease(name: string, holder: LeaseHolder): () => Promise<void> {
    const request = { owner: this, holder };
    this.#board.ask(name, request);
    return async () => this.#board.giveUp(name, request);
  }

  async leaveWord(name: string, token: number, word: string): Promise<boolean> {
    return this.#board.leaveWord(name, token, word);
  }

  head(): Sequence {
    return this.#heard;
  }

  lastRecordedAt(): Instant {
    return this.#heardAt;
  }

  async readStream(stream: string, after?: number, upTo?: number): Promise<readonly RecordedEvent[]> {
    await this.#interrupt("before-read");
    return this.#board.log.readStream(stream, after, upTo);
  }

  async versions(streams: readonly string[]): Promise<readonly number[]> {
    await this.#interrupt("before-read");
    return this.#board.log.versions(streams);
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    return this.#board.log.readLog(after, limit);
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    return this.#board.log.sequenceAt(instant);
  }

  async findClaims(keys: readonly string[]): Promise<readonly (ClaimRecord | undefined)[]> {
    await this.#interrupt("before-read");
    return this.#board.log.findClaims(keys);
  }

  async findTagged(tag: string, before: Sequence | undefined, limit: number): Promise<readonly Sequence[]> {
    return this.#board.log.findTagged(tag, before, limit);
  }

  async findCommands(commands: readonly string[], after: Sequence): Promise<readonly (Sequence | undefined)[]> {
    await this.#interrupt("before-read");
    return this.#board.log.findCommands(commands, after);
  }

  subscribe(listener: Listener): () => void {
    // A wrapper of its own, so that one function subscribed twice is stopped once for each.
    const own: Listener = (units) => listener(units);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  stats(): StorageStats {
    const { log } = this.#board;
    return { engine: "shared-memory", events: log.head(), logBytes: log.bytes(), derivedBytes: 0 };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#underWay === 0) this.#endTurn?.();
    while (this.#underWay > 0) await new Promise(setImmediate);
    this.#board.leave(this);
  }
}
