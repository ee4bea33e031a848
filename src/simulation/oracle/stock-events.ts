/** What each event of a stock does, and what must hold when it does. */
import { factKey, nameOf, toMs } from "./names.ts";
import { type LoggedData, type LoggedEvent, type LoggedUnit, must, type SentFact } from "./shapes.ts";
import { available, type Entry, type Policy, type StockOracle, sum, type Totals } from "./stock.ts";
import { tellNear, thresholdEvents } from "./thresholds.ts";

/** What is known beside the stock. */
export interface Known {
  /** The place of the event. */
  readonly seq: number;
  policyOf(stock: StockOracle): Policy;
  skuOf(gtin: string): string | undefined;
  /** The time zone of a stock's location. */
  zoneOf(stock: StockOracle): string;
  /** The times as of which a fact may have been received that is recorded at `now`. */
  receiptsOf(fact: SentFact, now: number): readonly number[];
  /** What the unit's transfer says is on its way to a stock. */
  underWayTo(stock: StockOracle): { readonly transfer: string; readonly units: number } | undefined;
}

const clockAheadMsMax = 300_000;

/** Takes in what an event says of a stock, and holds it against the contract. `sent` is the fact of its unit. */
export function followStockEvent(
  stock: StockOracle,
  event: LoggedEvent,
  unit: LoggedUnit,
  sent: SentFact | undefined,
  known: Known,
): void {
  const { type, data } = event;
  const { at: now } = unit;
  if (stock.version === 0 && type !== "PolicyApplied") {
    const policy = known.policyOf(stock);
    must(samePolicy(policy, stock.policy), () => `${stock.name} begins without the policy that holds for it`);
  }
  stock.version = event.v;
  const change = typeof data.change === "object" ? data.change : undefined;
  if (change !== undefined) stock.follow(change);
  const id = data.reservation ?? "";
  switch (type) {
    case "StockReserved":
    case "StockReacquired":
      promise(stock, data, unit, type === "StockReserved" ? (data.expiresAt ?? 0) : null);
      break;
    case "HoldsAmended": {
      const { expiresAt, lines } = stock.holdings.get(id) ?? { expiresAt: data.expiresAt ?? 0, lines: [] };
      must(expiresAt !== null && expiresAt > now, () => `${id} is amended at ${stock.name}, though it holds no more`);
      const more = sum(data.holds ?? []) - sum(lines);
      must(more === data.change, () => `${id} is amended at ${stock.name} by ${more}, not ${String(data.change)}`);
      mustHave(stock, more, now);
      if (stock.holdings.has(id)) stock.drop(id);
      stock.hold(id, data.holds ?? [], data.expiresAt ?? 0);
      break;
    }
    case "HoldExtended": {
      const holding = openHold(stock, id, now);
      must((data.expiresAt ?? 0) > (holding.expiresAt ?? 0), () => `extending ${id} shortens it at ${stock.name}`);
      holding.expiresAt = data.expiresAt ?? 0;
      break;
    }
    case "StockCommitted": {
      const { lines } = openHold(stock, id, now);
      must(sum(lines) === data.quantity, () => `${data.quantity} of ${id} are committed at ${stock.name}`);
      stock.drop(id);
      stock.hold(id, lines, null);
      break;
    }
    case "StockFulfilled":
      fulfil(stock, data, unit, sent, known);
      break;
    case "StockReleased": {
      const { lines, expiresAt } = stock.drop(id);
      must(sum(lines) === data.quantity, () => `${data.quantity} of ${id} are released at ${stock.name}`);
      must(expiresAt === null || expiresAt > now, () => `${id} is released at ${stock.name} after it had expired`);
      break;
    }
    case "HoldLapsed": {
      const { lines, expiresAt } = stock.drop(id);
      must(expiresAt !== null && expiresAt <= now, () => `the hold of ${id} at ${stock.name} lapses before its time`);
      must(sum(lines) === data.quantity, () => `${data.quantity} of ${id} lapse at ${stock.name}`);
      break;
    }
    case "LotExpired":
      stock.expireLot(data.lot ?? "", now, data.quantity ?? 0);
      break;
    case "LotNearedExpiry":
      must(unit.by === "system:expiry", () => `${unit.by} tells that a lot nears its date`);
      tellNear(stock, data, unit.at, known.zoneOf(stock));
      break;
    case "PolicyApplied": {
      const { safetyStock = 0, lowAt = null, expiringDays = null, backorderLimit = 0 } = data;
      stock.policy = { safetyStock, lowAt, expiringDays, backorderLimit };
      const policy = known.policyOf(stock);
      must(samePolicy(policy, stock.policy), () => `${stock.name} goes by a policy that nobody has set`);
      break;
    }
    case "FactVoided":
      stock.void(factKey(data.voids));
      break;
    case "ShortfallFound": {
      const totals = stock.totalsAt(now);
      must(
        data.onHand === totals.onHand && data.available === available(totals),
        () => `a shortfall of ${stock.name} says ${data.available} are available; it is ${available(totals)}`,
      );
      break;
    }
    case "StockRanLow":
    case "StockRanOut":
    case "StockCameBack":
    case "StockRecovered":
      break; // judged with the whole unit
    case "IncomingChanged": {
      const { transfer, units } = known.underWayTo(stock) ?? { transfer: "", units: 0 };
      stock.transit.set(transfer, units);
      break;
    }
    default:
      must(sent !== undefined, () => `${type} at ${stock.name} without a fact`);
      takeFact(stock, event, unit, sent, known);
  }
  stock.mustBalance(event);
}

function takeFact(
  stock: StockOracle,
  { type, data }: LoggedEvent,
  unit: LoggedUnit,
  sent: SentFact,
  known: Known,
): void {
  const told = sent.data;
  const at = mustTakeEffect(told.asOf ?? sent.time, data, unit, sent, known);
  const sku = told.gtin === undefined ? told.sku : known.skuOf(told.gtin);
  const isHere = told.lines !== undefined || (sku === stock.sku && told.location === stock.location);
  must(isHere, () => `${sent.id} is told of ${sku} at ${told.location}, and recorded for ${stock.name}`);
  const { quantity = 0 } = told.lines === undefined ? told : (data.fact ?? {});
  const isBack = type === "StockReturned" && told.sellable === false;
  const held: Readonly<Record<string, number>> = { StockHeldBack: quantity, StockPutBack: -quantity };
  const moved: Readonly<Record<string, number>> = {
    StockReceived: quantity,
    StockReturned: quantity,
    StockArrived: quantity,
    StockSold: -quantity,
    StockDispatched: -quantity,
    StockAdjusted: told.delta ?? 0,
  };
  if (type === "StockCounted" && told.lot !== undefined) stock.hasLotCounts = true;
  const entry: Entry = {
    key: factKey(sent),
    at,
    units: moved[type] ?? 0,
    heldBack: held[type] ?? (isBack ? quantity : 0),
    ...(type === "StockCounted" && told.lot === undefined && { counted: quantity }),
    ...(told.reference !== undefined && { reference: told.reference }),
    expected: type === "StockExpected" ? quantity : 0,
    received: type === "StockReceived" ? quantity : 0,
  };
  stock.add(entry);
}

function promise(stock: StockOracle, data: LoggedData, unit: LoggedUnit, expiresAt: number | null): void {
  const holds = data.holds ?? [];
  mustHave(stock, sum(holds), unit.at);
  stock.hold(data.reservation ?? "", holds, expiresAt);
  stock.mustServe(holds, unit.at);
}

/** I1: what is promised was available, by the log alone and by the clock. */
function mustHave(stock: StockOracle, units: number, now: number): void {
  if (units <= 0) return;
  const logged = stock.totals();
  const { unavailable } = stock.totalsAt(now);
  const free = available({ ...logged, unavailable }) - stock.surplus(now) + stock.policy.backorderLimit;
  must(units <= free, () => `${units} of ${stock.name} are promised while ${free} were available`);
}

function openHold(stock: StockOracle, id: string, now: number) {
  const holding = stock.held(id);
  const { expiresAt } = holding;
  must(expiresAt !== null && expiresAt > now, () => `${id} goes on at ${stock.name} after its time`);
  return holding;
}

function fulfil(
  stock: StockOracle,
  data: LoggedData,
  unit: LoggedUnit,
  sent: SentFact | undefined,
  known: Known,
): void {
  const id = data.reservation ?? "";
  const { expiresAt, lines } = stock.drop(id);
  must(expiresAt === null || expiresAt > unit.at, () => `${id} is fulfilled at ${stock.name} after its time`);
  must((expiresAt === null) === (data.from === "committed"), () => `${id} is not ${data.from} at ${stock.name}`);
  const rest = lines.map((line) => {
    const handed = sum((data.holds ?? []).filter((part) => part.line === line.line));
    return { ...line, quantity: line.quantity - handed };
  });
  must(
    rest.every(({ quantity }) => quantity >= 0) && sum(lines) - sum(rest) === data.quantity,
    () => `${data.quantity} of ${id} are handed over at ${stock.name}, of ${sum(lines)} held`,
  );
  const left = rest.filter(({ quantity }) => quantity > 0);
  stock.hold(id, left, null);
  if (sent === undefined)
    must(data.at === unit.at, () => `${id} is handed over as of ${String(data.at)}, recorded at ${unit.at}`);
  const at = sent === undefined ? unit.at : mustTakeEffect(sent.time, data, unit, sent, known);
  const key = sent === undefined ? `fulfilled\u0000${known.seq}` : factKey(sent);
  stock.add({ key, at, units: -(data.quantity ?? 0), heldBack: 0, expected: 0, received: 0 });
}

/** A unit whose facts leave less than was promised, or less than nothing, says so. `before` is how its stocks were. */
export function mustTellShortfalls(unit: LoggedUnit, before: ReadonlyMap<StockOracle, Totals>): void {
  const { length } = unit.events.filter(({ type }) => !thresholdEvents.has(type));
  if (unit.events.some(({ type }) => type === "FactVoided") && length > 2) return;
  for (const [stock, was] of before) {
    const is = stock.totalsAt(unit.at);
    const stream = `stock-${nameOf(stock.location, stock.sku)}`;
    const here = unit.events.filter((event) => event.stream === stream);
    const isMoved = here.some((event) => "fact" in event.data || "voids" in event.data);
    const fellShort = available(is) < 0 && available(was) >= 0;
    if (!isMoved || !(fellShort || (is.onHand < 0 && was.onHand >= 0))) continue;
    const isTold = here.some(({ type }) => type === "ShortfallFound");
    must(isTold, () => `${stock.name} falls short, and nothing says so`);
  }
}

/** When a fact takes effect: as it says, or as of its receipt. Throws when the event says another time. */
function mustTakeEffect(
  told: string | number | undefined,
  { at }: LoggedData,
  unit: LoggedUnit,
  sent: SentFact,
  known: Known,
): number {
  const time = told === undefined ? undefined : toMs(told);
  const right = known.receiptsOf(sent, unit.at).map((receivedAt) => effectiveAt(time, receivedAt));
  must(
    typeof at === "number" && right.includes(at),
    () => `${sent.id} takes effect at ${String(at)} instead of ${right.join(" or ")}`,
  );
  return at;
}

/** When a fact takes effect: as it says, unless that lies too far ahead of its receipt. */
function effectiveAt(told: number | undefined, receivedAt: number): number {
  return told === undefined || told > receivedAt + clockAheadMsMax ? receivedAt : told;
}

export function samePolicy(a: Policy, b: Policy): boolean {
  return (
    a.safetyStock === b.safetyStock &&
    a.lowAt === b.lowAt &&
    a.expiringDays === b.expiringDays &&
    a.backorderLimit === b.backorderLimit
  );
}
