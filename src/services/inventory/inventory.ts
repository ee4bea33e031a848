import {
  accept,
  type Instant,
  identifierProblem,
  invariant,
  limits,
  normalise,
  type Outcome,
  PlatformError,
  type Rejection,
  reject,
} from "../../kernel/index.ts";
import { ConsumerHost } from "../../platform/consumer/index.ts";
import { Duty, type Sequence, type Storage } from "../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../platform/timers/index.ts";
import type {
  Caller,
  ChangesFilter,
  Inventory,
  ReservationQuery,
  StockOptions,
  StockPair,
  StocksStep,
  ThenQuestion,
} from "./api.ts";
import { type ArchivePreparation, archivePreparation } from "./archiving/index.ts";
import { AvailabilityModel, availabilityItem } from "./availability/index.ts";
import { Catalog, type Outgoing } from "./catalog/catalog.ts";
import { Registry } from "./catalog/registry.ts";
import { Changes, findEvent, isSeenBy, toCloudEvent } from "./changes/index.ts";
import { Expiry } from "./expiry/index.ts";
import { claimKey, type ParsedFact, parseFact } from "./facts/parse.ts";
import { factCommand, judgeCommand } from "./facts/record.ts";
import { type FactOutcome, refusalOf } from "./facts/refused.ts";
import { type Command, Ledger, SnapshotWriter } from "./ledger/index.ts";
import { type InventoryObserver, silentObserver } from "./observer.ts";
import { formatPosition, parsePosition, publicVersion, reachOf } from "./positions.ts";
import { pastView, presentView, stockCommand, trail } from "./reading/stock.ts";
import { onHandThen } from "./reading/then.ts";
import { maySee } from "./reservations/access.ts";
import {
  amendCommand,
  confirmCommand,
  extendCommand,
  fulfilCommand,
  placeCommand,
  planCommand,
  type ReservationAnswer,
  readCommand,
  releaseCommand,
} from "./reservations/commands.ts";
import { inventoryTagging, ReservationLists } from "./reservations/lists.ts";
import { OpenReservations } from "./reservations/open.ts";
import { demandsOf, fulfilRequest, placeRequest, planView, reservationView } from "./reservations/requests.ts";
import { Sealer } from "./seals/index.ts";
import type {
  Availability,
  AvailabilityItem,
  FactsReceipt,
  FulfilLine,
  Page,
  RecordedCloudEvent,
  Reservation,
  ReservationLine,
  ReserveRequest,
  UnknownSku,
} from "./wire.ts";

export interface InventoryOptions {
  readonly storage: Storage;
  /** Milliseconds since 1970. */
  readonly clock: () => Instant;
  /** A random id of 128 bits or more, as text. */
  readonly randomId: () => string;
  /** Lets changes be pushed to locations; unless given, none can be told to. */
  readonly outgoing?: Outgoing;
  readonly observer?: InventoryObserver;
  readonly cachedStatesMax?: number;
  /** Whether memory is so short that clients' writes are turned away with `overloaded`. */
  readonly isMemoryShort?: () => boolean;
  /** Milliseconds between looks for what has lapsed. */
  readonly sweepEveryMs?: number;
  /** Milliseconds between seals while there is something to seal. */
  readonly sealEveryMs?: number;
  /** Milliseconds between commits of what the read models have derived. */
  readonly commitEveryMs?: number;
  /** Events of a stock between two snapshots of it. */
  readonly snapshotEveryEvents?: number;
  /** Whatever waits or runs later does it by these; the system's unless given. */
  readonly timers?: Timers;
}

/** The inventory in this process, with what its operator may ask of it. */
export interface RunningInventory extends Inventory {
  /** Why it is not ready, a sentence each; empty when it is. */
  problems(): readonly string[];
  /** What its operator should know although it is ready. */
  warnings(): readonly string[];
  figures(): InventoryFigures;
  readonly archiving: ArchivePreparation;
  /** Finishes what it has, records what it can, and stops. The storage stays open. */
  stop(): Promise<void>;
}

export interface InventoryFigures {
  readonly queueLength: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly cacheSize: number;
  readonly stocks: number;
  readonly deadlines: number;
  readonly openFeeds: number;
  readonly head: number;
  /** Events that the read side has not seen yet. */
  readonly lagEvents: number;
  readonly snapshotsWritten: number;
  readonly snapshotsDiscarded: Readonly<Record<string, number>>;
}

/** Opens the inventory on a storage that was opened with `inventoryTagging`: loads its read models, catches up with the log, and starts its timers. */
export async function startInventory(options: InventoryOptions): Promise<RunningInventory> {
  invariant(options.storage.tagging === inventoryTagging, "the store is opened with the inventory's tagging");
  const inventory = new LocalInventory(options);
  await inventory.start();
  return inventory;
}

class LocalInventory implements RunningInventory {
  readonly #storage: Storage;
  readonly #options: InventoryOptions;
  readonly #observer: InventoryObserver;
  readonly #ledger: Ledger;
  readonly #host: ConsumerHost;
  readonly #availability: AvailabilityModel;
  readonly #openReservations = new OpenReservations();
  readonly #reservationLists: ReservationLists;
  readonly #catalog: Catalog;
  readonly #voids = new Registry<number>("void");
  readonly #expiry: Expiry;
  readonly #snapshots: SnapshotWriter;
  readonly #changes: Changes;
  readonly #sealer: Sealer;
  /** Recording what has lapsed, and sealing. */
  readonly #housekeeping: Duty;
  readonly #timers: Timers;
  readonly #stopTimers: (() => void)[] = [];
  #sweeping = false;
  /** The newest position that was given out, as a token. */
  #tokenText = "";
  #tokenSeq: Sequence | undefined;
  #tokenEpochs: Storage["epochs"] | undefined;

  constructor(options: InventoryOptions) {
    const { storage } = options;
    this.#storage = storage;
    this.#options = options;
    this.#observer = options.observer ?? silentObserver;
    this.#timers = options.timers ?? systemTimers;
    this.#availability = new AvailabilityModel(this.#observer);
    this.#snapshots = new SnapshotWriter(
      (stream, version) => this.#ledger.peek(stream, version),
      options.snapshotEveryEvents,
    );
    this.#ledger = new Ledger({
      storage,
      clock: options.clock,
      processId: options.randomId(),
      snapshots: this.#snapshots,
      locationsOf: (sku) => this.#availability.ofSku(sku).map(({ location }) => location),
      isVoided: (factKey) => this.#voids.get(factKey) !== undefined,
      soon: this.#timers.soon,
      observe: this.#observer,
      ...(options.cachedStatesMax !== undefined && { cachedStatesMax: options.cachedStatesMax }),
      ...(options.isMemoryShort && { isMemoryShort: options.isMemoryShort }),
    });
    this.#reservationLists = new ReservationLists({
      storage,
      open: this.#openReservations,
      soon: this.#timers.soon,
    });
    this.#catalog = new Catalog(this.#ledger, options.outgoing ?? nothingOutgoing);
    this.#expiry = new Expiry({ recorded: (seconds) => this.#observer.expiryRecorded(seconds) });
    this.#changes = new Changes(storage, this.#timers);
    this.#sealer = new Sealer(storage, this.#ledger);
    this.#housekeeping = new Duty(storage, "inventory", {
      begin: () => this.#keepHouse(),
      end: async () => this.#leaveHouse(),
      onFailure: (error) => this.#observer.consumerFailed("housekeeping", error),
      timers: this.#timers,
    });
    this.#host = new ConsumerHost(storage, {
      timers: this.#timers,
      onFailure: (name, error) => this.#observer.consumerFailed(name, error),
      onCommitFailure: (error) => this.#observer.consumerFailed("derived", error),
      ...(options.commitEveryMs !== undefined && { commitEveryMs: options.commitEveryMs }),
    });
  }

  async start(): Promise<void> {
    const seam = this.#storage.archive?.figures().seam ?? 0;
    // Up to the present, so that the event by which a snapshot is checked is in the hot log where the stock lives on.
    if (this.#storage.derived.checkpoint(this.#snapshots.name) < seam) this.#snapshots.foldUpTo(this.#storage.head());
    await this.#host.start([
      this.#availability,
      this.#openReservations,
      this.#expiry,
      this.#snapshots,
      this.#voids,
      ...this.#catalog.consumers,
    ]);
    this.#expiry.watchReservations(this.#openReservations.newestFirst());
    await this.#housekeeping.start();
  }

  async #keepHouse(): Promise<void> {
    await this.#sealer.start();
    this.#stopTimers.push(
      this.#timers.every(this.#options.sweepEveryMs ?? 250, () => void this.#sweep()),
      this.#timers.every(
        this.#options.sealEveryMs ?? 1000,
        () => void this.#sealer.seal().catch((error: unknown) => this.#observer.consumerFailed("seals", error)),
      ),
    );
  }

  #leaveHouse(): void {
    for (const stop of this.#stopTimers.splice(0)) stop();
    this.#sealer.leave();
  }

  get archiving(): ArchivePreparation {
    const { passed, keepStates } = archivePreparation(this.#storage, this.#timers);
    return { passed: async () => Math.min(this.#host.position(), await passed()), keepStates };
  }

  async stop(): Promise<void> {
    for (const stop of this.#stopTimers.splice(0)) stop();
    this.#changes.close();
    await this.#sealer.stop().catch(() => undefined);
    await this.#housekeeping.stop();
    await this.#ledger.close();
    this.#host.stop();
  }

  problems(): readonly string[] {
    return this.#host.failures().map((name) => `The consumer ${name} has failed; its read model stands still.`);
  }

  warnings(): readonly string[] {
    if (this.#host.commitFault() === undefined) return [];
    return ["what is derived from the log is not kept, so the next start takes longer; the server's log says why"];
  }

  figures(): InventoryFigures {
    const cache = this.#ledger.cacheStats;
    const { counters } = this.#snapshots;
    return {
      queueLength: this.#ledger.queueLength,
      cacheHits: cache.hits,
      cacheMisses: cache.misses,
      cacheSize: cache.size,
      stocks: this.#availability.size,
      deadlines: this.#expiry.size,
      openFeeds: this.#changes.open,
      head: this.#storage.head(),
      lagEvents: this.#storage.head() - this.#host.position(),
      snapshotsWritten: counters.written,
      snapshotsDiscarded: counters.discarded,
    };
  }

  async position(): Promise<string> {
    return this.#head();
  }

  #head(): string {
    return this.#token(this.#storage.head());
  }

  // Facts

  async recordFacts(items: readonly unknown[], caller: Caller, receivedAt?: readonly Instant[]): Promise<FactsReceipt> {
    const { seq, ...receipt } = await this.#facts(items, caller, factCommand, receivedAt);
    const { accepted, duplicates, rejected } = receipt;
    this.#observer.factsRecorded(
      accepted,
      duplicates,
      rejected.map(({ code }) => code),
    );
    return { ...receipt, position: this.#token(seq > 0 ? seq : this.#storage.head()) };
  }

  async checkFacts(items: readonly unknown[], caller: Caller): Promise<FactsReceipt["rejected"]> {
    return (await this.#facts(items, caller, judgeCommand)).rejected;
  }

  /** Judges each item by itself, the well-formed and permitted ones by a command. */
  async #facts(
    items: readonly unknown[],
    caller: Caller,
    commandOf: (fact: ParsedFact, caller: Caller) => Command<FactOutcome>,
    receivedAt?: readonly Instant[],
  ): Promise<Omit<FactsReceipt, "position"> & { readonly seq: Sequence }> {
    const rejected: { index: number; id: string | null; code: string; detail: string }[] = [];
    let [accepted, duplicates] = [0, 0];
    const commands: Command<FactOutcome>[] = [];
    const places: { readonly index: number; readonly id: string }[] = [];
    let place = -1;
    for (const item of items) {
      place += 1;
      const index = place;
      const parsed = parseFact(item);
      if (!parsed.ok) {
        const { id, detail } = parsed.malformed;
        rejected.push({ index, id, code: "invalid-fact", detail });
        continue;
      }
      const { fact } = parsed;
      const forbidden = factForbidden(fact, caller);
      if (forbidden !== undefined) {
        rejected.push({ index, id: fact.id, ...forbidden });
        continue;
      }
      const received = receivedAt?.[index];
      commands.push(commandOf(received === undefined ? fact : { ...fact, receivedAt: received }, caller));
      places.push({ index, id: fact.id });
    }
    const { values, seq } = await this.#ledger.submitAll(commands, refusalOf, caller.within);
    let at = 0;
    for (const { index, id } of places) {
      const outcome = values[at];
      at += 1;
      if (outcome === "accepted") accepted += 1;
      else if (outcome === "duplicate") duplicates += 1;
      else if (outcome !== undefined) rejected.push({ index, id, ...outcome });
    }
    rejected.sort((a, b) => a.index - b.index);
    return { accepted, duplicates, rejected, seq };
  }

  // Reservations

  async reserve(
    request: ReserveRequest,
    caller: Caller,
    idempotencyKey?: string,
    unusedId?: string,
  ): Promise<Outcome<{ created: boolean; reservation: Reservation }>> {
    const newId = unusedId === undefined ? this.#options.randomId : () => unusedId;
    const place = placeRequest(request, caller, idempotencyKey, newId);
    if (!place.ok) return place;
    const { value, seq } = await this.#ledger.submit(placeCommand(place.value, caller), caller.within);
    this.#observer.reservationAnswered("reserve", value.ok ? "ok" : value.rejection.code);
    if (!value.ok) return value;
    return accept({ created: value.value.created, reservation: reservationView(value.value, this.#token(seq)) });
  }

  async plan(request: ReserveRequest, caller: Caller) {
    const place = placeRequest(request, caller, undefined, () => "plan");
    if (!place.ok) return place;
    const { value, seq } = await this.#ledger.submit(planCommand(place.value, caller));
    return accept(planView(value, place.value.allowPartial, this.#token(seq)));
  }

  extend(id: string, ttlSeconds: number, caller: Caller) {
    return this.#change("extend", extendCommand(normalise(id), ttlSeconds * 1000, caller), caller);
  }

  async amend(id: string, lines: readonly ReservationLine[], caller: Caller): Promise<Outcome<Reservation>> {
    const demands = demandsOf(lines, caller);
    return demands.ok
      ? await this.#change("amend", amendCommand(normalise(id), demands.value, caller), caller)
      : demands;
  }

  confirm(id: string, { reacquire = false }: { readonly reacquire?: boolean }, caller: Caller) {
    return this.#change("confirm", confirmCommand(normalise(id), reacquire, caller), caller);
  }

  async fulfil(
    id: string,
    lines: readonly FulfilLine[] | undefined,
    caller: Caller,
    idempotencyKey?: string,
  ): Promise<Outcome<Reservation>> {
    if (lines !== undefined && idempotencyKey === undefined) {
      return reject({
        code: "idempotency-key-required",
        detail: "Fulfilling part of a reservation needs an Idempotency-Key, so that a retry is told from another part.",
      });
    }
    const request = { ...fulfilRequest(lines), ...(idempotencyKey !== undefined && { key: idempotencyKey }) };
    return await this.#change("fulfil", fulfilCommand(normalise(id), request, caller), caller);
  }

  release(id: string, caller: Caller) {
    return this.#change("release", releaseCommand(normalise(id), caller), caller);
  }

  reservation(id: string, caller: Caller) {
    return this.#change("read", readCommand(normalise(id), caller), caller);
  }

  async #change(
    operation: string,
    command: Command<Outcome<ReservationAnswer>>,
    { within }: Caller,
  ): Promise<Outcome<Reservation>> {
    const { value, seq } = await this.#ledger.submit(command, within);
    if (operation !== "read") this.#observer.reservationAnswered(operation, value.ok ? "ok" : value.rejection.code);
    return value.ok ? accept(reservationView(value.value, this.#token(seq))) : value;
  }

  async reservations(query: ReservationQuery, caller: Caller): Promise<Outcome<Page<Reservation>>> {
    if (query.cursor !== undefined && !/^\d{16}$/.test(query.cursor)) return unreadableCursor();
    const now = this.#options.clock();
    const position = this.#head();
    const { found, next } = await this.#reservationLists.list(
      query,
      (state) => maySee(state, caller),
      query.cursor === undefined ? undefined : Number(query.cursor),
      query.limit,
      now,
    );
    return accept({
      items: found.map(({ id, state }) => reservationView({ id, state, now }, position)),
      ...(next !== undefined && { next: String(next).padStart(16, "0") }),
      position,
    });
  }

  // Reading

  async availability(
    skus: readonly string[],
    locations: readonly string[] | undefined,
    caller: Caller,
    minPosition?: string,
  ): Promise<Outcome<Availability>> {
    const behind = minPosition === undefined ? undefined : await this.#waitFor(minPosition);
    if (behind !== undefined) return behind;
    const items: (Availability["items"][number] | UnknownSku)[] = [];
    const wanted = locations && new Set(locations.map(normalise));
    for (const sku of new Set(skus.map(normalise))) this.#addItems(items, sku, wanted, caller);
    this.#observer.availabilityRead(skus.length);
    return accept({ items, position: this.#token(this.#host.position()) });
  }

  async availabilityOf(pairs: readonly StockPair[]): Promise<readonly (AvailabilityItem | undefined)[]> {
    this.#mustFollow();
    const { epochs } = this.#storage;
    return pairs.map(({ location, sku }) => {
      const row = this.#availability.row(location, sku);
      return row && availabilityItem(row, publicVersion(epochs, row.version));
    });
  }

  async stocks({ after = 0, count, changedSince, heard = 0 }: Parameters<Inventory["stocks"]>[0]): Promise<StocksStep> {
    this.#mustFollow();
    if (this.#host.position() < heard && !(await this.#host.reached(heard, limits.minPositionWaitMs)))
      throw new PlatformError("read-side-behind", "the read side has not heard what whoever asks has heard");
    const { epochs } = this.#storage;
    const rows = this.#availability.slice(after, count);
    const stocks = rows.flatMap(({ location, sku, updatedAt: changedAt, version }) =>
      changedAt >= changedSince ? [{ location, sku, changedAt, version: publicVersion(epochs, version) }] : [],
    );
    const end = after + rows.length;
    const of = this.#availability.size;
    return { stocks, of, ...(end < of && { next: end }) };
  }

  /** Whoever goes by these figures on its own must not go by old ones. */
  #mustFollow(): void {
    if (!this.#host.failures().includes(this.#availability.name)) return;
    throw new PlatformError("read-side-behind", "the read side has failed and stands still: restart the server");
  }

  #addItems(
    items: (Availability["items"][number] | UnknownSku)[],
    sku: string,
    wanted: ReadonlySet<string> | undefined,
    { locations }: Caller,
  ): void {
    const { epochs } = this.#storage;
    let isKnown = false;
    for (const row of this.#availability.ofSku(sku)) {
      if (locations !== undefined && !locations.has(row.location)) continue;
      isKnown = true;
      if (wanted !== undefined && !wanted.has(row.location)) continue;
      items.push(availabilityItem(row, publicVersion(epochs, row.version)));
    }
    if (!isKnown) items.push({ sku, known: false });
  }

  async #waitFor(token: string): Promise<{ readonly ok: false; readonly rejection: Rejection } | undefined> {
    const seq = parsePosition(token, this.#storage.epochs, reachOf(this.#storage));
    if (!seq.ok) return seq;
    if (seq.value > this.#storage.head()) await this.#storage.shared?.catchUp();
    if (await this.#host.reached(seq.value, limits.minPositionWaitMs)) return undefined;
    return reject({
      code: "read-side-behind",
      detail: `The read side has not reached that position within ${limits.minPositionWaitMs} ms.`,
    });
  }

  async stock(sku: string, options: StockOptions, caller: Caller) {
    const name = normalise(sku);
    const locations = this.#locationsOf(name, caller);
    const position = this.#head();
    if (options.at !== undefined || options.knownAt !== undefined) {
      if (locations.length === 0 && this.#catalog.items.get(name) === undefined) return unknownSku(name);
      const past = await pastView(this.#storage, name, locations, options);
      return past.ok ? accept({ ...past.value, position }) : past;
    }
    const { value, seq } = await this.#ledger.submit(stockCommand(name, caller));
    if (value.length === 0 && this.#catalog.items.get(name) === undefined) return unknownSku(name);
    return accept({
      ...presentView(name, value, this.#availability, this.#storage.epochs, options),
      position: this.#token(seq),
    });
  }

  async onHandThen(questions: readonly ThenQuestion[]): Promise<readonly (number | undefined)[]> {
    const answers: (number | undefined)[] = [];
    for (const question of questions) {
      answers.push(await onHandThen(this.#storage, question));
      // Reads of the log keep this thread busy: others get their turn in between.
      if (answers.length % pastReadsInTurn === 0) await new Promise<void>((resolve) => this.#timers.soon(resolve));
    }
    return answers;
  }

  async stockEvents(
    sku: string,
    query: { readonly location?: string; readonly cursor?: string; readonly limit: number },
    caller: Caller,
  ) {
    const name = normalise(sku);
    const all = this.#locationsOf(name, caller);
    if (all.length === 0) return unknownSku(name);
    const wanted =
      query.location === undefined ? all : all.filter((location) => location === normalise(query.location ?? ""));
    const found = await trail(this.#storage, name, wanted, query.cursor, query.limit);
    return found.ok ? accept({ ...found.value, position: this.#head() }) : found;
  }

  async changes(
    after: string | undefined,
    filter: ChangesFilter,
    caller: Caller,
    options: { readonly signal: AbortSignal; readonly heartbeatMs: number },
  ) {
    return this.#changes.follow(after, filter, caller, options);
  }

  readChanges(after: string | undefined, looks: number, caller: Caller) {
    return this.#changes.read(after, looks, caller);
  }

  async positionBefore(instant: Instant): Promise<string> {
    return this.#token(await this.#storage.sequenceAt(instant - 1));
  }

  async recordedEvent(id: string, caller: Caller): Promise<Outcome<RecordedCloudEvent>> {
    const event = await findEvent(this.#storage, id);
    if (event !== undefined && isSeenBy(event, caller)) return accept(toCloudEvent(event, this.#storage.epochs));
    return reject({ code: "not-found", detail: "There is no such event." });
  }

  async eventsOfFact(source: string, id: string, caller: Caller): Promise<readonly RecordedCloudEvent[]> {
    const [claim] = await this.#storage.findClaims([claimKey("fact", normalise(source), normalise(id))]);
    const [unit] = claim === undefined ? [] : await this.#storage.readLog(claim.seq - 1, 1);
    const seen = (unit?.events ?? []).filter((event) => isSeenBy(event, caller));
    return seen.map((event) => toCloudEvent(event, this.#storage.epochs));
  }

  #locationsOf(sku: string, caller: Caller): string[] {
    const locations = this.#availability.ofSku(sku).map(({ location }) => location);
    return locations.filter((location) => caller.locations?.has(location) ?? true);
  }

  // Items, policies, locations

  putItem: Inventory["putItem"] = (sku, body, caller) => this.#catalog.putItem(sku, body, caller);
  putItems: Inventory["putItems"] = async (items, caller) => ({
    ...(await this.#catalog.putItems(items, caller)),
    position: this.#head(),
  });
  item: Inventory["item"] = async (sku) => this.#catalog.item(sku);
  itemsByGtin: Inventory["itemsByGtin"] = async (gtin) => this.#paged(this.#catalog.itemsByGtin(gtin));
  items: Inventory["items"] = async (query) => this.#paged(this.#catalog.itemPage(query.cursor, query.limit));
  putLocation: Inventory["putLocation"] = (id, body, caller) => this.#catalog.putLocation(id, body, caller);
  location: Inventory["location"] = async (id, caller) => this.#catalog.location(id, caller);
  locationsByGln: Inventory["locationsByGln"] = async (gln, caller) =>
    this.#paged(this.#catalog.locationsByGln(gln, caller));
  locations: Inventory["locations"] = async (query, caller) =>
    this.#paged(this.#catalog.locationPage(query.cursor, query.limit, caller));
  policy: Inventory["policy"] = async (sku, caller) => this.#withPosition(this.#catalog.policy(sku, caller));

  setPolicy: Inventory["setPolicy"] = async (sku, body, caller) =>
    this.#withPosition(await this.#catalog.setPolicy(sku, body, caller));

  #paged<T>(page: Outcome<{ readonly items: readonly T[]; readonly next?: string }>): Outcome<Page<T>> {
    return this.#withPosition(page);
  }

  #withPosition<T extends object>(outcome: Outcome<T>): Outcome<T & { position: string }> {
    return outcome.ok ? accept({ ...outcome.value, position: this.#head() }) : outcome;
  }

  // Upkeep

  async #sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      await this.#expiry.sweep(this.#ledger, this.#options.clock());
    } catch (error) {
      // Tried again at the next turn; promises don't depend on it.
      if (!(error instanceof PlatformError)) this.#observer.consumerFailed("expiry", error);
    } finally {
      this.#sweeping = false;
    }
  }

  /** Reads between two appends, and all that one append answered, have one position. */
  #token(seq: Sequence): string {
    const { epochs } = this.#storage;
    if (seq !== this.#tokenSeq || epochs !== this.#tokenEpochs) {
      this.#tokenText = formatPosition(epochs, seq);
      [this.#tokenSeq, this.#tokenEpochs] = [seq, epochs];
    }
    return this.#tokenText;
  }
}

const nothingOutgoing: Outgoing = {
  problemOf: () => "can't be called from here",
  seal: () => {
    throw new PlatformError("internal", "there is no key to seal a secret with");
  },
};
/** Stocks whose past is read before others get their turn: about half a millisecond. */
const pastReadsInTurn = 5;

function unknownSku(sku: string): Outcome<never> {
  const problem = identifierProblem(sku, limits.skuLengthMax);
  if (problem !== undefined) return reject({ code: "invalid-request", detail: `sku: ${problem}` });
  return reject({ code: "not-found", detail: "No location has ever had this sku." });
}

function unreadableCursor(): Outcome<never> {
  return reject({ code: "invalid-request", detail: "The cursor can't be read: hand back one that Larder has given." });
}

/** Whether a credential may not speak for a fact's source or locations. */
function factForbidden(
  fact: Parameters<typeof factCommand>[0],
  caller: Caller,
): { readonly code: "forbidden"; readonly detail: string } | undefined {
  if (caller.sources !== undefined && !caller.sources.has(fact.source)) {
    return { code: "forbidden", detail: "The credential may not speak for this source." };
  }
  const { locations } = caller;
  if (locations === undefined || fact.data.kind === "void") return undefined;
  const named = fact.data.kind === "stock" ? [fact.data.location] : fact.data.lines.map(({ location }) => location);
  return named.every((location) => locations.has(location))
    ? undefined
    : { code: "forbidden", detail: "The credential may not speak for this location." };
}
