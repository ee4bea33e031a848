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
 */
import { type Instant, invariant, limits, PlatformError } from "../../../kernel/index.ts";
import type {
  AppendOutcome,
  AppendUnit,
  Claim,
  ClaimRecord,
  FactMeta,
  Sequence,
  Storage,
  UnitMeta,
} from "../../../platform/storage/index.ts";
import { effectivePolicy, isDefault, type Policy } from "../domain/policy/index.ts";
import { type PastEvent, type Stock, type StockEventDraft, withBalances } from "../domain/stock/index.ts";
import { type CacheStats, StateCache } from "./cache.ts";
import { familyOf, type LooseEvent, type States } from "./families.ts";
import { loadState, type SnapshotReader } from "./snapshots.ts";
import { idOf, pairOf, streamOf } from "./streams.ts";

/** What a decision asks for and does. Everything it reads is as of the commands before it. */
export interface Transaction {
  /** The store's time, the same for all that is recorded together. */
  readonly now: Instant;
  /** Makes sure that all of these streams are in memory, fetching the missing ones together. */
  want(streams: readonly string[]): void;
  stock(location: string, sku: string): Stock;
  reservation(id: string): States["reservation"];
  transfer(id: string): States["transfer"];
  policy(sku: string): States["policy"];
  item(sku: string): States["item"];
  location(id: string): States["location"];
  /** The item that a GTIN of 14 digits belongs to. */
  gtinOwner(gtin: string): string | undefined;
  /** The version of a stream; 0 when it has no events. */
  version(stream: string): number;
  /** All of a stock's events, oldest first. Costs a read of them all: for what its state can't tell. */
  history(location: string, sku: string): readonly PastEvent[];
  /** Who took a name, or undefined. */
  claimed(key: string): ClaimRecord | undefined;
  /** Whether a void of this fact may have been recorded; false is certain, and the common case. */
  mayBeVoided(factKey: string): boolean;
  /** The unit that took a name, or undefined. */
  claimant(key: string): Claimant | undefined;
  /** The locations that have ever had this sku. */
  locationsOf(sku: string): readonly string[];
  /** Appends to a stock, each event with the balance after it; the state is changed at once. */
  emitStock(location: string, sku: string, drafts: readonly StockEventDraft[]): void;
  /** Appends to any other stream; the state is changed at once. */
  emit(stream: string, events: readonly LooseEvent[]): void;
  /** What this decision has emitted so far. */
  emitted(): Claimant["events"];
  /** Takes a name for ever, together with the events. */
  claim(claim: Claim): void;
}

/** What the unit that took a name says. */
export interface Claimant {
  readonly fact: FactMeta | undefined;
  readonly events: readonly (LooseEvent & { readonly stream: string })[];
}

/** A decision: a pure function of what the transaction shows it. It may run several times; only one run counts. */
export interface Command<T> {
  /** Who asks: recorded with the events. */
  readonly actor: string;
  readonly fact?: FactMeta;
  /** Streams and names that it is known to read, fetched before it runs. Others are fetched when it asks. */
  readonly streams: readonly string[];
  readonly claims?: readonly string[];
  decide(transaction: Transaction): T;
}

export interface Decided<T> {
  readonly value: T;
  /** Up to here the log holds all that the answer rests on. */
  readonly seq: Sequence;
}

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
}

/** Told about each append, for metrics. */
export interface LedgerObserver {
  appended?(units: number, events: number, seconds: number): void;
  decidedAgain?(commands: number): void;
}

interface Waiting {
  readonly command: Command<unknown>;
  readonly id: string;
  readonly resolve: (decided: Decided<unknown>) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

interface Draft {
  readonly waiting: Waiting;
  readonly value: unknown;
  readonly unit: AppendUnit | undefined;
  /** The streams and claims that the decision has looked at. */
  /** Streams and names of claims that the decision looked at. A claim's name has no `-`, a stream's has. */
  readonly touched: readonly string[];
}

/** Thrown out of a decision that asked for what is not in memory; the ledger fetches it and decides again. */
class Missing {
  readonly streams: string[] = [];
  readonly claims: string[] = [];
  readonly histories: string[] = [];
  readonly claimants: string[] = [];
}

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #storage: Storage;
  readonly #cache: StateCache;
  #queue: Waiting[] = [];
  #running = false;
  #closed = false;
  #lastNow: Instant = 0;
  #commands = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#storage = options.storage;
    this.#cache = new StateCache(options.cachedStatesMax ?? limits.cachedStatesMax);
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
   * (`overloaded`, `storage-unavailable`, `version-conflict`, `shutting-down`), or with what `decide` threw.
   */
  submit<T>(command: Command<T>): Promise<Decided<T>> {
    return new Promise<Decided<T>>((resolve, reject) => {
      this.#refuseWhenFull();
      this.#enqueue(command, resolve, reject);
    });
  }

  /**
   * As `submit` for each command, in their order, answered together. What `decide` threw is turned into an answer by
   * `recover`, or rejects all when that throws it again.
   */
  submitAll<T>(commands: readonly Command<T>[], recover: (error: unknown) => T): Promise<Decided<T>[]> {
    if (commands.length === 0) return Promise.resolve([]);
    return new Promise<Decided<T>[]>((resolve, reject) => {
      this.#refuseWhenFull();
      const answers: Decided<T>[] = [];
      let open = commands.length;
      for (const [index, command] of commands.entries()) {
        const settle = (decided: Decided<T>) => {
          answers[index] = decided;
          open -= 1;
          if (open === 0) resolve(answers);
        };
        this.#enqueue(command, settle, (error) => {
          try {
            settle({ value: recover(error), seq: 0 });
          } catch (cause) {
            reject(cause);
          }
        });
      }
    });
  }

  #refuseWhenFull(): void {
    if (this.#closed) throw new PlatformError("shutting-down", "The ledger is closed.");
    if (this.#queue.length >= limits.ledgerQueueMax) {
      throw new PlatformError("overloaded", "Too many commands wait for the ledger.");
    }
  }

  #enqueue<T>(command: Command<T>, resolve: (decided: Decided<T>) => void, reject: (error: unknown) => void): void {
    this.#commands += 1;
    const id = `${this.#options.processId}-${this.#commands.toString(36)}`;
    // The queue forgets the type of the answer; `resolve` is only ever called with what this command decided.
    this.#queue.push({ command, id, resolve: resolve as Waiting["resolve"], reject, attempts: 0 });
    if (!this.#running) this.#start();
  }

  /** The state of a stock if it is in memory and is that of `version`. For the writer of snapshots. */
  peek(stream: string, version: number): unknown {
    const entry = this.#cache.peek(stream);
    return entry?.version === version ? entry.state : undefined;
  }

  /** Finishes what waits and takes no more. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running) await new Promise<void>((resolve) => this.#soon(resolve));
  }

  #soon(run: () => void): void {
    (this.#options.soon ?? setImmediate)(run);
  }

  #start(): void {
    this.#running = true;
    this.#soon(() => {
      this.#flush().then(
        () => {
          if (this.#queue.length > 0) this.#start();
          else this.#running = false;
        },
        (error: unknown) => {
          this.#running = false;
          for (const waiting of this.#queue.splice(0)) waiting.reject(error);
        },
      );
    });
  }

  async #flush(): Promise<void> {
    const batch = this.#queue.splice(0, limits.flushCommandsMax);
    // Only here, so that nothing a decision has seen is forgotten before it ends.
    this.#cache.age();
    const flush = new Flush(this.#options, this.#cache, this.#now());
    const drafts: Draft[] = [];
    try {
      await flush.prefetch(batch);
      for (const waiting of batch) {
        try {
          drafts.push(await flush.decide(waiting));
        } catch (error) {
          waiting.reject(error);
        }
      }
    } catch (error) {
      // Reading the store failed: nothing was appended, so all may simply be turned away.
      for (const stream of flush.changed) this.#cache.drop(stream);
      for (const waiting of batch) waiting.reject(error);
      return;
    }
    try {
      await this.#append(drafts, flush);
    } catch (error) {
      // Nothing above throws unless the code is wrong; then too nobody is left waiting. Who was answered stays so.
      for (const name of flush.changed) this.#cache.drop(name);
      for (const waiting of batch) waiting.reject(error);
      throw error;
    }
  }

  async #append(drafts: readonly Draft[], flush: Flush): Promise<void> {
    const writing = drafts.filter((draft) => draft.unit !== undefined);
    const units = writing.flatMap(({ unit }) => (unit === undefined ? [] : [unit]));
    const before = this.#storage.head();
    let outcomes: readonly AppendOutcome[] = [];
    if (units.length > 0) {
      const started = performance.now();
      try {
        outcomes = await this.#storage.append(units);
      } catch (error) {
        await this.#settleFailure(drafts, flush, before, error);
        return;
      }
      const events = units.reduce((sum, unit) => sum + unit.events.length, 0);
      this.#options.observe?.appended?.(units.length, events, (performance.now() - started) / 1000);
    }
    const bySeq = new Map(writing.map((draft, index) => [draft, outcomes[index]]));
    this.#settle(drafts, (draft) => bySeq.get(draft));
  }

  /** Answers those whose unit is durable, and decides the others again, with all that had seen their states. */
  #settle(drafts: readonly Draft[], outcomeOf: (draft: Draft) => AppendOutcome | undefined): void {
    const suspect = new Set<string>();
    for (const draft of drafts) {
      const outcome = outcomeOf(draft);
      if (outcome === undefined || outcome.ok) continue;
      for (const { stream } of draft.unit?.expected ?? []) {
        suspect.add(stream);
        this.#cache.drop(stream);
      }
      for (const { key } of draft.unit?.claims ?? []) suspect.add(key);
    }
    const again: Waiting[] = [];
    const head = this.#storage.head();
    for (const draft of drafts) {
      const outcome = outcomeOf(draft);
      if (outcome?.ok) {
        const last = outcome.seq + (draft.unit?.events.length ?? 1) - 1;
        draft.waiting.resolve({ value: draft.value, seq: last });
      } else if (draft.unit === undefined && !isAny(draft.touched, suspect)) {
        draft.waiting.resolve({ value: draft.value, seq: head });
      } else {
        again.push(draft.waiting);
      }
    }
    this.#decideAgain(again);
  }

  /** An append threw. Either nothing was written, or nobody knows: then the log itself is asked. */
  async #settleFailure(drafts: readonly Draft[], flush: Flush, before: Sequence, error: unknown): Promise<void> {
    for (const name of flush.changed) this.#cache.drop(name);
    const unsure: Draft[] = [];
    for (const draft of drafts) {
      if (draft.unit !== undefined || isAny(draft.touched, flush.changed)) unsure.push(draft);
      else draft.waiting.resolve({ value: draft.value, seq: this.#storage.head() });
    }
    if (error instanceof PlatformError) return refuse(unsure, error);
    try {
      const found = await this.#storage.findCommands(
        unsure.map((draft) => draft.waiting.id),
        before,
      );
      const again: Waiting[] = [];
      for (const [index, draft] of unsure.entries()) {
        const seq = found[index];
        if (seq === undefined) again.push(draft.waiting);
        else draft.waiting.resolve({ value: draft.value, seq: seq + (draft.unit?.events.length ?? 1) - 1 });
      }
      this.#decideAgain(again);
    } catch (cause) {
      refuse(unsure, cause);
    }
  }

  #decideAgain(again: readonly Waiting[]): void {
    if (again.length === 0) return;
    this.#options.observe?.decidedAgain?.(again.length);
    const retried = again.filter((waiting) => {
      waiting.attempts += 1;
      if (waiting.attempts <= limits.conflictRetriesMax) return true;
      waiting.reject(
        new PlatformError("version-conflict", "Others changed the same stock meanwhile; please try again."),
      );
      return false;
    });
    this.#queue = [...retried, ...this.#queue];
  }

  /** Never runs backwards, whatever the clock does. */
  #now(): Instant {
    this.#lastNow = Math.max(this.#lastNow, this.#options.clock(), this.#storage.lastRecordedAt());
    return this.#lastNow;
  }
}

/** One round: what is decided and appended together. */
class Flush {
  /** Streams whose state in memory runs ahead of the log, and claims that are about to be taken. */
  readonly changed = new Set<string>();
  readonly #options: LedgerOptions;
  readonly #storage: Storage;
  readonly #cache: StateCache;
  readonly #now: Instant;
  readonly #claims = new Map<string, ClaimRecord | undefined>();
  readonly #claimants = new Map<string, Claimant>();
  readonly #histories = new Map<string, readonly PastEvent[]>();
  /** What this round has decided to append, in order. Only looked through when a stream is folded again. */
  #pending: { readonly stream: string; readonly event: LooseEvent; readonly unit: UnitMeta }[] = [];
  readonly #newVoids = new Set<string>();
  readonly #newLocations = new Map<string, Set<string>>();

  constructor(options: LedgerOptions, cache: StateCache, now: Instant) {
    this.#options = options;
    this.#storage = options.storage;
    this.#cache = cache;
    this.#now = now;
  }

  /** Fetches what commands are known to read, in one go. */
  async prefetch(batch: readonly Waiting[]): Promise<void> {
    const streams: string[] = [];
    const claims: string[] = [];
    for (const { command } of batch) {
      for (const stream of command.streams) if (!this.#cache.has(stream)) streams.push(stream);
      if (command.claims !== undefined) claims.push(...command.claims);
    }
    if (streams.length > 0) await this.#loadStreams(streams);
    if (claims.length > 0) await this.#loadClaims(claims);
  }

  /** Decides one command, fetching what it turns out to need. */
  async decide(waiting: Waiting): Promise<Draft> {
    for (;;) {
      const step = new Step(this, waiting);
      try {
        return step.run();
      } catch (error) {
        await this.#undo(step);
        if (!(error instanceof Missing)) throw error;
        await this.#fetch(error);
      }
    }
  }

  get now(): Instant {
    return this.#now;
  }

  entry(stream: string): { readonly version: number; readonly state: unknown } | undefined {
    return this.#cache.get(stream);
  }

  claimed(key: string): { readonly known: boolean; readonly record: ClaimRecord | undefined } {
    return { known: this.#claims.has(key), record: this.#claims.get(key) };
  }

  claimant(key: string): Claimant | undefined {
    return this.#claimants.get(key);
  }

  history(stream: string): readonly PastEvent[] | undefined {
    const recorded = this.#histories.get(stream);
    if (recorded === undefined) return undefined;
    const pending = this.#pendingOf(stream);
    return [...recorded, ...pending.map(({ event, unit }) => pastEvent(event, unit))];
  }

  mayBeVoided(factKey: string): boolean {
    return this.#options.isVoided(factKey) || this.#newVoids.has(factKey);
  }

  locationsOf(sku: string): readonly string[] {
    const known = new Set(this.#options.locationsOf(sku));
    for (const location of this.#newLocations.get(sku) ?? []) known.add(location);
    return [...known];
  }

  /** Changes a state in memory; the event is kept until it is known to be durable. */
  apply(stream: string, event: LooseEvent, unit: UnitMeta): void {
    const entry = this.#cache.get(stream);
    invariant(entry !== undefined, "a stream is loaded before it is changed");
    entry.state = familyOf(stream).evolve(entry.state, event, unit);
    entry.version += 1;
    this.changed.add(stream);
    this.#pending.push({ stream, event, unit });
    if (entry.version === 1) this.#noteNew(stream);
  }

  #noteNew(stream: string): void {
    if (stream.startsWith("void-")) this.#newVoids.add(idOf(stream));
    if (!stream.startsWith("stock-")) return;
    const { location, sku } = pairOf(stream);
    const locations = this.#newLocations.get(sku) ?? new Set();
    this.#newLocations.set(sku, locations.add(location));
  }

  #pendingOf(stream: string) {
    return this.#pending.filter((pending) => pending.stream === stream);
  }

  takeClaims(claims: readonly Claim[], claimant: Claimant): void {
    for (const { key, print } of claims) {
      this.#claims.set(key, { print, seq: 0 });
      this.changed.add(key);
      this.#claimants.set(key, claimant);
    }
  }

  /** Takes back what a decision did before it stopped: its streams are folded again, with what others did to them. */
  async #undo(step: Step): Promise<void> {
    const streams = step.emittedStreams();
    if (streams.length === 0) return;
    this.#pending = this.#pending.filter(({ unit }) => unit !== step.meta);
    for (const stream of streams) this.#cache.drop(stream);
    await this.#loadStreams(streams);
  }

  async #fetch(missing: Missing): Promise<void> {
    await this.#loadStreams(missing.streams);
    await this.#loadClaims(missing.claims);
    for (const stream of missing.histories) {
      const events = await this.#storage.readStream(stream);
      this.#histories.set(
        stream,
        events.map((event) => pastEvent(event, event.unit)),
      );
    }
    for (const key of missing.claimants) {
      const seq = this.#claims.get(key)?.seq ?? 0;
      const [unit] = await this.#storage.readLog(seq - 1, 1);
      if (unit === undefined) throw new PlatformError("storage-unavailable", `The log has no unit at ${seq}.`);
      this.#claimants.set(key, { fact: unit.meta.fact, events: unit.events });
    }
  }

  async #loadStreams(streams: readonly string[]): Promise<void> {
    for (const stream of new Set(streams)) {
      const { version, state } = await loadState(this.#storage, this.#options.snapshots, stream);
      let current = { version, state };
      for (const { event, unit } of this.#pendingOf(stream)) {
        current = { version: current.version + 1, state: familyOf(stream).evolve(current.state, event, unit) };
      }
      this.#cache.set(stream, current.version, current.state);
    }
  }

  async #loadClaims(keys: readonly string[]): Promise<void> {
    const unknown = keys.filter((key) => !this.#claims.has(key));
    if (unknown.length === 0) return;
    const found = await this.#storage.findClaims(unknown);
    for (const [index, key] of unknown.entries()) this.#claims.set(key, found[index]);
  }
}

/** One run of one decision. */
class Step implements Transaction {
  readonly now: Instant;
  readonly meta: UnitMeta;
  readonly #flush: Flush;
  readonly #waiting: Waiting;
  readonly #expected: { readonly stream: string; readonly version: number }[] = [];
  readonly #events: {
    readonly stream: string;
    readonly type: string;
    readonly schema: number;
    readonly data: object;
  }[] = [];
  readonly #claims: Claim[] = [];
  readonly #touched: string[] = [];

  constructor(flush: Flush, waiting: Waiting) {
    const { actor, fact } = waiting.command;
    this.now = flush.now;
    this.#flush = flush;
    this.#waiting = waiting;
    this.meta = { command: waiting.id, recordedAt: flush.now, actor, ...(fact !== undefined && { fact }) };
  }

  run(): Draft {
    const value = this.#waiting.command.decide(this);
    if (this.#claims.length > 0) this.#flush.takeClaims(this.#claims, { fact: this.meta.fact, events: this.#events });
    return { waiting: this.#waiting, value, unit: this.#unit(), touched: this.#touched };
  }

  emittedStreams(): string[] {
    return [...new Set(this.#events.map(({ stream }) => stream))];
  }

  want(streams: readonly string[]): void {
    const absent = streams.filter((stream) => this.#flush.entry(stream) === undefined);
    if (absent.length > 0) throw missing({ streams: absent });
  }

  stock(location: string, sku: string): Stock {
    return this.#state<Stock>(streamOf.stock(location, sku));
  }

  reservation(id: string): States["reservation"] {
    return this.#state(streamOf.reservation(id));
  }

  transfer(id: string): States["transfer"] {
    return this.#state(streamOf.transfer(id));
  }

  policy(sku: string): States["policy"] {
    return this.#state(streamOf.policy(sku));
  }

  item(sku: string): States["item"] {
    return this.#state(streamOf.item(sku));
  }

  location(id: string): States["location"] {
    return this.#state(streamOf.location(id));
  }

  gtinOwner(gtin: string): string | undefined {
    return this.#state<string | null>(streamOf.gtin(gtin)) ?? undefined;
  }

  emitted(): Claimant["events"] {
    return [...this.#events];
  }

  version(stream: string): number {
    return this.#entry(stream).version;
  }

  history(location: string, sku: string): readonly PastEvent[] {
    const stream = streamOf.stock(location, sku);
    const history = this.#flush.history(stream);
    if (history === undefined) throw missing({ histories: [stream] });
    return history;
  }

  claimed(key: string): ClaimRecord | undefined {
    const { known, record } = this.#flush.claimed(key);
    if (!known) throw missing({ claims: [key] });
    this.#touched.push(key);
    return record;
  }

  claimant(key: string): Claimant | undefined {
    if (this.claimed(key) === undefined) return undefined;
    const claimant = this.#flush.claimant(key);
    if (claimant === undefined) throw missing({ claimants: [key] });
    return claimant;
  }

  mayBeVoided(factKey: string): boolean {
    return this.#flush.mayBeVoided(factKey);
  }

  locationsOf(sku: string): readonly string[] {
    return this.#flush.locationsOf(sku);
  }

  emitStock(location: string, sku: string, drafts: readonly StockEventDraft[]): void {
    const stream = streamOf.stock(location, sku);
    const stock = this.#state<Stock>(stream);
    const isFirst = this.#entry(stream).version === 0;
    this.emit(stream, withBalances(stock, isFirst ? [...this.#firstPolicy(location, sku), ...drafts] : drafts));
  }

  emit(stream: string, events: readonly LooseEvent[]): void {
    const { version } = this.#entry(stream);
    if (!this.#expected.some((guard) => guard.stream === stream)) this.#expected.push({ stream, version });
    for (const { type, data } of events) {
      this.#events.push({ stream, type, schema: 1, data });
      this.#flush.apply(stream, { type, data }, this.meta);
    }
  }

  claim(claim: Claim): void {
    this.#claims.push(claim);
  }

  /** A stock begins with the policy that holds for it, when that is not the default. */
  #firstPolicy(location: string, sku: string): StockEventDraft[] {
    const policy = effectivePolicy(this.#state<Policy>(streamOf.policy(sku)), location);
    return isDefault(policy) ? [] : [{ type: "PolicyApplied", data: policy }];
  }

  #state<S>(stream: string): S {
    return this.#entry(stream).state as S;
  }

  #entry(stream: string): { readonly version: number; readonly state: unknown } {
    const entry = this.#flush.entry(stream);
    if (entry === undefined) throw missing({ streams: [stream] });
    this.#touched.push(stream);
    return entry;
  }

  #unit(): AppendUnit | undefined {
    if (this.#events.length === 0) return undefined;
    return {
      meta: this.meta,
      expected: this.#expected,
      events: this.#events,
      ...(this.#claims.length > 0 && { claims: this.#claims }),
    };
  }
}

function missing(what: Partial<Missing>): Missing {
  return Object.assign(new Missing(), what);
}

function pastEvent(event: LooseEvent, unit: UnitMeta): PastEvent {
  return {
    event: event as PastEvent["event"],
    recordedAt: unit.recordedAt,
    ...(unit.fact !== undefined && { fact: { source: unit.fact.source, id: unit.fact.id } }),
  };
}

function refuse(drafts: readonly Draft[], cause: unknown): void {
  const error = new PlatformError("storage-unavailable", "The store can't be written at the moment.", { cause });
  for (const { waiting } of drafts) waiting.reject(error);
}

function isAny(streams: readonly string[], of: ReadonlySet<string>): boolean {
  if (of.size === 0) return false;
  for (const stream of streams) if (of.has(stream)) return true;
  return false;
}
