/**
 * A transfer of units between two of our locations. What was dispatched is in transit, on hand at neither place, until
 * something arrives; the first arrival of a sku closes it, and what is short (or over) is recorded as its difference.
 * Lots travel along: what arrives without naming a lot is of those that were dispatched. Facts may come in any order:
 * the sums know none; only lots that were told after their arrival stay unknown there.
 */

/** Units of one lot that were dispatched and have not arrived. */
export interface LotUnderWay {
  readonly lot: string;
  /** May be below zero: more has arrived than was dispatched. */
  readonly quantity: number;
  readonly expiresOn?: string;
}

/** The units of one sku in a transfer. */
export interface Consignment {
  readonly sku: string;
  /** Units by where they were sent. */
  readonly destinations: ReadonlyMap<string, number>;
  readonly dispatched: number;
  readonly arrived: number;
  readonly arrivals: number;
  readonly lots: readonly LotUnderWay[];
}

/** Consignments by sku. */
export type Transfer = ReadonlyMap<string, Consignment>;

export type TransferEvent =
  | {
      readonly type: "TransferDispatched";
      readonly data: {
        readonly sku: string;
        readonly from: string;
        readonly to: string;
        readonly quantity: number;
        readonly lots?: readonly LotUnderWay[];
        readonly difference?: number;
      };
    }
  | {
      readonly type: "TransferArrived";
      readonly data: {
        readonly sku: string;
        readonly at: string;
        readonly from: string;
        readonly quantity: number;
        readonly lots?: readonly LotUnderWay[];
        /** Arrived less dispatched, over all arrivals so far; absent while nothing was dispatched or nothing differs. */
        readonly difference?: number;
      };
    }
  /** A dispatch or arrival voided: the sums change by these. */
  | {
      readonly type: "TransferCorrected";
      readonly data: {
        readonly sku: string;
        readonly dispatched?: number;
        /** Where the units of the dispatch were sent; absent in logs of before this was told, and of arrivals. */
        readonly to?: string;
        readonly arrived?: number;
        readonly arrivals?: number;
        readonly lots?: readonly LotUnderWay[];
      };
    };

export const noTransfer: Transfer = new Map();

/** What a transfer knows of a sku. */
export function consignmentOf(transfer: Transfer, sku: string): Consignment {
  return transfer.get(sku) ?? { sku, destinations: new Map(), dispatched: 0, arrived: 0, arrivals: 0, lots: [] };
}

export function evolveTransfer(transfer: Transfer, event: TransferEvent): Transfer {
  return new Map(transfer).set(event.data.sku, evolveConsignment(consignmentOf(transfer, event.data.sku), event));
}

function evolveConsignment(known: Consignment, event: TransferEvent): Consignment {
  switch (event.type) {
    case "TransferDispatched": {
      const { to, quantity, lots = [] } = event.data;
      const dispatched = known.dispatched + quantity;
      return { ...known, destinations: sent(known, to, quantity), dispatched, lots: addLots(known.lots, lots, 1) };
    }
    case "TransferArrived": {
      const { quantity, lots = [] } = event.data;
      const arrived = known.arrived + quantity;
      return { ...known, arrived, arrivals: known.arrivals + 1, lots: addLots(known.lots, lots, -1) };
    }
    case "TransferCorrected": {
      const { dispatched = 0, arrived = 0, arrivals = 0, lots = [] } = event.data;
      const to = event.data.to ?? [...known.destinations.keys()].at(-1);
      return {
        ...known,
        ...(to !== undefined && { destinations: sent(known, to, dispatched) }),
        dispatched: known.dispatched + dispatched,
        arrived: known.arrived + arrived,
        arrivals: known.arrivals + arrivals,
        lots: addLots(known.lots, lots, 1),
      };
    }
    default:
      event satisfies never;
      return known;
  }
}

function sent({ destinations }: Consignment, to: string, quantity: number): ReadonlyMap<string, number> {
  return new Map(destinations).set(to, (destinations.get(to) ?? 0) + quantity);
}

function addLots(known: readonly LotUnderWay[], more: readonly LotUnderWay[], sign: 1 | -1): readonly LotUnderWay[] {
  const lots = new Map(known.map((lot) => [lot.lot, lot]));
  for (const { lot, quantity, expiresOn } of more) {
    const before = lots.get(lot);
    const date = before?.expiresOn ?? expiresOn;
    const units = (before?.quantity ?? 0) + sign * quantity;
    lots.set(lot, { lot, quantity: units, ...(date !== undefined && { expiresOn: date }) });
  }
  return [...lots.values()];
}

/** Units still on their way, by where they go: none once something has arrived. */
export function inTransit({ arrivals, destinations }: Consignment): ReadonlyMap<string, number> {
  return arrivals > 0 ? new Map() : destinations;
}

/** The lots of units that arrive without naming one: what is under way, the earliest date first. */
export function lotsArriving({ lots }: Consignment, quantity: number): readonly LotUnderWay[] {
  const last = "9999-12-31";
  const order = lots
    .filter((lot) => lot.quantity > 0)
    .toSorted((a, b) => {
      const [dateA, dateB] = [a.expiresOn ?? last, b.expiresOn ?? last];
      return dateA === dateB ? (a.lot < b.lot ? -1 : 1) : dateA < dateB ? -1 : 1;
    });
  const arriving: LotUnderWay[] = [];
  let left = quantity;
  for (const lot of order) {
    const units = Math.min(left, lot.quantity);
    if (units > 0) arriving.push({ ...lot, quantity: units });
    left -= units;
  }
  return arriving;
}
