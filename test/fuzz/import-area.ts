/** Files and mappings as a supplier might send them, through the whole import into the real inventory. */
import { catalogue, factRejections } from "../../src/kernel/index.ts";
import {
  checkItemMapping,
  checkMapping,
  type FactMapping,
  ImportError,
  type ImportInput,
  type ImportSummary,
  type ItemMapping,
  importFacts,
  importItems,
  MappingError,
} from "../../src/services/intake/index.ts";
import type { Area, Case, Counts, Step } from "./area.ts";
import { insist } from "./check.ts";
import { House } from "./house.ts";
import { type File, someFile, someMapping } from "./import-files.ts";
import { jsonText } from "./odd.ts";
import type { Random } from "./random.ts";

export const importArea: Area = {
  name: "import",
  share: 0.1,
  inputsPerCase: 400,
  async open(_index, counts) {
    return new ImportCase(await House.open("memory"), counts);
  },
  missing(counts) {
    const wanted = [
      "mapping taken",
      "mapping refused",
      "items",
      "facts",
      "complete",
      "damaged",
      "accepted",
      "rejected",
      "duplicates",
    ];
    return wanted.filter((name) => counts.of(name) === 0).map((name) => `nothing was ${name}`);
  },
};

class ImportCase implements Case {
  readonly #house: House;
  readonly #counts: Counts;

  constructor(house: House, counts: Counts) {
    this.#house = house;
    this.#counts = counts;
  }

  next(random: Random): Step {
    const isItems = random.chance(0.2);
    const mapping = someMapping(random, isItems);
    const file = someFile(random, mapping);
    const text = jsonText(mapping);
    const show = () =>
      JSON.stringify({ isItems, mapping: text.slice(0, 8000), file: file.bytes.toString("base64").slice(0, 8000) });
    return { show, run: () => this.#import(parsed(text), file, isItems) };
  }

  async #import(value: unknown, file: File, isItems: boolean): Promise<void> {
    let mapping: FactMapping | ItemMapping;
    try {
      mapping = isItems ? checkItemMapping(value) : checkMapping(value);
    } catch (error) {
      insist(
        error instanceof MappingError,
        `the mapping was answered by ${error instanceof Error ? error.stack : error}`,
      );
      this.#counts.add("mapping refused");
      return;
    }
    this.#counts.add("mapping taken");
    this.#counts.add(isItems ? "items" : "facts");
    const first = await this.#run(mapping, file, isItems, file.pieces);
    const again = await this.#run(mapping, file, isItems, 1);
    insist(first.isComplete === again.isComplete, "whether the file is good depends on how it is cut");
    // How far a damaged one is read may depend on it.
    if (!again.isComplete) return;
    insist(first.rows === again.rows, `read in ${file.pieces} pieces it has ${first.rows} rows, in one ${again.rows}`);
    insist(again.accepted === 0, `the same file a second time changed ${again.accepted}`);
  }

  async #run(mapping: FactMapping | ItemMapping, file: File, isItems: boolean, pieces: number): Promise<ImportSummary> {
    const { inventory } = this.#house;
    const caller = { id: "admin", ownReservations: false };
    const input: ImportInput = { name: "fuzzed", folder: "/nowhere", bytes: inPieces(file.bytes, pieces) };
    let summary: ImportSummary | undefined;
    try {
      summary = isItems
        ? await importItems({
            input,
            mapping: mapping as ItemMapping,
            sink: { send: async (items) => inventory.putItems(items, caller) as never },
          })
        : await importFacts({
            input,
            mapping: mapping as FactMapping,
            sink: { send: (facts) => inventory.recordFacts(facts, caller) },
          });
      this.#counts.add("complete");
    } catch (error) {
      insist(
        error instanceof ImportError || error instanceof MappingError,
        `the file was answered by ${error instanceof Error ? error.stack : error}`,
      );
      this.#counts.add("damaged");
      return { ...nothing, ...(error instanceof ImportError && error.summary) };
    }
    this.#judge(summary, isItems);
    return summary;
  }

  /** Nothing vanishes: every row was made into something, left out or turned down, and everything made was answered. */
  #judge(summary: ImportSummary, isItems: boolean): void {
    const { rows, made, accepted, duplicates, repeated, ignored, rejected } = summary;
    const sum = (tallies: readonly { readonly count: number }[]) =>
      tallies.reduce((total, { count }) => total + count, 0);
    const refused = rejected.filter(({ by }) => by === "server");
    const turnedDown = sum(rejected) - sum(refused);
    if (!isItems)
      insist(
        accepted + duplicates + sum(refused) === made,
        `${made} facts were sent, and ${accepted + duplicates + sum(refused)} answered`,
      );
    insist(turnedDown + sum(ignored) <= rows && repeated <= rows, `of ${rows} rows more were turned down and left out`);
    for (const { reason } of refused) {
      insist(
        Object.hasOwn(factRejections, reason) || Object.hasOwn(catalogue, reason),
        `the server refused by "${reason}"`,
      );
    }
    if (accepted > 0) this.#counts.add("accepted");
    if (duplicates > 0) this.#counts.add("duplicates");
    if (sum(rejected) > 0) this.#counts.add("rejected");
  }

  async close(): Promise<readonly string[]> {
    return await this.#house.close();
  }
}

const nothing: ImportSummary = {
  rows: 0,
  made: 0,
  accepted: 0,
  duplicates: 0,
  repeated: 0,
  ignored: [],
  rejected: [],
  rejectedCount: 0,
  seconds: 0,
  rowsPerSecond: 0,
  isComplete: false,
};

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function* inPieces(bytes: Buffer, count: number): AsyncGenerator<Uint8Array> {
  const size = Math.max(1, Math.ceil(bytes.length / count));
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
