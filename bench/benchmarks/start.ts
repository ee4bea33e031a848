import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { received } from "../contenders/contender.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { Child } from "../harness/child.ts";
import { ask, postFacts, serveLarder } from "../harness/over-http.ts";
import type { Section, Target } from "../harness/report.ts";
import { type Spread, short, shortSpread, spread } from "../harness/stats.ts";
import { residentBytes } from "../harness/usage.ts";
import type { Recording } from "../processes/inventory.ts";

export const start: Benchmark = {
  name: "start",
  title: "Starting on a long log",
  secondsMax: 80,
  method: `From the start of the process \`larder serve\` until it has answered \`GET /v1/stock/{sku}\`: after a clean stop,
after kill -9 of a server while it records more over HTTP, as fast as it can, 50,000 of them by then, and with everything derived thrown
away, so that the whole log is replayed. The log holds receipts over 10,000 skus, 10^5 and 10^6 of them (with \`--large\` 10^7). It is
recorded by the inventory alone, so at the first start those who follow the log for webhooks, sync and reconciliation read all of it:
the longest of the first column.`,
  run,
};

const million = 1_000_000;
const skus = 10_000;
/** Facts of a request. */
const batch = 1000;
/** Milliseconds in which a log of 10^7 events is replayed, at a quarter of the pace that was seen. */
const replayMsMax = 900_000;

async function run(settings: Settings): Promise<Section> {
  const sizes = settings.isQuick ? [20_000] : [100_000, million, ...(settings.isLarge ? [10_000_000] : [])];
  const folder = mkdtempSync(join(tmpdir(), "larder-start-"));
  const rows: string[][] = [];
  const notes: string[] = [];
  let seenAtMillion: readonly (Spread | undefined)[] = [];
  try {
    let events = 0;
    for (const size of sizes) {
      if (events > 0 && settings.isLate() && !settings.isLarge) {
        notes.push(`${size.toLocaleString("en")} events were left out: the time was over.`);
        break;
      }
      await record(folder, events, size - events);
      events = size;
      const clean = await starts(folder, settings.isQuick ? 1 : 3);
      events += await killAfter(folder, events, settings.isQuick ? 5000 : 50_000);
      const [killed] = await starts(folder, 1);
      for (const name of readdirSync(folder)) if (name.startsWith("derived.db")) rmSync(join(folder, name));
      const [replayed] = await starts(folder, 1);
      if (killed === undefined || replayed === undefined) throw new Error("a start was not measured");
      const seen = spread(clean.map(({ milliseconds }) => milliseconds));
      rows.push([
        size.toLocaleString("en"),
        shortSpread(seen),
        short(killed.milliseconds),
        short(replayed.milliseconds),
        short(((events * 1000) / replayed.milliseconds) | 0),
        short((clean[0]?.bytes ?? Number.NaN) / 1e6),
      ]);
      settings.say(`${size.toLocaleString("en")} events: ${rows.at(-1)?.slice(1).join(", ")}`);
      if (size === million) seenAtMillion = [seen, spread([killed.milliseconds])];
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const head = [
    "events",
    "after a stop, ms",
    "after kill -9, ms",
    "whole replay, ms",
    "events/s replayed",
    "resident MB",
  ];
  const targets = ["start with a million events", "ready again after kill -9, with a million"].map(
    (what, index): Target => {
      const seen = seenAtMillion[index];
      return { what, atMost: 2000, unit: "ms", ...(seen === undefined ? { why: "left out" } : { seen }) };
    },
  );
  return { tables: [{ title: "Until the first answer", head, rows }], targets, notes };
}

async function record(folder: string, from: number, count: number): Promise<void> {
  const child = new Child("inventory.ts");
  try {
    await child.call("open", { folder });
    const recording: Recording = { from, count, skus, sku: "sku-" };
    await child.call("record", recording, 900_000);
  } finally {
    await child.stop();
  }
}

/** Kills a server that takes facts once it has taken `count`, with more on their way; tells how many were acknowledged. */
async function killAfter(data: string, from: number, count: number): Promise<number> {
  const server = await serveLarder({ data });
  let [sent, acknowledged, isDead] = [0, 0, false];
  const caller = async () => {
    while (!isDead) {
      const first = from + sent;
      sent += batch;
      const facts = Array.from({ length: batch }, (_fact, index) =>
        received(first + index, `sku-${(first + index) % skus}`),
      );
      try {
        await postFacts(server.url, facts);
      } catch (error) {
        if (isDead) return;
        throw error;
      }
      acknowledged += batch;
      if (acknowledged < count || isDead) continue;
      isDead = true;
      process.kill(server.pid, "SIGKILL");
    }
  };
  try {
    await Promise.all([caller(), caller(), caller()]);
  } finally {
    await server.stop();
  }
  return acknowledged;
}

async function starts(data: string, times: number) {
  const taken: { readonly milliseconds: number; readonly bytes: number }[] = [];
  for (let time = 0; time < times; time += 1) {
    const began = performance.now();
    const server = await serveLarder({ data, startMsMax: replayMsMax });
    try {
      await ask(server.url, "GET", "/v1/stock/sku-1");
      taken.push({ milliseconds: performance.now() - began, bytes: residentBytes(server.pid) ?? Number.NaN });
    } finally {
      await server.stop();
    }
  }
  return taken;
}
