import fc from "fast-check";
import { expect, it } from "vitest";
import { accepted, caller, type Opened } from "../../inventory/fixture.ts";
import { EpcisEvents } from "../epcis/events.ts";
import { closeHouse, finished, gtin, type House, openHouse } from "./capture.fixture.ts";

/**
 * What one Larder tells as EPCIS, captured by another, comes to the same on hand. Not told are promises, policies, what is
 * expected; a transfer from a place to itself, which EPCIS takes for none, is not generated.
 */
const start = Date.parse("2026-01-01T12:00:00Z");
const skus = ["tea", "flour", "nœud: 100 %"] as const;
const places = ["leeds", "York, Markt"] as const;
const lots = [undefined, "L7", "a lot without end in letters", "unknown"] as const;

const quantity = fc.integer({ min: 1, max: 60 });
const told = fc.record({
  kind: fc.constantFrom("received", "sold", "returned", "adjusted", "held-back", "put-back", "counted", "transfer"),
  sku: fc.constantFrom(...skus),
  place: fc.constantFrom(...places),
  lot: fc.constantFrom(...lots),
  quantity,
  /** Minutes before the receipt that it happened: facts come late and in any order. */
  late: fc.constantFrom(0, 0, 1, 7, 600),
  isUp: fc.boolean(),
  expiresOn: fc.constantFrom(undefined, undefined, "2026-02-01"),
  reason: fc.constantFrom("damage", "theft", "found", "recall", "a reason of its own"),
});
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ step: fc.constant("fact" as const), told }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("void" as const), back: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant("order" as const),
      sku: fc.constantFrom(...skus),
      place: fc.constantFrom(...places),
      held: quantity,
      ordered: quantity,
      isFulfilled: fc.boolean(),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function tell({ inventory, clock }: Opened, history: readonly Step[]): Promise<void> {
  const ids: string[] = [];
  const record = async (type: string, data: object, time = clock.now) => {
    const id = `f${ids.length}`;
    ids.push(id);
    const fact = {
      specversion: "1.0",
      id,
      source: "till",
      type: `larder.${type}.v1`,
      time: new Date(time).toISOString(),
      data,
    };
    const { rejected } = await inventory.recordFacts([fact], caller);
    expect(rejected).toEqual([]);
  };
  for (const one of history) {
    clock.now += 60_000;
    if (one.step === "void") {
      const id = ids.at(-one.back);
      if (id !== undefined) await record("fact.voided", { source: "till", id, reason: "wrong" });
    } else if (one.step === "order") {
      const { sku, place: location, held, ordered, isFulfilled } = one;
      await record("stock.received", { sku, location, quantity: 60 });
      const placed = await inventory.reserve({ lines: [{ sku, location, quantity: held }] }, caller);
      const id = placed.ok ? placed.value.reservation.id : undefined;
      if (id !== undefined && isFulfilled) await inventory.fulfil(id, undefined, caller);
      const reservation = id === undefined || isFulfilled ? {} : { reservation: id, final: true };
      await record("order.completed", {
        order: `o${ids.length}`,
        lines: [{ sku, location, quantity: ordered }],
        ...reservation,
      });
    } else {
      const { kind, sku, place: location, lot, late, isUp, expiresOn, reason } = one.told;
      const time = clock.now - late * 60_000;
      const lotted = { sku, location, ...(lot !== undefined && { lot }) };
      const dated = { ...lotted, quantity: one.told.quantity, ...(expiresOn !== undefined && { expiresOn }) };
      const plain = { ...lotted, quantity: one.told.quantity };
      if (kind === "transfer") {
        const other = location === places[0] ? places[1] : places[0];
        const transfer = `t${ids.length}`;
        await record("stock.dispatched", { ...plain, transfer, to: other }, time);
        if (isUp) await record("stock.arrived", { ...plain, location: other, transfer, from: location });
      } else if (kind === "adjusted") {
        const delta = isUp ? plain.quantity : -plain.quantity;
        await record("stock.adjusted", { ...lotted, delta, reason }, time);
      } else if (kind === "held-back" || kind === "put-back") await record(`stock.${kind}`, { ...plain, reason }, time);
      else if (kind === "counted")
        await record("stock.counted", { ...plain, quantity: isUp ? plain.quantity : 0 }, time);
      else if (kind === "sold") await record("stock.sold", plain, time);
      else await record(`stock.${kind}`, kind === "returned" && !isUp ? { ...dated, sellable: false } : dated, time);
    }
  }
}

async function onHand({ inventory }: Opened): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const sku of skus) {
    const stock = await inventory.stock(sku, {}, caller);
    if (!stock.ok) continue;
    for (const { location, onHand: units } of stock.value.locations)
      if (units !== 0) found[`${location}/${sku}`] = units;
  }
  return found;
}

/** Page by page, each of them a document for the other. */
async function copy(from: House, to: House): Promise<void> {
  const events = new EpcisEvents(from.inventory, () => from.clock.now);
  let after: string | undefined;
  do {
    const page = accepted(await events.events({ limit: 7, ...(after !== undefined && { after }) }, caller));
    const request = { behaviour: "rollback", leaveOut: [], ownNames: true } as const;
    const { id } = accepted(await to.capture.capture({ json: page.document }, request, caller));
    expect((await finished(to.capture, id)).errors).toEqual([]);
    after = page.next;
  } while (after !== undefined);
}

it("a log told as EPCIS and captured elsewhere comes to the same on hand, and twice to the same again", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (history) => {
      const [ours, theirs] = [await openHouse(), await openHouse()];
      try {
        await ours.inventory.putItem("flour", { name: "Flour", unit: "g", gtins: ["04012345123456"] }, caller);
        await theirs.inventory.putItem("flour", { name: "Flour", unit: "g", gtins: ["04012345123456"] }, caller);
        await tell(ours, history);
        theirs.clock.now = ours.clock.now + 1000;
        await copy(ours, theirs);
        expect(await onHand(theirs)).toEqual(await onHand(ours));
        await copy(ours, theirs);
        expect(await onHand(theirs)).toEqual(await onHand(ours));
      } finally {
        await closeHouse(ours);
        await closeHouse(theirs);
      }
    }),
    { numRuns: 40 },
  );
}, 120_000);

it("has what it compares: an item with a GTIN, and a history that moves it", async () => {
  const house = await openHouse();
  await tell(house, [
    {
      step: "fact",
      told: {
        kind: "received",
        sku: "tea",
        place: "leeds",
        lot: "L7",
        quantity: 5,
        late: 0,
        isUp: true,
        expiresOn: undefined,
        reason: "found",
      },
    },
  ]);
  expect(await onHand(house)).toEqual({ "leeds/tea": 5 });
  const events = new EpcisEvents(house.inventory, () => start);
  expect(JSON.stringify(accepted(await events.events({ limit: 9 }, caller)).document)).toContain(`/01/${gtin}/10/L7`);
  await closeHouse(house);
});
