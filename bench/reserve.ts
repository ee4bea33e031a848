/**
 * Reservations per second on the embedded store, in process: one hot sku against ten thousand different ones, in rounds
 * that take turns, so that the machine's moods hit both alike.
 *
 *     node bin/larder.js --tool bench/reserve.ts [--callers 64] [--seconds 3] [--rounds 5]
 *
 * Each caller asks for one unit, waits for the answer, releases it in one of two cases, and asks again. Every answer is
 * durable: an append is answered after its sync. Printed are rates of durable commands (reserve and release).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openSqliteStorage } from "../src/platform/storage/sqlite/index.ts";
import { type Caller, inventoryTagging, startInventory } from "../src/services/inventory/index.ts";

const { values } = parseArgs({
  options: {
    callers: { type: "string", default: "64" },
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
  },
});
const callers = Number(values.callers);
const seconds = Number(values.seconds);
const caller: Caller = { id: "bench", ownReservations: false };

interface Figures {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicroseconds: number;
}

async function run(skus: number): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), "larder-bench-"));
  const storage = await openSqliteStorage({ folder, tagging: inventoryTagging });
  let ids = 0;
  const randomId = () => {
    ids += 1;
    return `bench-${ids}`;
  };
  const inventory = await startInventory({ storage, clock: Date.now, randomId });
  for (let from = 0; from < skus; from += 1000) {
    const facts = Array.from({ length: Math.min(1000, skus - from) }, (_, index) => ({
      specversion: "1.0",
      source: "bench",
      id: `opening-${from + index}`,
      type: "larder.stock.received.v1",
      data: { sku: `sku-${from + index}`, location: "here", quantity: 1_000_000_000 },
    }));
    await inventory.recordFacts(facts, caller);
  }
  const latencies: number[] = [];
  let isOver = false;
  const loop = async (seed: number) => {
    for (let turn = seed; !isOver; turn += 1) {
      const sku = `sku-${(turn * 7919) % skus}`;
      const id = randomId();
      const started = performance.now();
      const outcome = await inventory.reserve({ id, lines: [{ sku, location: "here", quantity: 1 }] }, caller);
      latencies.push(performance.now() - started);
      if (!outcome.ok) throw new Error(`refused: ${outcome.rejection.detail}`);
      if (turn % 2 === 0) continue;
      const again = performance.now();
      await inventory.release(id, caller);
      latencies.push(performance.now() - again);
    }
  };
  const cpu = process.cpuUsage();
  const started = performance.now();
  setTimeout(() => {
    isOver = true;
  }, seconds * 1000);
  await Promise.all(Array.from({ length: callers }, (_, index) => loop(index * 1013)));
  const took = performance.now() - started;
  const used = process.cpuUsage(cpu);
  await inventory.stop();
  await storage.close();
  rmSync(folder, { recursive: true });
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  return {
    rate: (latencies.length / took) * 1000,
    p50: at(0.5),
    p99: at(0.99),
    cpuMicroseconds: (used.user + used.system) / latencies.length,
  };
}

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;

await run(1); // warms up the compiler, not counted
const ratios: number[] = [];
process.stdout.write(`${callers} callers, ${seconds} s a run; commands/s (p50 / p99 ms, CPU µs a command)\n`);
for (let round = 1; round <= Number(values.rounds); round += 1) {
  const hot = await run(1);
  const spread = await run(10_000);
  ratios.push(hot.rate / spread.rate);
  const show = ({ rate, p50, p99, cpuMicroseconds }: Figures) =>
    `${rate.toFixed(0)} (${p50.toFixed(1)} / ${p99.toFixed(1)}, ${cpuMicroseconds.toFixed(0)})`;
  process.stdout.write(
    `round ${round}: hot ${show(hot)}, spread ${show(spread)}, hot/spread ${(hot.rate / spread.rate).toFixed(2)}\n`,
  );
}
process.stdout.write(`median hot/spread ${median(ratios).toFixed(2)} (goal: at least 0.8)\n`);
