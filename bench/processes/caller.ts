/** A process that holds one contender and calls it: what an application sees that has it as a library or a driver. */
import { type Contender, type ContenderSpec, openContender } from "../contenders/contender.ts";
import { serveCalls } from "../harness/child.ts";
import { type Load, load } from "../harness/load.ts";
import { cpuMs, treeCpuMs, treeWrittenBytes } from "../harness/usage.ts";

export interface CallerRun extends Load {
  /** Begins every id, so that no two runs share one. */
  readonly prefix: string;
  /** The skus that are asked for, one after another. */
  readonly skus: readonly string[];
  /** Carts of three: every so manieth call takes one more of each of two others of these. */
  readonly carts?: { readonly every: number; readonly others: readonly string[] };
  /** The process whose tree is the database's, for its CPU. */
  readonly database?: number;
}

let contender: Contender | undefined;

function opened(): Contender {
  if (contender === undefined) throw new Error("nothing is open");
  return contender;
}

serveCalls({
  async open(spec: ContenderSpec) {
    contender = await openContender(spec);
  },
  prepare: ({ skus, units }: { skus: readonly string[]; units: number }) => opened().prepare(skus, units),
  async run({ prefix, skus, carts, database, ...rest }: CallerRun) {
    const now = () => ({
      own: cpuMs(process.pid),
      database: database === undefined ? undefined : treeCpuMs(database),
      written: [process.pid, ...(database === undefined ? [] : [database])]
        .map(treeWrittenBytes)
        .reduce((sum, bytes) => (sum === undefined || bytes === undefined ? undefined : sum + bytes)),
    });
    let before = now();
    const target = opened();
    const reserve = (turn: number) => {
      const [sku, id] = [skus[(turn * 7919) % skus.length] ?? "", `${prefix}-${turn.toString(36)}`];
      if (carts === undefined || turn % carts.every !== 0) return target.reserve(sku, id);
      const { others } = carts;
      const cart = [sku, ...[4093, 6133].map((step) => others[(turn * step) % others.length] ?? "")];
      return target.reserveCart?.(cart, id) ?? Promise.reject(new Error("it knows no carts"));
    };
    const loaded = await load(rest, reserve, () => {
      before = now();
    });
    const after = now();
    return {
      ...loaded,
      callerCpuMs: minus(after.own, before.own),
      databaseCpuMs: minus(after.database, before.database),
      writtenBytes: minus(after.written, before.written),
      residentBytes: process.memoryUsage().rss,
    };
  },
  /** Fifty units, sixteen callers with ten attempts each: how many are let have one? */
  async oversell({ sku }: { sku: string }) {
    const target = opened();
    await target.prepare([sku], 50);
    let accepted = 0;
    await Promise.all(
      Array.from({ length: 16 }, async (_caller, caller) => {
        for (let attempt = 0; attempt < 10; attempt += 1) {
          if (await target.reserve(sku, `${sku}-${caller}-${attempt}`)) accepted += 1;
        }
      }),
    );
    return accepted;
  },
  async close() {
    await contender?.close();
    contender = undefined;
  },
});

function minus(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one - other;
}
