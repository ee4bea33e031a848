import { hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { limits, normalise } from "../../kernel/index.ts";
import type { Receipt } from "./delivery.ts";
import { Columns } from "./domain/columns.ts";
import type { LookupTable } from "./domain/derive.ts";
import {
  type CloudEvent,
  factMapper,
  type ItemDraft,
  itemMapper,
  type Mapper,
  type Surroundings,
} from "./domain/mapper.ts";
import type { FactMapping, ItemMapping, Lookup } from "./domain/mapping.ts";
import type { Row } from "./domain/rows.ts";
import { ImportError } from "./failure.ts";
import { factColumns, itemColumns } from "./mapping.ts";
import { type ImportOptions, Run } from "./run.ts";
import type { FactSink, ItemSink } from "./sinks.ts";
import type { ImportSummary } from "./summary.ts";
import { openTable, readLookup, type Table } from "./table.ts";

export interface FactImport extends ImportOptions {
  readonly mapping: FactMapping;
  readonly sink: FactSink;
}

export interface ItemImport extends ImportOptions {
  readonly mapping: ItemMapping;
  readonly sink: ItemSink;
}

/**
 * Maps the rows of a file to facts and sends them, in memory that does not grow with the file (but for the ids that
 * `duplicates` has to remember, 12 bytes each). Ids come from the rows alone, so the same file twice changes nothing.
 *
 * Rows that are turned down do not stop the import; they are tallied and go to `rejects`. Throws `MappingError` when the
 * mapping does not fit the file, and `ImportError` when the import can't go on.
 */
export async function importFacts(options: FactImport): Promise<ImportSummary> {
  const { mapping, sink, signal } = options;
  const run = new Run(options);
  return run.carryOut<CloudEvent>(
    (made) => sink.send(made, signal),
    async (delivery) => {
      const { table, map } = await prepare(options, run, factColumns(mapping), (around) => factMapper(mapping, around));
      for await (const rows of table.rows) {
        for (const row of rows) {
          const mapped = map(row);
          // Whoever turns it down, its number goes with it.
          const origin = mapped.occurrence === undefined ? row : { ...row, occurrence: mapped.occurrence };
          const made = run.note(mapped, origin, delivery);
          for (const fact of made) delivery.add(fact, [origin]);
          run.tallies.made += made.length;
          if (delivery.isFull) await delivery.dispatch();
        }
        run.progressed();
      }
    },
  );
}

/**
 * Maps the rows of a file to items and sends them. Rows of one sku, wherever they stand, become one item: the first says
 * what it is, and all give their GTINs. So items are held in memory (at most `limits.importItemsMax`) and sent when the
 * file has been read. An item that the server turns down rejects each of its rows.
 */
export async function importItems(options: ItemImport): Promise<ImportSummary> {
  const { mapping, sink, signal } = options;
  const run = new Run(options);
  const send = async (made: readonly ItemDraft[]): Promise<Receipt> => {
    const { unchanged, ...receipt } = await sink.send(made, signal);
    return { ...receipt, duplicates: unchanged };
  };
  return run.carryOut(send, async (delivery) => {
    const { table, map } = await prepare(options, run, itemColumns(mapping), (around) => itemMapper(mapping, around));
    const items = new Map<string, { item: ItemDraft; readonly rows: Row[] }>();
    let held = 0;
    for await (const rows of table.rows) {
      for (const row of rows) {
        for (const item of run.note(map(row), row, delivery)) {
          held += 1;
          // As the server writes it: two ways to write one sku would change the item back and forth.
          const sku = normalise(item.sku);
          const known = items.get(sku);
          if (known === undefined) items.set(sku, { item, rows: [row] });
          else {
            known.item = merged(known.item, item);
            known.rows.push(row);
            run.tallies.repeated += 1;
          }
        }
        if (delivery.isFull) await delivery.dispatch();
      }
      if (items.size > limits.importItemsMax) {
        throw new ImportError("too-many-items", `The file has over ${limits.importItemsMax} items. Split it by sku.`);
      }
      if (held > limits.importItemRowsMax) {
        throw new ImportError(
          "too-many-items",
          `Over ${limits.importItemRowsMax} rows of the file are items. Split it by sku.`,
        );
      }
      run.progressed();
    }
    run.tallies.made = items.size;
    for (const { item, rows } of items.values()) {
      delivery.add(item, rows);
      if (delivery.isFull) await delivery.dispatch();
    }
  });
}

/** One GTIN too many is enough for the server to say so. */
function merged(item: ItemDraft, other: ItemDraft): ItemDraft {
  if ((item.gtins?.length ?? 0) > limits.itemGtinsMax) return item;
  const gtins = [...new Set([...(item.gtins ?? []), ...(other.gtins ?? [])])];
  return gtins.length > 0 ? { ...item, gtins } : item;
}

/** Reads the lookups, opens the file and compiles the mapping for it. */
async function prepare<T>(
  { mapping, input, rejects }: ImportOptions & { readonly mapping: FactMapping | ItemMapping },
  run: Run,
  asked: readonly string[],
  compile: (around: Surroundings) => Mapper<T>,
): Promise<{ readonly table: Table; readonly map: Mapper<T> }> {
  const lookups = await readLookups(mapping.lookups ?? [], input.folder);
  const table = await openTable(input.bytes, mapping.format, asked, run.readBytes);
  rejects?.begin(table.columns, "duplicates" in mapping && mapping.duplicates === "keep");
  return { table, map: compile({ columns: Columns.of(table.columns), lookups, digest }) };
}

/** 132 bits of SHA-256, in 22 characters that are safe anywhere. Ids of imported facts: it must never change. */
function digest(text: string): string {
  return hash("sha256", text, "base64url").slice(0, 22);
}

async function readLookups(lookups: readonly Lookup[], folder: string): Promise<readonly LookupTable[]> {
  const tables: LookupTable[] = [];
  for (const [index, lookup] of lookups.entries()) {
    const path = join(folder, lookup.file);
    try {
      tables.push(await readLookup(createReadStream(path), lookup, `lookups[${index}]`));
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "ENOENT")) throw cause;
      throw new ImportError("lookup-unusable", `The mapping looks up ${lookup.file}, which is not in ${folder}.`, {
        cause,
      });
    }
  }
  return tables;
}
