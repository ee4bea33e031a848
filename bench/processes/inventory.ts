/** A process that holds Larder's inventory as a library, to be filled and looked at. */
import { randomBytes } from "node:crypto";
import { openSqliteStorage, type SqliteStorage } from "../../src/platform/storage/sqlite/index.ts";
import {
  type Caller,
  inventoryTagging,
  type RunningInventory,
  startInventory,
} from "../../src/services/inventory/index.ts";
import { location, received } from "../contenders/contender.ts";
import { serveCalls } from "../harness/child.ts";
import { type Load, load } from "../harness/load.ts";

const caller: Caller = { id: "bench", ownReservations: false };
const batch = 1000;

let opened: { readonly storage: SqliteStorage; readonly inventory: RunningInventory } | undefined;
let ids = 0;

function here() {
  if (opened === undefined) throw new Error("nothing is open");
  return opened;
}

/** Facts `from` to `from + count`, over `skus` skus in turn, a thousand a request, two requests at a time. */
export interface Recording {
  readonly from: number;
  readonly count: number;
  readonly skus: number;
  /** What their names begin with; 1 sku has it as its name. */
  readonly sku: string;
}

serveCalls({
  async open({ folder, cachedStatesMax }: { folder: string; cachedStatesMax?: number }) {
    const storage = await openSqliteStorage({ folder, tagging: inventoryTagging });
    const randomId = () => `bench-${ids++}`;
    const inventory = await startInventory({
      ...{ storage, clock: Date.now, randomId },
      ...(cachedStatesMax !== undefined && { cachedStatesMax }),
    });
    opened = { storage, inventory };
  },
  async record({ from, count, skus, sku }: Recording) {
    const cpu = process.cpuUsage();
    const began = performance.now();
    let pending: Promise<void> = Promise.resolve();
    for (let done = 0; done < count; done += batch) {
      const facts = Array.from({ length: Math.min(batch, count - done) }, (_, index) =>
        received(from + done + index, skus === 1 ? sku : `${sku}${(from + done + index) % skus}`),
      );
      const sent = recordAll(facts);
      // One request is read and decided while the one before it is on its way to the disk.
      await pending;
      pending = sent;
    }
    await pending;
    const { user, system } = process.cpuUsage(cpu);
    return { milliseconds: performance.now() - began, cpuMs: (user + system) / 1000 };
  },
  /**
   * Puts ids of facts into the log that no fact of ours will have, as many as years of trade leave behind, or as fit the
   * time; tells how many those are.
   */
  async claim({ count, millisecondsMax }: { count: number; millisecondsMax: number }) {
    const { storage } = here();
    const [version = 0] = await storage.versions(["bench-claims"]);
    const end = performance.now() + millisecondsMax;
    for (let done = 0; done < count; done += 10 * batch) {
      if (performance.now() > end) return done;
      await storage.append(
        Array.from({ length: Math.min(10, Math.ceil((count - done) / batch)) }, (_unit, unit) => ({
          meta: { command: `claims-${done}-${unit}`, recordedAt: Date.now(), actor: "bench" },
          expected: [{ stream: "bench-claims", version: version + done / batch + unit }],
          events: [{ stream: "bench-claims", type: "Claimed", schema: 1, data: {} }],
          claims: randomKeys().map((key) => ({ key, print: key.slice(0, 16) })),
        })),
      );
    }
    return count;
  },
  async reserve({ sku, skus, prefix, ...rest }: Load & { sku: string; skus: number; prefix: string }) {
    let before = process.cpuUsage();
    const call = async (turn: number) => {
      const name = skus === 1 ? sku : `${sku}${(turn * 7919) % skus}`;
      const id = `${prefix}-${turn.toString(36)}`;
      const outcome = await here().inventory.reserve({ id, lines: [{ sku: name, location, quantity: 1 }] }, caller);
      if (!outcome.ok) throw new Error(outcome.rejection.detail);
      return true;
    };
    const loaded = await load(rest, call, () => {
      before = process.cpuUsage();
    });
    const { user, system } = process.cpuUsage(before);
    if (loaded.done === 0) throw new Error(loaded.firstError ?? "nothing was reserved");
    return { ...loaded, cpuUs: (user + system) / loaded.done };
  },
  memory() {
    globalThis.gc?.();
    return process.memoryUsage().rss;
  },
  head: () => here().storage.head(),
  async close() {
    await opened?.inventory.stop();
    await opened?.storage.close();
    opened = undefined;
  },
});

function randomKeys(): string[] {
  const digits = randomBytes(batch * 16).toString("hex");
  return Array.from({ length: batch }, (_key, index) => digits.slice(index * 32, index * 32 + 32));
}

async function recordAll(facts: readonly object[]): Promise<void> {
  const { rejected } = await here().inventory.recordFacts(facts, caller);
  if (rejected[0] !== undefined) throw new Error(rejected[0].detail);
}
