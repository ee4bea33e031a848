import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AppendUnit } from "../../src/platform/storage/index.ts";
import { openSqliteStorage, type SqliteStorage } from "../../src/platform/storage/sqlite/index.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import type { Section } from "../harness/report.ts";
import { percentile, short, sorted } from "../harness/stats.ts";

export const storage: Benchmark = {
  name: "storage",
  title: "The engine by itself",
  secondsMax: 120,
  isExtra: true,
  method: `The SQLite engine below everything else: appends of one-event units, one append after another; a long stream
read; 10^6 claims of streams never seen before (10^7 with \`--large\`), as an import makes them, with the steps of work
that the index does on disk meanwhile; and what lookups cost on top of them.`,
  run,
};

async function run(settings: Settings): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), "larder-storage-"));
  const engine = new Engine(await openSqliteStorage({ folder }));
  try {
    const appends: string[][] = [];
    for (const batch of [1, 10, 100, 256, 1000]) {
      const hot = await engine.append(batch, 1, settings.loadMs / 2);
      const many = await engine.append(batch, 10_000, settings.loadMs / 2);
      appends.push([String(batch), short(hot.perSecond), short(hot.cpuUs), short(many.perSecond), short(many.cpuUs)]);
      settings.say(`batches of ${batch}: ${short(hot.perSecond)} and ${short(many.perSecond)} events/s`);
    }
    const below = settings.isQuick ? 50_000 : settings.isLarge ? 10_000_000 : 1_000_000;
    return {
      tables: [
        {
          title: "Appends",
          head: ["units an append", "one stream, events/s", "CPU µs", "10,000 streams, events/s", "CPU µs"],
          rows: appends,
        },
        {
          title: `On top of ${below.toLocaleString("en")} claims`,
          head: ["what", "figure"],
          rows: [...(await engine.reads()), ...(await engine.claims(below))],
        },
      ],
      targets: [],
    };
  } finally {
    await engine.close();
    rmSync(folder, { recursive: true });
  }
}

class Engine {
  readonly #storage: SqliteStorage;
  #made = 0;

  constructor(opened: SqliteStorage) {
    this.#storage = opened;
  }

  close(): Promise<void> {
    return this.#storage.close();
  }

  /** Appends batch after batch for a while, over `streams` streams in turn; one stream is the hot case. */
  async append(batch: number, streams: number, runMs: number) {
    const names = Array.from({ length: streams }, (_, place) => streamOf(streams, place));
    const known = [...(await this.#storage.versions(names))];
    const from = performance.now();
    const cpu = process.cpuUsage();
    let events = 0;
    while (performance.now() - from < runMs) {
      const units = Array.from({ length: batch }, (_, n) => {
        const place = (events + n) % streams;
        const version = known[place] ?? 0;
        known[place] = version + 1;
        return this.#sale(streamOf(streams, place), version);
      });
      const outcomes = await this.#storage.append(units);
      if (outcomes.some(({ ok }) => !ok)) throw new Error("an append was refused");
      events += batch;
    }
    const { user, system } = process.cpuUsage(cpu);
    return { perSecond: (events / (performance.now() - from)) * 1000, cpuUs: (user + system) / events };
  }

  async reads(): Promise<string[][]> {
    const [wholeMs, events] = await timed(() => this.#storage.readStream(streamOf(1, 0)));
    const [tailMs] = await timed(() => this.#storage.readStream(streamOf(1, 0), events.length - 10));
    return [
      [
        `an event of a stream of ${events.length.toLocaleString("en")}`,
        `${short((wholeMs * 1000) / events.length)} µs`,
      ],
      ["the last 10 of it", `${short(tailMs)} ms`],
    ];
  }

  async claims(below: number): Promise<string[][]> {
    const steps = this.#timeSteps();
    const rate = await this.#claim(below);
    const ordered = sorted(steps);
    const step = (share: number) => `${short(percentile(ordered, share))} ms`;
    const rows = [
      ["claims a second", short(rate)],
      ["steps of the index meanwhile: p50, p99, most", `${step(0.5)}, ${step(0.99)}, ${step(1)}`],
      ["claims a second, on top of them", short(await this.#claim(Math.min(below, 100_000)))],
    ];
    const unseen = Array.from({ length: 100_000 }, (_, n) => digest(`unseen ${n}`));
    const seen = Array.from({ length: 20_000 }, (_, n) => digest(`till-4 ${this.#made - n}`));
    const looks: readonly (readonly [string, number, () => Promise<unknown>])[] = [
      ["an unseen claim looked up", unseen.length, () => this.#storage.findClaims(unseen)],
      ["the version of an unseen stream", unseen.length, () => this.#storage.versions(unseen)],
      ["a taken claim looked up", seen.length, () => this.#storage.findClaims(seen)],
    ];
    for (const [what, count, look] of looks) rows.push([what, `${short(((await timed(look))[0] * 1000) / count)} µs`]);
    return rows;
  }

  async #claim(count: number): Promise<number> {
    const from = performance.now();
    for (let done = 0; done < count; done += 1000)
      await this.#storage.append(
        Array.from({ length: 1000 }, () => {
          const unit = this.#sale(`reservation-${this.#made}`, 0);
          const key = digest(`till-4 ${this.#made}`);
          return { ...unit, claims: [{ key, print: key.slice(0, 16) }] };
        }),
      );
    return (count / (performance.now() - from)) * 1000;
  }

  #sale(stream: string, version: number): AppendUnit {
    this.#made += 1;
    const data = { quantity: 1, reference: `receipt ${this.#made}`, delta: -1 };
    return {
      meta: { command: `c-${this.#made}`, recordedAt: 1_763_719_200_000 + this.#made, actor: "key-1" },
      expected: [{ stream, version }],
      events: [{ stream, type: "StockSold", schema: 1, data }],
    };
  }

  /** Takes the time of every step of work that the index does on disk. */
  #timeSteps(): number[] {
    const taken: number[] = [];
    const { derived } = this.#storage;
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
}

function streamOf(streams: number, place: number): string {
  return `stock-store ${streams}-sku ${place}`;
}

function digest(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

async function timed<T>(work: () => Promise<T>): Promise<readonly [number, T]> {
  const from = performance.now();
  const value = await work();
  return [performance.now() - from, value];
}
