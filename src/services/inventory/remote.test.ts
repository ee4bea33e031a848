/** The inventory in two processes on one log, each behind gRPC, as a gateway in a third one sees it. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { NotBegun } from "../../kernel/index.ts";
import { GrpcServer, type MethodSpec, ModuleServer, ModuleService, Peers } from "../../platform/grpc/index.ts";
import { SharedMemoryLog } from "../../platform/storage/memory/index.ts";
import type { Inventory } from "./api.ts";
import { accepted, caller, fact } from "./fixture.ts";
import { type RunningInventory, startInventory } from "./inventory.ts";
import { inventoryMethods, remoteInventory } from "./remote.ts";
import { inventoryTagging } from "./reservations/lists.ts";

const secret = "the secret of these tests";

interface Place {
  readonly inventory: RunningInventory;
  /** Methods that were called here, with their first argument. */
  readonly calls: [string, unknown][];
  readonly address: string;
  /** What `reserve` waits for before it answers, when it has decided. */
  answering: Promise<void>;
  stop(): Promise<void>;
}

let ids = 0;
const newId = () => {
  ids += 1;
  return `made-${ids}`;
};

async function openPlace(log: SharedMemoryLog): Promise<Place> {
  const storage = log.open();
  const inventory = await startInventory({
    storage,
    clock: Date.now,
    randomId: newId,
    sweepEveryMs: 1_000_000,
    sealEveryMs: 1_000_000,
  });
  const module = new ModuleServer({
    isMember: (given) => given === secret,
    onDefect: (_, error) => console.error(error),
  });
  const calls: Place["calls"] = [];
  const noted = new Proxy(inventory, {
    get(target, name) {
      const method = target[name as keyof Inventory] as (...args: unknown[]) => unknown;
      return async (...args: unknown[]) => {
        calls.push([String(name), args[0]]);
        const answer = await method.apply(target, args);
        if (name === "reserve") await place.answering;
        return answer;
      };
    },
  });
  module.offer("inventory", { offer: noted, methods: inventoryMethods() });
  const services = [{ description: ModuleService, implementation: module.implementation() }];
  const server = new GrpcServer({ services, messageBytesMax: 1_000_000 });
  const address = await server.listen("127.0.0.1", 0);
  let stopped: Promise<void> | undefined;
  const place: Place = {
    ...{ inventory, calls, address },
    answering: Promise.resolve(),
    stop() {
      stopped ??= module.leave(100).then(async () => {
        await server.close(0);
        await inventory.stop();
      });
      return stopped;
    },
  };
  onTestFinished(() => place.stop());
  return place;
}

async function openTwo() {
  const log = new SharedMemoryLog(inventoryTagging);
  const telling = setInterval(() => log.deliver(), 5);
  onTestFinished(() => clearInterval(telling));
  const places = [await openPlace(log), await openPlace(log)] as const;
  const peers = new Peers({
    module: "inventory",
    addresses: places.map(({ address }) => address),
    authorization: secret,
  });
  onTestFinished(() => peers.close());
  await vi.waitFor(() => expect(peers.standing().ready).toBe(2));
  return { log, places, peers, inventory: remoteInventory(peers, newId) };
}

const skus = Array.from({ length: 40 }, (_, index) => `sku-${index}`);
const received = (sku: string, quantity: number) => fact("stock.received", { sku, location: "leeds", quantity });
const calledIn = ({ calls }: Place, method: string) => calls.filter(([name]) => name === method).length;

describe("an inventory in two processes", () => {
  it("takes a batch of facts, and shows at once what they came to, in the order that was asked for", async () => {
    const { places, inventory } = await openTwo();
    const facts: unknown[] = skus.map((sku, index) => received(sku, index + 1));
    facts.splice(7, 0, { id: "x", source: "till", type: "larder.stock.eaten.v1", data: { sku: "pear" } });
    facts.push(facts[0]);
    const receipt = await inventory.recordFacts(facts, caller);
    expect(receipt).toMatchObject({ accepted: 40, duplicates: 1, rejected: [{ index: 7, id: "x" }] });
    for (const place of places) expect(calledIn(place, "recordFacts")).toBe(1);
    const asked = [...skus.toReversed(), "never seen"];
    const { items } = accepted(await inventory.availability(asked, undefined, caller, receipt.position));
    expect(items.map(({ sku }) => sku)).toEqual(asked);
    expect(items.slice(0, -1)).toMatchObject(skus.toReversed().map((_, index) => ({ onHand: 40 - index })));
    const pairs = [...skus, "nowhere"].map((sku) => ({ sku, location: "leeds" }));
    expect((await inventory.availabilityOf(pairs)).map((row) => row?.onHand)).toEqual([
      ...skus.map((_, index) => index + 1),
      undefined,
    ]);
    expect(await inventory.checkFacts(facts, caller)).toMatchObject([{ index: 7, code: "invalid-fact" }]);
  });

  it("keeps together what an order brings together, so that a batch is recorded in its order", async () => {
    const { places, inventory } = await openTwo();
    const lines = skus.map((sku) => ({ sku, location: "leeds", quantity: 1 }));
    const facts = [...skus.map((sku) => received(sku, 5)), fact("order.completed", { order: "o-1", lines })];
    expect(await inventory.recordFacts(facts, caller)).toMatchObject({ accepted: 41 });
    expect(places.map((place) => calledIn(place, "recordFacts")).sort()).toEqual([0, 1]);
  });

  it("decides on a sku in one process, and on what was reserved of it in the same", async () => {
    const { places, inventory } = await openTwo();
    await inventory.recordFacts([received("milk", 100)], caller);
    for (let index = 0; index < 10; index += 1) {
      const { reservation } = accepted(await inventory.reserve({ lines: [{ sku: "milk", quantity: 1 }] }, caller));
      accepted(await inventory.confirm(reservation.id, {}, caller));
      accepted(await inventory.release(reservation.id, caller));
    }
    for (const method of ["reserve", "confirm", "release"])
      expect(places.map((place) => calledIn(place, method)).sort()).toEqual([0, 10]);
  });

  it("never promises more than there is, whichever process is asked", async () => {
    const { places, inventory } = await openTwo();
    await inventory.recordFacts([received("milk", 30)], caller);
    const order = { lines: [{ sku: "milk", quantity: 1 }] };
    const asked = Array.from({ length: 60 }, (_, index) => places[index % 2]?.inventory.reserve(order, caller));
    const outcomes = await Promise.all(asked);
    expect(outcomes.filter((outcome) => outcome?.ok)).toHaveLength(30);
  });

  it("asks again for a reservation whose answer was lost, under the id that it gave it", async () => {
    const { places, inventory } = await openTwo();
    await inventory.recordFacts([received("milk", 100)], caller);
    for (const place of places) place.answering = new Promise(() => undefined);
    const order = { lines: [{ sku: "milk", quantity: 1 }] };
    const asking = inventory.reserve(order, caller);
    const decided = await vi.waitUntil(() => places.find((place) => calledIn(place, "reserve") === 1));
    const other = places.find((place) => place !== decided);
    if (other === undefined) throw new Error("there are two");
    other.answering = Promise.resolve();
    await vi.waitFor(async () => {
      const { items } = accepted(await decided.inventory.availability(["milk"], undefined, caller));
      expect(items).toMatchObject([{ reserved: 1 }]);
    });
    await decided.stop();
    const outcome = accepted(await asking);
    expect(outcome.created).toBe(true);
    expect(calledIn(other, "reserve")).toBe(1);
    const { items } = accepted(await other.inventory.availability(["milk"], undefined, caller));
    expect(items).toMatchObject([{ reserved: 1 }]);
    expect(accepted(await inventory.reservation(outcome.reservation.id, caller)).status).toBe("active");
  });

  it("begins to look through all stocks anew when the process is gone whose places it knew", async () => {
    const { places, inventory } = await openTwo();
    await inventory.recordFacts(
      skus.map((sku) => received(sku, 1)),
      caller,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    const begun = await inventory.stocks({ count: 10, changedSince: 0 });
    expect(begun).toMatchObject({ of: 40, next: 10 });
    await places.find((place) => calledIn(place, "stocks") === 1)?.stop();
    const seen = new Set<string>();
    let next = begun.next;
    for (; next !== undefined; ) {
      const step = await inventory.stocks({ after: next, count: 10, changedSince: 0 });
      for (const { sku } of step.stocks) seen.add(sku);
      next = step.next;
    }
    expect([...seen].sort()).toEqual([...skus].sort());
  });
});

describe("what may be recorded for a call", () => {
  const samples: Readonly<Record<string, readonly unknown[]>> = {
    recordFacts: [[], caller, [1]],
    reserve: [{ lines: [] }, caller, "key"],
    extend: ["r", 60, caller],
    amend: ["r", [], caller],
    confirm: ["r", {}, caller],
    fulfil: ["r", undefined, caller, "key"],
    release: ["r", caller],
    putItem: ["milk", {}, caller],
    putItems: [[], caller],
    setPolicy: ["milk", {}, caller],
    putLocation: ["leeds", {}, caller],
  };
  const within = { before: 2000, from: 1000 };

  it("has a time, which goes with who asks", () => {
    const methods = inventoryMethods() as unknown as Record<string, MethodSpec<readonly unknown[]>>;
    const limited = Object.keys(methods).filter((name) => methods[name]?.within !== undefined);
    expect(limited).toEqual(Object.keys(samples));
    for (const [name, args] of Object.entries(samples)) {
      const expected = args.map((arg) => (arg === caller ? { ...caller, within } : arg));
      expect(methods[name]?.within?.(args, within), name).toEqual(expected);
    }
  });

  it("is nothing at another time", async () => {
    const { places, log } = await openTwo();
    const [{ inventory }] = places;
    const late = { ...caller, within: { before: Date.now() - 1 } };
    const head = log.log.head();
    for (const [name, args] of Object.entries({
      ...samples,
      recordFacts: [[received("milk", 1)], caller],
      reserve: [{ lines: [{ sku: "milk", quantity: 1 }] }, caller],
      amend: ["r", [{ sku: "milk", quantity: 1 }], caller],
      putItem: ["milk", { name: "Milk" }, caller],
      putItems: [[{ sku: "milk", name: "Milk", unit: "each" }], caller],
      putLocation: ["leeds", { name: "Leeds", kind: "store" }, caller],
    })) {
      const method = inventory[name as keyof Inventory] as (...args: readonly unknown[]) => Promise<unknown>;
      const asked = args.map((arg) => (arg === caller ? late : arg));
      await expect(method.apply(inventory, asked), name).rejects.toThrow(NotBegun);
    }
    expect(log.log.head()).toBe(head);
  });
});
