/**
 * Files that a disk gives back other than they were written: flipped, cut, zeroed, swapped, overwritten. Each damaged
 * folder is opened as a server does, asked for everything, and must give what it gave before, or refuse with a sentence
 * that names the file; never another answer.
 *
 * `npm run crash:torn -- 20000` for a night; `torn.test.ts` does some hundred.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlatformError } from "../../src/kernel/index.ts";
import { openLog } from "../../src/platform/runtime/index.ts";
import { backupStore, openSqliteStorage, restoreStore } from "../../src/platform/storage/sqlite/index.ts";
import {
  type Anchor,
  type Caller,
  inventoryTagging,
  lastSealIn,
  recordedChanges,
  startInventory,
  verifyLog,
} from "../../src/services/inventory/index.ts";
import { numbers, pick } from "../journeys/chance.ts";

const caller: Caller = { id: "test", ownReservations: false };
const skus = ["milk", "tea", "rice", "salt", "oats", "eggs"];
const now = Date.parse("2026-11-21T12:00:00Z");
const pageBytes = 4096;

/**
 * `whole`: all that was acknowledged is there and right. `refused`: it was not opened or not read, and the sentence
 * names a file of the folder. `rebuilt`: refused once for a damaged derived.db, and whole at the next start. `tail lost`:
 * the answers are those of a shorter log, which an anchor tells. `found by verify`: other answers, and verify objects.
 * `silent`: other answers, and nothing tells.
 */
export type Outcome = "whole" | "refused" | "rebuilt" | "tail lost" | "found by verify" | "silent";

/** What damage to a single file may come to. */
const isGood: ReadonlySet<Outcome> = new Set(["whole", "refused", "rebuilt"]);

/** A folder as some moment left it, and all that it answers. */
interface Place {
  readonly folder: string;
  readonly answers: string;
}

export interface Sample {
  readonly home: string;
  /** After a clean close. */
  readonly rest: Place;
  /** As a kill left it, some time after its last write. */
  readonly killed: Place;
  readonly backup: string;
  readonly anchor: Anchor;
}

export async function makeSample(): Promise<Sample> {
  // In memory where that can be: hundreds of folders are opened, and each syncs several times.
  const home = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "larder-torn-"));
  const live = join(home, "live");
  const [rest, killed, backup] = [join(home, "rest"), join(home, "killed"), join(home, "backup")];
  await withInventory(live, (use) => write(use, 0, 500));
  cpSync(live, rest, { recursive: true });
  await backupStore({ folder: live, destination: backup });
  await withInventory(live, async (use) => {
    await write(use, 500, 60);
    // Consumers keep what they derived every 100 ms.
    await new Promise((resolve) => setTimeout(resolve, 400));
    cpSync(live, killed, { recursive: true });
  });
  const log = await openLog(live);
  const anchor = await lastSealIn(log);
  await log.close();
  if (anchor === undefined) throw new Error("the sample has no seal");
  const place = async (folder: string): Promise<Place> => ({ folder, answers: await answersOf(copy(home, folder)) });
  return { home, rest: await place(rest), killed: await place(killed), backup, anchor };
}

type Storage = Awaited<ReturnType<typeof openSqliteStorage>>;
type Inventory = Awaited<ReturnType<typeof startInventory>>;

async function withInventory<T>(
  folder: string,
  use: (inventory: Inventory, storage: Storage) => Promise<T>,
): Promise<T> {
  const storage = await openSqliteStorage({ folder, tagging: inventoryTagging });
  try {
    let ids = 0;
    const inventory = await startInventory({
      storage,
      clock: () => now,
      randomId: () => {
        ids += 1;
        return `id-${storage.head()}-${ids}`;
      },
      sweepEveryMs: 1e9,
      sealEveryMs: 50,
    });
    try {
      return await use(inventory, storage);
    } finally {
      await inventory.stop();
    }
  } finally {
    await storage.close();
  }
}

/** Receipts, sales, and reservations of every ending; milk moves most, so that it has a snapshot. */
async function write(inventory: Inventory, from: number, count: number): Promise<void> {
  const random = numbers(from + 1);
  for (let n = from; n < from + count; n += 1) {
    const sku = random() < 0.5 ? "milk" : pick(random, skus);
    const type = n % 3 === 0 ? "sold" : "received";
    const data = { sku, location: "leeds", quantity: 1 + (n % 7) };
    const fact = { specversion: "1.0", id: `f${n}`, source: "torn", type: `larder.stock.${type}.v1`, data };
    await inventory.recordFacts([fact], caller);
    if (n % 4 !== 0) continue;
    const id = `r${n}`;
    await inventory.reserve({ id, owner: `o${n % 5}`, lines: [{ sku, quantity: 1 + (n % 3) }] }, caller);
    if (n % 12 === 0) await inventory.confirm(id, {}, caller);
    if (n % 12 === 4) await inventory.release(id, caller);
  }
}

/** Everything that a folder can be asked for. Throws what a server that can't be asked says. */
async function answersOf(folder: string): Promise<string> {
  return await withInventory(folder, async (inventory, storage) => {
    const parts: unknown[] = [];
    parts.push(await inventory.availability(skus, undefined, caller));
    for (const sku of skus) parts.push(await inventory.stock(sku, { lots: true }, caller));
    for (let n = 0; n < 560; n += 4) parts.push(await inventory.reservation(`r${n}`, caller));
    for (let n = 0; n < 5; n += 1) parts.push(await inventory.reservations({ owner: `o${n}`, limit: 1000 }, caller));
    for await (const event of recordedChanges(storage)) parts.push(event);
    if (inventory.problems().length > 0) throw new PlatformError("storage-unavailable", `${folder}: it is not ready`);
    // Positions tell how far the log goes, which grows by a seal.
    return JSON.stringify(parts, (name, value) => (name === "position" ? undefined : value));
  });
}

let copies = 0;
function copy(home: string, folder: string): string {
  copies += 1;
  const to = join(home, `copy-${copies}`);
  cpSync(folder, to, { recursive: true });
  for (const name of ["log.db-shm", "derived.db-shm", "lock.pid"]) rmSync(join(to, name), { force: true });
  return to;
}

/** Opens a copy that `damage` has changed, and judges it. */
export async function judge(
  sample: Sample,
  place: Place,
  damage: (folder: string) => void,
): Promise<{ readonly outcome: Outcome; readonly said: string }> {
  const folder = copy(sample.home, place.folder);
  try {
    damage(folder);
    const first = await ask(folder);
    if ("answers" in first) return await compare(sample, place, folder, first.answers);
    if (!first.said.includes("derived.db is damaged"))
      return { outcome: first.isClear ? "refused" : "silent", said: first.said };
    const second = await ask(folder);
    if (!("answers" in second)) return { outcome: "silent", said: `again: ${second.said}` };
    const { outcome, said } = await compare(sample, place, folder, second.answers);
    return { outcome: outcome === "whole" ? "rebuilt" : outcome, said };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ask(folder: string): Promise<{ answers: string } | { said: string; isClear: boolean }> {
  try {
    return { answers: await answersOf(folder) };
  } catch (error) {
    const said = String(error);
    return { said, isClear: error instanceof PlatformError && said.includes(folder) };
  }
}

async function compare(sample: Sample, place: Place, folder: string, answers: string) {
  if (answers === place.answers) return { outcome: "whole", said: "" } as const;
  const said = `${answers.slice(firstDifference(answers, place.answers)).slice(0, 200)}`;
  const plain = await findingsOf(folder);
  if (plain > 0) return { outcome: "found by verify", said } as const;
  const anchored = await findingsOf(folder, sample.anchor);
  return { outcome: anchored > 0 ? "tail lost" : "silent", said } as const;
}

async function findingsOf(folder: string, anchor?: Anchor): Promise<number> {
  const log = await openLog(folder);
  try {
    return (await verifyLog(log, anchor === undefined ? {} : { anchor })).findingsCount;
  } finally {
    await log.close();
  }
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return Math.max(0, at - 40);
}

/** Ways in which a disk gives back something else; each is told how long the file is and where to begin. */
export const damages: Readonly<Record<string, (bytes: Buffer, at: number, random: () => number) => Buffer>> = {
  flip(bytes, at, random) {
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    return bytes;
  },
  cut: (bytes, at) => bytes.subarray(0, at),
  "zero a sector": (bytes, at) => zero(bytes, at, 512),
  "zero a page": (bytes, at) => zero(bytes, at, pageBytes),
  "swap pages"(bytes, at, random) {
    const [one, other] = [at, random() * bytes.length].map((place) => Math.floor(place / pageBytes) * pageBytes);
    const [a = 0, b = 0] = [one, other];
    const kept = Buffer.from(bytes.subarray(a, a + pageBytes));
    if (Math.max(a, b) + pageBytes > bytes.length) return bytes;
    bytes.copy(bytes, a, b, b + pageBytes);
    kept.copy(bytes, b);
    return bytes;
  },
  garbage(bytes, at, random) {
    for (let index = at; index < Math.min(at + 64, bytes.length); index += 1) bytes[index] = Math.floor(random() * 256);
    return bytes;
  },
};

function zero(bytes: Buffer, at: number, length: number): Buffer {
  const from = at - (at % length);
  return bytes.fill(0, from, Math.min(from + length, bytes.length));
}

const targets = [
  "rest log.db",
  "killed log.db",
  "killed log.db-wal",
  "rest derived.db",
  "killed derived.db",
  "killed derived.db-wal",
];

export interface TornReport {
  readonly cases: number;
  readonly counts: ReadonlyMap<string, Partial<Record<Outcome, number>>>;
  readonly findings: readonly string[];
}

export async function tornCases(
  cases: number,
  seed: number,
  say: (line: string) => void = () => undefined,
): Promise<TornReport> {
  const random = numbers(seed);
  const sample = await makeSample();
  const counts = new Map<string, Partial<Record<Outcome, number>>>();
  const findings: string[] = [];
  try {
    for (let index = 0; index < cases; index += 1) {
      const target = targets[index % targets.length] ?? "";
      const kind = pick(random, Object.keys(damages));
      const [place, file] = target.split(" ") as ["rest" | "killed", string];
      let at = 0;
      const { outcome, said } = await judge(sample, sample[place], (folder) => {
        const path = join(folder, file);
        const bytes = readFileSync(path);
        // Headers are small and say the most.
        at = Math.floor(random() * (random() < 0.15 ? 128 : bytes.length));
        writeFileSync(path, damages[kind]?.(bytes, at, random) ?? bytes);
      });
      const count = counts.get(target) ?? {};
      counts.set(target, { ...count, [outcome]: (count[outcome] ?? 0) + 1 });
      if (!isGood.has(outcome)) findings.push(`${outcome}: ${kind} at ${at} of ${target}: ${said}`);
      if (index % 1000 === 999) say(`${index + 1} cases, ${findings.length} findings`);
    }
    findings.push(...(await tornBackups(sample, Math.ceil(cases / 10), random, counts)));
  } finally {
    rmSync(sample.home, { recursive: true, force: true });
  }
  return { cases, counts, findings };
}

/** A backup that is damaged anywhere is restored as it was taken, or not at all. */
async function tornBackups(
  sample: Sample,
  cases: number,
  random: () => number,
  counts: Map<string, Partial<Record<Outcome, number>>>,
): Promise<string[]> {
  const findings: string[] = [];
  for (let index = 0; index < cases; index += 1) {
    const file = pick(random, ["log.db", "log.db", "manifest.json"]);
    const kind = pick(random, Object.keys(damages));
    const backup = copy(sample.home, sample.backup);
    const into = `${backup}-restored`;
    const path = join(backup, file);
    const bytes = readFileSync(path);
    const before = Buffer.from(bytes);
    const after = damages[kind]?.(bytes, Math.floor(random() * bytes.length), random) ?? bytes;
    writeFileSync(path, after);
    let outcome: Outcome = "whole";
    try {
      await restoreStore({ backup, folder: into });
      const isSame = after.equals(before) || file === "manifest.json";
      if (!isSame || (await findingsOf(into)) > 0) outcome = "silent";
    } catch (error) {
      outcome = error instanceof PlatformError && String(error).includes(backup) ? "refused" : "silent";
      if (outcome === "silent") findings.push(`${kind} of a backup's ${file}: ${error}`);
      if (existsSync(join(into, "log.db"))) findings.push(`${kind} of a backup's ${file}: half a log was restored`);
    }
    const count = counts.get(`backup ${file}`) ?? {};
    counts.set(`backup ${file}`, { ...count, [outcome]: (count[outcome] ?? 0) + 1 });
    if (outcome === "silent") findings.push(`silent: ${kind} of a backup's ${file}`);
    rmSync(backup, { recursive: true });
    rmSync(into, { recursive: true, force: true });
  }
  return findings;
}

export function describeTorn({ counts }: TornReport): string {
  return [...counts].map(([target, outcomes]) => `${target}: ${JSON.stringify(outcomes)}`).join("\n");
}

if (import.meta.main) {
  const [cases = "20000", seed = String(Date.now() % 1e9), ...more] = process.argv.slice(2);
  if (!/^\d+$/.test(cases) || !/^\d+$/.test(seed) || more.length > 0) {
    console.error("Give the number of cases and a seed, as in: npm run crash:torn -- 1000 7");
    process.exit(2);
  }
  const from = performance.now();
  const report = await tornCases(Number(cases), Number(seed), console.log);
  console.log(`${cases} cases, seed ${seed}, ${((performance.now() - from) / 1000).toFixed(0)} s`);
  console.log(describeTorn(report));
  for (const finding of report.findings.slice(0, 50)) console.log(`  ${finding}`);
  process.exitCode = report.findings.length === 0 ? 0 : 1;
}
