/**
 * When a unit must tell that available has crossed a threshold, and when it must not: by what could be promised before the
 * unit and after it, whatever the cause, and by nothing else.
 */
import { nameOf } from "./names.ts";
import { type LoggedData, type LoggedUnit, must } from "./shapes.ts";
import { available, type Lot, type StockOracle, sellable } from "./stock.ts";

/** How a stock stands between two units. */
export interface Standing {
  readonly units: number;
  readonly lowAt: number | null;
  /** Whether there has ever been something to promise. */
  readonly hasBeen: boolean;
}

export const thresholdEvents: ReadonlySet<string> = new Set([
  "StockRanLow",
  "StockRanOut",
  "StockCameBack",
  "StockRecovered",
]);

export function standingOf(stock: StockOracle): Standing {
  return { units: available(stock.totals()), lowAt: stock.policy.lowAt, hasBeen: stock.hasBeenAvailable };
}

/** The one thing to tell between two standings of a stock, or nothing. */
function crossed(was: Standing, is: Standing): string {
  if (was.units > 0 && is.units <= 0) return "StockRanOut";
  if (was.units <= 0) return is.units > 0 && was.hasBeen ? "StockCameBack" : "";
  if (isLow(was) === isLow(is)) return "";
  return isLow(is) ? "StockRanLow" : "StockRecovered";
}

function isLow({ units, lowAt }: Standing): boolean {
  return lowAt !== null && units <= lowAt;
}

/** `before` is how the unit's stocks stood. */
export function mustTellCrossings(unit: LoggedUnit, before: ReadonlyMap<StockOracle, Standing>): void {
  for (const [stock, was] of before) {
    const is = standingOf(stock);
    const stream = `stock-${nameOf(stock.location, stock.sku)}`;
    const here = unit.events.filter((event) => event.stream === stream);
    const told = here.filter(({ type }) => thresholdEvents.has(type));
    const right = crossed(was, is);
    must(
      told.map(({ type }) => type).join() === right,
      () =>
        `${stock.name} goes from ${was.units} (low at ${was.lowAt}) to ${is.units} (low at ${is.lowAt}): told is ` +
        `"${told.map(({ type }) => type).join()}", to be told "${right}"`,
    );
    const [event] = told;
    if (event === undefined) continue;
    const { data } = event;
    must(
      data.was === was.units && (data.lowAt ?? null) === is.lowAt,
      () => `${event.type} of ${stock.name} says that it was ${data.was}, low at ${data.lowAt}`,
    );
    must(here.at(-1) === event, () => `${event.type} of ${stock.name} comes before what it tells of`);
    const atNow = available(stock.totalsAt(unit.at));
    must(atNow === is.units, () => `${event.type} of ${stock.name} at ${is.units}, though by the clock it is ${atNow}`);
    mustHaveCause(unit, stream, data.cause ?? {});
  }
}

/** The fact, or else what of the unit concerns this stock. */
function mustHaveCause(unit: LoggedUnit, stream: string, { reservation, lot, policy }: NonNullable<Cause>): void {
  if (unit.fact !== undefined) {
    must(reservation === undefined && lot === undefined && policy === undefined, () => "a fact is not the only cause");
    return;
  }
  const isThere = unit.events.some(
    ({ stream: of, type, data }) =>
      of === stream &&
      ((reservation !== undefined && data.reservation === reservation) ||
        (lot !== undefined && type === "LotExpired" && data.lot === lot) ||
        (policy !== undefined && type === "PolicyApplied" && stream.endsWith(`/${policy}`))),
  );
  must(isThere, () => `${JSON.stringify({ reservation, lot, policy })} is no cause in its unit for ${stream}`);
}

type Cause = LoggedUnit["events"][number]["data"]["cause"];

// Lots

/** Takes in that a lot is told to be near its date: it must be, by the calendar where it lies, and be told for the first time. */
export function tellNear(
  stock: StockOracle,
  { lot: name = "", quantity, expiresOn }: LoggedData,
  now: number,
  zone: string,
): void {
  const lot = stock.lots.get(name);
  must(lot !== undefined && !lot.expired, () => `lot ${name} of ${stock.name} nears its date, and is not for sale`);
  must(!lot.nearTold, () => `that lot ${name} of ${stock.name} nears its date is told twice`);
  const units = sellable(lot);
  must(
    units > 0 && units === quantity,
    () => `${quantity} of lot ${name} of ${stock.name} near their date; ${units} are there`,
  );
  must(lot.expiresOn === expiresOn, () => `lot ${name} of ${stock.name} is told to end on ${expiresOn}`);
  must(isNear(stock, lot, now, zone), () => `lot ${name} of ${stock.name} is told to near its date, and does not`);
  lot.nearTold = true;
}

/** Whether all that is near its date was told of. */
export function mustHaveToldNear(stock: StockOracle, now: number, zone: string): void {
  for (const [name, lot] of stock.lots)
    must(
      lot.nearTold || lot.expired || sellable(lot) === 0 || !isNear(stock, lot, now, zone),
      () => `nothing tells that lot ${name} of ${stock.name} nears its date, ${lot.expiresOn}`,
    );
}

/** Whether the date shown by clocks where a lot lies is at most so many days before the lot's. */
function isNear(
  { policy: { expiringDays } }: StockOracle,
  { expiresOn, cutoff }: Lot,
  now: number,
  timeZone: string,
): boolean {
  if (expiringDays === null || expiresOn === null || cutoff === null || cutoff <= now) return false;
  const first = new Date(Date.parse(expiresOn) - expiringDays * 86_400_000).toISOString().slice(0, 10);
  return calendarOf(timeZone).format(now) >= first;
}

const calendars = new Map<string, Intl.DateTimeFormat>();

function calendarOf(timeZone: string): Intl.DateTimeFormat {
  const known = calendars.get(timeZone);
  // As 2026-03-01, which compares as a text.
  const calendar =
    known ?? new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  calendars.set(timeZone, calendar);
  return calendar;
}
