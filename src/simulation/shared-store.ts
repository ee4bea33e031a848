/**
 * A store on a machine of its own that several simulated processes append to: what PostgreSQL is to them. It judges
 * appends one after another, may lose power by itself, and tells the others of what was appended some time later, or
 * never. What each process knows of it is its `SharedView`.
 */
import { type Instant, PlatformError } from "../kernel/index.ts";
import { admit, checkUnits } from "../platform/storage/admission.ts";
import type {
  AppendOutcome,
  AppendUnit,
  ClaimRecord,
  DerivedStore,
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
} from "../platform/storage/index.ts";
import { MemoryLog } from "../platform/storage/memory/memory-log.ts";
import type { Timers } from "../platform/timers/index.ts";
import type { Disk } from "./disk.ts";
import type { Random } from "./random.ts";
import type { Life, Scheduler } from "./scheduler.ts";
import type { AppendFate, Fates } from "./storage.ts";

interface LeaseRequest {
  readonly view: SharedView;
  readonly holder: LeaseHolder;
}

interface Lease {
  token: number;
  word: string | undefined;
  readonly asking: LeaseRequest[];
  holder?: LeaseRequest;
}

type Listener = (units: readonly RecordedUnit[]) => void;

/** Milliseconds after which a turn that was not used is taken away. */
const turnMsMax = 1000;
/** Milliseconds between looks of a process at what others have appended, when nothing tells it. */
const lookEveryMs = 1000;

export class SharedStore {
  readonly tagging: Tagging;
  readonly disk: Disk;
  readonly timers: Timers;
  readonly random: Random;
  log: MemoryLog;
  readonly #views = new Set<SharedView>();
  readonly #leases = new Map<string, Lease>();
  /** Whoever appends or has a turn, one after another. */
  #last: Promise<unknown> = Promise.resolve();
  /** Grows with each loss of power: what was under way then is cut off. */
  #lives = 0;

  /** By which deadlines pass. */
  readonly clock: () => Instant;

  constructor(
    disk: Disk,
    scheduler: Pick<Scheduler, "timersOf">,
    random: Random,
    tagging: Tagging,
    clock: () => Instant,
  ) {
    this.disk = disk;
    this.tagging = tagging;
    this.clock = clock;
    this.timers = scheduler.timersOf({ dead: false });
    this.random = random;
    this.log = this.#opened();
  }

  #opened(): MemoryLog {
    const log = new MemoryLog(this.tagging, this.disk.read);
    for (const unit of this.disk.open()) log.load(unit);
    return log;
  }

  /** To be called once its disk has crashed: it is there again at once, and knows what is durable. */
  restart(): void {
    this.#lives += 1;
    this.#last = Promise.resolve();
    this.log = this.#opened();
  }

  enter(view: SharedView): void {
    this.#views.add(view);
  }

  /** Its leases are free once the store has noticed. */
  leave(view: SharedView): void {
    this.#views.delete(view);
    this.timers.after(this.random.between(0, 3000), () => {
      for (const [name, { asking }] of this.#leases)
        for (const request of asking.filter((one) => one.view === view)) this.giveUp(name, request);
    });
  }

  ask(name: string, request: LeaseRequest): void {
    const lease = this.#leases.get(name) ?? { token: 0, word: undefined, asking: [] };
    this.#leases.set(name, lease);
    lease.asking.push(request);
    if (lease.asking.length === 1) this.#grantSoon(lease);
  }

  giveUp(name: string, request: LeaseRequest): void {
    const lease = this.#leases.get(name);
    const place = lease?.asking.indexOf(request) ?? -1;
    if (lease === undefined || place < 0) return;
    lease.asking.splice(place, 1);
    if (place > 0) return;
    if (!request.view.isGone) request.holder.lost();
    this.#grantSoon(lease);
  }

  #grantSoon(lease: Lease): void {
    this.timers.after(this.random.between(1, 50), () => {
      const [next] = lease.asking;
      if (next === undefined || next.view.isGone || next === lease.holder) return;
      lease.holder = next;
      lease.token += 1;
      next.holder.acquired(lease.token, lease.word);
    });
  }

  leaveWord(name: string, token: number, word: string): boolean {
    const lease = this.#leases.get(name);
    if (lease?.token !== token) return false;
    lease.word = word;
    return true;
  }

  /** Runs what nothing else may run beside. Throws, with an unknown outcome, when the store loses power meanwhile. */
  async exclusively<T>(work: (mustLive: () => void) => Promise<T>): Promise<T> {
    const lives = this.#lives;
    const mustLive = () => {
      if (this.#lives !== lives) throw new Error("the connection to the store is lost");
    };
    const mine = this.#last.then(async () => {
      mustLive();
      return await work(mustLive);
    });
    this.#last = mine.catch(() => undefined);
    return await mine;
  }

  /** Judges units and makes the good ones durable; to be called exclusively. */
  async write(units: readonly AppendUnit[], writeMs: number, mustLive: () => void): Promise<readonly AppendOutcome[]> {
    const admission = admit(units, { ...this.log.books(), now: this.clock() });
    const decidedAt = units.flatMap(({ meta }, index) => (admission.outcomes[index]?.ok ? meta.recordedAt : []));
    this.disk.write(admission.units.map(({ body }, index) => ({ body, decidedAt: decidedAt[index] ?? 0 })));
    await wait(this.timers, writeMs);
    mustLive();
    this.disk.sync();
    this.log.record(admission);
    if (admission.units.length > 0) this.#giveNotice();
    return admission.outcomes;
  }

  #giveNotice(): void {
    for (const view of this.#views) {
      if (this.random.chance(0.1)) continue; // lost
      this.timers.after(this.random.chance(0.9) ? this.random.between(0, 5) : this.random.between(5, 900), () =>
        view.notice(),
      );
    }
  }
}

/** The storage port of one process. The faults of its calls are told by whoever opened it. */
export class SharedView implements Storage, SharedLog {
  readonly shared: SharedLog = this;
  readonly epochs: readonly Epoch[] = [{ number: 1, id: "simulated", startsAfter: 0 }];
  readonly tagging: Tagging;
  readonly derived: DerivedStore;
  readonly outgoingPaused = false;
  readonly #store: SharedStore;
  readonly #timers: Timers;
  readonly #fates: Fates;
  readonly #life: Life;
  readonly #listeners = new Set<Listener>();
  /** Listeners have had everything up to here. */
  #heard: Sequence;
  #heardAt: Instant;
  #turn: HeldTurn | undefined;
  #late: readonly AppendUnit[] = [];
  #underWay = 0;
  /** Appends that are with the store. */
  #atStore = 0;
  #stopLooking: () => void;

  constructor(store: SharedStore, derived: DerivedStore, timers: Timers, fates: Fates, life: Life) {
    this.#store = store;
    this.tagging = store.tagging;
    this.derived = derived;
    this.#timers = timers;
    this.#fates = fates;
    this.#life = life;
    this.#heard = store.log.head();
    this.#heardAt = store.log.lastRecordedAt();
    store.enter(this);
    this.#stopLooking = timers.every(lookEveryMs, () => this.#hear());
  }

  async setOutgoingPaused(): Promise<void> {
    throw new PlatformError("storage-unavailable", "nothing is paused in a simulation of several processes");
  }

  async append(units: readonly AppendUnit[]): Promise<readonly AppendOutcome[]> {
    checkUnits(units);
    const fate = this.#fates.append(units);
    const turn = this.#turn;
    this.#underWay += 1;
    try {
      return await this.#append(units, fate, turn);
    } finally {
      this.#underWay -= 1;
      turn?.end();
    }
  }

  async #append(
    units: readonly AppendUnit[],
    fate: AppendFate,
    turn: HeldTurn | undefined,
  ): Promise<readonly AppendOutcome[]> {
    await this.#wait(fate.beforeMs);
    if (fate.crash === "before-write") await this.#die();
    if (fate.fault === "failed") throw new PlatformError("storage-unavailable", "nothing was appended: a fault");
    if (fate.fault === "not-made-unknown") throw new Error("nobody knows whether it was appended: a fault");
    if (fate.fault === "landed-late") {
      this.#late = [...this.#late, ...units];
      throw new Error("nobody knows whether it was appended: a fault");
    }
    // From here on it is the store's: it goes on also when this process has died.
    const write = (mustLive: () => void) => this.#store.write(units, fate.writeMs, mustLive);
    // A turn that was taken away is none: others may be appending.
    const writing = turn?.isHeld ? turn.use(write) : this.#store.exclusively(write);
    this.#follow(writing);
    if (fate.crash === "written") await this.#die();
    const outcomes = await writing;
    if (fate.crash === "synced") await this.#die();
    await this.#wait(fate.answerMs);
    if (fate.fault === "answer-lost") throw new Error("the answer of the append was lost: a fault");
    this.#hear();
    return outcomes;
  }

  /** Tells listeners what they have not had yet. */
  #hear(): void {
    if (this.#life.dead) return;
    const units = this.#store.log.readLog(this.#heard, Number.MAX_SAFE_INTEGER);
    const last = units.at(-1);
    if (last === undefined) return;
    this.#heard = this.#store.log.head();
    this.#heardAt = last.meta.recordedAt;
    for (const listener of [...this.#listeners]) listener(units);
  }

  /** The store tells of what was appended. */
  notice(): void {
    this.#hear();
  }

  clockOffsetMs(): number {
    return 0;
  }

  async catchUp(): Promise<void> {
    await this.#reading();
    this.#hear();
  }

  async takeTurn(): Promise<Turn> {
    await this.#reading();
    const { promise: taken, resolve: take, reject: fail } = Promise.withResolvers<HeldTurn>();
    this.#store
      .exclusively(async (mustLive) => {
        const turn = new HeldTurn(this.#store, mustLive);
        take(turn);
        await turn.ended;
      })
      .catch(fail);
    const turn = await taken.catch((cause: unknown) => {
      throw new PlatformError("storage-unavailable", "no turn could be taken", { cause });
    });
    // The store takes the turn of a process that has died.
    if (this.#life.dead) turn.end();
    this.#turn = turn;
    this.#hear();
    return { at: turn.at, end: async () => turn.end() };
  }

  lease(name: string, holder: LeaseHolder): () => Promise<void> {
    const request = { view: this, holder };
    this.#store.ask(name, request);
    return async () => this.#store.giveUp(name, request);
  }

  async leaveWord(name: string, token: number, word: string): Promise<boolean> {
    await this.#reading();
    return this.#store.leaveWord(name, token, word);
  }

  get isGone(): boolean {
    return this.#life.dead;
  }

  head(): Sequence {
    return this.#heard;
  }

  lastRecordedAt(): Instant {
    return this.#heardAt;
  }

  async readStream(stream: string, after?: number, upTo?: number): Promise<readonly RecordedEvent[]> {
    await this.#reading();
    return this.#store.log.readStream(stream, after, upTo);
  }

  async versions(streams: readonly string[]): Promise<readonly number[]> {
    await this.#reading();
    return this.#store.log.versions(streams);
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    await this.#reading();
    return this.#store.log.readLog(after, limit);
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    await this.#reading();
    return this.#store.log.sequenceAt(instant);
  }

  async findClaims(keys: readonly string[]): Promise<readonly (ClaimRecord | undefined)[]> {
    await this.#reading();
    return this.#store.log.findClaims(keys);
  }

  async findTagged(tag: string, before: Sequence | undefined, limit: number): Promise<readonly Sequence[]> {
    await this.#reading();
    return this.#store.log.findTagged(tag, before, limit);
  }

  /** What nobody knew of comes to the store before this is answered, or never. */
  async findCommands(commands: readonly string[], after: Sequence): Promise<readonly (Sequence | undefined)[]> {
    await this.#reading();
    const late = this.#late;
    this.#late = [];
    if (late.length > 0 && this.#store.random.chance(0.5)) {
      const landing = this.#store.exclusively((mustLive) => this.#store.write(late, 0, mustLive));
      this.#follow(landing);
      await landing;
      this.#hear();
    }
    return this.#store.log.findCommands(commands, after);
  }

  /** Whether something of this process may still come to be in the log. */
  get isAwaited(): boolean {
    return this.#atStore > 0;
  }

  #follow(writing: Promise<unknown>): void {
    this.#atStore += 1;
    const end = () => {
      this.#atStore -= 1;
    };
    writing.then(end, end);
  }

  subscribe(listener: Listener): () => void {
    // A wrapper of its own, so that one function subscribed twice is stopped once for each.
    const own: Listener = (units) => listener(units);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  stats(): StorageStats {
    const { log } = this.#store;
    return { engine: "simulated", events: log.head(), logBytes: log.bytes(), derivedBytes: 0 };
  }

  async close(): Promise<void> {
    while (this.#underWay > 0) await wait(this.#timers, 1);
    this.depart();
  }

  /** The process has ended, by itself or not: its turn ends with it. */
  depart(): void {
    this.#stopLooking();
    this.#turn?.end();
    this.#store.leave(this);
  }

  async #reading(): Promise<void> {
    const { ms, fails } = this.#fates.read();
    if (ms > 0) await this.#wait(ms);
    if (fails) throw new PlatformError("storage-unavailable", "the store can't be read: a fault");
  }

  /** A dead process waits for ever. */
  #wait(ms: number): Promise<void> {
    return this.#life.dead ? new Promise(() => {}) : wait(this.#timers, ms);
  }

  #die(): Promise<never> {
    this.#fates.crash();
    return new Promise(() => {});
  }
}

/** A turn of one process: as long as it is held, nobody else appends. */
class HeldTurn {
  readonly at: Instant;
  readonly ended: Promise<void>;
  isHeld = true;
  #isUsed = false;
  readonly #mustLive: () => void;
  readonly #keep: () => void;
  readonly #end: () => void;

  constructor({ timers, clock }: SharedStore, mustLive: () => void) {
    this.at = clock();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
    this.#mustLive = mustLive;
    this.#keep = timers.after(turnMsMax, () => this.end());
  }

  /** Nobody takes it away while it is used. */
  async use<T>(work: (mustLive: () => void) => Promise<T>): Promise<T> {
    this.#keep();
    this.#mustLive();
    this.#isUsed = true;
    return await work(this.#mustLive).finally(() => {
      this.#isUsed = false;
      this.end();
    });
  }

  end(): void {
    this.isHeld = false;
    if (!this.#isUsed) this.#end();
  }
}

function wait(timers: Timers, ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => void timers.after(ms, resolve));
}
