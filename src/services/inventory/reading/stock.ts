/** `GET /v1/stock`: the truth now, the truth at another time, and the trail that leads to it. */
import {
  accept,
  formatInstant,
  type Instant,
  type Outcome,
  parseInstant,
  reject,
  unreadableCursor,
} from "../../../kernel/index.ts";
import {
  type Epoch,
  type RecordedEvent,
  readInTurns,
  type Sequence,
  type Storage,
} from "../../../platform/storage/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import { type Caller, isVisible, type StockOptions } from "../api.ts";
import type { AvailabilityModel } from "../availability/index.ts";
import { toCloudEvent, withoutOthers } from "../changes/index.ts";
import {
  available,
  compareDates,
  type Lot,
  noLot,
  type PastEvent,
  promisableIn,
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
  { soon }: Timers,
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
  const streams = locations.map((location) => streamOf.stock(location, sku));
  const versions = await storage.versions(streams);
  for (const [index, location] of locations.entries()) {
    if (index % streamsInTurn === streamsInTurn - 1) await new Promise<void>((resolve) => soon(resolve));
    const all = await readInTurns(storage, streams[index] ?? "", versions[index] ?? 0, soon);
    const events = all.filter(({ unit }) => unit.recordedAt <= (knownAt ?? unit.recordedAt));
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
      sellable: state.expired ? 0 : promisableIn(state),
    }));
}

/** The trail of a sku, newest first. The cursor is the place in the log of the last event that was shown. */
export async function trail(
  storage: Storage,
  sku: string,
  locations: readonly string[],
  { cursor, limit }: { readonly cursor?: string | undefined; readonly limit: number },
  caller: Caller,
): Promise<Outcome<Omit<StockEvents, "position">>> {
  const before = cursor === undefined ? Number.POSITIVE_INFINITY : readCursor(cursor);
  if (before === undefined) return unreadableCursor();
  const tails: Tail[] = [];
  for (const location of locations) {
    const stream = streamOf.stock(location, sku);
    tails.push({ stream, left: await lastBefore(storage, stream, before), read: [] });
    // Each is looked up in this process: after some of them others get their turn.
    if (tails.length % streamsInTurn === 0) await new Promise(setImmediate);
  }
  const { page, isMore } = await newest(storage, tails, limit);
  const last = page.at(-1);
  return accept({
    events: (await withoutOthers(storage, page, caller)).map((event) => toCloudEvent(event, storage.epochs)),
    ...(isMore && last !== undefined && { next: Buffer.from(String(last.seq)).toString("base64url") }),
  });
}

/** The end of a stream, as far as it was read: newest first. `left` older versions were not. */
interface Tail {
  readonly stream: string;
  left: number;
  readonly read: RecordedEvent[];
}

const streamsInTurn = 50;

/** The newest events of several streams, of which no more is read than it takes. */
async function newest(
  storage: Storage,
  tails: readonly Tail[],
  limit: number,
): Promise<{ readonly page: readonly RecordedEvent[]; readonly isMore: boolean }> {
  let portion = Math.ceil(limit / Math.max(1, tails.length)) + 8;
  for (;;) {
    const known = tails.flatMap(({ read }) => read).sort((a, b) => b.seq - a.seq);
    const edge = known[limit - 1]?.seq ?? 0;
    // What is older than the last of the page can't be on it, whatever else there is.
    const short = tails.filter(({ left, read }) => left > 0 && (read.at(-1)?.seq ?? Number.POSITIVE_INFINITY) > edge);
    if (short.length === 0)
      return { page: known.slice(0, limit), isMore: known.length > limit || tails.some(({ left }) => left > 0) };
    for (const [index, tail] of short.entries()) {
      const after = Math.max(0, tail.left - portion);
      tail.read.push(...(await storage.readStream(tail.stream, after, tail.left)).toReversed());
      tail.left = after;
      if (index % streamsInTurn === streamsInTurn - 1) await new Promise(setImmediate);
    }
    portion *= 2;
  }
}

/** The version of a stream's last event before a place in the log; 0 when there is none. */
async function lastBefore(storage: Storage, stream: string, seq: Sequence): Promise<number> {
  let [low, high] = [0, (await storage.versions([stream]))[0] ?? 0];
  for (let look = high; low < high && seq !== Number.POSITIVE_INFINITY; look = Math.ceil((low + high) / 2)) {
    const [event] = await storage.readStream(stream, look - 1, look);
    if (event !== undefined && event.seq < seq) low = look;
    else high = look - 1;
  }
  return high;
}

function readCursor(cursor: string): Sequence | undefined {
  const text = Buffer.from(cursor, "base64url").toString();
  return /^[1-9]\d{0,15}$/.test(text) ? Number(text) : undefined;
}
