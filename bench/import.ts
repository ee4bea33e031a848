/**
 * What a row costs on its way from a file to an encoded request, without a server: `node bench/import.ts [FILE]`.
 *
 * Prints microseconds of CPU and rows a second for each step on Online Retail (320,705 rows), or on a file of its form:
 * unpacking, our CSV reader, csv-parse in our reader's place, and the whole import into a sink that only encodes.
 */
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { parse } from "csv-parse";
import { importFacts, openInput, readMapping } from "../src/services/intake/index.ts";
import { openTable } from "../src/services/intake/table.ts";

const home = join(import.meta.dirname, "..");
const shared = process.env["LARDER_SHARED_DATA"] ?? join(home, "../shared/data");
const whole = join(shared, "online-retail/online_retail_2010-12_to_2011-08.csv.gz");
const file = process.argv[2] ?? (existsSync(whole) ? whole : join(home, "examples/demo/online-retail-sample.csv.gz"));
const rounds = 3;

const steps: Readonly<Record<string, () => Promise<number>>> = {
  "csv-parse, with line numbers": async () => {
    let rows = 0;
    const count = () => {
      rows += 1;
      return null;
    };
    const parser = parse({ info: true, bom: true, on_record: count });
    for await (const piece of createReadStream(file).pipe(createGunzip({ chunkSize: 65_536 }))) parser.write(piece);
    parser.end();
    parser.resume();
    await new Promise((resolve) => parser.once("end", resolve));
    return rows - 1;
  },
  "our reader": async () => {
    let rows = 0;
    const table = await openTable(createReadStream(file), { type: "csv" }, []);
    for await (const batch of table.rows) rows += batch.length;
    return rows;
  },
  "the whole import, encoding included": async () => {
    const mapping = await readMapping(join(home, "examples/online-retail/mapping.json"));
    const sink = {
      send: async (facts: readonly object[]) => {
        JSON.stringify(facts);
        return { accepted: facts.length, duplicates: 0, rejected: [] };
      },
    };
    return (await importFacts({ input: await openInput(file), mapping, sink })).rows;
  },
};

for (const [name, step] of Object.entries(steps)) {
  const results: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [cpu, began] = [process.cpuUsage(), performance.now()];
    const rows = await step();
    const { user, system } = process.cpuUsage(cpu);
    const perSecond = Math.round((rows / (performance.now() - began)) * 1000);
    results.push(`${((user + system) / rows).toFixed(1)} µs, ${perSecond}/s`);
  }
  console.log(`${name}: ${results.join(" | ")}`);
}
