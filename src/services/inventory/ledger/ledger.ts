/**
 * The one place where inventory is decided and appended.
 *
 * Commands queue up in memory. The ledger takes all that wait, decides them one after another, each on top of what the
 * ones before it did, appends all their units in one durable write, and then answers everyone: accepted, refused or
 * merely reading. So a hot sku costs no more than ten thousand different ones, and nobody is told anything that is not
 * durable (design.md, rules 2 to 4).
 *
 * State in memory is a cache of the log. Whatever goes wrong with an append, the states it touched are dropped and
 * folded again from the log.
 *
 * Where several processes append to one log, each decides by what it knows of it. A unit then states the version of all
 * that its decision has looked at, and what appends nothing is answered once it is known that nobody has changed what it
 * was decided on. After a conflict the next rounds are decided in turns of their own, so that no process starves.
 *
 * A command may have a timeframe (docs/adr/0031-calls-with-a-deadline.md): it is decided and recorded within it, or not at all.
 */
import { type Instant, limits, NotBegun, PlatformError, type Timeframe } from "../../../kernel/index.ts";
import type {
  AppendOutcome,
  AppendUnit,
  RecordedUnit,
  Sequence,
  Storage,
  Turn,
} from "../../../platform/storage/index.ts";
import { AllAnswers, type AllDecided, type Answers, type Decided, OneAnswer } from "./answers.ts";
import { type CacheStats, StateCache } from "./cache.ts";
import { familyOf } from "./families.ts";
import { CommandQueue } from "./queue.ts";
import { type Draft, Round, type Waiting } from "./round.ts";
import type { SnapshotReader } from "./snapshots.ts";
import { pairOf, placesOf } from "./streams.ts";
import { type Command, isOfSystem } from "./transaction.ts";

/**
 * Rounds that are decided in turns after a conflict. Those who met on a stock will meet again: with turns that are kept up, two
 * processes with 64 callers each took 1,060 reservations a second of one sku on PostgreSQL, where each took a turn only
 * after it had lost one round they took 500.
 */
const turnsAfterConflict = 32;

export interface LedgerOptions {
  readonly storage: Storage;
  readonly clock: () => Instant;
  /** Unique to this process: the first part of its command ids. */
  readonly processId: string;
  readonly snapshots: SnapshotReader;
  /** The locations known to have a sku; the ledger adds those it is about to record. */
  readonly locationsOf: (sku: string) => Iterable<string>;
  /** Whether a void of this fact is in the log; the ledger adds those it is about to record. */
  readonly isVoided: (factKey: string) => boolean;
  /** Runs a function soon, after input that has arrived meanwhile. */
  readonly soon?: (run: () => void) => void;
  readonly observe?: LedgerObserver;
  readonly cachedStatesMax?: number;
  /** Whether memory is so short that only what looks, and what the system itself records, is decided. */
  readonly isMemoryShort?: () => boolean;
}

/** Told about each append, for metrics. */
export interface LedgerObserver {
  appended?(units: number, events: number, seconds: number): void;
  decidedAgain?(commands: number): void;
}

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #storage: Storage;
  readonly #cache: StateCache;
  /** What appends of unknown outcome touched, and where the log ended then. */
  readonly #unsure = new Set<string>();
  #unsureAt: Sequence = 0;
  /** Units of a shared log that are not in the states in memory yet: those of other processes, and late ones of our own. */
  #foreign: RecordedUnit[] = [];
  /** The commands of the append under way: states in memory have them already. */
  readonly #inFlight = new Set<string>();
  #unsubscribe: () => void = () => undefined;
  /** Rounds that are still decided in turns of their own, since others have been quicker. */
  #turnsLeft = 0;
  /** The round under way. */
  #round: Round | undefined;
  readonly #queue = new CommandQueue();
  #running = false;
  #closed = false;
  #lastNow: Instant = 0;
  #commands = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#storage = options.storage;
    this.#cache = new StateCache(options.cachedStatesMax ?? limits.cachedStatesMax);
    const { storage } = options;
    if (storage.shared === undefined) return;
    this.#unsubscribe = storage.subscribe((units) => {
      for (const unit of units) if (!this.#inFlight.has(unit.meta.command)) this.#foreign.push(unit);
    });
  }

  /** Commands that wait. */
  get queueLength(): number {
    return this.#queue.length;
  }

  get cacheStats(): CacheStats {
    return this.#cache.stats;
  }

  /**
   * Decides a command and answers when all that the answer rests on is durable. Rejects with `PlatformError`
   * (`overloaded`, `storage-unavailable`, `version-conflict`, `shutting-down`), with `NotBegun` outside of its timeframe, or
   * with what `decide` threw.
   */
  submit<T>(command: Command<T>, within?: Timeframe): Promise<Decided<T>> {
    return new Promise<Decided<T>>((resolve, reject) => {
      this.#refuseWhenFull(command, this.#queue.singles);
      this.#enqueue(command, new OneAnswer(resolve, reject), 0, within, false);
    });
  }

  /**
   * As `submit` for each command, in their order, answered together; a large batch lets others pass. All are of one actor.
   * What `decide` threw is turned into an answer by `recover`, or rejects all when that throws it again.
   */
  submitAll<T>(
    commands: readonly Command<T>[],
    recover: (error: unknown) => T,
    within?: Timeframe,
  ): Promise<AllDecided<T>> {
    const [first] = commands;
    if (first === undefined) return Promise.resolve({ values: [], seq: 0 });
    return new Promise<AllDecided<T>>((resolve, reject) => {
      const isBulk = this.#queue.isBulk(first.actor, commands.length);
      this.#refuseWhenFull(first, isBulk ? this.#queue.length : this.#queue.singles);
      const answers = new AllAnswers(commands.length, recover, resolve, reject);
      for (const [place, command] of commands.entries()) this.#enqueue(command, answers, place, within, isBulk);
    });
  }

  #refuseWhenFull(command: Command<unknown>, waiting: number): void {
    if (this.#closed) throw new PlatformError("shutting-down", "The ledger is closed.");
    if (waiting >= limits.ledgerQueueMax) {
      throw new PlatformError("overloaded", "Too many commands wait for the ledger.");
    }
    if (this.#options.isMemoryShort?.() && !command.looks && !isOfSystem(command)) {
      throw new PlatformError("overloaded", "Too little memory is left to take anything in.");
    }
  }

  #enqueue(
    command: Command<unknown>,
    answers: Answers,
    place: number,
    within: Timeframe | undefined,
    isBulk: boolean,
  ): void {
    this.#commands += 1;
    const id = `${this.#options.processId}-${this.#commands.toString(36)}`;
    this.#queue.add({ command, id, answers, place, within, attempts: 0 }, isBulk);
    if (!this.#running) this.#start();
  }

  /** The state of a stock if it is in memory and is that of `version`. For the writer of snapshots. */
  peek(stream: string, version: number): unknown {
    const entry = this.#cache.peek(stream);
    if (entry?.version !== version) return undefined;
    // Where others append, it may be that of an event of ours which is not in the log, with one of theirs in its place.
    const isFirm = this.#storage.shared === undefined || this.#round?.changed.has(stream) !== true;
    return isFirm ? entry.state : undefined;
  }

  /** Finishes what waits and takes no more. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running) await new Promise<void>((resolve) => this.#soon(resolve));
    this.#unsubscribe();
  }

  #soon(run: () => void): void {
    (this.#options.soon ?? setImmediate)(run);
  }

  #start(): void {
    this.#running = true;
    this.#soon(() => {
      this.#decideWaiting().then(
        () => {
          if (this.#queue.length > 0) this.#start();
          else this.#running = false;
        },
        (error: unknown) => {
          this.#running = false;
          for (const waiting of this.#queue.clear()) reject(waiting, error);
        },
      );
    });
  }

  async #decideWaiting(): Promise<void> {
    const batch = this.#queue.next();
    // Only here, so that nothing a decision has seen is forgotten before it ends.
    if (this.#options.isMemoryShort?.()) this.#cache.clear();
    else this.#cache.age();
    let turn: Turn | undefined;
    try {
      // Without a turn to wait for, the time is asked in this very moment: the simulator knows the ledger's look at it by that.
      if (this.#turnsLeft > 0 || batch.some(isFromLater)) turn = await this.#beginTurn();
      await this.#decideTogether(batch, turn);
    } catch (error) {
      for (const waiting of batch) reject(waiting, error);
      throw error;
    } finally {
      this.#round = undefined;
      await turn?.end();
    }
  }

  async #decideTogether(asked: readonly Waiting[], turn: Turn | undefined): Promise<void> {
    this.#takeInForeign();
    this.#forgetUnsure();
    const round = new Round(this.#options, this.#cache, this.#now());
    this.#round = round;
    const batch = turnAwayUntimely(asked, round.now, turn?.at ?? round.now);
    const drafts: Draft[] = [];
    try {
      await round.prefetch(batch);
      for (const waiting of batch) {
        try {
          const decided = round.decide(waiting);
          drafts.push(decided instanceof Promise ? await decided : decided);
        } catch (error) {
          reject(waiting, error);
        }
      }
    } catch (error) {
      // Reading the store failed: nothing was appended, so all may simply be turned away.
      for (const stream of round.changed) this.#cache.drop(stream);
      for (const waiting of batch) reject(waiting, error);
      return;
    }
    try {
      await this.#append(drafts, round);
    } catch (error) {
      for (const name of round.changed) this.#cache.drop(name);
      throw error;
    }
  }

  /**
   * Waits until nobody else appends: when others have been quicker before, and for a command that is to be decided when
   * nothing can come any more that had to come before an instant.
   */
  async #beginTurn(): Promise<Turn | undefined> {
    this.#turnsLeft = Math.max(0, this.#turnsLeft - 1);
    return await this.#storage.shared?.takeTurn();
  }

  /** Brings the states in memory up to what others have appended. */
  #takeInForeign(): void {
    for (const { events, meta } of this.#foreign.splice(0)) {
      for (const event of events) {
        const entry = this.#cache.peek(event.stream);
        // A state that was read late has it already.
        if (entry === undefined || entry.version >= event.version) continue;
        if (entry.version < event.version - 1) {
          this.#cache.drop(event.stream);
          continue;
        }
        const family = familyOf(event.stream);
        // A stock without events was looked at by the policy with which it would have begun here.
        const state = entry.version === 0 ? family.empty() : entry.state;
        entry.state = family.evolve(state, event, meta);
        entry.version = event.version;
      }
    }
  }

  /** What others have changed since the round began: streams, names, and skus that have come to new locations. */
  #movedByOthers(): ReadonlySet<string> {
    const moved = new Set<string>();
    for (const { events, claims } of this.#foreign) {
      for (const { stream, version } of events) {
        moved.add(stream);
        if (version === 1 && stream.startsWith("stock-")) moved.add(placesOf(pairOf(stream).sku));
      }
      for (const { key } of claims) moved.add(key);
    }
    return moved;
  }

  async #append(drafts: readonly Draft[], round: Round): Promise<void> {
    const units: AppendUnit[] = [];
    let events = 0;
    for (const { unit } of drafts) {
      if (unit === undefined) continue;
      units.push(unit);
      events += unit.events.length;
    }
    if (units.length === 0) {
      await this.#settleLooks(drafts);
      return;
    }
    const before = this.#storage.head();
    const started = performance.now();
    let outcomes: readonly AppendOutcome[];
    if (this.#storage.shared !== undefined) for (const { meta } of units) this.#inFlight.add(meta.command);
    try {
      outcomes = await this.#storage.append(units);
    } catch (error) {
      this.#inFlight.clear();
      await this.#settleFailure(drafts, round, before, error);
      return;
    }
    this.#inFlight.clear();
    this.#options.observe?.appended?.(units.length, events, (performance.now() - started) / 1000);
    this.#settle(drafts, outcomes);
  }

  /** Nothing is to be appended: all may be answered, where others append once it is known what they have done. */
  async #settleLooks(drafts: readonly Draft[]): Promise<void> {
    try {
      await this.#storage.shared?.catchUp();
    } catch (error) {
      refuse(drafts, error);
      return;
    }
    this.#settle(drafts, []);
  }

  /**
   * Answers those whose unit is durable, and decides the others again, with all that had seen their states. The outcomes
   * are those of the drafts that have a unit, in their order.
   */
  #settle(drafts: readonly Draft[], outcomes: readonly AppendOutcome[]): void {
    const suspect = this.#suspectOf(drafts, outcomes);
    const moved = this.#movedByOthers();
    const late = this.#landedLate(drafts, outcomes);
    const again: Waiting[] = [];
    const head = this.#storage.head();
    let place = 0;
    for (const draft of drafts) {
      if (draft.unit === undefined) {
        const { touched } = draft;
        if (isAny(touched, suspect) || isAny(touched, moved) || isAny(touched, late)) again.push(draft.waiting);
        else resolve(draft, head);
        continue;
      }
      const outcome = outcomes[place];
      place += 1;
      if (outcome?.ok) resolve(draft, lastOf(draft.unit, outcome.seq));
      else again.push(draft.waiting);
    }
    this.#decideAgain(again);
  }

  /** Streams and claims of the units that failed: what is in memory of them is wrong, and is dropped. */
  #suspectOf(drafts: readonly Draft[], outcomes: readonly AppendOutcome[]): ReadonlySet<string> {
    const suspect = new Set<string>();
    if (outcomes.every(({ ok }) => ok)) return suspect;
    if (this.#storage.shared !== undefined) this.#turnsLeft = turnsAfterConflict;
    const units = drafts.flatMap(({ unit }) => unit ?? []);
    for (const [place, { expected, claims = [] }] of units.entries()) {
      if (outcomes[place]?.ok) continue;
      for (const { stream } of expected) {
        suspect.add(stream);
        this.#cache.drop(stream);
      }
      for (const { key } of claims) suspect.add(key);
    }
    return suspect;
  }

  /** An append threw. Either nothing was written, or nobody knows: then the log itself is asked. */
  async #settleFailure(drafts: readonly Draft[], round: Round, before: Sequence, error: unknown): Promise<void> {
    for (const name of round.changed) this.#cache.drop(name);
    const unsure: Draft[] = [];
    const looking: Waiting[] = [];
    // In a shared log others may have changed what a draft was decided on.
    const isAlone = this.#storage.shared === undefined;
    let hasWritten = false;
    for (const draft of drafts) {
      hasWritten ||= draft.unit !== undefined;
      if (isAlone && (!hasWritten || (draft.unit === undefined && !isAny(draft.touched, round.changed))))
        resolve(draft, this.#storage.head());
      else if (draft.waiting.command.looks) looking.push(draft.waiting);
      else unsure.push(draft);
    }
    await this.#settleUnsure(unsure, before, round, error);
    // First in the next round, and so on top of nothing that may fail: a store that takes no writes is still read.
    this.#queue.putBack(looking);
  }

  async #settleUnsure(unsure: readonly Draft[], before: Sequence, round: Round, error: unknown): Promise<void> {
    if (error instanceof PlatformError) return refuse(unsure, error);
    for (const name of round.changed) this.#unsure.add(name);
    this.#unsureAt = before;
    try {
      const found = await this.#storage.findCommands(
        unsure.map((draft) => draft.waiting.id),
        before,
      );
      const again: Waiting[] = [];
      for (const [index, draft] of unsure.entries()) {
        const seq = found[index];
        if (seq === undefined) again.push(draft.waiting);
        else resolve(draft, lastOf(draft.unit, seq));
      }
      this.#decideAgain(again);
    } catch (cause) {
      refuse(unsure, cause);
    }
  }

  /**
   * What appends of unknown outcome touched, if they have turned up in the log since this round began: it may have read one
   * state before that, and another one after it. What is appended on such states fails by their versions.
   */
  #landedLate(drafts: readonly Draft[], outcomes: readonly AppendOutcome[]): ReadonlySet<string> {
    if (this.#unsure.size === 0) return this.#unsure;
    let own = 0;
    for (const [place, { events }] of drafts.flatMap(({ unit }) => unit ?? []).entries())
      if (outcomes[place]?.ok) own += events.length;
    return this.#storage.head() - own === this.#unsureAt ? noNames : this.#unsure;
  }

  /**
   * An append of unknown outcome may turn out to be in the log later, when the store has come to know of it: then states
   * that were read again meanwhile are older than the log.
   */
  #forgetUnsure(): void {
    if (this.#unsure.size === 0 || this.#storage.head() === this.#unsureAt) return;
    for (const name of this.#unsure) this.#cache.drop(name);
    this.#unsure.clear();
  }

  #decideAgain(again: readonly Waiting[]): void {
    if (again.length === 0) return;
    this.#options.observe?.decidedAgain?.(again.length);
    const retried = again.filter((waiting) => {
      waiting.attempts += 1;
      if (waiting.attempts <= limits.conflictRetriesMax) return true;
      reject(
        waiting,
        new PlatformError("version-conflict", "Others changed the same stock meanwhile; please try again."),
      );
      return false;
    });
    this.#queue.putBack(retried);
  }

  /** Never runs backwards, whatever the clock does. */
  #now(): Instant {
    this.#lastNow = Math.max(this.#lastNow, this.#options.clock(), this.#storage.lastRecordedAt());
    return this.#lastNow;
  }
}

function resolve({ waiting, value, thrown }: Draft, seq: Sequence): void {
  if (thrown === undefined) waiting.answers.resolve(waiting.place, value, seq);
  else reject(waiting, thrown.error);
}

function isFromLater({ within }: Waiting): boolean {
  return within?.from !== undefined;
}

/** Rejects what is too early or too late, and gives the others. The store's clock has surely come to `firmly`. */
function turnAwayUntimely(batch: readonly Waiting[], now: Instant, firmly: Instant): readonly Waiting[] {
  if (batch.every(({ within }) => within === undefined)) return batch;
  return batch.filter((waiting) => {
    const { from = 0, before = Infinity } = waiting.within ?? {};
    const isTimely = from <= firmly && now < before;
    if (!isTimely) reject(waiting, new NotBegun(`It came too ${now < before ? "early" : "late"} to be decided.`));
    return isTimely;
  });
}

function reject({ answers, place }: Waiting, error: unknown): void {
  answers.reject(place, error);
}

/** The last event of a unit that begins at `seq`; `seq` itself where nothing was appended. */
function lastOf(unit: AppendUnit | undefined, seq: Sequence): Sequence {
  return seq + (unit === undefined ? 1 : unit.events.length) - 1;
}

function refuse(drafts: readonly Draft[], cause: unknown): void {
  const error = new PlatformError("storage-unavailable", "The store can't be written at the moment.", { cause });
  for (const { waiting } of drafts) reject(waiting, error);
}

const noNames: ReadonlySet<string> = new Set();

function isAny(streams: readonly string[], of: ReadonlySet<string>): boolean {
  if (of.size === 0) return false;
  for (const stream of streams) if (of.has(stream)) return true;
  return false;
}
