/**
 * What a very large chain would take, on paper: 10^9 events a day over 10^8 stocks. Each figure that goes in stands below with its
 * source; the two questions that arithmetic can't answer are simulated, with a fixed seed: how full the fullest shard gets when
 * locations differ in size, and how long a caller waits for a shard's one lock. The tables of docs/operations/scale.md.
 *
 *     node bin/larder.js --tool bench/scale.ts
 */
import { numbers } from "../test/journeys/chance.ts";

const dayS = 86_400;

/** What is asked for. */
export const wanted = { eventsADay: 1e9, stocks: 1e8, locations: 2000, peak: 10 };

/** What one event costs here: docs/performance.md and ADR 23 tell how each was measured. */
export const costs = {
  /** Milliseconds of an append on the server besides its sync and its units, and on the way to it and back (ADR 23). */
  flushMs: 0.5,
  handOverMs: 0.3,
  /** Of each unit of other stocks than its neighbours' (ADR 23). */
  unitMs: 0.017,
  /** Units that one append may hold. */
  unitsMax: 256,
};

export interface Lock {
  readonly processes: number;
  readonly syncMs: number;
  /** Of all processes together. */
  readonly perSecond: number;
  readonly seconds: number;
}

export interface Waited {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Units of an append, on average. */
  readonly units: number;
}

/**
 * One shard: processes that gather what comes while their last append is under way, and one lock that serves them in turn. Arrivals
 * are random (Poisson) and spread over the processes.
 */
export function simulateLock({ processes, syncMs, perSecond, seconds }: Lock, random: () => number): Waited {
  const queues: number[][] = Array.from({ length: processes }, () => []);
  const endMs = seconds * 1000;
  const waits: number[] = [];
  let [now, nextArrival, appends, served, turn] = [0, 0, 0, 0, 0];
  const arriveUntil = (time: number) => {
    while (nextArrival <= time && nextArrival < endMs) {
      queues[Math.floor(random() * processes)]?.push(nextArrival);
      nextArrival += (-Math.log(1 - random()) * 1000) / perSecond;
    }
  };
  while (now < endMs) {
    arriveUntil(now);
    // Whoever has waited longest for the lock has it next: in turn, of those that have something.
    const place = queues.findIndex((_queue, step) => (queues[(turn + step) % processes]?.length ?? 0) > 0);
    if (place === -1) {
      now = nextArrival;
      continue;
    }
    const queue = queues[(turn + place) % processes] ?? [];
    turn = (turn + place + 1) % processes;
    const units = queue.splice(0, costs.unitsMax);
    // The way there and back is its own; only the server's work and the sync are done under the lock.
    now += costs.flushMs + syncMs + costs.unitMs * units.length + (processes === 1 ? costs.handOverMs : 0);
    for (const arrived of units) waits.push(now + costs.handOverMs - arrived);
    appends += 1;
    served += units.length;
  }
  const ordered = Float64Array.from(waits).sort();
  const at = (share: number) => ordered[Math.floor(ordered.length * share)] ?? Number.NaN;
  return { perSecond: served / (now / 1000), p50Ms: at(0.5), p99Ms: at(0.99), units: served / appends };
}

/** Events of each location, largest first: sizes that fall as 1 / rank^skew, beside one that has a share of all by itself. */
export function locationsOf(count: number, skew: number, largestShare: number): readonly number[] {
  const sizes = Array.from({ length: count }, (_location, rank) => 1 / (rank + 1) ** skew);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  return [largestShare, ...sizes.map((size) => (size / all) * (1 - largestShare))].sort((one, other) => other - one);
}

/** The load of the fullest shard in multiples of the average: by hash, and each location put where there is least, largest first. */
export function fullest(sizes: readonly number[], shards: number, random: () => number) {
  const average = 1 / shards;
  const byHash = new Float64Array(shards);
  const bySize = new Float64Array(shards);
  for (const size of sizes) {
    const drawn = Math.floor(random() * shards);
    byHash[drawn] = (byHash[drawn] ?? 0) + size;
    const least = bySize.indexOf(Math.min(...bySize));
    bySize[least] = (bySize[least] ?? 0) + size;
  }
  return { byHash: Math.max(...byHash) / average, bySize: Math.max(...bySize) / average };
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  console.log(`\n| ${head.join(" | ")} |\n|${head.map((_, index) => (index === 0 ? " --- |" : " ---: |")).join("")}`);
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
}

function main(): void {
  const random = numbers(1);
  const mean = wanted.eventsADay / dayS;
  console.log(`${Math.round(mean)} events/s on average, ${Math.round(mean * wanted.peak)} at the peak`);

  const rows = [0.1, 1, 2].flatMap((syncMs) =>
    [4000, 8000, 16_000, 24_000, 32_000].map((perSecond) => {
      const {
        perSecond: done,
        p50Ms,
        p99Ms,
        units,
      } = simulateLock({ processes: 4, syncMs, perSecond, seconds: 20 }, random);
      const keepsUp = done > perSecond * 0.97;
      const waits = keepsUp ? [p50Ms.toFixed(1), p99Ms.toFixed(1)] : ["–", "falls behind"];
      return [
        syncMs,
        perSecond.toLocaleString("en"),
        Math.round(done).toLocaleString("en"),
        units.toFixed(0),
        ...waits,
      ];
    }),
  );
  table(["sync ms", "asked a second", "done", "units an append", "wait p50 ms", "p99 ms"], rows);

  const shards = [8, 16, 32, 64];
  const loads = [0.02, 0.1].flatMap((largest) =>
    shards.map((count) => {
      const runs = Array.from({ length: 200 }, () =>
        fullest(locationsOf(wanted.locations, 0.5, largest), count, random),
      );
      const hashed = runs.map(({ byHash }) => byHash).sort((one, other) => one - other);
      const at = (share: number) => (hashed[Math.floor(hashed.length * share)] ?? Number.NaN).toFixed(2);
      return [`${largest * 100} %`, count, at(0.5), at(0.95), (runs[0]?.bySize ?? Number.NaN).toFixed(2)];
    }),
  );
  table(["largest location", "shards", "fullest by hash, median", "95 %", "put where there is least"], loads);
}

if (process.argv[1] === import.meta.filename) main();
