import { existsSync, readFileSync } from "node:fs";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import { beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../../kernel/index.ts";
import { accepted, caller, codeOf, fact, type Opened, openInventory } from "../../inventory/fixture.ts";
import { EpcisEvents, type EventsQuery } from "./events.ts";
import { sharedFile } from "./examples.fixture.ts";

const schemaFile = sharedFile("epcis/EPCIS-JSON-Schema.json");
const [leeds, york] = ["https://id.gs1.org/414/9506000134352", "urn:larder:location:york"] as const;
const tea = "https://id.gs1.org/01/04006381333931";

let opened: Opened;
let events: EpcisEvents;
let recordedAt: number[];

beforeAll(async () => {
  opened = await openInventory();
  const { inventory, clock } = opened;
  events = new EpcisEvents(inventory, () => clock.now);
  await inventory.putLocation("leeds", { name: "Leeds", kind: "store", gln: "9506000134352" }, caller);
  await inventory.putItem("tea", { name: "Tea", unit: "each", gtins: ["4006381333931"] }, caller);
  recordedAt = [];
  const at = (location: string, sku = "tea") => ({ sku, location });
  const told = [
    fact("stock.received", { ...at("leeds"), quantity: 40, lot: "L7" }, { time: "2026-01-01T08:00:00Z" }),
    fact("stock.sold", { ...at("leeds"), quantity: 3 }, { time: "2026-01-01T07:00:00Z" }),
    fact("stock.received", { ...at("york", "flour"), quantity: 5 }, { time: "2026-01-01T09:00:00Z" }),
    fact("stock.expected", { ...at("york", "flour"), quantity: 5, reference: "po" }),
    fact("stock.counted", { ...at("york", "flour"), quantity: 0 }, { id: "count", time: "2026-01-01T10:00:00Z" }),
    fact("fact.voided", { source: "till", id: "count", reason: "wrong shelf" }),
  ];
  for (const one of told) {
    clock.now += 60_000;
    recordedAt.push(clock.now);
    expect((await inventory.recordFacts([one], caller)).rejected).toEqual([]);
  }
});

interface Told {
  readonly eventID: string;
  readonly bizStep: string;
  readonly errorDeclaration?: object;
}

function listIn(document: object): readonly Told[] {
  return (document as { epcisBody: { queryResults: { resultsBody: { eventList: Told[] } } } }).epcisBody.queryResults
    .resultsBody.eventList;
}

async function steps(query: Partial<EventsQuery>, who = caller): Promise<readonly string[]> {
  const { document, next } = accepted(await events.events({ limit: 100, ...query }, who));
  expect(next).toBeUndefined();
  return listIn(document).map(({ bizStep, errorDeclaration }) => (errorDeclaration ? `no ${bizStep}` : bizStep));
}

const [received, sold, counted, voided] = ["receiving", "retail_selling", "cycle_counting", "no cycle_counting"];

describe("the log as EPCIS", () => {
  it("has movements only, in the order in which they were recorded", async () => {
    expect(await steps({})).toEqual([received, sold, received, counted, voided]);
  });

  it.each<[string, Partial<EventsQuery>, readonly (string | undefined)[]]>([
    ["of a type", { eventTypes: ["ObjectEvent", "AggregationEvent"] }, [received, sold, received, counted, voided]],
    ["of another type", { eventTypes: ["TransactionEvent"] }, []],
    ["happened from", { from: Date.parse("2026-01-01T08:00:00Z") }, [received, received, counted, voided]],
    ["happened before", { before: Date.parse("2026-01-01T08:00:00Z") }, [sold]],
    ["of a step", { bizSteps: ["https://ref.gs1.org/cbv/BizStep-retail_selling"] }, [sold]],
    ["of a disposition", { dispositions: ["in_progress"] }, [received, received]],
    ["at a place, in another notation", { bizLocations: ["urn:epc:id:sgln:9506000.13435.0"] }, [received, sold]],
    ["at one of two places", { readPoints: [leeds, york] }, [received, sold, received, counted, voided]],
    ["of a lot", { epcClasses: [[`${tea}/10/L7`]] }, [received]],
    ["of an item without a lot", { epcClasses: [[tea]] }, [sold]],
    ["of an item in any lot", { epcClasses: [["urn:epc:idpat:sgtin:4006381.033393.*"]] }, [received, sold]],
    ["of two classes at once", { epcClasses: [[tea], [`${tea}/10/L7`]] }, []],
    ["of an action", { actions: ["ADD", "DELETE"] }, []],
  ])("%s", async (_, query, expected) => {
    expect(await steps(query)).toEqual(expected);
  });

  it("is bounded by when it was recorded, to the millisecond", async () => {
    const [, second = 0, third = 0] = recordedAt;
    expect(await steps({ recordedFrom: second, recordedBefore: third })).toEqual([sold]);
    expect(await steps({ recordedFrom: second + 1, recordedBefore: third + 1 })).toEqual([received]);
  });

  it("comes page by page, each event once", async () => {
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = accepted(await events.events({ limit: 2, ...(after !== undefined && { after }) }, caller));
      expect(listIn(page.document).length).toBeLessThanOrEqual(2);
      seen.push(...listIn(page.document).map(({ bizStep }) => bizStep));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual([received, sold, received, counted, counted]);
    expect(codeOf(await events.events({ limit: 2, after: "?" }, caller))).toBe("invalid-position");
  });

  it("shows someone limited to locations what happened there", async () => {
    const limited = { ...caller, locations: new Set(["york"]) };
    expect(await steps({}, limited)).toEqual([received, counted, voided]);
    const id = listIn(accepted(await events.events({ limit: 1 }, caller)).document)[0]?.eventID ?? "";
    expect(codeOf(await events.event(id, caller))).toBe("ok");
    expect(codeOf(await events.event(id, limited))).toBe("not-found");
  });

  it("finds one event by its id", async () => {
    const [first] = listIn(accepted(await events.events({ limit: 1 }, caller)).document);
    expect(listIn(accepted(await events.event(first?.eventID ?? "", caller)))).toEqual([first]);
    for (const other of ["urn:uuid:1", "urn:larder:event:%", "urn:larder:event:memory-99999", "urn:larder:event:x-1"])
      expect(codeOf(await events.event(other, caller))).toBe("not-found");
    // What is no movement is none.
    expect(codeOf(await events.event("urn:larder:event:memory-1", caller))).toBe("not-found");
  });

  it("tells a void as recorded when it was, so that who asks for news hears of it", async () => {
    const [at = 0] = recordedAt.slice(-1);
    const { document } = accepted(await events.events({ limit: 9, recordedFrom: at }, caller));
    expect(listIn(document)).toMatchObject([
      { eventTime: "2026-01-01T10:00:00.000Z", recordTime: new Date(at).toISOString(), errorDeclaration: {} },
    ]);
  });

  it("finds an event that was voided with the declaration of its error, which has its id", async () => {
    const all = listIn(accepted(await events.events({ limit: 9 }, caller)).document);
    const [original, declared] = all.slice(-2);
    expect(declared?.eventID).toBe(original?.eventID);
    expect(listIn(accepted(await events.event(original?.eventID ?? "", caller)))).toEqual([original, declared]);
    // A void is no event of its own.
    expect(codeOf(await events.event("urn:larder:event:memory-8", caller))).toBe("not-found");
  });

  it("has the shape of the standard", async () => {
    const { document } = accepted(await events.events({ limit: 1 }, caller));
    expect(document).toMatchObject({
      "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", { larder: "urn:larder:epcis:" }],
      type: "EPCISQueryDocument",
      schemaVersion: "2.0",
      epcisBody: {
        queryResults: {
          queryName: "SimpleEventQuery",
          resultsBody: {
            eventList: [
              {
                type: "ObjectEvent",
                eventTime: "2026-01-01T08:00:00.000Z",
                eventTimeZoneOffset: "+00:00",
                action: "OBSERVE",
                readPoint: { id: leeds },
                quantityList: [{ epcClass: `${tea}/10/L7`, quantity: 40 }],
              },
            ],
          },
        },
      },
    });
  });

  it.skipIf(!existsSync(schemaFile))("is valid by the JSON Schema of GS1, also when it is empty", async () => {
    const ajv = new Ajv({ strict: false });
    formats.default(ajv);
    const validate = ajv.compile(JSON.parse(readFileSync(schemaFile, "utf8")));
    for (const query of [{}, { eventTypes: ["AggregationEvent"] }]) {
      validate(accepted(await events.events({ limit: 100, ...query }, caller)).document);
      expect(validate.errors).toBeNull();
    }
  });
});

it("a page looks at so much of the log, and no more", async () => {
  const { inventory, clock } = await openInventory();
  const many = limits.epcisQueryLooksMax / 1000 + 1;
  for (let batch = 0; batch < many; batch += 1) {
    const facts = Array.from({ length: 1000 }, () =>
      fact("stock.received", { sku: "tea", location: "leeds", quantity: 1 }),
    );
    await inventory.recordFacts(facts, caller);
  }
  await inventory.recordFacts([fact("stock.sold", { sku: "tea", location: "leeds", quantity: 1 })], caller);
  const telling = new EpcisEvents(inventory, () => clock.now);
  let turns = 0;
  const beat = setInterval(() => {
    turns += 1;
  }, 0);
  const first = accepted(await telling.events({ limit: 5, bizSteps: ["retail_selling"] }, caller));
  clearInterval(beat);
  expect(listIn(first.document)).toEqual([]);
  // Others had their turn while it looked.
  expect(turns).toBeGreaterThan(3);
  const second = accepted(
    await telling.events({ limit: 5, bizSteps: ["retail_selling"], after: first.next ?? "" }, caller),
  );
  expect(listIn(second.document)).toHaveLength(1);
  expect(second.next).toBeUndefined();
});

it("a void of several events stands on one page, which is not filled beyond what was asked for before it", async () => {
  const { inventory, clock } = await openInventory();
  const told = ["tea", "flour", "rice"];
  const lines = told.map((sku) => ({ sku, location: "leeds", quantity: 1 }));
  await inventory.recordFacts([fact("stock.received", { sku: "tea", location: "leeds", quantity: 9 })], caller);
  await inventory.recordFacts([fact("order.completed", { order: "o1", lines }, { id: "order" })], caller);
  await inventory.recordFacts([fact("fact.voided", { source: "till", id: "order", reason: "wrong" })], caller);
  const telling = new EpcisEvents(inventory, () => clock.now);
  const sizes: number[] = [];
  let after: string | undefined;
  do {
    const page = accepted(await telling.events({ limit: 2, ...(after !== undefined && { after }) }, caller));
    sizes.push(listIn(page.document).length);
    after = page.next;
  } while (after !== undefined);
  expect([Math.max(...sizes), sizes.reduce((sum, size) => sum + size, 0)]).toEqual([2, 7]);
});
