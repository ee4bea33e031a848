import { accept, hasCode, type Instant, invariant, type Outcome, PlatformError, reject } from "../../kernel/index.ts";
import { ConsumerHost } from "../../platform/consumer/index.ts";
import { Duty, type Storage } from "../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../platform/timers/index.ts";
import type { Caller, ChangesFilter, Inventory } from "./api.ts";
import { type ArchivePreparation, archivePreparation } from "./archiving/index.ts";
import { AvailabilityModel } from "./availability/index.ts";
import { Catalog, type Outgoing } from "./catalog/catalog.ts";
import { Registry } from "./catalog/registry.ts";
import { Changes, findEvent, seenBy, toCloudEvent } from "./changes/index.ts";
import { Expiry } from "./expiry/index.ts";
import { FactReader } from "./facts/fact-reader.ts";
import { Facts } from "./facts/facts.ts";
import { Ledger, SnapshotWriter } from "./ledger/index.ts";
import { type InventoryObserver, silentObserver } from "./observer.ts";
import { Tokens } from "./positions.ts";
import { Reading } from "./reading/reading.ts";
import { inventoryTagging, ReservationLists } from "./reservations/lists.ts";
import { OpenReservations } from "./reservations/open.ts";
import { Reservations } from "./reservations/reservations.ts";
import { Sealer } from "./seals/index.ts";
import type { Page, RecordedCloudEvent } from "./wire.ts";

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
  /**
   * Reads a large batch of facts in JSON beside the main thread, into items for `recordFacts`; undefined where it is to be read
   * in the ordinary way.
   */
  readFacts(json: Uint8Array): Promise<readonly unknown[] | undefined>;
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

/** Milliseconds between two times it is told that a cold file keeps what has lapsed from being recorded: a sweep comes every 250 ms. */
const unreadToldEveryMs = 60_000;

class LocalInventory implements RunningInventory {
  readonly #storage: Storage;
  readonly #options: InventoryOptions;
  readonly #observer: InventoryObserver;
  readonly #ledger: Ledger;
  readonly #host: ConsumerHost;
  readonly #availability: AvailabilityModel;
  readonly #openReservations = new OpenReservations();
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
  /** By the timers' `elapsedMs`. */
  #unreadToldAt: number | undefined;
  readonly #tokens: Tokens;
  readonly #facts: Facts;
  readonly #factReader: FactReader;
  readonly #reservations: Reservations;
  readonly #reading: Reading;

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
    this.#catalog = new Catalog(this.#ledger, options.outgoing ?? nothingOutgoing);
    this.#expiry = new Expiry({ recorded: (seconds) => this.#observer.expiryRecorded(seconds) });
    this.#changes = new Changes(storage, this.#timers);
    this.#sealer = new Sealer(storage, this.#ledger);
    this.#housekeeping = new Duty(storage, "inventory", {
      begin: () => this.#keepHouse(),
      end: async () => this.#leaveHouse(),
      onFailure: (error) => this.#observer.upkeepFailed("housekeeping", error),
      timers: this.#timers,
    });
    this.#host = new ConsumerHost(storage, {
      timers: this.#timers,
      onFailure: (name, error) => this.#observer.consumerFailed(name, error),
      onCommitFailure: (error) => this.#observer.upkeepFailed("derived", error),
      ...(options.commitEveryMs !== undefined && { commitEveryMs: options.commitEveryMs }),
    });
    this.#tokens = new Tokens(storage);
    const shared = { storage, ledger: this.#ledger, tokens: this.#tokens, observer: this.#observer };
    this.#facts = new Facts(shared);
    this.#factReader = new FactReader({ onFailure: (error) => this.#observer.upkeepFailed("reading", error) });
    this.#reservations = new Reservations({
      ...shared,
      lists: new ReservationLists({ storage, open: this.#openReservations, soon: this.#timers.soon }),
      clock: options.clock,
      randomId: options.randomId,
    });
    this.#reading = new Reading({
      ...shared,
      host: this.#host,
      availability: this.#availability,
      isItem: (sku) => this.#catalog.items.get(sku) !== undefined,
      timers: this.#timers,
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
        () => void this.#sealer.seal().catch((error: unknown) => this.#observer.upkeepFailed("seals", error)),
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
    await this.#factReader.close();
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
    return this.#tokens.head();
  }

  recordFacts: Inventory["recordFacts"] = (items, caller, receivedAt) => this.#facts.record(items, caller, receivedAt);
  readFacts: RunningInventory["readFacts"] = (json) => this.#factReader.read(json);
  checkFacts: Inventory["checkFacts"] = (items, caller) => this.#facts.check(items, caller);
  eventsOfFact: Inventory["eventsOfFact"] = (source, id, caller) => this.#facts.eventsOf(source, id, caller);
  eventsOfVoid: Inventory["eventsOfVoid"] = (source, id, caller) => this.#facts.eventsOfVoid(source, id, caller);

  reserve: Inventory["reserve"] = (request, caller, idempotencyKey, unusedId) =>
    this.#reservations.place(request, caller, idempotencyKey, unusedId);
  plan: Inventory["plan"] = (request, caller) => this.#reservations.plan(request, caller);
  extend: Inventory["extend"] = (id, ttlSeconds, caller) => this.#reservations.extend(id, ttlSeconds, caller);
  amend: Inventory["amend"] = (id, lines, caller) => this.#reservations.amend(id, lines, caller);
  confirm: Inventory["confirm"] = (id, how, caller) => this.#reservations.confirm(id, how, caller);
  fulfil: Inventory["fulfil"] = (id, lines, caller, key) => this.#reservations.fulfil(id, lines, caller, key);
  release: Inventory["release"] = (id, caller) => this.#reservations.release(id, caller);
  reservation: Inventory["reservation"] = (id, caller) => this.#reservations.read(id, caller);
  reservations: Inventory["reservations"] = (query, caller) => this.#reservations.list(query, caller);

  availability: Inventory["availability"] = (skus, locations, caller, minPosition) =>
    this.#reading.availability(skus, locations, caller, minPosition);
  availabilityOf: Inventory["availabilityOf"] = (pairs) => this.#reading.availabilityOf(pairs);
  stocks: Inventory["stocks"] = (query) => this.#reading.stocks(query);
  stock: Inventory["stock"] = (sku, options, caller) => this.#reading.stock(sku, options, caller);
  onHandThen: Inventory["onHandThen"] = (questions) => this.#reading.onHandThen(questions);
  stockEvents: Inventory["stockEvents"] = (sku, query, caller) => this.#reading.stockEvents(sku, query, caller);

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
    return this.#tokens.of(await this.#storage.sequenceAt(instant - 1));
  }

  async recordedEvent(id: string, caller: Caller): Promise<Outcome<RecordedCloudEvent>> {
    const event = await findEvent(this.#storage, id);
    const [seen] = event === undefined ? [] : await seenBy(this.#storage, [event], caller);
    if (seen !== undefined) return accept(toCloudEvent(seen, this.#storage.epochs));
    return reject({ code: "not-found", detail: "There is no such event." });
  }

  // Items, policies, locations

  putItem: Inventory["putItem"] = (sku, body, caller) => this.#catalog.putItem(sku, body, caller);
  putItems: Inventory["putItems"] = async (items, caller) => ({
    ...(await this.#catalog.putItems(items, caller)),
    position: this.#tokens.head(),
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
    return outcome.ok ? accept({ ...outcome.value, position: this.#tokens.head() }) : outcome;
  }

  // Upkeep

  async #sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      await this.#expiry.sweep(this.#ledger, this.#options.clock());
    } catch (error) {
      // Tried again at the next turn; promises don't depend on it.
      if (hasCode(error, "archive-unavailable")) this.#tellUnread(error);
      else if (!(error instanceof PlatformError)) this.#observer.upkeepFailed("expiry", error);
    } finally {
      this.#sweeping = false;
    }
  }

  /** Unlike a store that is out of reach, which others tell of, a cold file comes back only when someone puts it back. */
  #tellUnread(error: unknown): void {
    const now = this.#timers.elapsedMs();
    if (this.#unreadToldAt !== undefined && now - this.#unreadToldAt < unreadToldEveryMs) return;
    this.#unreadToldAt = now;
    this.#observer.upkeepFailed("expiry", error);
  }
}

const nothingOutgoing: Outgoing = {
  problemOf: () => "can't be called from here",
  seal: () => {
    throw new PlatformError("internal", "there is no key to seal a secret with");
  },
};
