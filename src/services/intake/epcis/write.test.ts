import { existsSync, readFileSync } from "node:fs";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import { beforeAll, describe, expect, it } from "vitest";
import { accepted, caller, fact, type Opened, openInventory } from "../../inventory/fixture.ts";
import { type RecordedCloudEvent, recordedChanges } from "../../inventory/index.ts";
import { mapEvent } from "../domain/epcis/map-event.ts";
import { placeFinder } from "../domain/epcis/places.ts";
import { type EpcisNames, epcisDocument, epcisEventsOf } from "../domain/epcis/write.ts";
import { sharedFile } from "./examples.fixture.ts";
import { readEpcis } from "./read.ts";

const schemaFile = sharedFile("epcis/EPCIS-JSON-Schema.json");
const hasSchema = existsSync(schemaFile);
const glns: Readonly<Record<string, string>> = { leeds: "0614141007776", depot: "4012345000054" };
const gtins: Readonly<Record<string, string>> = { tea: "04012345123456", rice: "10614141073464" };

/** Every type of fact, for items with a GTIN, with a unit, and with neither; under names that URIs can't hold as they are. */
const facts = [
  fact("stock.received", {
    sku: "tea",
    location: "leeds",
    quantity: 40,
    lot: "L/7",
    expiresOn: "2026-06-01",
    reference: "po 1",
  }),
  fact("stock.received", { sku: "rice", location: "depot", quantity: 5000, reference: "https://erp.example/po/2" }),
  fact("stock.received", {
    sku: "nœud: 100 %",
    location: "York, Markt",
    quantity: 8,
    lot: "a lot without end in letters",
  }),
  fact("stock.expected", { sku: "tea", location: "leeds", quantity: 9, reference: "po 3" }),
  fact("stock.sold", { sku: "tea", location: "leeds", quantity: 3 }),
  fact("stock.sold", { sku: "nœud: 100 %", location: "York, Markt", quantity: 1 }, { id: "slip" }),
  fact("stock.returned", { sku: "tea", location: "leeds", quantity: 2, sellable: false }),
  fact("stock.adjusted", { sku: "tea", location: "leeds", delta: -4, reason: "damage" }),
  fact("stock.adjusted", { sku: "tea", location: "leeds", delta: 1, reason: "found" }),
  fact("stock.held-back", { sku: "tea", location: "leeds", quantity: 6, reason: "recall" }),
  fact("stock.put-back", { sku: "tea", location: "leeds", quantity: 2, reason: "recall" }),
  fact("stock.dispatched", { sku: "rice", location: "depot", quantity: 2000, transfer: "t 1", to: "leeds" }),
  fact("stock.arrived", { sku: "rice", location: "leeds", quantity: 1900, transfer: "t 1", from: "depot" }),
  fact("order.completed", { order: "o1", lines: [{ sku: "tea", location: "leeds", quantity: 5 }] }),
  fact("fact.voided", { source: "till", id: "slip", reason: "rung up twice" }),
];

let opened: Opened;
let log: RecordedCloudEvent[];
let document: ReturnType<typeof epcisDocument>;

async function changes(inventory: Opened): Promise<RecordedCloudEvent[]> {
  const found: RecordedCloudEvent[] = [];
  for await (const event of recordedChanges(inventory.storage)) found.push(event);
  return found;
}

function names(events: readonly RecordedCloudEvent[]): EpcisNames {
  return {
    gtinOf: (sku) => gtins[sku],
    unitOf: (sku) => (sku === "rice" ? "g" : "each"),
    placeOf: (location) => glns[location],
    recorded: ({ source, id, sku, location }) =>
      events.filter(({ data, type }) => {
        const cause = data["cause"] as { source?: string; id?: string } | undefined;
        return (
          cause?.source === source &&
          cause.id === id &&
          data["sku"] === sku &&
          data["location"] === location &&
          type !== "larder.fact.voided.v1"
        );
      }),
  };
}

const written = (events: readonly RecordedCloudEvent[]): readonly object[] =>
  events.flatMap((event) => epcisEventsOf(event, names(events)));
const isValid = () => {
  const ajv = new Ajv({ strict: false });
  formats.default(ajv);
  return ajv.compile(JSON.parse(readFileSync(schemaFile, "utf8")));
};

beforeAll(async () => {
  opened = await openInventory();
  const { inventory, clock } = opened;
  for (const [sku, gtin] of Object.entries(gtins)) {
    accepted(await inventory.putItem(sku, { name: sku, unit: sku === "rice" ? "g" : "each", gtins: [gtin] }, caller));
  }
  for (const one of facts) {
    clock.now += 1000;
    expect((await inventory.recordFacts([one], caller)).rejected).toEqual([]);
  }
  const line = { sku: "tea", location: "leeds", quantity: 7 };
  const reserved = accepted(await inventory.reserve({ lines: [line] }, caller));
  accepted(await inventory.fulfil(reserved.reservation.id, undefined, caller));
  clock.now = Date.parse("2026-01-02T12:00:00Z");
  log = await changes(opened);
  document = epcisDocument(written(log), clock.now);
});

describe("a log of Larder's", () => {
  it.skipIf(!hasSchema)("is valid by the JSON Schema of GS1", () => {
    const validate = isValid();
    validate(document);
    expect(validate.errors).toBeNull();
    // The schema bites: each of these is refused.
    const [first, ...rest] = (document["epcisBody"] as { eventList: object[] }).eventList;
    for (const wrong of [
      { bizStep: "selling" },
      { action: "SEE" },
      { eventTime: "now" },
      { quantityList: [{}] },
      { note: 1 },
    ]) {
      expect(validate({ ...document, epcisBody: { eventList: [{ ...first, ...wrong }, ...rest] } })).toBe(false);
    }
  });

  it("is told with GTINs and GLNs where there are some, and Larder's own URIs elsewhere", () => {
    const said = (document["epcisBody"] as { eventList: Record<string, unknown>[] }).eventList;
    expect(said.length).toBe(15);
    expect(said[0]).toEqual({
      type: "ObjectEvent",
      eventID: "urn:larder:event:memory-5",
      eventTime: "2026-01-01T12:00:01.000Z",
      eventTimeZoneOffset: "+00:00",
      recordTime: "2026-01-01T12:00:01.000Z",
      action: "OBSERVE",
      bizStep: "receiving",
      disposition: "in_progress",
      bizTransactionList: [{ type: "po", bizTransaction: "urn:larder:reference:po%201" }],
      readPoint: { id: "https://id.gs1.org/414/0614141007776" },
      bizLocation: { id: "https://id.gs1.org/414/0614141007776" },
      quantityList: [{ epcClass: "https://id.gs1.org/01/04012345123456/10/L%2F7", quantity: 40 }],
      "larder:expiresOn": "2026-06-01",
    });
    expect(JSON.stringify(said[1])).toContain('"quantity":5000,"uom":"GRM"');
    expect(JSON.stringify(said[2])).toContain(
      "urn:larder:item:n%C5%93ud%3A%20100%20%25:lot:a%20lot%20without%20end%20in%20letters",
    );
    expect(JSON.stringify(said[2])).toContain("urn:larder:location:York%2C%20Markt");
  });

  it("tells a void as the voided event again, declared an error", () => {
    const said = (document["epcisBody"] as { eventList: Record<string, unknown>[] }).eventList;
    const declared = said.filter((event) => "errorDeclaration" in event);
    expect(declared.length).toBe(1);
    const { errorDeclaration, recordTime, ...again } = declared[0] ?? {};
    expect(errorDeclaration).toEqual({ declarationTime: "2026-01-01T12:00:15.000Z", reason: "incorrect_data" });
    expect(recordTime).toBe("2026-01-01T12:00:15.000Z");
    expect(said).toContainEqual({ ...again, recordTime: "2026-01-01T12:00:06.000Z" });
  });

  it("read by another Larder, comes to the same stock", async () => {
    const places = placeFinder(Object.fromEntries(Object.entries(glns).map(([location, gln]) => [gln, location])));
    const read = readEpcis(JSON.stringify(document));
    if (!places.ok || !read.ok) throw new Error("unread");
    const other = await openInventory({ clock: { now: opened.clock.now } });
    for (const [sku, gtin] of Object.entries(gtins)) {
      accepted(
        await other.inventory.putItem(sku, { name: sku, unit: sku === "rice" ? "g" : "each", gtins: [gtin] }, caller),
      );
    }
    for (const { event } of read.value) {
      if (!event.ok) throw new Error(event.rejection.detail);
      const mapped = mapEvent(event.value, {
        source: "other",
        placeOf: places.value,
        unitOf: () => undefined,
        leftOut: new Set(),
        contentsOf: () => undefined,
        digest: (text) => text,
      });
      if (mapped.kind === "facts")
        expect((await other.inventory.recordFacts(mapped.facts, caller)).rejected).toEqual([]);
    }
    for (const sku of Object.keys(gtins)) {
      const [ours, theirs] = await Promise.all(
        [opened, other].map(async ({ inventory }) => {
          const { locations } = accepted(await inventory.stock(sku, {}, caller));
          return locations.map(({ location, onHand, unavailable, incoming }) => ({
            location,
            onHand,
            unavailable,
            incoming,
          }));
        }),
      );
      expect(theirs).toEqual(ours?.map((stock) => ({ ...stock, incoming: 0 })));
    }
  });
});

describe("one event", () => {
  const nameless: EpcisNames = {
    gtinOf: () => gtins["tea"],
    unitOf: () => "ml",
    placeOf: () => undefined,
    recorded: () => [],
  };
  const tell = (type: string, data: object) =>
    epcisEventsOf(
      {
        id: "1",
        type: `larder.${type}.v1`,
        time: "2026-01-01T00:00:00.000Z",
        data: { sku: "tea", location: "leeds", ...data },
      },
      nameless,
    )[0];
  const quantityList = (quantity: number, lot = "") => [
    { epcClass: `https://id.gs1.org/01/04012345123456${lot}`, quantity, uom: "MLT" },
  ];

  it.each<[string, string, object, object]>([
    [
      "the lot that nobody told is none",
      "stock.received",
      { quantity: 3, lot: "unknown" },
      { quantityList: quantityList(3) },
    ],
    ["a reason has its disposition", "stock.held-back", { quantity: 3, reason: "recall" }, { disposition: "recalled" }],
    [
      "another reason has one that says so",
      "stock.held-back",
      { quantity: 3, reason: "smells" },
      { disposition: "non_sellable_other" },
    ],
    [
      "a loss has one too",
      "stock.adjusted",
      { delta: -3, reason: "theft" },
      { disposition: "stolen", action: "DELETE" },
    ],
    [
      "what is not fit for sale",
      "stock.returned",
      { quantity: 3, sellable: false },
      { persistentDisposition: { set: ["non_sellable_other"] } },
    ],
    [
      "a lot that expired",
      "stock.lot-expired",
      { lot: "L7", change: { unavailable: 4 } },
      { quantityList: quantityList(4, "/10/L7"), disposition: "expired" },
    ],
    [
      "promised units handed over",
      "reservation.fulfilled",
      { change: { onHand: -2 } },
      { quantityList: quantityList(2), bizStep: "retail_selling" },
    ],
  ])("%s", (_, type, data, expected) => {
    expect(tell(type, data)).toMatchObject(expected);
  });

  it("of what leaves does not say where it is now", () => {
    expect(tell("stock.dispatched", { quantity: 3, transfer: "t", to: "york" })).not.toHaveProperty("bizLocation");
  });

  it.each([["reservation.reserved"], ["stock.policy-set"], ["stock.incoming-changed"], ["stock.shortfall"]])(
    "%s is no movement",
    (type) => {
      expect(tell(type, { quantity: 3, change: { incoming: 3 } })).toBeUndefined();
    },
  );
});
