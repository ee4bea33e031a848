/** One run of one decision: what it sees, and what it emits. */
import type { Instant } from "../../../kernel/index.ts";
import type { AppendUnit, Claim, ClaimRecord, NewEvent, UnitMeta } from "../../../platform/storage/index.ts";
import { type EffectivePolicy, effectivePolicy, isDefault, type Policy } from "../domain/policy/index.ts";
import {
  available,
  causeOf,
  crossing,
  evolve,
  evolveAndBalance,
  type Level,
  lapses,
  levelOf,
  type PastEvent,
  type Stock,
  type StockEventDraft,
} from "../domain/stock/index.ts";
import type { CacheEntry } from "./cache.ts";
import { familyOf, type LooseEvent, type States } from "./families.ts";
import type { Draft, Round, Waiting } from "./round.ts";
import { kindOf, placesOf, streamOf } from "./streams.ts";
import type { Claimant, Transaction } from "./transaction.ts";

/** Thrown out of a decision that asked for what is not in memory; the ledger fetches it and decides again. */
export class Missing {
  readonly streams: readonly string[];
  readonly claims: readonly string[];
  readonly histories: readonly string[];
  readonly claimants: readonly string[];

  constructor({ streams = [], claims = [], histories = [], claimants = [] }: Partial<Missing>) {
    this.streams = streams;
    this.claims = claims;
    this.histories = histories;
    this.claimants = claimants;
  }
}

/** A stock that a decision has changed, and how it stood before. */
interface ChangedStock {
  readonly stream: string;
  readonly sku: string;
  readonly entry: CacheEntry;
  readonly level: Level;
  readonly available: number;
}

/** States change at once, so that the next decision of the round builds on them; all else is the caller's to append. */
export class Step implements Transaction {
  readonly now: Instant;
  readonly meta: UnitMeta;
  readonly events: NewEvent[] = [];
  readonly #round: Round;
  readonly #waiting: Waiting;
  readonly #expected: { readonly stream: string; readonly version: number }[] = [];
  readonly #touched: string[] = [];
  /** Streams that must have no events although they were not looked up. */
  #unbegun: string[] | undefined;
  /** When the first of what was looked at lapses that has not lapsed yet. */
  #before: Instant | undefined;
  /** When the store takes nothing of this any more. */
  #deadline: Instant | undefined;
  #claims: Claim[] | undefined;
  #changedStocks: ChangedStock[] | undefined;
  /** The stream that was looked at last, and its entry: a decision looks at the same one several times. */
  #lastStream = "";
  #lastEntry: CacheEntry | undefined;

  constructor(round: Round, waiting: Waiting) {
    const { actor, fact } = waiting.command;
    const { id: command } = waiting;
    const recordedAt = round.now;
    this.now = recordedAt;
    this.#round = round;
    this.#waiting = waiting;
    this.#deadline = waiting.within?.before;
    this.meta = fact === undefined ? { command, recordedAt, actor } : { command, recordedAt, actor, fact };
  }

  run(): Draft {
    const value = this.#waiting.command.decide(this);
    if (this.#changedStocks !== undefined) for (const changed of this.#changedStocks) this.#announce(changed);
    if (this.#claims !== undefined) {
      this.#round.takeClaims(this.#claims, { fact: this.meta.fact, events: this.events });
    }
    return { waiting: this.#waiting, value, unit: this.#unit(), touched: this.#touched };
  }

  /** What the decision has looked at so far (`Draft.touched`). */
  get touched(): readonly string[] {
    return this.#touched;
  }

  want(streams: readonly string[]): void {
    const absent = streams.filter((stream) => this.#round.entry(stream) === undefined);
    if (absent.length > 0) throw new Missing({ streams: absent });
  }

  stock(location: string, sku: string): Stock {
    const entry = this.#entry(streamOf.stock(location, sku));
    // `evolve` changes a stock in place; this entry is of a stock's stream.
    const stock = entry.state as Stock;
    // One without events goes by the policy with which it will begin.
    if (entry.version === 0) evolve(stock, { type: "PolicyApplied", data: this.#effectivePolicy(location, sku) });
    this.#lapses(stock.nextCutoff);
    return stock;
  }

  reservation(id: string): States["reservation"] {
    const state = this.#state<States["reservation"]>(streamOf.reservation(id));
    const { status, expiresAt } = state;
    if (status === "active") this.#lapses(expiresAt);
    // From then on others may say that it has expired: what is recorded as of an earlier time would prove them wrong.
    if (status === "active" && expiresAt !== null && expiresAt > this.now)
      this.#deadline = Math.min(this.#deadline ?? Infinity, expiresAt);
    return state;
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

  glnOwner(gln: string): string | undefined {
    return this.#state<string | null>(streamOf.gln(gln)) ?? undefined;
  }

  emitted(): Claimant["events"] {
    return [...this.events];
  }

  version(stream: string): number {
    return this.#entry(stream).version;
  }

  history(location: string, sku: string): readonly PastEvent[] {
    const stream = streamOf.stock(location, sku);
    const history = this.#round.history(stream);
    if (history === undefined) throw new Missing({ histories: [stream] });
    // Others may have appended between the two looks.
    if (this.#round.isShared && history.length !== this.#entry(stream).version) {
      throw new Missing({ streams: [stream], histories: [stream] });
    }
    return history;
  }

  claimed(key: string): ClaimRecord | undefined {
    const known = this.#round.claim(key);
    if (known === undefined) throw new Missing({ claims: [key] });
    this.#touched.push(key);
    return known.record;
  }

  claimant(key: string): Claimant | undefined {
    if (this.claimed(key) === undefined) return undefined;
    const claimant = this.#round.claim(key)?.claimant;
    if (claimant === undefined) throw new Missing({ claimants: [key] });
    return claimant;
  }

  mayBeVoided(factKey: string): boolean {
    const may = this.#round.mayBeVoided(factKey);
    // Another process may be recording that void; then this unit fails, and is decided again.
    if (!may && this.#round.isShared) {
      this.#unbegun ??= [];
      this.#unbegun.push(streamOf.void(factKey));
    }
    return may;
  }

  locationsOf(sku: string): readonly string[] {
    this.#touched.push(placesOf(sku));
    return this.#round.locationsOf(sku);
  }

  emitStock(location: string, sku: string, drafts: readonly StockEventDraft[]): void {
    const stream = streamOf.stock(location, sku);
    const stock = this.stock(location, sku);
    const entry = this.#entry(stream);
    const all = entry.version === 0 ? [...this.#firstPolicy(location, sku), ...drafts] : drafts;
    if (all.length === 0) return;
    if (this.#expect(stream, entry)) {
      this.#changedStocks ??= [];
      this.#changedStocks.push({ stream, sku, entry, level: levelOf(stock), available: available(stock) });
    }
    for (const draft of all) this.#recordStock(stream, entry, draft);
  }

  emit(stream: string, events: readonly LooseEvent[]): void {
    const entry = this.#entry(stream);
    const family = familyOf(stream);
    this.#expect(stream, entry);
    for (const { type, data } of events) {
      const event = { stream, type, schema: 1, data };
      entry.state = family.evolve(entry.state, event, this.meta);
      this.#record(entry, event);
    }
  }

  claim(claim: Claim): void {
    this.#claims ??= [];
    this.#claims.push(claim);
  }

  /** The streams that it has appended to, or was about to. */
  get begun(): readonly string[] {
    return this.#expected.map(({ stream }) => stream);
  }

  /** The version of a stream that it has appended to, as it was before. */
  expects(stream: string): number | undefined {
    return this.#expected.find((guard) => guard.stream === stream)?.version;
  }

  /** Notes that what was looked at will not be so any more from an instant on. */
  #lapses(at: Instant | null): void {
    if (at === null || at <= this.now || !this.#round.isShared) return;
    if (this.#before === undefined || at < this.#before) this.#before = at;
  }

  /** Notes the version that a stream must have; false when that has been done. */
  #expect(stream: string, { version }: CacheEntry): boolean {
    for (const guard of this.#expected) if (guard.stream === stream) return false;
    this.#expected.push({ stream, version });
    return true;
  }

  /**
   * Tells which threshold the decision as a whole has taken a stock over. Whoever announces relies on what is open, so
   * what has lapsed is recorded first; it may undo the crossing.
   */
  #announce({ stream, sku, entry, level, available: was }: ChangedStock): void {
    const stock = entry.state as Stock;
    if (levelOf(stock) === level) return;
    const cause = this.meta.fact === undefined ? causeOf(this.#lastOf(stream), sku) : undefined;
    if (crossing(level, was, stock, cause) === undefined) return;
    for (const draft of lapses(stock, this.now)) this.#recordStock(stream, entry, draft);
    const crossed = crossing(level, was, stock, cause);
    if (crossed !== undefined) this.#recordStock(stream, entry, crossed);
  }

  #lastOf(stream: string): StockEventDraft | undefined {
    // Of a stock's stream there are only stock events.
    return this.events.findLast((event) => event.stream === stream) as StockEventDraft | undefined;
  }

  #recordStock(stream: string, entry: CacheEntry, draft: StockEventDraft): void {
    this.#record(entry, {
      stream,
      type: draft.type,
      schema: 1,
      data: evolveAndBalance(entry.state as Stock, draft),
    });
  }

  #record(entry: CacheEntry, event: NewEvent): void {
    entry.version += 1;
    this.events.push(event);
    this.#round.changedBy(this, event.stream, entry.version);
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

  #entry(stream: string): CacheEntry {
    if (this.#lastEntry !== undefined && stream === this.#lastStream) return this.#lastEntry;
    const entry = this.#round.entry(stream);
    if (entry === undefined) throw new Missing({ streams: [stream] });
    this.#touched.push(stream);
    this.#lastStream = stream;
    this.#lastEntry = entry;
    return entry;
  }

  #unit(): AppendUnit | undefined {
    if (this.events.length === 0) return undefined;
    const { meta, events } = this;
    const unit = { meta, expected: this.#expected, events };
    const taking = this.#claims === undefined ? unit : { ...unit, claims: this.#claims };
    return this.#round.isShared ? this.#guarded(taking) : taking;
  }

  /** All that the decision has looked at must still be so: others may have changed it meanwhile. */
  #guarded(unit: AppendUnit): AppendUnit {
    const expected = new Map(unit.expected.map(({ stream, version }) => [stream, version]));
    const free = new Set<string>();
    for (const name of this.#touched) {
      if (kindOf(name) === "places" || expected.has(name)) continue;
      const entry = this.#round.entry(name);
      if (entry !== undefined) expected.set(name, entry.version);
      else if (this.#round.claim(name)?.record === undefined) free.add(name);
    }
    for (const stream of this.#unbegun ?? []) if (!expected.has(stream)) expected.set(stream, 0);
    for (const { key } of unit.claims ?? []) free.delete(key);
    return {
      ...unit,
      expected: [...expected].map(([stream, version]) => ({ stream, version })),
      ...(free.size > 0 && { free: [...free] }),
      ...(this.#before !== undefined && { before: this.#before }),
      ...(this.#deadline !== undefined && { deadline: this.#deadline }),
    };
  }
}
