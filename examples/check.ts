/**
 * Imports the real data sets whole into a running server and compares what it then says with answers that were computed
 * straight from the files, apart from Larder: `node examples/check.ts --url URL --key KEY [--only NAME]…`, on a server
 * whose store is empty. The data folder is named by LARDER_SHARED_DATA; without it, ../shared/data beside the repository
 * is tried, and when neither is there nothing is checked, and it says so.
 *
 * The importer is what is being checked, so nothing of it is used to read the expected answers or to compare.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import {
  checkMapping,
  type FactMapping,
  httpItemSink,
  httpSink,
  type ImportSummary,
  importFacts,
  importItems,
  openInput,
  type Reject,
  readItemMapping,
  readMapping,
} from "../src/services/intake/index.ts";

export interface Server {
  readonly url: string;
  readonly key: string;
}
type Row = Readonly<Record<string, string>>;
interface Stock {
  readonly sku: string;
  readonly location?: string;
  readonly onHand?: number;
  readonly unavailable?: number;
  readonly available?: number;
  readonly incoming?: number;
}
type Say = (text: string) => void;
/** What must be true, in words; throws nothing, so that one run shows all that is wrong. */
type Expect = (what: string, actual: unknown, expected: unknown) => void;

const examples = import.meta.dirname;
export const dataFolder = process.env["LARDER_SHARED_DATA"] ?? join(examples, "../../shared/data");

class Check {
  readonly #server: Server;
  readonly #expect: Expect;
  readonly #say: Say;

  constructor(server: Server, expect: Expect, say: Say) {
    this.#server = server;
    this.#expect = expect;
    this.#say = say;
  }

  readonly checks = {
    "online-retail": () => this.#onlineRetail(),
    "complete-journey": () => this.#completeJourney(),
    adventureworks: () => this.#adventureWorks(),
    gtin: () => this.#gtin(),
    plu: () => this.#plu(),
  };

  async #onlineRetail(): Promise<void> {
    const file = "online-retail/online_retail_2010-12_to_2011-08.csv.gz";
    const expected = table("expected/online-retail/per_sku.csv");
    const opening = await readMapping(join(examples, "online-retail/opening.json"));
    const mapping = await readMapping(join(examples, "online-retail/mapping.json"));
    await this.#facts(file, opening);
    const rejects: Reject[] = [];
    const first = await this.#facts(file, mapping, rejects);

    this.#expect("rows rejected", first.rejectedCount, 3 + 1946);
    const byCode = new Map<string, number>();
    for (const { row } of rejects.filter(({ row }) => !row.fields[0]?.startsWith("A"))) {
      const code = row.fields[1]?.trim().toUpperCase() ?? "";
      byCode.set(code, (byCode.get(code) ?? 0) + 1);
    }
    const codes = table("expected/online-retail/non_product_codes.csv");
    this.#same(
      "rejected rows by code",
      byCode,
      codes,
      ({ code }) => code,
      ({ rows }) => Number(rows),
    );

    const wanted = expected.map(({ sku = "" }) => sku);
    const onHand = keyed(await this.#stocks(wanted, ["online"]), ({ sku }) => sku);
    this.#same(
      "on hand per sku",
      onHand,
      expected,
      ({ sku }) => sku,
      (row) => Number(row["on_hand_end_from_1000"]),
    );

    const again = await this.#facts(file, mapping);
    this.#expect("of the same import again accepted", again.accepted, 0);
    this.#expect("of the same import again duplicates", again.duplicates, first.accepted);
    const after = keyed(await this.#stocks(wanted, ["online"]), ({ sku }) => sku);
    this.#expect("on hand after the same import again", [...after], [...onHand]);

    // The same rows at a second place, with the switch in the mapping turned.
    const elsewhere = "online, duplicates skipped";
    await this.#facts(file, moved(opening, elsewhere));
    await this.#facts(file, { ...moved(mapping, elsewhere), duplicates: "skip" });
    const skipped = keyed(await this.#stocks(wanted, [elsewhere]), ({ sku }) => sku);
    this.#same("on hand per sku without exact duplicates", skipped, expected, ({ sku }) => sku, withoutDuplicates);
  }

  async #completeJourney(): Promise<void> {
    const mapping = await readMapping(join(examples, "complete-journey/mapping.json"));
    const summary = await this.#facts("complete-journey/transactions_sample.csv.gz", mapping);
    this.#expect("rows rejected", summary.rejectedCount, 915 + 412);
    const expected = table("expected/complete-journey/per_store_product.csv.gz");
    this.#expect("pairs of store and product expected", expected.length, 63_114);
    const products = [...new Set(expected.map(({ product_id: product = "" }) => product))];
    const stores = new Set(expected.map(({ store_id: store }) => store));
    const stocks = (await this.#stocks(products)).filter(({ location }) => stores.has(location ?? ""));
    const pair = (store = "", product = "") => `${store} ${product}`;
    const onHand = keyed(stocks, ({ sku, location }) => pair(location, sku));
    const key = (row: Row) => pair(row["store_id"], row["product_id"]);
    this.#same("on hand per store and product", onHand, expected, key, ({ quantity }) => -Number(quantity));
  }

  async #adventureWorks(): Promise<void> {
    const read = (name: string) => readMapping(join(examples, "adventureworks", name));
    await this.#facts("adventureworks/ProductInventory.csv.gz", await read("opening.json"));
    await this.#facts("adventureworks/PurchaseOrderDetail.csv.gz", await read("orders.json"));
    await this.#facts("adventureworks/PurchaseOrderDetail.csv.gz", await read("receipts.json"));

    const counted = table("expected/adventureworks/on_hand_per_product.csv");
    const received = table("expected/adventureworks/receipts_per_product.csv");
    const products = [...new Set([...counted, ...received].map(({ ProductID = "" }) => ProductID))];
    const stocks = await this.#stocks(products);
    const shelves = stocks.filter(({ location }) => location !== undefined && location !== "receiving");
    const onHand = ({ on_hand: units }: Row) => Number(units);
    const perProduct = summed(shelves, ({ sku }) => sku);
    this.#same(
      "on hand per product",
      perProduct,
      counted.filter(({ locations }) => locations !== "0"),
      id,
      onHand,
    );
    const places = table("expected/adventureworks/on_hand_per_location.csv");
    this.#same(
      "on hand per location",
      summed(shelves, ({ location }) => location ?? ""),
      places,
      locationId,
      onHand,
    );
    const pairs = table("adventureworks/ProductInventory.csv.gz");
    const perPair = keyed(shelves, ({ sku, location }) => `${sku} ${location}`);
    const pair = (row: Row) => `${row["ProductID"]} ${row["LocationID"]}`;
    this.#same("on hand per product and location", perPair, pairs, pair, ({ Quantity }) => Number(Quantity));

    const dock = stocks.filter(({ location }) => location === "receiving");
    const compare = (what: string, value: (stock: Stock) => number | undefined, expected: (row: Row) => number) =>
      this.#same(
        what,
        keyed(dock, ({ sku }) => sku, value),
        received,
        id,
        expected,
      );
    compare(
      "received per product",
      ({ onHand }) => onHand,
      (row) => Number(row["received"]),
    );
    compare(
      "rejected per product",
      ({ unavailable }) => unavailable,
      (row) => Number(row["rejected"]),
    );
    compare(
      "stocked per product",
      ({ available }) => available,
      (row) => Number(row["stocked"]),
    );
    const missing = (row: Row) => Number(row["ordered"]) - Number(row["received"]);
    compare("still incoming per product", ({ incoming }) => incoming, missing);
  }

  async #gtin(): Promise<void> {
    const rejects: Reject[] = [];
    const mapping = await readItemMapping(join(examples, "gtin/items.json"));
    const bad = table("expected/gtin/invalid_barcodes.csv.gz");
    const summary = await this.#items("gtin/off_barcodes_a.csv.gz", mapping, rejects);
    this.#expect("rows accepted", summary.rows - summary.rejectedCount, 98_925);
    this.#expect("items", summary.accepted, 98_906);
    const refused = rejects.map(({ row, by }) => `${row.fields[0]} ${by === "server" ? "check digit" : "length"}`);
    const expected = bad.map(
      ({ barcode, why = "" }) => `${barcode} ${why.startsWith("check") ? "check digit" : "length"}`,
    );
    this.#expect("barcodes refused, with the reason", refused.sort(), expected.sort());
    const again = await this.#items("gtin/off_barcodes_a.csv.gz", mapping, []);
    this.#expect("of the same import again changed", again.accepted, 0);
  }

  async #plu(): Promise<void> {
    const mapping = await readItemMapping(join(examples, "plu/items.json"));
    const summary = await this.#items("plu/plu_codes.csv", mapping, []);
    this.#expect("items", [summary.accepted, summary.rejectedCount], [1520, 0]);
  }

  async #facts(file: string, mapping: FactMapping, rejects: Reject[] = []): Promise<ImportSummary> {
    const input = await openInput(join(dataFolder, file));
    const summary = await importFacts({ input, mapping, sink: httpSink(this.#server), rejects: collector(rejects) });
    return this.#told(file, summary, rejects);
  }

  async #items(file: string, mapping: Awaited<ReturnType<typeof readItemMapping>>, rejects: Reject[]) {
    const input = await openInput(join(dataFolder, file));
    const sink = httpItemSink(this.#server);
    return this.#told(file, await importItems({ input, mapping, sink, rejects: collector(rejects) }), rejects);
  }

  #told(file: string, summary: ImportSummary, rejects: readonly Reject[]): ImportSummary {
    const { rows, accepted, duplicates, rejectedCount, rowsPerSecond } = summary;
    this.#position = summary.position ?? this.#position;
    this.#say(
      `  ${file}: ${rows} rows, ${accepted} accepted, ${duplicates} duplicates, ${rejectedCount} rejected, ${rowsPerSecond} rows/s`,
    );
    const strange = rejects.find(({ by }) => by === "row");
    this.#expect("rows that can't be read", strange?.detail, undefined);
    return summary;
  }

  #position: string | undefined;

  /** From the read side, once it has seen everything that was imported. */
  async #stocks(skus: readonly string[], locations?: readonly string[]): Promise<Stock[]> {
    const found: Stock[] = [];
    for (let at = 0; at < skus.length; at += 1000)
      found.push(...(await this.#ask(skus.slice(at, at + 1000), locations)));
    return found;
  }

  async #ask(skus: readonly string[], locations: readonly string[] | undefined): Promise<readonly Stock[]> {
    for (let attempt = 0; ; attempt += 1) {
      const response = await fetch(`${this.#server.url}/v1/availability:batch`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${this.#server.key}`,
          "content-type": "application/json",
          ...(this.#position !== undefined && { "larder-min-position": this.#position }),
        },
        body: JSON.stringify({ skus, ...(locations && { locations }) }),
      });
      if (response.ok) return ((await response.json()) as { items: Stock[] }).items;
      const isBehind = response.status === 503 && attempt < 30;
      if (!isBehind) throw new Error(`availability answers ${response.status}: ${await response.text()}`);
    }
  }

  #same(
    what: string,
    actual: ReadonlyMap<string, number>,
    rows: readonly Row[],
    key: (row: Row) => string | undefined,
    value: (row: Row) => number,
  ): void {
    const expected = new Map(rows.map((row) => [key(row) ?? "", value(row)]));
    const wrong = [...expected].filter(([name, number]) => actual.get(name) !== number);
    const extra = [...actual.keys()].filter((name) => !expected.has(name));
    const shown = wrong.slice(0, 3).map(([name, number]) => `${name}: ${actual.get(name)} instead of ${number}`);
    this.#expect(`${what} (${expected.size})`, { wrong: wrong.length, extra: extra.slice(0, 3), shown }, noDifference);
  }
}

const noDifference = { wrong: 0, extra: [], shown: [] };
const id = (row: Row) => row["ProductID"];
const locationId = (row: Row) => row["LocationID"];

/** Opening stock and all rows at another place, as facts of another source. */
function moved(mapping: FactMapping, location: string): FactMapping {
  const text = JSON.stringify({ ...mapping, source: `${mapping.source}/elsewhere` });
  return checkMapping(JSON.parse(text.replaceAll('"location":"online"', `"location":${JSON.stringify(location)}`)));
}

/** The expected file has no such column for the end from 1,000; it follows from the rows that exact duplicates add. */
function withoutDuplicates(row: Row): number {
  const duplicates = uniqueChange().get(row["sku"] ?? "") ?? 0;
  return 1000 + duplicates;
}

/** Change of on hand per sku by the data's rules, each exact row once: read afresh, by a plain reader of its own. */
function uniqueChange(): ReadonlyMap<string, number> {
  return new Map(Object.entries(uniqueChanges()));
}

let changes: Record<string, number> | undefined;
function uniqueChanges(): Record<string, number> {
  if (changes !== undefined) return changes;
  changes = {};
  const text = gunzipSync(
    readFileSync(join(dataFolder, "online-retail/online_retail_2010-12_to_2011-08.csv.gz")),
  ).toString();
  for (const line of new Set(text.split("\n").slice(1))) {
    const [, invoice = "", code = "", rest = ""] = /^([^,]*),([^,]*),(.*)$/.exec(line) ?? [];
    const sku = code.trim().toUpperCase();
    const [, quantity = "0", price = "", customer = ""] = /,(-?\d+),[^,]*,([^,]*),([^,]*),[^,]*$/.exec(rest) ?? [];
    if (invoice.startsWith("A") || !/^(\d{5}[A-Z]{0,2}|DCGS\w+|PADS)$/.test(sku)) continue;
    const isAdjustment = !invoice.startsWith("C") && (Number(quantity) < 0 || (Number(price) === 0 && customer === ""));
    changes[sku] = (changes[sku] ?? 0) + (isAdjustment ? Number(quantity) : -Number(quantity));
  }
  return changes;
}

function keyed(
  stocks: readonly Stock[],
  key: (stock: Stock) => string,
  value: (stock: Stock) => number | undefined = ({ onHand }) => onHand,
) {
  return new Map(stocks.map((stock) => [key(stock), value(stock) ?? Number.NaN]));
}

function summed(stocks: readonly Stock[], key: (stock: Stock) => string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const stock of stocks) sums.set(key(stock), (sums.get(key(stock)) ?? 0) + (stock.onHand ?? 0));
  return sums;
}

function collector(rejects: Reject[]) {
  return { begin: () => undefined, write: async (more: readonly Reject[]) => void rejects.push(...more) };
}

/** A CSV file without quotes, as all the expected ones are. */
function table(path: string): Row[] {
  const bytes = readFileSync(join(dataFolder, path));
  const [header = "", ...lines] = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes)
    .toString("utf8")
    .trim()
    .split("\n");
  const names = header.split(",");
  return lines.map((line) => {
    const fields = line.split(",");
    return Object.fromEntries(names.map((name, index) => [name, fields[index] ?? ""]));
  });
}

/** Runs the checks, all of them or those named; gives the number of expectations that failed. */
export async function check(server: Server, only: readonly string[], say: Say): Promise<number> {
  if (!existsSync(dataFolder)) {
    say(`SKIPPED: there is no data folder at ${dataFolder}; name it by LARDER_SHARED_DATA. Nothing was checked.`);
    return 0;
  }
  let failed = 0;
  const expect: Expect = (what, actual, expected) => {
    const isRight = JSON.stringify(actual) === JSON.stringify(expected);
    if (!isRight) failed += 1;
    say(
      isRight
        ? `  right: ${what}`
        : `  WRONG: ${what}: ${JSON.stringify(actual)?.slice(0, 500)} instead of ${JSON.stringify(expected)?.slice(0, 500)}`,
    );
  };
  for (const [name, run] of Object.entries(new Check(server, expect, say).checks)) {
    if (only.length > 0 && !only.includes(name)) continue;
    say(name);
    await run();
  }
  return failed;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { url: { type: "string" }, key: { type: "string" }, only: { type: "string", multiple: true } },
  });
  const url = values.url ?? "http://127.0.0.1:8080";
  const failed = await check(
    { url, key: values.key ?? process.env["LARDER_KEY"] ?? "" },
    values.only ?? [],
    console.log,
  );
  console.log(failed === 0 ? "All right." : `${failed} wrong.`);
  process.exitCode = failed === 0 ? 0 : 1;
}
