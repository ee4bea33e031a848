/**
 * A transfer of units between two of our locations. What was dispatched is in transit, on hand at neither place, until
 * something arrives; the first arrival of a consignment closes it, and what is short (or over) is recorded as its
 * difference. Facts may come in any order: the sums know none.
 */

/** The units of one sku and lot in a transfer. */
export interface Consignment {
  readonly sku: string;
  readonly lot?: string;
  /** Where it was sent, once a dispatch has said so. */
  readonly to?: string;
  readonly dispatched: number;
  readonly arrived: number;
  readonly arrivals: number;
}

export type Transfer = ReadonlyMap<string, Consignment>;

export type TransferEvent =
  | {
      readonly type: "TransferDispatched";
      readonly data: {
        readonly sku: string;
        readonly lot?: string;
        readonly from: string;
        readonly to: string;
        readonly quantity: number;
        readonly difference?: number;
      };
    }
  | {
      readonly type: "TransferArrived";
      readonly data: {
        readonly sku: string;
        readonly lot?: string;
        readonly at: string;
        readonly from: string;
        readonly quantity: number;
        /** Arrived less dispatched, over all arrivals so far; absent while nothing was dispatched or nothing differs. */
        readonly difference?: number;
      };
    }
  /** A dispatch or arrival voided: the sums change by these. */
  | {
      readonly type: "TransferCorrected";
      readonly data: {
        readonly sku: string;
        readonly lot?: string;
        readonly dispatched?: number;
        readonly arrived?: number;
        readonly arrivals?: number;
      };
    };

export const noTransfer: Transfer = new Map();

export function consignmentKey({ sku, lot }: { readonly sku: string; readonly lot?: string }): string {
  return lot === undefined ? sku : `${sku}\u0000${lot}`;
}

export function evolveTransfer(transfer: Transfer, event: TransferEvent): Transfer {
  const { sku, lot } = event.data;
  const key = consignmentKey(event.data);
  const known: Consignment = transfer.get(key) ?? {
    sku,
    ...(lot !== undefined && { lot }),
    dispatched: 0,
    arrived: 0,
    arrivals: 0,
  };
  switch (event.type) {
    case "TransferDispatched":
      return set(transfer, key, { ...known, to: event.data.to, dispatched: known.dispatched + event.data.quantity });
    case "TransferArrived":
      return set(transfer, key, {
        ...known,
        arrived: known.arrived + event.data.quantity,
        arrivals: known.arrivals + 1,
      });
    case "TransferCorrected":
      return set(transfer, key, {
        ...known,
        dispatched: known.dispatched + (event.data.dispatched ?? 0),
        arrived: known.arrived + (event.data.arrived ?? 0),
        arrivals: known.arrivals + (event.data.arrivals ?? 0),
      });
    default:
      event satisfies never;
      return transfer;
  }
}

function set(transfer: Transfer, key: string, consignment: Consignment): Transfer {
  return new Map(transfer).set(key, consignment);
}

/** Units still on their way: none once something has arrived. */
export function inTransit(consignment: Consignment | undefined): number {
  return consignment === undefined || consignment.arrivals > 0 ? 0 : consignment.dispatched;
}
