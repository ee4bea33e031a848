import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { PlatformError } from "../kernel/index.ts";
import type { Settings } from "../platform/config/index.ts";
import type { RunningServer } from "../platform/runtime/index.ts";
import type { Logger } from "../platform/telemetry/index.ts";
import { Client } from "./client.ts";
import { Failure, messageOf } from "./failure.ts";
import { folderNamed } from "./folder.ts";
import type { Io } from "./io.ts";
import { jsonOption, withExamples } from "./options.ts";
import { Progress } from "./progress.ts";
import { banner, PortTaken, settingsFrom, start } from "./serve.ts";

interface DemoFlags {
  readonly data: string;
  readonly port?: string;
  readonly keep?: boolean;
  readonly json?: boolean;
}

const examples = fileURLToPath(new URL("../../examples", import.meta.url));
const sample = join(examples, "demo", "online-retail-sample.csv.gz");
/** Opening stock first, then what happened to it. */
const mappings = [
  { what: "opening stock", path: join(examples, "online-retail", "opening.json") },
  { what: "sales", path: join(examples, "online-retail", "mapping.json") },
];
/** The file by which a demo marks a folder as its own. */
const demoMark = "larder-demo.txt";
/** The example warehouse, which gets every change pushed. */
const warehouseId = "warehouse";
/** What the sample sells most of, with the shop's own names. */
const items = [
  { sku: "85123A", name: "White hanging heart T-light holder" },
  { sku: "22423", name: "Regency cakestand 3 tier" },
  { sku: "84879", name: "Assorted colour bird ornament" },
] as const;

export function demoCommand(io: Io): Command {
  const command = new Command("demo")
    .description("Start a server of its own and replay weeks of a real shop's sales into it, to try everything on.")
    .option("--data <folder>", "its folder, new or of an earlier demo, which is made anew each time", "./demo-data")
    .option("--port <port>", "TCP port; default $LARDER_PORT or 8080, or a free one when that is taken")
    .option("--keep", "go on with what is in the folder instead of making it anew")
    .addOption(jsonOption())
    .action((flags: DemoFlags) => demo(flags, io));
  return withExamples(command, "larder demo", "larder demo --port 9000 --keep");
}

async function demo(flags: DemoFlags, io: Io): Promise<void> {
  if (!existsSync(sample)) throw new Failure(`The sample ${sample} is missing: get the whole project.`);
  await prepareFolder(flags);
  const { createLogger } = await import("../platform/telemetry/index.ts");
  const { runUntilSignal } = await import("../platform/runtime/index.ts");
  const key = io.env["LARDER_ADMIN_KEY"] || `lk_${randomBytes(32).toString("base64url")}`;
  const { settings } = settingsFrom(
    { data: flags.data, store: "sqlite:", ...(flags.port && { port: flags.port }) },
    io,
  );
  // The warehouse's system is on this machine.
  const outboundAllow = [settings.outboundAllow, "127.0.0.1"].filter((part) => part !== null).join(",");
  const logger = createLogger({ level: "warn", format: settings.logFormat });
  const { server, url } = await startSomewhere({ ...settings, outboundAllow, adminKey: key }, logger, io);
  const { startWarehouse } = await import("../../examples/warehouse/server.ts");
  const warehouse = await startWarehouse({ location: warehouseId });
  const stop = () => server.stop().finally(() => warehouse.stop());
  try {
    await replay(url, key, flags, io);
    await connect(warehouse.url, new Client(url, key));
    await greet(url, key, flags, io);
  } catch (error) {
    await stop();
    throw error;
  }
  const exitCode = await runUntilSignal(stop, logger);
  if (exitCode !== 0) throw new Failure("The server did not stop cleanly; its log says why.");
}

/**
 * Makes the folder of a demo, or empties the one of an earlier demo. Only what a demo has marked as its own is emptied or gone
 * on with: a shop's folder holds files of the same names. It is opened first, so that a server that runs in it is not
 * robbed of its files; and what Larder did not write is never removed.
 */
async function prepareFolder({ data: folder, keep = false }: DemoFlags): Promise<void> {
  const names = namesIn(folderNamed(folder));
  if (names.length > 0 && !names.includes(demoMark))
    throw new Failure(
      `${folder} holds ${names[0]}, and no demo has marked it as its own (by a file ${demoMark}): nothing in it was touched. Name a new folder by --data, or remove this one yourself if no shop is in it.`,
    );
  const { makeFolder } = await import("../platform/sqlite/index.ts");
  makeFolder(folder);
  writeFileSync(
    join(folder, demoMark),
    "Made by `larder demo`, which removes what is in this folder when it starts again.\n",
  );
  if (!keep && names.length > 0) await emptyFolder(folder, names);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new Failure(`${folder} can't be the folder of a demo: ${messageOf(error)}. Name another one by --data.`);
  }
}

async function emptyFolder(folder: string, names: readonly string[]): Promise<void> {
  const own =
    /^((log|derived|queues|lock)\.(db|pid)(-wal|-shm|-journal)?|derived\.db\.sum|secret\.key|archive|larder-demo\.txt)$/;
  const foreign = names.find((name) => !own.test(name));
  if (foreign !== undefined)
    throw new Failure(`${folder} holds ${foreign}, which is not Larder's. Name another folder by --data.`);
  const { resumeOutgoing } = await import("../platform/runtime/index.ts");
  try {
    // Of a start that failed, or a removal that was cut short, there may be no log.
    if (names.includes("log.db")) await resumeOutgoing(folder);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw new Failure(
      `The folder of an earlier demo can't be made anew: ${messageOf(error)}. Stop it, or name another folder by --data.`,
    );
  }
  // The mark stays, so that a removal that is cut short can be gone on with.
  for (const name of readdirSync(folder)) if (name !== demoMark) rmSync(join(folder, name), { recursive: true });
}

/** On the port that was asked for, or on a free one when somebody has it. */
async function startSomewhere(
  settings: Settings,
  logger: Logger,
  io: Io,
): Promise<{ server: RunningServer; url: string }> {
  let server: RunningServer;
  try {
    server = await start({ settings }, logger);
  } catch (error) {
    if (!(error instanceof PortTaken)) throw error;
    io.note(`Port ${settings.port} is taken; taking a free one.`);
    server = await start({ settings: { ...settings, port: 0 } }, logger);
  }
  if (server.url === undefined) throw new Failure("The demo needs the gateway: unset LARDER_TARGET.");
  return { server, url: server.url };
}

async function replay(url: string, key: string, flags: DemoFlags, io: Io): Promise<void> {
  const client = new Client(url, key);
  await client.putLocation("online", { name: "The online shop", kind: "warehouse", timeZone: "Europe/London" });
  for (const { sku, name } of items) await client.putItem(sku, { name, unit: "each" });
  const { httpSink, importFacts, openInput, readMapping } = await import("../services/intake/index.ts");
  let rowsTotal: number | undefined;
  for (const { what, path } of mappings) {
    const [mapping, input] = [await readMapping(path), await openInput(sample)];
    // Rows tell better than packed bytes, once they have been counted.
    const progress = new Progress(`replaying ${what}`, rowsTotal ?? input.bytesTotal ?? 0, io);
    const summary = await importFacts({
      ...{ mapping, input, sink: httpSink({ url, key }) },
      onProgress: ({ bytesRead, rows, rowsPerSecond }) =>
        progress.update(rowsTotal === undefined ? bytesRead : rows, `${rows} rows, ${rowsPerSecond}/s`),
    }).finally(() => progress.end());
    rowsTotal = summary.rows;
    if (!flags.json)
      io.note(
        `${what}: ${summary.accepted + summary.duplicates} facts from ${summary.rows} rows in ${summary.seconds.toFixed(1)} s.`,
      );
  }
}

/** A warehouse whose own system holds a copy of every figure, as `larder sync` and `larder reconcile` show. */
async function connect(url: string, client: Client): Promise<void> {
  await client.putLocation(warehouseId, { name: "The warehouse next door", kind: "warehouse", sync: { url } });
}

async function greet(url: string, key: string, flags: DemoFlags, io: Io): Promise<void> {
  const client = new Client(url, key);
  const { items: found, position } = await client.availability(items.map(({ sku }) => sku));
  const best = found.find((item) => "location" in item && item.available >= 10);
  if (best === undefined)
    throw new Failure("The sample left nothing to reserve: remove the folder, or leave --keep out.");
  const lines = curlLines(url, best.sku, position);
  if (flags.json) {
    io.out(JSON.stringify({ event: "ready", url, adminKey: key, sku: best.sku, curl: lines.map(({ line }) => line) }));
    return;
  }
  const name = items.find(({ sku }) => sku === best.sku)?.name ?? "";
  io.out(`${io.paint("bold", "Larder is running")} on a real shop's sales, in ${flags.data}. Ctrl-C stops it.`);
  for (const line of banner(url)) io.out(line);
  io.out("");
  io.out(
    `The admin key, shown this once. Paste it into another terminal, and then the lines below (${best.sku} is "${name}"):`,
  );
  io.out("");
  io.out(`export LARDER_KEY=${key} LARDER_URL=${url}`);
  for (const { about, line } of lines) {
    io.out("");
    io.out(io.paint("dim", `# ${about}`));
    io.out(line);
  }
  io.out("");
  io.out(
    io.paint(
      "dim",
      "# A warehouse's system runs beside it and is told of every change: how far is it, and does it agree?",
    ),
  );
  io.out("npx larder sync");
  io.out("npx larder reconcile");
}

function curlLines(
  url: string,
  sku: string,
  position: string,
): readonly { readonly about: string; readonly line: string }[] {
  const curl = 'curl -sS -H "Authorization: Bearer $LARDER_KEY"';
  const post = `${curl} -H "Content-Type: application/json" -d`;
  const order = (id: string, quantity: number) => `'${JSON.stringify({ id, lines: [{ sku, quantity }] })}'`;
  return [
    { about: "What is there?", line: `${curl} "${url}/v1/availability?sku=${sku}"` },
    { about: "Reserve two for a cart, for 15 minutes.", line: `${post} ${order("cart-1", 2)} ${url}/v1/reservations` },
    { about: "The cart is paid: commit them.", line: `${post} '{}' ${url}/v1/reservations/cart-1/confirm` },
    {
      about: "A million is more than there is: refused, and nothing is held.",
      line: `${post} ${order("cart-2", 1_000_000)} ${url}/v1/reservations`,
    },
    {
      about: "Everything that happens, live, beginning with your cart. Ctrl-C ends it.",
      line: `${curl} -N "${url}/v1/changes?after=${position}"`,
    },
  ];
}
