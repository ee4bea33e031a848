/** Bugs to be planted between the gateway and the inventory, for the fuzzer to show that it finds them. */
import type { RunningInventory } from "../../src/services/inventory/index.ts";

type Method = "stock" | "reserve" | "item" | "putItem" | "availability";
// biome-ignore lint/suspicious/noExplicitAny: a plant stands before methods of any shape.
type Call = (...args: any[]) => Promise<any>;

interface Plant {
  readonly method: Method;
  /** Stands before the method itself, which `call` calls. */
  readonly instead: (call: Call, inventory: RunningInventory, args: readonly unknown[]) => Promise<unknown>;
}

const caller = { id: "admin", ownReservations: false };
const leaked: unknown[] = [];
let facts = 0;

function sell(inventory: RunningInventory): Promise<unknown> {
  facts += 1;
  const data = { sku: "milk", location: "s1", quantity: 1 };
  return inventory.recordFacts(
    [{ specversion: "1.0", id: `planted-${facts}`, source: "s", type: "larder.stock.sold.v1", data }],
    caller,
  );
}

export const plants: Readonly<Record<string, Plant>> = {
  "a defect": { method: "stock", instead: async () => (undefined as unknown as { x: { y: 1 } }).x.y },
  "a change on a refusal": {
    method: "reserve",
    instead: async (call, inventory, args) => {
      const outcome = await call(...args);
      if (!outcome.ok) await sell(inventory);
      return outcome;
    },
  },
  "a read that writes": {
    method: "stock",
    instead: async (call, inventory, args) => {
      await sell(inventory);
      return await call(...args);
    },
  },
  "a path in an answer": {
    method: "item",
    instead: async () => ({
      ok: false,
      rejection: { code: "not-found", detail: `ENOENT: ${process.cwd()}/data/log.db` },
    }),
  },
  "a stack in an answer": {
    method: "item",
    instead: async () => ({ ok: false, rejection: { code: "not-found", detail: new Error("x").stack } }),
  },
  "a code nobody knows": {
    method: "item",
    instead: async () => ({ ok: false, rejection: { code: "no-such-code", detail: "x" } }),
  },
  "a busy loop": {
    method: "item",
    instead: async (call, _inventory, args) => {
      const began = process.cpuUsage();
      while (process.cpuUsage(began).user < 1_200_000);
      return await call(...args);
    },
  },
  "a polluted prototype": {
    method: "putItem",
    instead: async (call, _inventory, args) => {
      Object.defineProperty(Object.prototype, "polluted", { value: 1, configurable: true });
      return await call(...args);
    },
  },
  "a crash outside of any request": {
    method: "item",
    instead: async (call, _inventory, args) => {
      setImmediate(() => {
        throw new Error("planted");
      });
      return await call(...args);
    },
  },
  "a leak": {
    method: "availability",
    instead: async (call, _inventory, args) => {
      leaked.push(new Array(400_000).fill(0.5));
      return await call(...args);
    },
  },
};

/** The inventory with a bug, or as it is when none is named. */
export function planted(inventory: RunningInventory, name: string | undefined): RunningInventory {
  const plant = name === undefined ? undefined : plants[name];
  if (plant === undefined) return inventory;
  return new Proxy(inventory, {
    get(target, member) {
      const own: unknown = Reflect.get(target, member, target);
      if (typeof own !== "function") return own;
      const call = own.bind(target) as Call;
      return member === plant.method ? (...args: unknown[]) => plant.instead(call, target, args) : call;
    },
  });
}
