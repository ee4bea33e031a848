import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { finished, pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { parse } from "csv-parse";
import { httpSink, importFacts, openInput, readMapping } from "../../src/services/intake/index.ts";
import { openTable } from "../../src/services/intake/table.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { Child } from "../harness/child.ts";
import { key, serveLarder } from "../harness/over-http.ts";
import { home, type Section } from "../harness/report.ts";
import { short, shortSpread, spread } from "../harness/stats.ts";
import { treeCpuMs } from "../harness/usage.ts";
import type { Recording } from "../processes/inventory.ts";

export const facts: Benchmark = {
  name: "facts",
  title: "Recording facts",
  secondsMax: 110,
  method: `\`larder import\` of Online Retail (320,705 rows, or the shipped sample, repeated with other invoice numbers,
where the whole file is not at hand) into a running server, then of the same file again; the importer's own cost, into a
sink that only encodes; and facts recorded by a caller in the same process, a thousand a request over 10,000 skus, on an
empty log and on top of 10^7 ids of facts that came before, or as many as can be put there in 50 s.`,
  run,
};

const goal = 30_000;

interface Rates {
  readonly perSecond: number;
  readonly serverUs: number;
  readonly clientUs: number;
}

async function run(settings: Settings): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), "larder-facts-"));
  try {
    const file = await inputFile(folder, settings);
    const [ours, theirs] = [await readOnly(file.path), await parseOnly(file.path)];
    const encoding = await encodeOnly(file.path);
    settings.say(`importer alone: ${short(encoding.perSecond)} rows/s`);
    const imported = await importTwice(file.path, settings);
    const direct = await inProcess(folder, settings);
    const row = (what: string, { perSecond, serverUs, clientUs }: Rates) => [
      what,
      short(perSecond),
      Number.isNaN(clientUs) ? "–" : short(clientUs),
      Number.isNaN(serverUs) ? "–" : short(serverUs),
    ];
    return {
      tables: [
        {
          title: `Facts a second (${file.about})`,
          head: ["what", "rows or facts a second", "CPU µs: importer", "server"],
          rows: [
            row("our CSV reader alone, unpacking included", ours),
            row("csv-parse in its place", theirs),
            row("importer alone, encoding included", encoding),
            row("import over HTTP, new rows", imported.fresh),
            row("import over HTTP, the same again", imported.again),
            ...direct.map(([what, rates]) => [
              what,
              shortSpread(spread(rates.map(({ perSecond }) => perSecond))),
              "–",
              short(spread(rates.map(({ serverUs }) => serverUs)).median),
            ]),
          ],
        },
      ],
      targets: [
        { what: "facts imported over HTTP", atLeast: goal, unit: "/s", seen: spread([imported.fresh.perSecond]) },
        ...direct.map(([what, rates]) => ({
          what: `facts, ${what}`,
          atLeast: goal,
          unit: "/s",
          seen: spread(rates.map(({ perSecond }) => perSecond)),
        })),
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Online Retail as a whole, or what stands in for it. */
async function inputFile(folder: string, { isQuick }: Settings): Promise<{ path: string; about: string }> {
  const shared = process.env["LARDER_SHARED_DATA"] ?? join(home, "../shared/data");
  const whole = join(shared, "online-retail/online_retail_2010-12_to_2011-08.csv.gz");
  const sample = join(home, "examples/demo/online-retail-sample.csv.gz");
  if (isQuick) return { path: sample, about: "the shipped sample of Online Retail" };
  if (existsSync(whole)) return { path: whole, about: "Online Retail, 320,705 rows" };
  const path = join(folder, "repeated.csv.gz");
  const copies = 23;
  await pipeline(repeated(sample, copies), createGzip({ level: 1 }), createWriteStream(path));
  return { path, about: `the shipped sample of Online Retail, ${copies} times` };
}

/** The rows of a file again and again, each time with other invoice numbers, and so with other ids. */
async function* repeated(file: string, copies: number): AsyncGenerator<string> {
  for (let copy = 0; copy < copies; copy += 1) {
    let isHead = true;
    for await (const line of createInterface({ input: createReadStream(file).pipe(createGunzip()) })) {
      if (!isHead || copy === 0) yield `${isHead ? line : line.replace(/^([AC]?)/, `$1${copy}0`)}\n`;
      isHead = false;
    }
  }
}

async function readOnly(file: string): Promise<Rates> {
  return await perRow(async () => {
    let rows = 0;
    const table = await openTable(createReadStream(file), { type: "csv" }, []);
    for await (const batch of table.rows) rows += batch.length;
    return rows;
  });
}

async function parseOnly(file: string): Promise<Rates> {
  return await perRow(async () => {
    let rows = -1;
    const count = () => {
      rows += 1;
      return null;
    };
    const parser = parse({ info: true, bom: true, on_record: count });
    for await (const piece of createReadStream(file).pipe(createGunzip({ chunkSize: 65_536 }))) parser.write(piece);
    parser.end();
    parser.resume();
    await finished(parser);
    return rows;
  });
}

async function perRow(work: () => Promise<number>): Promise<Rates> {
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  const rows = await work();
  const { user, system } = process.cpuUsage(cpu);
  const perSecond = (rows / (performance.now() - began)) * 1000;
  return { perSecond, clientUs: (user + system) / rows, serverUs: Number.NaN };
}

async function encodeOnly(file: string): Promise<Rates> {
  const sink = {
    send: async (sent: readonly object[]) => {
      JSON.stringify(sent);
      return { accepted: sent.length, duplicates: 0, rejected: [] };
    },
  };
  return await perRow(async () => (await timedImport(file, sink)).rows);
}

async function importTwice(file: string, { say }: Settings): Promise<{ fresh: Rates; again: Rates }> {
  const server = await serveLarder({});
  try {
    const once = async (): Promise<Rates> => {
      const before = treeCpuMs(server.pid) ?? Number.NaN;
      const { rows, milliseconds, cpuMs } = await timedImport(file, httpSink({ url: server.url, key }));
      const serverMs = (treeCpuMs(server.pid) ?? Number.NaN) - before;
      const perSecond = (rows / milliseconds) * 1000;
      say(`import over HTTP: ${short(perSecond)} rows/s`);
      return { perSecond, clientUs: (cpuMs * 1000) / rows, serverUs: (serverMs * 1000) / rows };
    };
    return { fresh: await once(), again: await once() };
  } finally {
    await server.stop();
  }
}

type Sink = Parameters<typeof importFacts>[0]["sink"];

async function timedImport(file: string, sink: Sink) {
  const mapping = await readMapping(join(home, "examples/online-retail/mapping.json"));
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  const { rows } = await importFacts({ input: await openInput(file), mapping, sink });
  const { user, system } = process.cpuUsage(cpu);
  return { rows, milliseconds: performance.now() - began, cpuMs: (user + system) / 1000 };
}

async function inProcess(folder: string, settings: Settings): Promise<[string, Rates[]][]> {
  const child = new Child("inventory.ts");
  const count = settings.isQuick ? 20_000 : 100_000;
  let from = 0;
  const record = async (): Promise<Rates> => {
    const recording: Recording = { from, count, skus: 10_000, sku: "sku-" };
    from += count;
    const { milliseconds, cpuMs } = await child.call<{ milliseconds: number; cpuMs: number }>("record", recording);
    return { perSecond: (count / milliseconds) * 1000, serverUs: (cpuMs * 1000) / count, clientUs: Number.NaN };
  };
  const rounds = async () => {
    const rates: Rates[] = [];
    for (let round = 0; round < settings.rounds; round += 1) rates.push(await record());
    settings.say(`in process: ${rates.map(({ perSecond }) => short(perSecond)).join(", ")} facts/s`);
    return rates;
  };
  try {
    await child.call("open", { folder: join(folder, "inventory") });
    await record(); // warms up, and makes the skus
    const empty = await rounds();
    const began = performance.now();
    const wanted = settings.isQuick ? 100_000 : 10_000_000;
    const millisecondsMax = settings.isLarge ? 600_000 : 50_000;
    const below = await child.call<number>("claim", { count: wanted, millisecondsMax }, 700_000);
    settings.say(`${short(below)} ids were put below in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    return [
      ["in process, on a young log", empty],
      [`in process, on top of ${below.toLocaleString("en")} ids`, await rounds()],
    ];
  } finally {
    await child.stop();
  }
}
