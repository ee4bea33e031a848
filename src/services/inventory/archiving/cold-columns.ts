/**
 * What cold files say of an event for whoever queries them. The thread that writes them imports this module by its URL.
 * Names are public: queries are made of them.
 */
import type { ColdColumn, ColdColumns, RecordedEvent } from "../../../platform/storage/index.ts";
// Not by the index of the ledger: the thread that writes has no use for the rest of it.
import { kindOf, pairOf } from "../ledger/streams.ts";

/** What events of stocks have in common, as far as it is of one kind; the rest stands in `body`. */
interface StockData {
  readonly at?: number;
  readonly reservation?: string;
  readonly quantity?: number;
  readonly lot?: string;
  readonly fact?: {
    readonly quantity?: number;
    readonly lot?: string;
    readonly reason?: string;
    readonly reference?: string;
  };
  readonly change?: Readonly<Record<string, unknown>> | number;
  readonly balance?: Readonly<Record<string, unknown>>;
}

const dataOf = ({ data }: RecordedEvent) => data as StockData;
const isStock = ({ stream }: RecordedEvent) => kindOf(stream) === "stock";

function text(name: string, of: (event: RecordedEvent) => unknown): ColdColumn {
  return { name, kind: "text", of: (event) => kept("string", of(event)) };
}

function whole(name: string, of: (event: RecordedEvent) => unknown): ColdColumn {
  return { name, kind: "whole", of: (event) => kept("number", of(event)) };
}

function kept(kind: "string" | "number", value: unknown): string | number | undefined {
  return typeof value === kind ? (value as string | number) : undefined;
}

function changeOf(event: RecordedEvent, quantity: string): unknown {
  const { change } = dataOf(event);
  return typeof change === "object" ? change[quantity] : undefined;
}

export const columns: ColdColumns["columns"] = [
  text("sku", (event) => (isStock(event) ? pairOf(event.stream).sku : undefined)),
  text("location", (event) => (isStock(event) ? pairOf(event.stream).location : undefined)),
  { name: "happened_at", kind: "instant", of: (event) => kept("number", dataOf(event).at) },
  text("reservation", (event) => dataOf(event).reservation),
  whole("quantity", (event) => dataOf(event).fact?.quantity ?? dataOf(event).quantity),
  text("reason", (event) => dataOf(event).fact?.reason),
  text("reference", (event) => dataOf(event).fact?.reference),
  text("lot", (event) => dataOf(event).fact?.lot ?? dataOf(event).lot),
  whole("on_hand_change", (event) => changeOf(event, "onHand")),
  whole("unavailable_change", (event) => changeOf(event, "unavailable")),
  whole("reserved_change", (event) => changeOf(event, "reserved")),
  whole("committed_change", (event) => changeOf(event, "committed")),
  whole("incoming_change", (event) => changeOf(event, "incoming")),
  whole("on_hand", (event) => dataOf(event).balance?.["onHand"]),
  whole("unavailable", (event) => dataOf(event).balance?.["unavailable"]),
  whole("reserved", (event) => dataOf(event).balance?.["reserved"]),
  whole("committed", (event) => dataOf(event).balance?.["committed"]),
  whole("safety_stock", (event) => dataOf(event).balance?.["safetyStock"]),
  whole("incoming", (event) => dataOf(event).balance?.["incoming"]),
];
