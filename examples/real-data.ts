/**
 * Imports the real data sets whole and compares what is then in stock with answers that were computed straight from the
 * files, apart from Larder. The importer is what is being checked, so nothing of it is used to read the expected answers
 * or to compare.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  checkMapping,
  type FactMapping,
  type FactSink,
  type ImportSummary,
  type ItemSink,
  importFacts,
  importItems,
  openInput,
  type Reject,
  readItemMapping,
  readMapping,
} from "../src/services/intake/index.ts";

/** What is imported into, and asked afterwards: its store is empty at first. */
export interface Target {
  readonly facts: FactSink;
  readonly items: ItemSink;
  /** What there is of each sku at each location, once everything up to `position` shows. At most 1,000 skus. */
  stocks(skus: readonly string[], locations?: readonly string[], position?: string): Promise<readonly Stock[]>;
}
type Row = Readonly<Record<string, string>>;
export interface Stock {
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
const onlineRetailFile = "online-retail/online_retail_2010-12_to_2011-08.csv.gz";
export const dataFolder = process.env["LARDER_SHARED_DATA"] ?? join(examples, "../../shared/data");

class Check {
  readonly #target: Target;
  readonly #expect: Expect;
  readonly #say: Say;

  constructor(target: Target, expect: Expect, say: Say) {
    this.#target = target;
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
    const expected = table("expected/online-retail/per_sku.csv");
    const opening = await readMapping(join(examples, "online-retail/opening.json"));
    const mapping = await readMapping(join(examples, "online-retail/mapping.json"));
    await this.#facts(onlineRetailFile, opening);
    const rejects: Reject[] = [];
    const first = await this.#facts(onlineRetailFile, mapping, rejects);

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

    const again = await this.#facts(onlineRetailFile, mapping);
    this.#expect("of the same import again accepted", again.accepted, 0);
    this.#expect("of the same import again duplicates", again.duplicates, first.accepted);
    const after = keyed(await this.#stocks(wanted, ["online"]), ({ sku }) => sku);
    this.#expect("on hand after the same import again", [...after], [...onHand]);

    // The same rows at a second place, with the switch in the mapping turned.
    const elsewhere = "online, duplicates skipped";
    await this.#facts(onlineRetailFile, moved(opening, elsewhere));
    const net = new Map<string, number>();
    await this.#facts(onlineRetailFile, { ...moved(mapping, elsewhere), duplicates: "skip" }, [], net);
    this.#same(
      "net quantity per sku without exact duplicates",
      net,
      expected,
      ({ sku }) => sku,
      (row) => Number(row["net_quantity_without_exact_duplicates"]),
    );
    const skipped = keyed(await this.#stocks(wanted, [elsewhere]), ({ sku }) => sku);
    const distinct = onHandOfDistinctRows();
    this.#same(
      "on hand per sku without exact duplicates",
      skipped,
      expected,
      ({ sku }) => sku,
      ({ sku = "" }) => distinct.get(sku) ?? Number.NaN,
    );
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

  /** Imports a file; `net` is given what its facts add up to. */
  async #facts(
    file: string,
    mapping: FactMapping,
    rejects: Reject[] = [],
    net: Map<string, number> = new Map(),
  ): Promise<ImportSummary> {
    const input = await openInput(join(dataFolder, file));
    const sink = netQuantities(this.#target.facts, net);
    return this.#told(file, await importFacts({ input, mapping, sink, rejects: collector(rejects) }), rejects);
  }

  async #items(file: string, mapping: Awaited<ReturnType<typeof readItemMapping>>, rejects: Reject[]) {
    const input = await openInput(join(dataFolder, file));
    const sink = this.#target.items;
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

  async #stocks(skus: readonly string[], locations?: readonly string[]): Promise<Stock[]> {
    const found: Stock[] = [];
    for (let at = 0; at < skus.length; at += 1000) {
      found.push(...(await this.#target.stocks(skus.slice(at, at + 1000), locations, this.#position)));
    }
    return found;
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

/** What each fact adds to net_quantity (units sold less those that came back, adjustments with their sign), per sku. */
function netQuantities(sink: FactSink, net: Map<string, number>): FactSink {
  return {
    send: (facts, signal) => {
      for (const { type, data } of facts) {
        const sign = type === "larder.stock.returned.v1" ? -1 : 1;
        const sku = String(data["sku"]);
        net.set(sku, (net.get(sku) ?? 0) + sign * Number(data["quantity"] ?? data["delta"]));
      }
      return sink.send(facts, signal);
    },
  };
}

/**
 * On hand per sku from 1,000, each exact row once. The expected answers have only `net_quantity` without duplicates, which
 * does not give on hand, so the rows are read afresh here, by a plain reader and the rules of the data's README.
 */
function onHandOfDistinctRows(): ReadonlyMap<string, number> {
  const onHand = new Map<string, number>();
  const file = readFileSync(join(dataFolder, onlineRetailFile));
  for (const line of new Set(gunzipSync(file).toString().split("\n").slice(1))) {
    const [, invoice = "", code = "", rest = ""] = /^([^,]*),([^,]*),(.*)$/.exec(line) ?? [];
    const sku = code.trim().toUpperCase();
    const [, text = "0", price = "", customer = ""] = /,(-?\d+),[^,]*,([^,]*),([^,]*),[^,]*$/.exec(rest) ?? [];
    if (invoice.startsWith("A") || !/^(\d{5}[A-Z]{0,2}|DCGS\w+|PADS)$/.test(sku)) continue;
    const quantity = Number(text);
    const isAdjustment = !invoice.startsWith("C") && (quantity < 0 || (Number(price) === 0 && customer === ""));
    onHand.set(sku, (onHand.get(sku) ?? 1000) + (isAdjustment ? quantity : -quantity));
  }
  return onHand;
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

/**
 * Runs the checks, all of them or those named, and says what it sees; gives the number of expectations that failed. The
 * data folder is LARDER_SHARED_DATA, or ../shared/data beside the repository; without it nothing is checked, loudly.
 */
export async function checkRealData(target: Target, only: readonly string[], say: Say): Promise<number> {
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
  for (const [name, run] of Object.entries(new Check(target, expect, say).checks)) {
    if (only.length > 0 && !only.includes(name)) continue;
    say(name);
    await run();
  }
  return failed;
}
