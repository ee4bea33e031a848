/**
 * One round of the ledger: commands decided one after another, each on top of the ones before it, to be appended together.
 */
import { type Instant, invariant, PlatformError } from "../../../kernel/index.ts";
import type { AppendUnit, Claim, ClaimRecord, Storage, UnitMeta } from "../../../platform/storage/index.ts";
import { type EffectivePolicy, effectivePolicy, isDefault, type Policy } from "../domain/policy/index.ts";
import { evolve, type PastEvent, type Stock, type StockEventDraft, withBalances } from "../domain/stock/index.ts";
import type { StateCache } from "./cache.ts";
import { familyOf, type LooseEvent, type States } from "./families.ts";
import type { Decided, LedgerOptions } from "./ledger.ts";
import { loadState } from "./snapshots.ts";
import { idOf, pairOf, streamOf } from "./streams.ts";
import type { Claimant, Command, Transaction } from "./transaction.ts";

export interface Waiting {
  readonly command: Command<unknown>;
  readonly id: string;
  readonly resolve: (decided: Decided<unknown>) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

export interface Draft {
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

/** One round: what is decided and appended together. */
export class Round {
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
  readonly #round: Round;
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

  constructor(round: Round, waiting: Waiting) {
    const { actor, fact } = waiting.command;
    this.now = round.now;
    this.#round = round;
    this.#waiting = waiting;
    this.meta = { command: waiting.id, recordedAt: round.now, actor, ...(fact !== undefined && { fact }) };
  }

  run(): Draft {
    const value = this.#waiting.command.decide(this);
    if (this.#claims.length > 0) this.#round.takeClaims(this.#claims, { fact: this.meta.fact, events: this.#events });
    return { waiting: this.#waiting, value, unit: this.#unit(), touched: this.#touched };
  }

  emittedStreams(): string[] {
    return [...new Set(this.#events.map(({ stream }) => stream))];
  }

  want(streams: readonly string[]): void {
    const absent = streams.filter((stream) => this.#round.entry(stream) === undefined);
    if (absent.length > 0) throw missing({ streams: absent });
  }

  stock(location: string, sku: string): Stock {
    const { version, state } = this.#entry(streamOf.stock(location, sku));
    const stock = state as Stock;
    // One without events goes by the policy with which it will begin.
    if (version === 0) evolve(stock, { type: "PolicyApplied", data: this.#effectivePolicy(location, sku) });
    return stock;
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
    const history = this.#round.history(stream);
    if (history === undefined) throw missing({ histories: [stream] });
    return history;
  }

  claimed(key: string): ClaimRecord | undefined {
    const { known, record } = this.#round.claimed(key);
    if (!known) throw missing({ claims: [key] });
    this.#touched.push(key);
    return record;
  }

  claimant(key: string): Claimant | undefined {
    if (this.claimed(key) === undefined) return undefined;
    const claimant = this.#round.claimant(key);
    if (claimant === undefined) throw missing({ claimants: [key] });
    return claimant;
  }

  mayBeVoided(factKey: string): boolean {
    return this.#round.mayBeVoided(factKey);
  }

  locationsOf(sku: string): readonly string[] {
    return this.#round.locationsOf(sku);
  }

  emitStock(location: string, sku: string, drafts: readonly StockEventDraft[]): void {
    const stream = streamOf.stock(location, sku);
    const stock = this.stock(location, sku);
    const isFirst = this.#entry(stream).version === 0;
    this.emit(stream, withBalances(stock, isFirst ? [...this.#firstPolicy(location, sku), ...drafts] : drafts));
  }

  emit(stream: string, events: readonly LooseEvent[]): void {
    const { version } = this.#entry(stream);
    if (!this.#expected.some((guard) => guard.stream === stream)) this.#expected.push({ stream, version });
    for (const { type, data } of events) {
      this.#events.push({ stream, type, schema: 1, data });
      this.#round.apply(stream, { type, data }, this.meta);
    }
  }

  claim(claim: Claim): void {
    this.#claims.push(claim);
  }

  /** A stock begins with the policy that holds for it, when that is not the default. */
  #firstPolicy(location: string, sku: string): StockEventDraft[] {
    const policy = this.#effectivePolicy(location, sku);
    return isDefault(policy) ? [] : [{ type: "PolicyApplied", data: policy }];
  }

  #effectivePolicy(location: string, sku: string): EffectivePolicy {
    return effectivePolicy(this.#state<Policy>(streamOf.policy(sku)), location);
  }

  #state<S>(stream: string): S {
    return this.#entry(stream).state as S;
  }

  #entry(stream: string): { readonly version: number; readonly state: unknown } {
    const entry = this.#round.entry(stream);
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
