/** For tests: what is asked of an inventory, and how much of each. */
import fc from "fast-check";
import type { Ask, Body, Part } from "../../../test/oracle/words.ts";

export const skus = ["m", "n"] as const;
export const places = ["x", "y"] as const;
export const ids = ["r1", "r2", "r3"] as const;
export const start = Date.parse("2026-01-01T12:00:00Z");

/** A fact as it will be told; `offset` is its time from the start, else it happens when it is told. */
export interface Fact {
  readonly name: string;
  readonly type: string;
  readonly offset: number | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What steps refer to by number, so that the same is asked again. */
export interface Pool {
  readonly bodies: readonly Body[];
  readonly facts: readonly Fact[];
}

export type Step =
  | { readonly do: "reserve"; readonly id: string; readonly body: number }
  | { readonly do: "extend"; readonly id: string; readonly ttl: number }
  | { readonly do: "amend"; readonly id: string; readonly lines: readonly Ask[] }
  | { readonly do: "confirm"; readonly id: string; readonly reacquire: boolean }
  | { readonly do: "release"; readonly id: string }
  | { readonly do: "fulfil"; readonly id: string; readonly key: string; readonly parts: readonly Part[] | undefined }
  | { readonly do: "fact"; readonly fact: number }
  | { readonly do: "policy"; readonly sku: string; readonly location: string; readonly policy: Policy }
  | { readonly do: "wait"; readonly ms: number };
type Policy = { readonly safetyStock: number; readonly backorderLimit: number; readonly lowAt: number | null };

const sku = fc.constantFrom(...skus);
const location = fc.constantFrom(...places);
const id = fc.constantFrom(...ids);
const quantity = fc.integer({ min: 1, max: 4 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** A record without the members that are undefined. */
function record<T>(members: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc
    .record(members)
    .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as T);
}

const lines = fc.array(
  record<Ask>({
    sku,
    quantity,
    locations: fc.constantFrom(undefined, ["x"], ["y"], ["x", "y"], ["y", "x"]) as fc.Arbitrary<readonly string[]>,
    sellableUntil: fc.constantFrom(undefined, undefined, "2026-05-05") as fc.Arbitrary<string>,
  }),
  { minLength: 1, maxLength: 3 },
);
const body: fc.Arbitrary<Body> = fc.record({
  lines,
  ttlSeconds: fc.integer({ min: 1, max: 3 }),
  allowPartial: fc.boolean(),
});

// Facts

const at = { sku, location, quantity };
const reference = fc.constantFrom("po-1", "po-2");
const reason = fc.constant("found so");
/** Transfer `t-x` goes from x, `t-y` from y. */
const transfers = location.map((from) => ({ transfer: `t-${from}`, from, to: from === "x" ? "y" : "x" }));
const dispatched = fc.tuple(transfers, sku, quantity).map(([{ from, ...rest }, name, units]) => ({
  ...rest,
  sku: name,
  location: from,
  quantity: units,
}));
const arrived = fc.tuple(transfers, sku, quantity).map(([{ to, ...rest }, name, units]) => ({
  ...rest,
  sku: name,
  location: to,
  quantity: units,
}));
const orderLines = fc.array(fc.record(at), { minLength: 1, maxLength: 2 });
const delta = fc.integer({ min: -4, max: 4 }).filter((units) => units !== 0);
const data: Readonly<Record<string, fc.Arbitrary<object>>> = {
  "stock.received": record({ ...at, reference: maybe(reference) }),
  "stock.expected": fc.record({ ...at, reference }),
  "stock.sold": fc.record(at),
  "stock.returned": record({ ...at, sellable: maybe(fc.boolean()) }),
  "stock.adjusted": fc.record({ sku, location, delta, reason }),
  "stock.held-back": fc.record({ ...at, reason }),
  "stock.put-back": fc.record({ ...at, reason }),
  "stock.counted": fc.record({ ...at, quantity: fc.nat(5) }),
  "stock.dispatched": dispatched,
  "stock.arrived": arrived,
  "order.completed": record({
    order: fc.constantFrom("o1", "o2", "o3"),
    lines: orderLines,
    reservation: maybe(id),
    final: fc.boolean(),
  }),
  "fact.voided": fc.record({ source: fc.constant("till"), id: fc.nat(11).map((name) => `f${name}`), reason }),
};
/** In the past or the near future; ten minutes ahead is too far to be believed. */
const offset = fc.constantFrom(undefined, undefined, undefined, -60_000, -2000, -1, 0, 1000, 2000, 600_000);
const fact = fc.oneof(
  ...Object.entries(data).map(([type, arbitrary]) => fc.record({ type: fc.constant(type), offset, data: arbitrary })),
);
/** One name in twelve is used again for something else. */
const facts = fc
  .tuple(fc.array(fact, { minLength: 13, maxLength: 13 }))
  .map(([all]) => all.map((one, index): Fact => ({ ...one, data: one.data as Fact["data"], name: `f${index % 12}` })));
export const pool: fc.Arbitrary<Pool> = fc.record({ bodies: fc.array(body, { minLength: 3, maxLength: 3 }), facts });

// Steps

/** `edge` waits until a reservation is about to end. */
export type Asked = Step | { readonly do: "edge"; readonly id: string; readonly offset: number };
function step(name: Asked["do"], members: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Asked> {
  return fc.record(members).map((all) => ({ do: name, ...all }) as Asked);
}
const part = record({ sku, location: maybe(location) as fc.Arbitrary<string>, quantity });
const parts = maybe(fc.array(part, { minLength: 1, maxLength: 2 }));
const policy = fc.record({
  safetyStock: fc.nat(2),
  backorderLimit: fc.nat(2),
  lowAt: fc.constantFrom(null, 0, 1, 2, 3),
});
export const steps: fc.Arbitrary<Asked> = fc.oneof(
  { weight: 6, arbitrary: step("reserve", { id, body: fc.nat(2) }) },
  { weight: 1, arbitrary: step("extend", { id, ttl: quantity }) },
  { weight: 2, arbitrary: step("amend", { id, lines }) },
  { weight: 3, arbitrary: step("confirm", { id, reacquire: fc.boolean() }) },
  { weight: 1, arbitrary: step("release", { id }) },
  { weight: 3, arbitrary: step("fulfil", { id, key: fc.constantFrom("k1", "k2"), parts }) },
  { weight: 9, arbitrary: step("fact", { fact: fc.nat(12) }) },
  { weight: 2, arbitrary: step("policy", { sku, location, policy }) },
  { weight: 1, arbitrary: step("wait", { ms: fc.constantFrom(1, 500, 1000) }) },
  { weight: 2, arbitrary: step("edge", { id, offset: fc.constantFrom(-1, 0, 1) }) },
);
