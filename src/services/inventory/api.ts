/**
 * The inventory's published interface: what gateways and other services may ask of it, in this process or over
 * gRPC (`remote.ts`). Every method may throw `PlatformError` (storage unavailable, overloaded); what a caller did wrong or asks too
 * much comes back as a rejection.
 */
import type { Instant, Outcome, Timeframe } from "../../kernel/index.ts";
import type { Sequence } from "../../platform/storage/index.ts";
import type {
  Availability,
  AvailabilityItem,
  FactsReceipt,
  FulfilLine,
  Item,
  ItemBody,
  ItemsReceipt,
  LocationBody,
  LocationView,
  Page,
  PolicyBody,
  PolicyView,
  RecordedCloudEvent,
  Reservation,
  ReservationLine,
  ReservationStatus,
  ReserveRequest,
  SourcingPlan,
  StockEvents,
  StockView,
} from "./wire.ts";

/** Who asks, and what of the inventory they may see. Scopes were checked by the gateway. */
export interface Caller {
  /** The id of the credential; recorded as `actor`. */
  readonly id: string;
  /** Only these locations exist for the caller; undefined is all. */
  readonly locations?: ReadonlySet<string>;
  /** Sources the caller may speak for; undefined is all. */
  readonly sources?: ReadonlySet<string>;
  /** Whether it sees only the reservations it made. */
  readonly ownReservations: boolean;
  /**
   * When what is asked may be decided and recorded, by the store's clock; methods that append throw `NotBegun` outside of it.
   * At any time unless given.
   */
  readonly within?: Timeframe;
}

/** Whether a location is there for a caller. */
export function isVisible(location: string, { locations }: Pick<Caller, "locations">): boolean {
  return locations?.has(location) ?? true;
}

export interface StockOptions {
  readonly lots?: boolean;
  /** RFC 3339: what was there at that time, by what is known now. */
  readonly at?: string;
  /** RFC 3339: what Larder would have answered at that time. */
  readonly knownAt?: string;
}

/** A stock, and the version (as clients see it) or the time for which its on hand is asked. */
export type ThenQuestion = StockPair & ({ readonly version: number } | { readonly at: Instant });

export interface ReservationQuery {
  readonly owner?: string;
  readonly reference?: string;
  readonly sku?: string;
  readonly status?: ReservationStatus;
  readonly cursor?: string;
  readonly limit: number;
}

export interface ChangesFilter {
  readonly skus?: ReadonlySet<string>;
  readonly locations?: ReadonlySet<string>;
  readonly types?: ReadonlySet<string>;
}

export interface StockPair {
  readonly location: string;
  readonly sku: string;
}

/** A step through all stocks. */
export interface StocksStep {
  /** Those that were asked for, each with the time at which its newest change was recorded, and its public version. */
  readonly stocks: readonly (StockPair & { readonly changedAt: Instant; readonly version: number })[];
  /** Given back as `after`, it gives the next step, while this process lives; absent on the last one. */
  readonly next?: number;
  /** How many stocks there are. */
  readonly of: number;
}

/** A step of the change feed: matching events, and how far the feed has looked (also past events that did not match). */
export interface ChangesStep {
  readonly events: readonly RecordedCloudEvent[];
  readonly position: string;
  /** Whether the feed has reached the present. */
  readonly caughtUp: boolean;
}

export interface Inventory {
  /**
   * Records facts; each item is judged by itself, whatever it is. At most `limits.batchItemsMax` items. `receivedAt` says
   * for each when it came in, for those that have waited since.
   */
  recordFacts(items: readonly unknown[], caller: Caller, receivedAt?: readonly Instant[]): Promise<FactsReceipt>;

  /**
   * What `recordFacts` would reject of these now, and records nothing. Totals out of range, and what a void may not undo,
   * show only when they are recorded.
   */
  checkFacts(items: readonly unknown[], caller: Caller): Promise<FactsReceipt["rejected"]>;

  /**
   * `created` is false when the request was answered before. One with neither an id nor a key gets a new id: `unusedId`
   * when it is given, which nobody may have used.
   */
  reserve(
    request: ReserveRequest,
    caller: Caller,
    idempotencyKey?: string,
    unusedId?: string,
  ): Promise<Outcome<{ readonly created: boolean; readonly reservation: Reservation }>>;
  plan(request: ReserveRequest, caller: Caller): Promise<Outcome<SourcingPlan>>;
  extend(id: string, ttlSeconds: number, caller: Caller): Promise<Outcome<Reservation>>;
  amend(id: string, lines: readonly ReservationLine[], caller: Caller): Promise<Outcome<Reservation>>;
  confirm(id: string, options: { readonly reacquire?: boolean }, caller: Caller): Promise<Outcome<Reservation>>;
  fulfil(
    id: string,
    lines: readonly FulfilLine[] | undefined,
    caller: Caller,
    idempotencyKey?: string,
  ): Promise<Outcome<Reservation>>;
  release(id: string, caller: Caller): Promise<Outcome<Reservation>>;
  reservation(id: string, caller: Caller): Promise<Outcome<Reservation>>;
  reservations(query: ReservationQuery, caller: Caller): Promise<Outcome<Page<Reservation>>>;

  /** From the read side; with `minPosition`, waits for it (≤ `limits.minPositionWaitMs`). */
  availability(
    skus: readonly string[],
    locations: readonly string[] | undefined,
    caller: Caller,
    minPosition?: string,
  ): Promise<Outcome<Availability>>;
  /** The same, of single stocks, in the order of the pairs; undefined for one that never was. */
  availabilityOf(pairs: readonly StockPair[]): Promise<readonly (AvailabilityItem | undefined)[]>;
  /**
   * Looks at `count` stocks of all, beginning behind `after`, and gives those that were last recorded at or after
   * `changedSince`, from the read side, which has to be as far as `heard` (≤ `limits.minPositionWaitMs`). Those that come
   * up meanwhile are at the end.
   */
  stocks(query: {
    readonly after?: number;
    readonly count: number;
    readonly changedSince: Instant;
    readonly heard?: Sequence;
  }): Promise<StocksStep>;
  stock(sku: string, options: StockOptions, caller: Caller): Promise<Outcome<StockView>>;
  /**
   * What was on hand of single stocks at a version, or at a time by what is known now, in the order of the questions.
   * Undefined for a version that is not of this history: a restore may have left it behind.
   */
  onHandThen(questions: readonly ThenQuestion[]): Promise<readonly (number | undefined)[]>;
  stockEvents(
    sku: string,
    query: { readonly location?: string; readonly cursor?: string; readonly limit: number },
    caller: Caller,
  ): Promise<Outcome<StockEvents>>;

  /**
   * Every recorded event after a position (from the beginning of the log when undefined), in order, for ever: ends only
   * when `signal` is aborted, or the inventory stops. Yields at least every `heartbeatMs`, then possibly without events. Rejects a position that
   * can't be read or is from another history.
   */
  changes(
    after: string | undefined,
    filter: ChangesFilter,
    caller: Caller,
    options: { readonly signal: AbortSignal; readonly heartbeatMs: number },
  ): Promise<Outcome<AsyncIterable<ChangesStep>>>;

  /**
   * One step of what `changes` would give: what the caller may see of the next events after a position, of which so many
   * are looked at. Rejects as `changes` does.
   */
  readChanges(after: string | undefined, looks: number, caller: Caller): Promise<Outcome<ChangesStep>>;
  /** The position after everything that was recorded before an instant. */
  positionBefore(instant: Instant): Promise<string>;
  /** One recorded event by its id. */
  recordedEvent(id: string, caller: Caller): Promise<Outcome<RecordedCloudEvent>>;
  /** What was recorded of a fact when it was taken in; empty for one that is not known. */
  eventsOfFact(source: string, id: string, caller: Caller): Promise<readonly RecordedCloudEvent[]>;
  /** What was recorded when a fact was voided; empty for one that was not. A void that came before its fact stands with that. */
  eventsOfVoid(source: string, id: string, caller: Caller): Promise<readonly RecordedCloudEvent[]>;

  putItem(sku: string, body: ItemBody, caller: Caller): Promise<Outcome<Item>>;
  /** Items as `{sku, ...ItemBody}`; each is judged by itself, whatever it is. */
  putItems(items: readonly unknown[], caller: Caller): Promise<ItemsReceipt>;
  item(sku: string): Promise<Outcome<Item>>;
  itemsByGtin(gtin: string): Promise<Outcome<Page<Item>>>;
  items(query: { readonly cursor?: string; readonly limit: number }): Promise<Outcome<Page<Item>>>;

  setPolicy(sku: string, body: PolicyBody, caller: Caller): Promise<Outcome<PolicyView>>;
  policy(sku: string, caller: Caller): Promise<Outcome<PolicyView>>;

  putLocation(id: string, body: LocationBody, caller: Caller): Promise<Outcome<LocationView>>;
  location(id: string, caller: Caller): Promise<Outcome<LocationView>>;
  locations(
    query: { readonly cursor?: string; readonly limit: number },
    caller: Caller,
  ): Promise<Outcome<Page<LocationView>>>;

  /** The location that has a GLN, or none. */
  locationsByGln(gln: string, caller: Caller): Promise<Outcome<Page<LocationView>>>;

  /** How far the log has come. */
  position(): Promise<string>;
}
