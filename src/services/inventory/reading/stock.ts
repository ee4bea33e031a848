/** `GET /v1/stock`: the truth now, the truth at another time, and the trail that leads to it. */
import { accept, formatInstant, type Instant, type Outcome, parseInstant, reject } from "../../../kernel/index.ts";
import type { Epoch, RecordedEvent, Storage } from "../../../platform/storage/index.ts";
import { type Caller, isVisible, type StockOptions } from "../api.ts";
import type { AvailabilityModel } from "../availability/index.ts";
import { toCloudEvent } from "../changes/index.ts";
import {
  available,
  compareDates,
  type Lot,
  noLot,
  type PastEvent,
  type StockEvent,
  sellable,
  type Totals,
  totalsAt,
  unknownLot,
} from "../domain/stock/index.ts";
import { type Command, streamOf } from "../ledger/index.ts";
import { publicVersion } from "../positions.ts";
import type { StockEvents, StockView } from "../wire.ts";
import { stockAt, stockKnownAt } from "./past.ts";

type LocationView = StockView["locations"][number];

/** Everything about a sku now, judged exactly, on top of all that was decided before. */
export function stockCommand(
  sku: string,
  caller: Caller,
): Command<{ location: string; version: number; totals: Totals; lots: Map<string, Lot> }[]> {
  return {
    actor: caller.id,
    looks: true,
    streams: [],
    decide: (transaction) => {
      const locations = transaction.locationsOf(sku).filter((location) => isVisible(location, caller));
      transaction.want(locations.map((location) => streamOf.stock(location, sku)));
      return locations
        .map((location) => {
          const stock = transaction.stock(location, sku);
          return {
            location,
            version: transaction.version(streamOf.stock(location, sku)),
            totals: totalsAt(stock, transaction.now),
            lots: new Map(
              [...stock.lots].map(([name, lot]) => [name, { ...lot, expired: isPast(lot, transaction.now) }]),
            ),
          };
        })
        .filter(({ version }) => version > 0);
    },
  };
}

function isPast(lot: Lot, now: Instant): boolean {
  return lot.expired || (lot.cutoff !== null && lot.cutoff <= now);
}

export function presentView(
  sku: string,
  stocks: readonly {
    readonly location: string;
    readonly version: number;
    readonly totals: Totals;
    readonly lots: ReadonlyMap<string, Lot>;
  }[],
  model: AvailabilityModel,
  epochs: readonly Epoch[],
  options: StockOptions,
): Omit<StockView, "position"> {
  const updatedAt = new Map(model.ofSku(sku).map((row) => [row.location, row.updatedAt]));
  return viewOf(
    sku,
    stocks.map(({ location, version, totals, lots }) => ({
      location,
      ...quantities(totals),
      version: publicVersion(epochs, version),
      updatedAt: formatInstant(updatedAt.get(location) ?? 0),
      ...(options.lots && { lots: lotViews(lots, totals) }),
    })),
  );
}

/** The stock of a sku at another time, or as another time knew it. */
export async function pastView(
  storage: Storage,
  sku: string,
  locations: readonly string[],
  options: StockOptions,
): Promise<Outcome<Omit<StockView, "position">>> {
  const at = instantOf(options.at);
  const knownAt = instantOf(options.knownAt);
  if (at === "unreadable" || knownAt === "unreadable") {
    const pointer = at === "unreadable" ? "at" : "knownAt";
    return reject({
      code: "invalid-request",
      detail: `${pointer} must be an RFC 3339 time with a zone, as 2026-11-21T09:30:00Z.`,
    });
  }
  const views: LocationView[] = [];
  for (const location of locations) {
    const events = (await storage.readStream(streamOf.stock(location, sku))).filter(
      ({ unit }) => unit.recordedAt <= (knownAt ?? unit.recordedAt),
    );
    const last = events[events.length - 1];
    if (last === undefined) continue;
    const history = events.map(pastEvent);
    const past = at === undefined ? stockKnownAt(history, knownAt ?? 0) : stockAt(history, at);
    views.push({
      location,
      ...quantities(past.totals),
      version: publicVersion(storage.epochs, last.version),
      updatedAt: formatInstant(last.unit.recordedAt),
      ...(options.lots && { lots: lotViews(past.lots, past.totals) }),
    });
  }
  return accept(viewOf(sku, views));
}

function plus(lot: Lot, quantity: number, heldBack: number): Lot {
  return { ...lot, quantity: lot.quantity + quantity, heldBack: lot.heldBack + heldBack };
}

function instantOf(text: string | undefined): Instant | undefined | "unreadable" {
  return text === undefined ? undefined : (parseInstant(text) ?? "unreadable");
}

/** A recorded event of a stock's stream, as the past is told from. */
export function pastEvent(event: RecordedEvent): PastEvent {
  const { fact, recordedAt } = event.unit;
  // Only stock events stand in a stock's stream.
  return {
    event: event as unknown as StockEvent,
    recordedAt,
    ...(fact !== undefined && { fact: { source: fact.source, id: fact.id } }),
  };
}

function viewOf(sku: string, locations: LocationView[]): Omit<StockView, "position"> {
  const totals = { available: 0, onHand: 0, unavailable: 0, reserved: 0, committed: 0, safetyStock: 0, incoming: 0 };
  for (const view of locations)
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += view[name];
  return { sku, locations: locations.sort((a, b) => (a.location < b.location ? -1 : 1)), totals };
}

function quantities(totals: Totals) {
  const { onHand, unavailable, reserved, committed, safetyStock, incoming } = totals;
  return { available: available(totals), onHand, unavailable, reserved, committed, safetyStock, incoming };
}

/** The lots of a stock, and what belongs to none as lot `unknown`, so that they add up to what is on hand. */
function lotViews(lots: ReadonlyMap<string, Lot>, { onHand, unavailable }: Totals): NonNullable<LocationView["lots"]> {
  let [units, blocked] = [onHand, unavailable];
  for (const lot of lots.values()) {
    units -= lot.quantity;
    blocked -= lot.heldBack + (lot.expired ? sellable(lot) : 0);
  }
  const all = new Map(lots);
  if (units !== 0 || blocked !== 0) all.set(unknownLot, plus(all.get(unknownLot) ?? noLot, units, blocked));
  return [...all]
    .sort(([nameA, a], [nameB, b]) => compareDates(a.expiresOn, b.expiresOn) || (nameA < nameB ? -1 : 1))
    .map(([lot, state]) => ({
      lot,
      expiresOn: state.expiresOn,
      quantity: state.quantity,
      sellable: state.expired ? 0 : sellable(state),
    }));
}

/**
 * The trail of a sku, newest first. The cursor holds, for each location, the version from which the next page goes on.
 */
export async function trail(
  storage: Storage,
  sku: string,
  locations: readonly string[],
  cursor: string | undefined,
  limit: number,
): Promise<Outcome<Omit<StockEvents, "position">>> {
  const from = cursor === undefined ? undefined : readCursor(cursor);
  if (from === "unreadable")
    return reject({
      code: "invalid-request",
      detail: "The cursor can't be read: hand back one that Larder has given.",
    });
  const events: RecordedEvent[] = [];
  const ends = new Map<string, number>();
  for (const location of locations) {
    const stream = streamOf.stock(location, sku);
    const [newest = 0] = from === undefined ? await storage.versions([stream]) : [from.get(location) ?? 0];
    ends.set(location, newest);
    if (newest > 0) events.push(...(await storage.readStream(stream, Math.max(0, newest - limit), newest)));
  }
  events.sort((a, b) => b.seq - a.seq);
  const page = events.slice(0, limit);
  const byStream = new Map(locations.map((location) => [streamOf.stock(location, sku), location]));
  for (const { stream, version } of page) ends.set(byStream.get(stream) ?? "", version - 1);
  const left = [...ends].filter(([, version]) => version > 0);
  return accept({
    events: page.map((event) => toCloudEvent(event, storage.epochs)),
    ...(left.length > 0 && { next: Buffer.from(JSON.stringify(left)).toString("base64url") }),
  });
}

function readCursor(cursor: string): ReadonlyMap<string, number> | "unreadable" {
  try {
    const entries: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (!Array.isArray(entries)) return "unreadable";
    const isEntry = (entry: unknown): entry is [string, number] =>
      Array.isArray(entry) && typeof entry[0] === "string" && Number.isSafeInteger(entry[1]) && entry[1] >= 0;
    return entries.every(isEntry) ? new Map(entries) : "unreadable";
  } catch {
    return "unreadable";
  }
}
