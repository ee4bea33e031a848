import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { accepted, caller, fact, type Opened, openInventory } from "../fixture.ts";

let opened: Opened;

beforeEach(async () => {
  opened = await openInventory();
  const stocks = ["milk", "eggs", "rice"].map((sku) =>
    fact("stock.received", { sku, location: "leeds", quantity: 1000 }),
  );
  await opened.inventory.recordFacts(stocks, caller);
});
afterEach(() => opened.inventory.stop());

async function place(id: string, skus: readonly string[], rest: { owner?: string; reference?: string } = {}) {
  const lines = skus.map((sku) => ({ sku, quantity: 2, location: "leeds" }));
  accepted(await opened.inventory.reserve({ id, ttlSeconds: 60, lines, ...rest }, caller));
}

async function ids(query: Parameters<Opened["inventory"]["reservations"]>[0]): Promise<string[]> {
  return accepted(await opened.inventory.reservations(query, caller)).items.map(({ id }) => id);
}

describe("lists of reservations", () => {
  it("finds by owner, reference and sku, newest first, page by page", async () => {
    await place("a", ["milk"], { owner: "anna" });
    await place("b", ["eggs", "milk"], { owner: "bert", reference: "order-1" });
    await place("c", ["rice"], { owner: "anna", reference: "order-1" });
    expect(await ids({ limit: 10 })).toEqual(["c", "b", "a"]);
    expect(await ids({ owner: "anna", limit: 10 })).toEqual(["c", "a"]);
    expect(await ids({ reference: "order-1", limit: 10 })).toEqual(["c", "b"]);
    expect(await ids({ sku: "milk", limit: 10 })).toEqual(["b", "a"]);
    expect(await ids({ owner: "anna", sku: "milk", limit: 10 })).toEqual(["a"]);
    const first = accepted(await opened.inventory.reservations({ limit: 2 }, caller));
    expect(first.items.map(({ id }) => id)).toEqual(["c", "b"]);
    expect(await ids({ limit: 2, cursor: String(first.next) })).toEqual(["a"]);
  });

  it("lists what is fulfilled in part by that status until the rest is", async () => {
    await place("a", ["milk"]);
    const part = (key: string) =>
      opened.inventory.fulfil("a", [{ sku: "milk", location: "leeds", quantity: 1 }], caller, key);
    accepted(await part("first"));
    expect(await ids({ status: "partly-fulfilled", limit: 10 })).toEqual(["a"]);
    accepted(await part("second"));
    expect(await ids({ status: "partly-fulfilled", limit: 10 })).toEqual([]);
    expect(await ids({ status: "fulfilled", limit: 10 })).toEqual(["a"]);
  });

  it("lists an amended one once, by its new skus and no longer by its old ones", async () => {
    await place("a", ["milk"]);
    await place("b", ["milk"]);
    const line = (sku: string, quantity: number) => ({ sku, quantity, location: "leeds" });
    accepted(await opened.inventory.amend("a", [line("milk", 3), line("eggs", 1)], caller));
    expect(await ids({ sku: "milk", limit: 10 })).toEqual(["a", "b"]);
    expect(await ids({ sku: "eggs", limit: 10 })).toEqual(["a"]);
    accepted(await opened.inventory.amend("a", [line("rice", 1)], caller));
    expect(await ids({ sku: "milk", limit: 10 })).toEqual(["b"]);
    expect(await ids({ limit: 10 })).toEqual(["b", "a"]);
  });

  it("finds what is open by its status, also what was acquired anew", async () => {
    await place("a", ["milk"]);
    await place("b", ["milk"]);
    await place("c", ["milk"]);
    accepted(await opened.inventory.confirm("b", {}, caller));
    expect(await ids({ status: "active", limit: 10 })).toEqual(["c", "a"]);
    expect(await ids({ status: "confirmed", limit: 10 })).toEqual(["b"]);
    opened.clock.now += 61_000;
    expect(await ids({ status: "expired", limit: 10 })).toEqual(["c", "a"]);
    accepted(await opened.inventory.confirm("a", { reacquire: true }, caller));
    expect(await ids({ status: "confirmed", limit: 10 })).toEqual(["a", "b"]);
    expect(await ids({ status: "active", limit: 10 })).toEqual([]);
  });

  it("knows after a restart what is open, whatever happened before", async () => {
    const step = fc.constantFrom(
      "place",
      "amend",
      "confirm",
      "fulfil",
      "part",
      "release",
      "wait",
      "reacquire",
      "restart",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(step, fc.nat(4)), { maxLength: 30 }), async (steps) => {
        let own = await openInventory();
        const received = fact("stock.received", { sku: "milk", location: "leeds", quantity: 1000 });
        await own.inventory.recordFacts([received], caller);
        const line = (quantity: number) => ({ sku: "milk", quantity, location: "leeds" });
        const known = new Set<string>();
        for (const [index, [what, n]] of steps.entries()) {
          const { inventory, storage, clock } = own;
          const id = `r${n}`;
          if (what === "place") await inventory.reserve({ id, ttlSeconds: 60, lines: [line(3)] }, caller);
          if (what === "amend") await inventory.amend(id, [line(2 + (index % 3))], caller);
          if (what === "confirm") await inventory.confirm(id, {}, caller);
          if (what === "reacquire") await inventory.confirm(id, { reacquire: true }, caller);
          if (what === "fulfil") await inventory.fulfil(id, undefined, caller);
          if (what === "part") await inventory.fulfil(id, [line(1)], caller, `part-${index}`);
          if (what === "release") await inventory.release(id, caller);
          if (what === "wait") clock.now += 30_000;
          if (what === "restart") {
            await inventory.stop();
            own = await openInventory({ storage, clock });
          }
          if (what === "place") known.add(id);
        }
        const { inventory } = own;
        for (const status of ["active", "confirmed", "partly-fulfilled"] as const) {
          const expected: string[] = [];
          for (const id of known) {
            const one = await inventory.reservation(id, caller);
            if (one.ok && one.value.status === status) expected.push(id);
          }
          const { items } = accepted(await inventory.reservations({ status, limit: 100 }, caller));
          expect(items.map(({ id }) => id).sort()).toEqual(expected.sort());
        }
        await inventory.stop();
      }),
      { numRuns: 60 },
    );
  });
});
