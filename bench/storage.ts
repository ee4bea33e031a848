/**
 * Figures of the SQLite engine: appending, reading a stream, claims on top of many, opening, and the WAL under a steady
 * load. `node bin/larder.js --tool bench/storage.ts` takes about a minute; `--large` puts 10^7 claims below.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AppendUnit } from "../src/platform/storage/index.ts";
import { openSqliteStorage, type SqliteStorage } from "../src/platform/storage/sqlite/index.ts";

const folder = mkdtempSync(join(tmpdir(), "larder-bench-"));
const isLarge = process.argv.includes("--large");
let storage = await openSqliteStorage({ folder });
let made = 0;

function sale(stream: string, version: number, withClaim: boolean): AppendUnit {
  made += 1;
  const digest = withClaim ? createHash("md5").update(`till-4 ${made}`).digest("hex") : "";
  return {
    meta: { command: `c-${made}`, recordedAt: 1_763_719_200_000 + made, actor: "key-1" },
    expected: [{ stream, version }],
    events: [{ stream, type: "StockSold", schema: 1, data: { quantity: 1, reference: `receipt ${made}`, delta: -1 } }],
    ...(withClaim && { claims: [{ key: digest, print: digest.slice(0, 16) }] }),
  };
}

/** Appends batch after batch for a while, over `streams` streams in turn; one stream is the hot case. */
async function appending(batch: number, streams: number, runMs: number): Promise<string> {
  const versions = await storage.versions(Array.from({ length: streams }, (_, n) => streamOf(streams, n)));
  const known = [...versions];
  const from = performance.now();
  const cpu = process.cpuUsage();
  let events = 0;
  while (performance.now() - from < runMs) {
    const units = Array.from({ length: batch }, (_, n) => {
      const place = (events + n) % streams;
      const version = known[place] ?? 0;
      known[place] = version + 1;
      return sale(streamOf(streams, place), version, false);
    });
    const outcomes = await storage.append(units);
    if (outcomes.some(({ ok }) => !ok)) throw new Error("an append was refused");
    events += batch;
  }
  const { user, system } = process.cpuUsage(cpu);
  const perSecond = Math.round((events / (performance.now() - from)) * 1000);
  return `${perSecond.toLocaleString("en")} events/s, ${((user + system) / events).toFixed(1)} µs CPU each`;
}

function streamOf(streams: number, place: number): string {
  return `stock-store ${streams}-sku ${place}`;
}

/** Appends units with a claim each, every one of them of a stream never seen before, as an import does. */
async function claiming(count: number): Promise<number> {
  const from = performance.now();
  for (let done = 0; done < count; done += 1000) {
    const units = Array.from({ length: 1000 }, () => sale(`reservation-${made}`, 0, true));
    await storage.append(units);
  }
  return Math.round((count / (performance.now() - from)) * 1000);
}

/** Takes the time of every step of work that the index does on disk. */
function timeSteps({ derived }: SqliteStorage): number[] {
  const taken: number[] = [];
  const { transaction } = derived;
  derived.transaction = <T>(work: () => T): T => {
    const from = performance.now();
    try {
      return transaction.call(derived, work) as T;
    } finally {
      taken.push(performance.now() - from);
    }
  };
  return taken;
}

async function timed<T>(work: () => Promise<T>): Promise<readonly [number, T]> {
  const from = performance.now();
  const value = await work();
  return [performance.now() - from, value];
}

async function reopening(label: string): Promise<SqliteStorage> {
  const [closeMs] = await timed(() => storage.close());
  const [openMs, opened] = await timed(() => openSqliteStorage({ folder }));
  const { events, logBytes, derivedBytes } = opened.stats();
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  console.log(
    `${label}: close ${closeMs.toFixed(0)} ms, open ${openMs.toFixed(0)} ms with ${events.toLocaleString("en")} events; ` +
      `log ${megabytes(logBytes)}, derived ${megabytes(derivedBytes)}`,
  );
  return opened;
}

try {
  for (const batch of [1, 10, 100, 256, 1000]) {
    console.log(`append, batch ${batch}, hot:    ${await appending(batch, 1, 1000)}`);
    console.log(`append, batch ${batch}, spread: ${await appending(batch, 10_000, 1000)}`);
  }

  const [streamMs, events] = await timed(() => storage.readStream(streamOf(1, 0)));
  console.log(
    `read a stream of ${events.length.toLocaleString("en")}: ${((streamMs * 1000) / events.length).toFixed(1)} µs an event`,
  );
  const [tailMs] = await timed(() => storage.readStream(streamOf(1, 0), events.length - 10));
  console.log(`read the last 10 of it: ${tailMs.toFixed(2)} ms`);

  const below = isLarge ? 10_000_000 : 1_000_000;
  const stepsMs = timeSteps(storage);
  console.log(`claims, up to ${below.toLocaleString("en")}: ${(await claiming(below)).toLocaleString("en")}/s`);
  stepsMs.sort((a, b) => a - b);
  const step = (share: number) => (stepsMs[Math.floor((stepsMs.length - 1) * share)] ?? 0).toFixed(1);
  console.log(
    `steps of the index meanwhile: ${stepsMs.length}, p50 ${step(0.5)} ms, p99 ${step(0.99)} ms, max ${step(1)} ms`,
  );
  console.log(`claims on top of them: ${(await claiming(100_000)).toLocaleString("en")}/s`);
  const wal = statSync(join(folder, "log.db-wal")).size;
  console.log(`WAL of the log under this load: at most ${Math.round(wal / 1e6)} MB`);

  const unseen = Array.from({ length: 100_000 }, (_, n) => createHash("md5").update(`unseen ${n}`).digest("hex"));
  const [unseenMs] = await timed(() => storage.findClaims(unseen));
  console.log(`look up an unseen claim: ${((unseenMs * 1000) / unseen.length).toFixed(2)} µs`);
  const [freshMs] = await timed(() => storage.versions(unseen));
  console.log(`version of an unseen stream: ${((freshMs * 1000) / unseen.length).toFixed(2)} µs`);
  const seen = Array.from({ length: 20_000 }, (_, n) =>
    createHash("md5")
      .update(`till-4 ${made - n * 37}`)
      .digest("hex"),
  );
  const [seenMs, found] = await timed(() => storage.findClaims(seen));
  console.log(`look up a taken claim: ${((seenMs * 1000) / found.length).toFixed(1)} µs`);

  storage = await reopening("after a close");
} finally {
  await storage.close();
  rmSync(folder, { recursive: true });
}
