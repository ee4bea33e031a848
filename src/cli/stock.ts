import { Command } from "commander";
import type { RecordedCloudEvent, StockView } from "../services/inventory/index.ts";
import { Refusal } from "./client.ts";
import { Failure } from "./failure.ts";
import type { Io } from "./io.ts";
import { clientOf, type ServerOptions, several, wholeNumber, withExamples, withServer } from "./options.ts";
import { table } from "./table.ts";

interface StockFlags extends ServerOptions {
  readonly location?: readonly string[];
  readonly lots?: boolean;
  readonly at?: string;
  readonly knownAt?: string;
  readonly history?: boolean;
  readonly limit: number;
}

export function stockCommand(io: Io): Command {
  const command = new Command("stock")
    .description("Show what there is of a sku, location by location, or everything that happened to it.")
    .argument("<sku>", "the sku")
    .option("--location <id>", "only this location; may be given several times", several)
    .option("--lots", "with lots and their dates")
    .option("--at <time>", "what was there at that time, by what is known now (RFC 3339)")
    .option("--known-at <time>", "what Larder would have answered at that time (RFC 3339)")
    .option("--history", "the audit trail: what, when, by whom, why, and the balance after it")
    .option("--limit <n>", "rows of history, the latest first", wholeNumber(1, 100_000), 50)
    .action(async (sku: string, flags: StockFlags) => {
      if (flags.history) await showHistory(sku, flags, io);
      else await showStock(sku, flags, io);
    });
  withServer(command);
  return withExamples(
    command,
    "larder stock 85123A",
    "larder stock 85123A --lots --location leeds",
    "larder stock 85123A --at 2026-11-20T18:00:00Z",
    "larder stock 85123A --history --limit 10",
  );
}

async function showStock(sku: string, flags: StockFlags, io: Io): Promise<void> {
  const { lots, at, knownAt, location } = flags;
  const asked = clientOf(flags, io).stock(sku, {
    ...(lots && { lots }),
    ...(at !== undefined && { at }),
    ...(knownAt !== undefined && { knownAt }),
  });
  const view = await asked.catch((error: unknown) => {
    if (!(error instanceof Refusal) || error.problem.code !== "not-found") throw error;
    throw new Failure(`${error.message} Is "${sku}" spelt right? \`larder export --format csv\` has every sku.`);
  });
  const locations = view.locations.filter((row) => location === undefined || location.includes(row.location));
  if (flags.json) {
    io.out(JSON.stringify({ ...view, locations }));
    return;
  }
  if (locations.length === 0) {
    io.out(`Nothing is known of ${sku}${location ? ` at ${location.join(", ")}` : ""}.`);
    return;
  }
  const shown = location === undefined && locations.length > 1 ? [...locations, total(view)] : locations;
  for (const line of table(shown, stockColumns)) io.out(line);
  if (lots) for (const row of locations) showLots(row, io);
}

type StockRow = StockView["locations"][number];
type ShownRow = Omit<StockRow, "version" | "updatedAt" | "lots"> & { readonly updatedAt?: string };

function total(view: StockView): ShownRow {
  return { location: "total", ...view.totals };
}

const stockColumns = [
  { title: "LOCATION", of: (row: ShownRow) => row.location },
  { title: "AVAILABLE", of: (row: ShownRow) => row.available },
  { title: "ON HAND", of: (row: ShownRow) => row.onHand },
  { title: "RESERVED", of: (row: ShownRow) => row.reserved },
  { title: "COMMITTED", of: (row: ShownRow) => row.committed },
  { title: "UNAVAILABLE", of: (row: ShownRow) => row.unavailable },
  { title: "SAFETY", of: (row: ShownRow) => row.safetyStock },
  { title: "INCOMING", of: (row: ShownRow) => row.incoming },
  { title: "UPDATED", of: (row: ShownRow) => row.updatedAt },
];

function showLots(row: StockRow, io: Io): void {
  io.out("");
  io.out(io.paint("bold", `Lots at ${row.location}`));
  const lines = table(row.lots ?? [], [
    { title: "LOT", of: (lot) => lot.lot },
    { title: "EXPIRES ON", of: (lot) => lot.expiresOn ?? "-" },
    { title: "QUANTITY", of: (lot) => lot.quantity },
    { title: "SELLABLE", of: (lot) => lot.sellable },
  ]);
  for (const line of lines) io.out(line);
}

async function showHistory(sku: string, flags: StockFlags, io: Io): Promise<void> {
  const events = await historyOf(clientOf(flags, io), sku, flags);
  if (flags.json) {
    io.out(JSON.stringify({ sku, events }));
    return;
  }
  if (events.length === 0) io.out(`Nothing is known of ${sku}.`);
  else for (const line of table(events, historyColumns)) io.out(line);
}

/** The newest events of a sku, of some locations or all, newest first. */
export async function historyOf(
  client: Pick<ReturnType<typeof clientOf>, "stockEvents">,
  sku: string,
  flags: Pick<StockFlags, "location" | "limit">,
): Promise<readonly RecordedCloudEvent[]> {
  const events: RecordedCloudEvent[] = [];
  for (const location of flags.location ?? [undefined]) {
    const before = events.length;
    let cursor: string | undefined;
    do {
      const page = await client.stockEvents(sku, {
        ...(location !== undefined && { location }),
        ...(cursor !== undefined && { cursor }),
        limit: Math.min(1000, flags.limit),
      });
      events.push(...page.events);
      cursor = page.next;
    } while (cursor !== undefined && events.length - before < flags.limit);
  }
  // Of several locations, each came latest first.
  if ((flags.location?.length ?? 0) > 1)
    events.sort((a, b) => Number(recordedAt(b) > recordedAt(a)) - Number(recordedAt(a) > recordedAt(b)));
  return events.slice(0, flags.limit);
}

/** What of an event's data people want to see; the shape is told in docs/reference/events.md. */
interface ShownData {
  readonly location?: string;
  readonly recordedAt?: string;
  readonly actor?: string;
  readonly reason?: string;
  readonly change?: Readonly<Record<string, number>>;
  readonly balance?: { readonly available?: number; readonly onHand?: number };
  readonly cause?: { readonly source?: string; readonly id?: string; readonly reservation?: string };
}

const dataOf = (event: RecordedCloudEvent) => event.data as ShownData;
const recordedAt = (event: RecordedCloudEvent) => dataOf(event).recordedAt ?? "";

const historyColumns = [
  { title: "HAPPENED", of: (event: RecordedCloudEvent) => event.time },
  { title: "RECORDED", of: (event: RecordedCloudEvent) => dataOf(event).recordedAt },
  { title: "LOCATION", of: (event: RecordedCloudEvent) => dataOf(event).location },
  { title: "WHAT", of: (event: RecordedCloudEvent) => shortType(event.type) },
  { title: "AVAILABLE", of: (event: RecordedCloudEvent) => dataOf(event).balance?.available },
  { title: "ON HAND", of: (event: RecordedCloudEvent) => dataOf(event).balance?.onHand },
  { title: "BY", of: (event: RecordedCloudEvent) => dataOf(event).actor },
  { title: "CAUSE", of: (event: RecordedCloudEvent) => causeOf(dataOf(event)) },
];

/** `stock.sold` of `larder.stock.sold.v1`. */
export function shortType(type: string): string {
  return type.replace(/^larder\./, "").replace(/\.v\d+$/, "");
}

/** `larder.stock.sold.v1` of `stock.sold`, so that what is shown can be asked for; a whole name stays as it is. */
export function fullType(type: string): string {
  return type.startsWith("larder.") ? type : `larder.${type}.v1`;
}

function causeOf({ cause, reason }: ShownData): string {
  const by =
    cause?.reservation !== undefined
      ? `reservation ${cause.reservation}`
      : [cause?.source, cause?.id].filter(Boolean).join(" ");
  return [by, reason].filter(Boolean).join(", ");
}
