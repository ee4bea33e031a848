/**
 * One round of the ledger: commands decided one after another, each on top of the ones before it, to be appended together.
 */
import { hasCode, type Instant, PlatformError, type Timeframe } from "../../../kernel/index.ts";
import {
  type AppendUnit,
  type Claim,
  type ClaimRecord,
  readInTurns,
  type Storage,
  type UnitMeta,
} from "../../../platform/storage/index.ts";
import type { PastEvent } from "../domain/stock/index.ts";
import type { Answers } from "./answers.ts";
import type { CacheEntry, StateCache } from "./cache.ts";
import { familyOf, type LooseEvent } from "./families.ts";
import type { LedgerOptions } from "./ledger.ts";
import { loadState } from "./snapshots.ts";
import { Missing, Step } from "./step.ts";
import { idOf, pairOf } from "./streams.ts";
import type { Claimant, Command } from "./transaction.ts";

export interface Waiting {
  readonly command: Command<unknown>;
  readonly id: string;
  readonly answers: Answers;
  readonly place: number;
  /** When it may be decided, and what it comes to be recorded. */
  readonly within: Timeframe | undefined;
  attempts: number;
}

export interface Draft {
  readonly waiting: Waiting;
  readonly value: unknown;
  readonly unit: AppendUnit | undefined;
  /**
   * Streams and names of claims that the decision looked at, and by `placesOf` the skus whose locations it asked for. A
   * claim's name has no `-`, the others have.
   */
  readonly touched: readonly string[];
  /** The decision refused by throwing: an answer as any other, on what it has looked at. */
  readonly thrown?: { readonly error: unknown };
}

/** What a round knows of a name. */
interface KnownClaim {
  readonly record: ClaimRecord | undefined;
  readonly claimant: Claimant | undefined;
}

const free: KnownClaim = { record: undefined, claimant: undefined };

/** One round: what is decided and appended together. */
export class Round {
  readonly now: Instant;
  /** Whether others append to the log too: then what a decision has only looked at guards its unit. */
  readonly isShared: boolean;
  /** Streams whose state in memory runs ahead of the log, and claims that are about to be taken. */
  readonly changed = new Set<string>();
  readonly #options: LedgerOptions;
  readonly #storage: Storage;
  readonly #cache: StateCache;
  readonly #claims = new Map<string, KnownClaim>();
  readonly #histories = new Map<string, readonly PastEvent[]>();
  /** The decisions that have emitted something, in order. Only looked through when a stream is folded again. */
  readonly #emitting: Step[] = [];
  /** For streams to which others have appended meanwhile: which of these is the first that stands on what they did. */
  readonly #since = new Map<string, number>();
  readonly #newVoids = new Set<string>();
  readonly #newLocations = new Map<string, Set<string>>();

  constructor(options: LedgerOptions, cache: StateCache, now: Instant) {
    this.#options = options;
    this.#storage = options.storage;
    this.#cache = cache;
    this.isShared = options.storage.shared !== undefined;
    this.now = now;
  }

  /** Fetches what commands are known to read, in one go. */
  async prefetch(batch: readonly Waiting[]): Promise<void> {
    const streams: string[] = [];
    const claims: string[] = [];
    for (const { command } of batch) {
      for (const stream of command.streams) if (!this.#cache.has(stream)) streams.push(stream);
      if (command.fresh !== undefined) for (const stream of command.fresh) this.#begin(stream);
      if (command.claims !== undefined) for (const key of command.claims) claims.push(key);
    }
    if (streams.length > 0) await this.#loadStreams(streams).catch(passOver);
    if (claims.length > 0) await this.#loadClaims(claims);
  }

  #begin(stream: string): void {
    if (!this.#cache.has(stream)) this.#cache.set(stream, { version: 0, state: familyOf(stream).empty() });
  }

  /** Decides one command; what it turns out to need is fetched first. */
  decide(waiting: Waiting): Draft | Promise<Draft> {
    const step = new Step(this, waiting);
    try {
      return step.run();
    } catch (error) {
      return this.#decideAgain(waiting, step, error);
    }
  }

  async #decideAgain(waiting: Waiting, failed: Step, error: unknown): Promise<Draft> {
    await this.#undo(failed);
    if (!(error instanceof Missing)) {
      return { waiting, value: undefined, unit: undefined, touched: failed.touched, thrown: { error } };
    }
    await this.#fetch(error);
    return this.decide(waiting);
  }

  /** The state of a stream, if it is in memory: whoever changes it says so by `changedBy`. */
  entry(stream: string): CacheEntry | undefined {
    return this.#cache.get(stream);
  }

  /** What is known of a name; undefined when it has to be looked up. */
  claim(key: string): KnownClaim | undefined {
    return this.#claims.get(key);
  }

  history(stream: string): readonly PastEvent[] | undefined {
    const recorded = this.#histories.get(stream);
    if (recorded === undefined) return undefined;
    // As in `#loadStreams`: the state is that of the log alone, when others have appended behind what was decided on.
    const isFirm = (this.#baseOf(stream) ?? recorded.length) === recorded.length;
    const pending = isFirm ? this.#pendingOf(stream) : [];
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

  /** Notes that a decision has brought a stream to a version that is not durable yet. */
  changedBy(step: Step, stream: string, version: number): void {
    if (this.#emitting[this.#emitting.length - 1] !== step) this.#emitting.push(step);
    this.changed.add(stream);
    if (version === 1) this.#noteNew(stream);
  }

  takeClaims(claims: readonly Claim[], claimant: Claimant): void {
    for (const { key, print } of claims) {
      this.#claims.set(key, { record: { print, seq: 0 }, claimant });
      this.changed.add(key);
    }
  }

  #noteNew(stream: string): void {
    if (stream.startsWith("void-")) this.#newVoids.add(idOf(stream));
    if (!stream.startsWith("stock-")) return;
    const { location, sku } = pairOf(stream);
    const locations = this.#newLocations.get(sku) ?? new Set();
    this.#newLocations.set(sku, locations.add(location));
  }

  /** What this round has decided to append to a stream. */
  #pendingOf(stream: string): { readonly event: LooseEvent; readonly unit: UnitMeta }[] {
    if (!this.changed.has(stream)) return [];
    return this.#standing(stream).flatMap(({ events, meta: unit }) =>
      events.filter((event) => event.stream === stream).map((event) => ({ event, unit })),
    );
  }

  /** The decisions whose events a state of this stream has in it. */
  #standing(stream: string): readonly Step[] {
    const since = this.#since.get(stream);
    return since === undefined ? this.#emitting : this.#emitting.slice(since);
  }

  /** The version of a stream before what this round has decided to append to it. */
  #baseOf(stream: string): number | undefined {
    if (!this.changed.has(stream)) return undefined;
    for (const step of this.#standing(stream)) {
      const version = step.expects(stream);
      if (version !== undefined) return version;
    }
    return undefined;
  }

  /**
   * Takes back what a decision did before it stopped: its streams are folded again, with what others did to them. Also one
   * whose first event could not be added, for it may have changed a state in part.
   */
  async #undo(step: Step): Promise<void> {
    const streams = step.begun;
    if (streams.length === 0) return;
    if (this.#emitting.at(-1) === step) this.#emitting.pop();
    for (const stream of streams) this.#cache.drop(stream);
    await this.#loadStreams(streams);
  }

  async #fetch(missing: Missing): Promise<void> {
    await this.#loadStreams(missing.streams);
    await this.#loadClaims(missing.claims);
    for (const stream of missing.histories) {
      // Where others append, they would do so between two portions, and the state be older than the history each time.
      const newest = this.isShared ? 0 : (this.#cache.get(stream)?.version ?? 0);
      const events = await readInTurns(this.#storage, stream, newest, this.#options.soon ?? setImmediate);
      this.#histories.set(
        stream,
        events.map((event) => pastEvent(event, event.unit)),
      );
    }
    for (const key of missing.claimants) {
      const record = this.#claims.get(key)?.record;
      const seq = record?.seq ?? 0;
      const [unit] = await this.#storage.readLog(seq - 1, 1);
      if (unit === undefined) throw new PlatformError("storage-unavailable", `The log has no unit at ${seq}.`);
      this.#claims.set(key, { record, claimant: { fact: unit.meta.fact, events: unit.events } });
    }
  }

  /**
   * Asks for all of them at once where the log is shared: an engine that is reached over a network answers them together. One that
   * is read in this process keeps it busy meanwhile, so after some others get their turn.
   */
  async #loadStreams(streams: Iterable<string>): Promise<void> {
    let failure: PromiseRejectedResult | undefined;
    let isFirst = true;
    for (const names of this.isShared ? [[...new Set(streams)]] : inTurns(new Set(streams))) {
      if (!isFirst) await new Promise<void>((resolve) => (this.#options.soon ?? setImmediate)(resolve));
      isFirst = false;
      failure = (await this.#loadTogether(names)) ?? failure;
    }
    if (failure !== undefined) throw failure.reason;
  }

  /** Returns one of the failures, if there were any; the others are loaded all the same. */
  async #loadTogether(names: readonly string[]): Promise<PromiseRejectedResult | undefined> {
    const load = (stream: string) => loadState(this.#storage, this.#options.snapshots, stream);
    const loaded = await Promise.allSettled(names.map(load));
    for (const [place, outcome] of loaded.entries()) {
      const stream = names[place] ?? "";
      if (outcome.status === "rejected") continue;
      const entry = outcome.value;
      // What others have appended meanwhile fails what was decided before, and with it all that stands on that.
      if ((this.#baseOf(stream) ?? entry.version) !== entry.version) this.#since.set(stream, this.#emitting.length);
      for (const { event, unit } of this.#pendingOf(stream)) {
        entry.state = familyOf(stream).evolve(entry.state, event, unit);
        entry.version += 1;
      }
      this.#cache.set(stream, entry);
    }
    return loaded.find((outcome) => outcome.status === "rejected");
  }

  async #loadClaims(keys: readonly string[]): Promise<void> {
    const unknown = keys.filter((key) => !this.#claims.has(key));
    if (unknown.length === 0) return;
    const found = await this.#storage.findClaims(unknown);
    let place = 0;
    for (const key of unknown) {
      const record = found[place];
      this.#claims.set(key, record === undefined ? free : { record, claimant: undefined });
      place += 1;
    }
  }
}

/** Of streams, those that are read before others get their turn: some milliseconds. A stock has a history, others some events. */
function* inTurns(streams: Iterable<string>): Generator<string[]> {
  let names: string[] = [];
  let weight = 0;
  for (const stream of streams) {
    if (weight >= weightInTurn) {
      yield names;
      [names, weight] = [[], 0];
    }
    names.push(stream);
    weight += stream.startsWith("stock-") ? stockWeight : 1;
  }
  yield names;
}

const weightInTurn = 500;
const stockWeight = 25;

/**
 * A stream that is partly in a cold file that can't be read fails the command that needs it, and no other: those whose
 * streams were not loaded for it find them missing, and fetch them by themselves.
 */
function passOver(error: unknown): void {
  if (!hasCode(error, "archive-unavailable")) throw error;
}

function pastEvent(event: LooseEvent, unit: UnitMeta): PastEvent {
  return {
    event: event as PastEvent["event"],
    recordedAt: unit.recordedAt,
    ...(unit.fact !== undefined && { fact: { source: unit.fact.source, id: unit.fact.id } }),
  };
}
