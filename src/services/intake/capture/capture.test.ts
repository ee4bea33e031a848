import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { limits, PlatformError } from "../../../kernel/index.ts";
import { MemoryMessaging } from "../../../platform/messaging/memory/index.ts";
import { accepted, codeOf } from "../../inventory/fixture.ts";
import type { Caller } from "../../inventory/index.ts";
import { closeHouse, document, event, everyone, finished, gtin, type House, openHouse } from "./capture.fixture.ts";
import { type CaptureOptions, type CaptureRequest, captureQueue, startCapture } from "./capture.ts";

const rollback: CaptureRequest = { behaviour: "rollback", leaveOut: [], ownNames: false };
const proceed: CaptureRequest = { ...rollback, behaviour: "proceed" };

let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => closeHouse(house));

const take = (json: unknown, request = rollback, caller: Caller = everyone) =>
  house.capture.capture({ json }, request, caller);
const captured = async (json: unknown, request = rollback, caller: Caller = everyone) =>
  finished(house.capture, accepted(await take(json, request, caller)).id, caller);
const onHand = async (sku = "tea") => {
  const stock = await house.inventory.stock(sku, {}, everyone);
  return stock.ok ? stock.value.totals.onHand : 0;
};
const unknownItem = event({
  eventID: "urn:uuid:2",
  quantityList: [{ epcClass: "https://id.gs1.org/01/04012345123456", quantity: 5 }],
});
const unreadable = event({ eventID: "urn:uuid:3", eventTime: "yesterday" });
const uncountable = event({
  eventID: "urn:uuid:4",
  quantityList: [{ epcClass: `https://id.gs1.org/01/${gtin}`, quantity: 1.5 }],
});

describe("a captured document", () => {
  it("is recorded, once, whatever its notation", async () => {
    const job = await captured(document(event()));
    expect(job).toMatchObject({ success: true, errors: [], events: 1, factsRecorded: 1, factsKnown: 0 });
    expect(job.captureErrorBehaviour).toBe("rollback");
    expect(await onHand()).toBe(24);

    expect(await captured([event()])).toMatchObject({ success: true, factsRecorded: 0, factsKnown: 1 });
    const xml = `<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0" creationDate="2026-01-01T10:00:00Z">
      <EPCISBody><EventList><ObjectEvent>
        <eventTime>2026-01-01T11:00:00+01:00</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
        <eventID>urn:uuid:1</eventID><action>OBSERVE</action><bizStep>urn:epcglobal:cbv:bizstep:receiving</bizStep>
        <readPoint><id>urn:epc:id:sgln:9506000.13435.0</id></readPoint>
        <quantityList><quantityElement><epcClass>urn:epc:class:lgtin:4006381.033393.L7</epcClass><quantity>24</quantity></quantityElement></quantityList>
      </ObjectEvent></EventList></EPCISBody></epcis:EPCISDocument>`;
    const { id } = accepted(await house.capture.capture({ xml }, rollback, everyone));
    expect(await finished(house.capture, id)).toMatchObject({ success: true, factsRecorded: 0, factsKnown: 1 });
    expect(await onHand()).toBe(24);
  });

  it("without ids of events is known by what it says", async () => {
    const { eventID: _, ...nameless } = event() as { eventID: string };
    await captured(document(nameless));
    expect(await captured(document({ ...nameless, quantityList: (event() as never)["quantityList"] }))).toMatchObject({
      factsKnown: 1,
    });
    expect(await onHand()).toBe(24);
  });

  it("keeps its lots and dates", async () => {
    const made = { bizStep: "commissioning", action: "ADD", ilmd: { "cbvmda:itemExpirationDate": "2026-03-01" } };
    await captured(document(event(made)));
    const [place] = accepted(await house.inventory.stock("tea", { lots: true }, everyone)).locations;
    expect(place?.lots).toMatchObject([{ lot: "L7", expiresOn: "2026-03-01", quantity: 24 }]);
  });

  it("takes back what an error declaration names", async () => {
    await captured(document(event()));
    await captured(document(event({ errorDeclaration: { declarationTime: "2026-01-01T11:00:00Z" } })));
    expect(await onHand()).toBe(0);
  });

  it("leaves out the steps that it is told to, and knows places of others from ours", async () => {
    const elsewhere = event({ eventID: "urn:uuid:5", readPoint: { id: "https://id.gs1.org/414/4012345000054" } });
    const job = await captured(document(event(), elsewhere), { ...rollback, leaveOut: ["receiving"] });
    expect(job).toMatchObject({ success: true, running: false, factsRecorded: 0 });
    expect(await onHand()).toBe(0);
  });
});

describe("a document that comes again after something was registered", () => {
  it("counts no event twice that means another fact now, and says why", async () => {
    const shipped = event({
      bizStep: "shipping",
      destinationList: [{ type: "location", destination: "https://id.gs1.org/414/4012345000054" }],
      bizTransactionList: [{ type: "desadv", bizTransaction: "urn:asn:1" }],
    });
    await captured(document(shipped));
    expect(await onHand()).toBe(-24);
    await house.inventory.putLocation("depot", { name: "Depot", kind: "store", gln: "4012345000054" }, everyone);
    for (const behaviour of [rollback, proceed]) {
      const again = await captured(document(shipped), behaviour);
      expect(again.errors).toMatchObject([{ code: "event-id-reused", eventID: "urn:uuid:1" }]);
      expect([again.factsRecorded, await onHand()]).toEqual([0, -24]);
    }
    const declared = { ...shipped, errorDeclaration: { declarationTime: "2026-01-01T11:00:00Z" } };
    expect(await captured(document(declared))).toMatchObject({ success: true, factsRecorded: 1 });
    expect(await onHand()).toBe(0);
  });

  it("counts no event of our own twice whose item has got a GTIN since", async () => {
    const own = { ...rollback, ownNames: true };
    const told = (epcClass: string) => document(event({ quantityList: [{ epcClass, quantity: 5 }] }));
    expect(await captured(told("urn:larder:item:jam"), own)).toMatchObject({ factsRecorded: 1 });
    await house.inventory.putItem("jam", { name: "Jam", unit: "each", gtins: ["04012345123456"] }, everyone);
    const again = await captured(told("https://id.gs1.org/01/04012345123456"), own);
    expect(again).toMatchObject({ success: true, factsRecorded: 0, factsKnown: 1 });
    expect(await onHand("jam")).toBe(5);
  });

  it("is held against the units of our own items", async () => {
    const kilos = document(event({ quantityList: [{ epcClass: "urn:larder:item:tea", quantity: 2.5, uom: "KGM" }] }));
    const job = await captured(kilos, { ...rollback, ownNames: true });
    expect(job.errors).toMatchObject([{ code: "unmappable-event" }]);
    expect(job.errors[0]?.detail).toContain("sku tea is kept in each");
  });
});

describe("a document with errors", () => {
  it.each([
    ["an event that can't be read", unreadable, "unreadable-event", "urn:uuid:3"],
    ["one that can't be counted", uncountable, "unmappable-event", "urn:uuid:4"],
    ["an unknown item", unknownItem, "unknown-item", "urn:uuid:2"],
    [
      "an id with other content in it",
      event({
        readPoint: { id: "x" },
        bizLocation: (event() as never)["readPoint"],
        quantityList: [{ epcClass: `https://id.gs1.org/01/${gtin}/10/L7`, quantity: 25 }],
      }),
      "event-id-reused",
      "urn:uuid:1",
    ],
  ])("is rolled back whole, or recorded but for %s", async (_, wrong, code, eventID) => {
    const all = document(event(), wrong, event({ eventID: "urn:uuid:9" }));
    const none = await captured(all);
    expect(none).toMatchObject({ success: false, running: false, factsRecorded: 0, errorCount: 1, events: 3 });
    expect(none.errors).toMatchObject([{ code, eventID, pointer: "/epcisBody/eventList/1" }]);
    expect(await onHand()).toBe(0);
    const some = await captured(all, proceed);
    expect(some).toMatchObject({ success: false, factsRecorded: 2, errorCount: 1, captureErrorBehaviour: "proceed" });
    expect(some.errors).toMatchObject([{ code, eventID, pointer: "/epcisBody/eventList/1" }]);
    expect(await onHand()).toBe(48);
  });

  it("is rolled back for an id that was recorded with other content before", async () => {
    await captured(document(event()));
    const other = event({ quantityList: [{ epcClass: `https://id.gs1.org/01/${gtin}/10/L7`, quantity: 9 }] });
    const job = await captured(document(event({ eventID: "urn:uuid:8" }), other));
    expect(job).toMatchObject({ success: false, factsRecorded: 0 });
    expect(job.errors).toMatchObject([{ code: "event-id-reused", eventID: "urn:uuid:1" }]);
    expect(await onHand()).toBe(24);
  });

  it("keeps the first of many, and counts all", async () => {
    const many = Array.from({ length: 90 }, (_, index) => event({ eventID: `urn:uuid:${index}`, action: "LOOK" }));
    const job = await captured(document(...many), proceed);
    expect(job.errors).toHaveLength(limits.captureProblemsMax);
    expect(job.errorCount).toBe(90);
  });
});

describe("what is refused at once", () => {
  it.each([
    ["no document", { a: 1 }, "invalid-request"],
    ["text", "hello", "invalid-request"],
    ["too many events", Array.from({ length: limits.captureEventsMax + 1 }, () => ({})), "payload-too-large"],
  ])("%s", async (_, json, code) => {
    expect(codeOf(await take(json))).toBe(code);
    expect(accepted(await house.capture.jobs({ limit: 10 }, everyone)).items).toEqual([]);
  });

  it.each([
    ["cut off", "<epcis:EPCISDocument xmlns:epcis='u'><EPCISBody>", "invalid-request"],
    ["no EPCIS", "<html/>", "invalid-request"],
    ["a document type that defines something", "<!DOCTYPE a [<!ENTITY b 'c'>]><EPCISDocument/>", "invalid-request"],
  ])("XML that is %s", async (_, xml, code) => {
    expect(codeOf(await house.capture.capture({ xml }, rollback, everyone))).toBe(code);
  });

  it("units that open to more than may be opened", async () => {
    const unit = (index: number) => `urn:epc:id:sscc:4012345.${String(index).padStart(10, "0")}`;
    const epcs = Array.from({ length: 1000 }, (_, index) => `https://id.gs1.org/01/${gtin}/21/${index}`);
    const pack = event({
      type: "AggregationEvent",
      action: "ADD",
      bizStep: "packing",
      parentID: unit(1),
      childEPCs: epcs,
      quantityList: undefined,
    });
    const moves = Array.from({ length: 60 }, (_, index) =>
      event({ eventID: `urn:uuid:m${index}`, epcList: [unit(1)], quantityList: undefined }),
    );
    expect(codeOf(await take(document(pack, ...moves)))).toBe("payload-too-large");
  });
});

describe("who may", () => {
  const leedsOnly: Caller = { id: "leeds", locations: new Set(["leeds"]), ownReservations: false };
  const yorkOnly: Caller = { id: "york", locations: new Set(["york"]), ownReservations: false };

  it("is asked of each place", async () => {
    const job = await captured(document(event()), proceed, yorkOnly);
    expect(job.errors).toMatchObject([{ code: "forbidden", type: "epcisException:SecurityException" }]);
    expect(await captured(document(event()), rollback, leedsOnly)).toMatchObject({ factsRecorded: 1 });
  });

  it("is asked of the source", async () => {
    const acme: Caller = { id: "acme", sources: new Set(["acme"]), ownReservations: false };
    expect(codeOf(await take(document(event()), { ...rollback, source: "other" }, acme))).toBe("forbidden");
    expect(await captured(document(event()), rollback, acme)).toMatchObject({ factsRecorded: 1 });
    const two: Caller = { ...acme, sources: new Set(["acme", "acme/2"]) };
    expect(codeOf(await take(document(event()), rollback, two))).toBe("forbidden");
    expect(await captured(document(event()), { ...rollback, source: "acme" }, two)).toMatchObject({ factsKnown: 1 });
  });

  it("sees only its own jobs when it is limited", async () => {
    const { id } = accepted(await take(document(event()), rollback, leedsOnly));
    expect(codeOf(await house.capture.job(id, yorkOnly))).toBe("not-found");
    expect(codeOf(await house.capture.job(id, everyone))).toBe("ok");
    expect(accepted(await house.capture.jobs({ limit: 10 }, yorkOnly)).items).toEqual([]);
    expect(accepted(await house.capture.jobs({ limit: 10 }, leedsOnly)).items).toHaveLength(1);
  });
});

describe("jobs", () => {
  it("are listed newest first, page by page", async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) ids.unshift(accepted(await take([event()])).id);
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = accepted(await house.capture.jobs({ limit: 2, ...(after !== undefined && { after }) }, everyone));
      seen.push(...page.items.map(({ captureID }) => captureID));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(ids);
    expect(codeOf(await house.capture.jobs({ limit: 2, after: "x" }, everyone))).toBe("invalid-request");
  });
});

describe("after a crash", () => {
  const away = () => Promise.reject(new PlatformError("storage-unavailable", "the store is away"));

  it("what was taken in is recorded", async () => {
    const messaging = new MemoryMessaging({ clock: () => Date.parse("2026-01-01T12:00:00Z") });
    const first = await openHouse({ messaging }, (options) => ({
      ...options,
      inventory: replacing(options.inventory, { recordFacts: away }),
    }));
    const { id } = accepted(await first.capture.capture({ json: document(event()) }, rollback, everyone));
    expect(accepted(await first.capture.job(id, everyone))).toMatchObject({ running: true, success: true });
    await closeHouse(first);
    const second = await openHouse({ messaging, storage: first.storage });
    expect(await finished(second.capture, id)).toMatchObject({ success: true, factsRecorded: 1 });
    await closeHouse(second);
  });

  it("between the facts and the job, they count once", async () => {
    let isFirst = true;
    const crashing = await openHouse({}, (options) => ({
      ...options,
      inventory: replacing(options.inventory, {
        async recordFacts(items, caller) {
          const receipt = await options.inventory.recordFacts(items, caller);
          if (!isFirst) return receipt;
          isFirst = false;
          return await away();
        },
      }),
    }));
    const { id } = accepted(await crashing.capture.capture({ json: document(event()) }, rollback, everyone));
    expect(await finished(crashing.capture, id)).toMatchObject({ success: true, factsRecorded: 0, factsKnown: 1 });
    const { totals } = accepted(await crashing.inventory.stock("tea", {}, everyone));
    expect(totals.onHand).toBe(24);
    await closeHouse(crashing);
  });

  it("before the job was written down, the worker writes it", async () => {
    let refusals = 1;
    const failing = await openHouse({}, (options) => ({
      ...options,
      storage: new Proxy(options.storage, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== "function") return value;
          if (name === "append" && refusals-- > 0) return away;
          return value.bind(target);
        },
      }),
    }));
    await expect(failing.capture.capture({ json: document(event()) }, rollback, everyone)).rejects.toThrow("away");
    let listed: readonly { readonly captureID: string }[] = [];
    while (listed.length === 0) {
      listed = accepted(await failing.capture.jobs({ limit: 1 }, everyone)).items;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await finished(failing.capture, listed[0]?.captureID ?? "")).toMatchObject({ factsRecorded: 1 });
    await closeHouse(failing);
  });

  it("a part that the code can't handle becomes a dead letter, and the job goes on when it is redriven", async () => {
    let isBroken = true;
    const broken = await openHouse({}, (options) => ({
      ...options,
      inventory: replacing(options.inventory, {
        recordFacts: (items, caller) => {
          if (isBroken) throw new Error("a defect");
          return options.inventory.recordFacts(items, caller);
        },
      }),
    }));
    const { id } = accepted(await broken.capture.capture({ json: document(event()) }, rollback, everyone));
    while ((await broken.messaging.depth(captureQueue)).deadLetters === 0)
      await new Promise((resolve) => setTimeout(resolve, 2));
    expect(accepted(await broken.capture.job(id, everyone)).running).toBe(true);
    isBroken = false;
    await broken.messaging.deadLetters.redriveQueue(captureQueue);
    expect(await finished(broken.capture, id)).toMatchObject({ success: true, factsRecorded: 1 });
    await closeHouse(broken);
  });
});

it.each([
  ["its only part", 1],
  ["all of several but the first", 1200],
])("a job ends with what was given up when parts are discarded: %s", async (_, lots) => {
  let isBroken = false;
  const breaking = await openHouse({}, (options) => ({
    ...options,
    inventory: replacing(options.inventory, {
      recordFacts: async (items, caller) => {
        if (isBroken) throw new Error("a defect");
        isBroken = lots > 1;
        return await options.inventory.recordFacts(items, caller);
      },
    }),
  }));
  isBroken = lots === 1;
  const quantityList = Array.from({ length: lots }, (_, index) => ({
    epcClass: `https://id.gs1.org/01/${gtin}/10/LOT${index}`,
    quantity: 2,
  }));
  const { id } = accepted(await breaking.capture.capture({ json: event({ quantityList }) }, rollback, everyone));
  const { deadLetters } = breaking.messaging;
  while (accepted(await breaking.capture.job(id, everyone)).running) {
    const [dead] = (await deadLetters.list({ queue: captureQueue, order: "oldest-first", limit: 1 })).items;
    if (dead !== undefined) await deadLetters.discard(dead.id, "not wanted");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const job = await finished(breaking.capture, id);
  expect(job).toMatchObject({ success: false, errors: [{ code: "part-given-up" }], errorCount: 1 });
  expect([job.factsRecorded < lots, job.factsRecorded > 0]).toEqual([true, lots > 1]);
  await vi.waitFor(async () =>
    expect(await breaking.messaging.depth(captureQueue)).toEqual({ waiting: 0, deadLetters: 0 }),
  );
  await closeHouse(breaking);
});

it("a part that failed once is tried again though its queue has no room for anything", async () => {
  let failures = 0;
  const full = await openHouse({}, (options) => ({
    ...options,
    inventory: replacing(options.inventory, {
      recordFacts: async (items, caller) => {
        failures += 1;
        if (failures === 1) throw new Error("a defect of a moment");
        return await options.inventory.recordFacts(items, caller);
      },
    }),
    messaging: replacing(options.messaging, {
      send: async (queue, messages) => {
        if (failures > 0) throw new PlatformError("overloaded", "the queue is full");
        await options.messaging.send(queue, messages);
      },
    }),
  }));
  const { id } = accepted(await full.capture.capture({ json: event() }, rollback, everyone));
  expect(await finished(full.capture, id)).toMatchObject({ success: true, factsRecorded: 1 });
  await closeHouse(full);
});

it("a document of many facts is recorded in parts", async () => {
  const quantities = (from: number) =>
    Array.from({ length: 60 }, (_, index) => ({
      epcClass: `https://id.gs1.org/01/${gtin}/10/LOT${from + index}`,
      quantity: 2,
    }));
  const events = Array.from({ length: 20 }, (_, index) =>
    event({ eventID: `urn:uuid:p${index}`, quantityList: quantities(index * 60) }),
  );
  const job = await captured(document(...events));
  expect(job).toMatchObject({ success: true, events: 20, factsRecorded: 1200 });
  expect(await onHand()).toBe(2400);
});

it("the queue is declared again at each start", async () => {
  const options: CaptureOptions = {
    inventory: house.inventory,
    storage: house.storage,
    messaging: house.messaging,
    clock: () => 0,
    randomId: () => "x",
    random: () => 0,
  };
  await (await startCapture(options)).stop();
  expect(await house.messaging.queues()).toEqual([captureQueue]);
});

/** An inventory with some of its methods replaced. */
function replacing<T extends object>(inventory: T, methods: Partial<T>): T {
  return new Proxy(inventory, {
    get(target, name) {
      const value: unknown = Reflect.get(name in methods ? methods : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
