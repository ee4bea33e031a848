import { setTimeout as wait } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accepted, caller, codeOf, fact, type Opened, openInventory } from "../fixture.ts";
import { verifyLog } from "../verification/index.ts";
import type { Reservation, ReserveRequest } from "../wire.ts";
import { type Ask, type Body, Oracle, places, summed } from "./oracle.fixture.ts";

const skus = ["m", "n"] as const;
const ids = ["r1", "r2", "r3"] as const;

const sku = fc.constantFrom(...skus);
const location = fc.constantFrom(...places);
const id = fc.constantFrom(...ids);
const units = fc.integer({ min: 1, max: 4 });

const ask: fc.Arbitrary<Ask> = fc
  .record({
    sku,
    quantity: units,
    locations: fc.constantFrom(undefined, ["x"], ["y"], ["x", "y"], ["y", "x"]),
    sellableUntil: fc.constantFrom(undefined, undefined, "2026-05-05"),
  })
  .map(({ locations, sellableUntil, ...rest }) => ({
    ...rest,
    ...(locations && { locations }),
    ...(sellableUntil && { sellableUntil }),
  }));
const lines = fc.array(ask, { minLength: 1, maxLength: 3 });
const body: fc.Arbitrary<Body> = fc.record({
  lines,
  ttlSeconds: fc.integer({ min: 1, max: 3 }),
  allowPartial: fc.boolean(),
});
const part = fc
  .record({ sku, location: fc.option(location, { nil: undefined }), quantity: units })
  .map(({ location: at, ...rest }) => ({ ...rest, ...(at && { location: at }) }));

type Step =
  | { readonly do: "reserve"; readonly id: string; readonly body: number }
  | { readonly do: "extend"; readonly id: string; readonly ttl: number }
  | { readonly do: "amend"; readonly id: string; readonly lines: readonly Ask[] }
  | { readonly do: "confirm"; readonly id: string; readonly reacquire: boolean }
  | { readonly do: "release"; readonly id: string }
  | {
      readonly do: "fulfil";
      readonly id: string;
      readonly key: string;
      readonly lines: readonly { sku: string; location?: string; quantity: number }[] | undefined;
    }
  | {
      readonly do: "fact";
      readonly type: "received" | "sold" | "counted";
      readonly sku: string;
      readonly location: string;
      readonly quantity: number;
    }
  | {
      readonly do: "order";
      readonly order: string;
      readonly id: string | undefined;
      readonly final: boolean;
      readonly lines: readonly { sku: string; location: string; quantity: number }[];
    }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "expire"; readonly id: string; readonly offset: number };

function step<K extends Step["do"]>(name: K, members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Step> {
  return fc.record(members).map((all) => ({ do: name, ...all }) as unknown as Step);
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: step("reserve", { id, body: fc.nat(2) }) },
  step("extend", { id, ttl: units }),
  { weight: 2, arbitrary: step("amend", { id, lines }) },
  { weight: 3, arbitrary: step("confirm", { id, reacquire: fc.boolean() }) },
  step("release", { id }),
  {
    weight: 3,
    arbitrary: step("fulfil", {
      id,
      key: fc.constantFrom("k1", "k2"),
      lines: fc.option(fc.array(part, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    }),
  },
  {
    weight: 4,
    arbitrary: step("fact", {
      type: fc.constantFrom("received", "received", "sold", "counted"),
      sku,
      location,
      quantity: units,
    }),
  },
  {
    weight: 2,
    arbitrary: step("order", {
      order: fc.constantFrom("o1", "o2", "o3"),
      id: fc.option(id, { nil: undefined }),
      final: fc.boolean(),
      lines: fc.array(fc.record({ sku, location, quantity: units }), { minLength: 1, maxLength: 2 }),
    }),
  },
  step("wait", { ms: fc.constantFrom(1, 500, 1000) }),
  { weight: 2, arbitrary: step("expire", { id, offset: fc.constantFrom(-1, 0, 1) }) },
);

/** An inventory and an oracle that are told the same. */
class Both {
  readonly oracle = new Oracle();
  readonly opened: Opened;
  readonly bodies: readonly Body[];

  constructor(opened: Opened, bodies: readonly Body[]) {
    this.opened = opened;
    this.bodies = bodies;
  }

  async run(one: Step): Promise<void> {
    const { clock } = this.opened;
    clock.now += 1; // what happens at the instant of a count belongs to it
    if (one.do === "wait") clock.now += one.ms;
    else if (one.do === "expire") {
      const due = this.oracle.kept.get(one.id)?.expiresAt;
      if (due) clock.now = Math.max(clock.now, due + one.offset - 1);
      if (due) clock.now += 1;
    } else expect([one, await this.#ask(one)]).toEqual([one, await this.#expected(one)]);
    await this.#compare();
  }

  #given?: Reservation;

  async #ask(one: Exclude<Step, { do: "wait" | "expire" }>): Promise<string> {
    const { inventory } = this.opened;
    switch (one.do) {
      case "reserve": {
        const wanted = this.bodies[one.body] as Body;
        const before = this.oracle.kept.has(one.id);
        const answer = await inventory.reserve({ id: one.id, ...wanted, lines: written(wanted.lines) }, caller);
        if (answer.ok) {
          expect(answer.value.created).toBe(!before);
          this.#given = answer.value.reservation;
        } else if (codeOf(answer) === "insufficient-stock") this.#checkShort(wanted, answer);
        return codeOf(answer);
      }
      case "extend":
        return codeOf(await inventory.extend(one.id, one.ttl, caller));
      case "amend": {
        const answer = await inventory.amend(one.id, written(one.lines), caller);
        if (answer.ok) this.#given = answer.value;
        return codeOf(answer);
      }
      case "confirm":
        return codeOf(await inventory.confirm(one.id, { reacquire: one.reacquire }, caller));
      case "release":
        return codeOf(await inventory.release(one.id, caller));
      case "fulfil":
        return codeOf(await inventory.fulfil(one.id, one.lines, caller, one.key));
      case "fact": {
        const { type, ...data } = one;
        const { do: _do, ...rest } = data;
        const receipt = await inventory.recordFacts([fact(`stock.${type}`, rest)], caller);
        return receipt.accepted === 1 ? "accepted" : "other";
      }
      case "order": {
        const { order, lines: sold, final, id: reservation } = one;
        const data = { order, lines: sold, final, ...(reservation && { reservation }) };
        const receipt = await inventory.recordFacts([fact("order.completed", data)], caller);
        return receipt.accepted === 1 ? "accepted" : receipt.duplicates === 1 ? "duplicate" : "other";
      }
    }
  }

  async #expected(one: Exclude<Step, { do: "wait" | "expire" }>): Promise<string> {
    const { oracle } = this;
    const { now } = this.opened.clock;
    switch (one.do) {
      case "reserve": {
        const wanted = this.bodies[one.body] as Body;
        const isNew = !oracle.kept.has(one.id);
        const code = oracle.reserve(one.id, wanted, now);
        if (code === "ok" && isNew) {
          this.#checkGiven(wanted.lines, wanted.allowPartial, undefined);
          oracle.place(one.id, wanted, this.#givenLines(), now);
        }
        return code;
      }
      case "extend":
        return oracle.extend(one.id, one.ttl, now);
      case "amend": {
        const code = oracle.amend(one.id, one.lines, now);
        const kept = oracle.kept.get(one.id);
        if (code === "ok" && kept) {
          this.#checkGiven(one.lines, false, one.id);
          kept.lines = this.#givenLines().map((line) => ({ ...line, fulfilled: 0, released: 0 }));
        }
        return code;
      }
      case "confirm":
        return oracle.confirm(one.id, one.reacquire, now);
      case "release":
        return oracle.release(one.id, now);
      case "fulfil":
        return oracle.fulfil(one.id, one.lines, one.key, now);
      case "fact": {
        const pair = `${one.location}/${one.sku}`;
        const before = oracle.onHand.get(pair) ?? 0;
        const after = { received: before + one.quantity, sold: before - one.quantity, counted: one.quantity };
        oracle.onHand.set(pair, after[one.type]);
        return "accepted";
      }
      case "order":
        return oracle.order(one.order, one.lines, now, one.id, one.final);
    }
  }

  #givenLines() {
    return (this.#given?.lines ?? []).map(({ sku: name, location: at, quantity, lineIndex }) => ({
      sku: name,
      location: at,
      quantity,
      lineIndex,
    }));
  }

  /** Whether what was chosen serves what was asked, from where it may, with what was free. */
  #checkGiven(asked: readonly Ask[], isPartial: boolean, own: string | undefined): void {
    const given = this.#givenLines();
    const { now } = this.opened.clock;
    const isWhole = this.oracle.canServe(asked, now, own);
    if (!isWhole) expect(isPartial).toBe(true);
    const byIndex = new Map(summed(asked).map((line) => [line.index, line]));
    for (const [index, line] of byIndex) {
      const got = given.filter(({ lineIndex }) => lineIndex === index);
      const quantity = got.reduce((sum, { quantity: some }) => sum + some, 0);
      if (isWhole) expect(quantity).toBe(line.quantity);
      else expect(quantity).toBeLessThanOrEqual(line.quantity);
      for (const { location: at, sku: name } of got) {
        expect(name).toBe(line.sku);
        expect(line.locations ?? places).toContain(at);
      }
    }
    for (const name of skus)
      for (const at of places) {
        const taken = given
          .filter((line) => line.sku === name && line.location === at)
          .reduce((sum, line) => sum + line.quantity, 0);
        const free = this.oracle.free(at, name, now, own);
        expect(taken).toBeLessThanOrEqual(free);
        const wanting = [...byIndex].some(
          ([index, line]) =>
            line.sku === name &&
            (line.locations ?? places).includes(at) &&
            given.filter(({ lineIndex }) => lineIndex === index).reduce((sum, some) => sum + some.quantity, 0) <
              line.quantity,
        );
        if (wanting) expect(taken).toBe(free); // in part means as much as there is
      }
  }

  #checkShort(wanted: Body, answer: object): void {
    const [only, ...others] = summed(wanted.lines);
    if (only === undefined || others.length > 0) return;
    const free = (only.locations ?? places).reduce(
      (sum, at) => sum + this.oracle.free(at, only.sku, this.opened.clock.now),
      0,
    );
    expect(answer).toMatchObject({
      rejection: { extra: { lines: [{ sku: only.sku, requested: only.quantity, available: free }] } },
    });
  }

  async #compare(): Promise<void> {
    const { inventory, clock } = this.opened;
    for (const one of ids) {
      const kept = this.oracle.kept.get(one);
      const found = await inventory.reservation(one, caller);
      if (kept === undefined) {
        expect(codeOf(found)).toBe("not-found");
        continue;
      }
      const { status, expiresAt, lines: held, releasedLines = [] } = accepted(found);
      expect({
        status,
        expiresAt: expiresAt && Date.parse(expiresAt),
        lines: held.map(({ fulfilled = 0, sellableUntil: _until, ...line }) => ({ ...line, fulfilled })),
      }).toEqual({
        status: this.oracle.status(one, clock.now),
        expiresAt: kept.expiresAt,
        lines: kept.lines.map(({ released: _released, ...line }) => line),
      });
      const isCutShort = status === "fulfilled";
      expect(releasedLines.map(({ quantity }) => quantity)).toEqual(
        isCutShort ? kept.lines.map(({ released }) => released).filter((quantity) => quantity > 0) : [],
      );
    }
    for (const name of skus) {
      const stock = await inventory.stock(name, {}, caller);
      const rows = stock.ok ? stock.value.locations : [];
      for (const at of places) {
        const row = rows.find((one) => one.location === at);
        const held = this.oracle.held(at, name, clock.now);
        const onHand = this.oracle.onHand.get(`${at}/${name}`) ?? 0;
        expect([row?.onHand ?? 0, (row?.reserved ?? 0) + (row?.committed ?? 0), row?.available ?? 0]).toEqual([
          onHand,
          held,
          onHand - held,
        ]);
      }
    }
  }
}

function written(asks: readonly Ask[]): ReserveRequest["lines"] {
  return asks.map(({ locations, ...rest }) => {
    if (locations?.length === 1) return { ...rest, location: locations[0] as string };
    return { ...rest, ...(locations && { locations: [...locations] }) };
  });
}

describe("reservations against the contract, step by step", () => {
  it.each([1_000_000, 1])(
    "answer as it says and are as it says, whoever records what has lapsed (every %i ms)",
    async (sweepEveryMs) => {
      const bodies = fc.array(body, { minLength: 3, maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(bodies, fc.array(steps, { minLength: 4, maxLength: 30 }), async (known, all) => {
          const opened = await openInventory({ sweepEveryMs, cachedStatesMax: 4 });
          try {
            const both = new Both(opened, known);
            for (const name of skus)
              for (const at of places)
                await both.run({ do: "fact", type: "received", sku: name, location: at, quantity: 3 });
            for (const one of all) {
              await both.run(one);
              if (sweepEveryMs === 1 && one.do === "expire") await wait(3);
            }
            const { findings } = await verifyLog(opened.storage);
            expect(findings).toEqual([]);
          } finally {
            await opened.inventory.stop();
          }
        }),
        { numRuns: sweepEveryMs === 1 ? 60 : 200 },
      );
    },
  );
});
