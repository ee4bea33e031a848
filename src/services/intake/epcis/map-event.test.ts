import { existsSync, globSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Contents } from "../domain/epcis/contents.ts";
import { identify } from "../domain/epcis/identify.ts";
import type { BaseUnit } from "../domain/epcis/lines.ts";
import { type EpcisSurroundings, type MappedEvent, mapEvent } from "../domain/epcis/map-event.ts";
import { placeFinder } from "../domain/epcis/places.ts";
import { readEvent } from "../domain/epcis/read-event.ts";
import { stepRules } from "../domain/epcis/rules.ts";
import { bareSteps } from "../domain/epcis/vocabulary.ts";
import { sharedFile } from "./examples.fixture.ts";
import { readEpcis } from "./read.ts";

const [store, depot] = ["urn:epc:id:sgln:0614141.00777.0", "https://id.gs1.org/414/4012345000054"] as const;
const supplier = "urn:epc:id:sgln:4012345.00225.0";
const gtin = "04012345123456";
const lgtin = "urn:epc:class:lgtin:4012345.012345.L7";

function surroundings(units: Readonly<Record<string, BaseUnit>> = {}): EpcisSurroundings {
  const places = placeFinder({ "0614141007776": "leeds", "urn:epc:id:sgln:4012345.00005.0": "depot" });
  if (!places.ok) throw new Error(places.rejection);
  return {
    source: "partner",
    placeOf: places.value,
    unitOf: (key) => units[key],
    leftOut: new Set(),
    contentsOf: () => undefined,
    digest: (text) => `<${text.length}>`,
  };
}

function map(members: object, around = surroundings()): MappedEvent {
  const told = {
    type: "ObjectEvent",
    eventID: "urn:uuid:1",
    eventTime: "2026-03-01T10:00:00+01:00",
    eventTimeZoneOffset: "+01:00",
    ...(!("type" in members) || members.type !== "TransformationEvent" ? { action: "OBSERVE" } : {}),
    ...members,
  };
  const read = readEpcis(JSON.stringify(told));
  const event = read.ok ? read.value[0]?.event : undefined;
  if (event?.ok !== true) throw new Error(JSON.stringify(event ?? read));
  return mapEvent(event.value, around);
}

/** Facts in short: the type's middle, the place, and what else the data says. */
function short(mapped: MappedEvent): unknown {
  if (mapped.kind !== "facts") return `${mapped.kind}: ${mapped.reason}`;
  return mapped.facts.map(({ type, data: { gtin: _gtin, location, ...data } }) => [
    `${type.split(".")[2]} ${location ?? ""}`.trim(),
    data,
  ]);
}

const stock = { quantityList: [{ epcClass: lgtin, quantity: 12 }] };
const at = (place: string) => ({ readPoint: { id: place } });
const list = (name: "source" | "destination", place: string) => ({
  [`${name}List`]: [{ type: "location", [name]: place }],
});
const desadv = {
  bizTransactionList: [
    { type: "po", bizTransaction: "urn:po:1" },
    { type: "desadv", bizTransaction: "urn:asn:9" },
  ],
};
const lot = { lot: "L7" };

describe("an event about a dozen of one lot", () => {
  it.each<[string, object, unknown]>([
    ["received", { bizStep: "receiving", ...at(store) }, [["received leeds", { ...lot, quantity: 12 }]]],
    [
      "received for an order",
      { bizStep: "receiving", ...at(store), ...desadv },
      [["received leeds", { ...lot, quantity: 12, reference: "urn:po:1" }]],
    ],
    [
      "received damaged",
      { bizStep: "receiving", disposition: "damaged", ...at(store) },
      [
        ["received leeds", { ...lot, quantity: 12 }],
        ["held-back leeds", { ...lot, quantity: 12, reason: "damaged" }],
      ],
    ],
    [
      "received from the depot",
      { bizStep: "receiving", ...at(store), ...desadv, ...list("source", depot) },
      [["arrived leeds", { ...lot, quantity: 12, transfer: "urn:asn:9", from: "depot" }]],
    ],
    [
      "received back",
      { bizStep: "receiving", disposition: "returned", ...at(store) },
      [["returned leeds", { ...lot, quantity: 12 }]],
    ],
    [
      "returned unfit",
      { bizStep: "returning", persistentDisposition: { set: ["non_sellable_other"] }, ...at(store) },
      [["returned leeds", { ...lot, quantity: 12, sellable: false }]],
    ],
    ["made", { bizStep: "commissioning", action: "ADD", ...at(store) }, [["received leeds", { ...lot, quantity: 12 }]]],
    [
      "made, with a last date",
      { bizStep: "commissioning", action: "ADD", ...at(store), ilmd: { "cbvmda:sellByDate": "2026-04-01" } },
      [["received leeds", { ...lot, expiresOn: "2026-04-01", quantity: 12 }]],
    ],
    [
      "arrived from the depot",
      { bizStep: "arriving", ...at(store), ...desadv, ...list("source", depot) },
      [["arrived leeds", { ...lot, quantity: 12, transfer: "urn:asn:9", from: "depot" }]],
    ],
    [
      "arrived from a supplier",
      { bizStep: "arriving", ...at(store), ...list("source", supplier) },
      "nothing: arrived from no other place of ours: it counts when received",
    ],
    [
      "shipped to the store",
      { bizStep: "shipping", ...at(depot), ...desadv, ...list("destination", store) },
      [["dispatched depot", { ...lot, quantity: 12, transfer: "urn:asn:9", to: "leeds" }]],
    ],
    [
      "shipped to the store, without a word by what it will be known",
      { bizStep: "departing", ...at(depot), ...list("destination", store) },
      "rejected: moves goods between places of ours, and names no despatch advice, order or logistic unit by which dispatch and arrival find each other",
    ],
    [
      "shipped to a customer",
      { bizStep: "shipping", disposition: "in_transit", ...at(depot), ...list("destination", supplier) },
      [["sold depot", { ...lot, quantity: 12 }]],
    ],
    [
      "shipped back to the supplier",
      { bizStep: "shipping", disposition: "returned", ...at(depot) },
      [["adjusted depot", { ...lot, delta: -12, reason: "returned-to-supplier" }]],
    ],
    [
      "a shipment that did not happen",
      { bizStep: "void_shipping", ...at(depot) },
      [["adjusted depot", { ...lot, delta: 12, reason: "void-shipping" }]],
    ],
    ["shipped by a stranger", { bizStep: "shipping", ...at(supplier) }, "nothing: at no place of ours"],
    ["sold", { bizStep: "retail_selling", ...at(store) }, [["sold leeds", { ...lot, quantity: 12 }]]],
    [
      "destroyed as expired",
      { bizStep: "destroying", disposition: "expired", ...at(store) },
      [["adjusted leeds", { ...lot, delta: -12, reason: "spoilage" }]],
    ],
    [
      "decommissioned",
      { bizStep: "decommissioning", action: "DELETE", disposition: "inactive", ...at(store) },
      [["adjusted leeds", { ...lot, delta: -12, reason: "decommissioning" }]],
    ],
    [
      "ended by a step that moves nothing else",
      { bizStep: "inspecting", action: "DELETE", ...at(store) },
      [["adjusted leeds", { ...lot, delta: -12, reason: "inspecting" }]],
    ],
    [
      "found to be recalled",
      { bizStep: "holding", disposition: "recalled", ...at(store) },
      [["held-back leeds", { ...lot, quantity: 12, reason: "recall" }]],
    ],
    [
      "recalled no more",
      { bizStep: "storing", persistentDisposition: { unset: ["recalled"] }, ...at(store) },
      [["put-back leeds", { ...lot, quantity: 12, reason: "recall" }]],
    ],
    [
      "inspected and good",
      { bizStep: "inspecting", disposition: "sellable_accessible", ...at(store) },
      [["put-back leeds", { ...lot, quantity: 12, reason: "sellable" }]],
    ],
    ["stolen", { disposition: "stolen", ...at(store) }, [["adjusted leeds", { ...lot, delta: -12, reason: "theft" }]]],
    ["counted", { bizStep: "cycle_counting", ...at(store) }, [["counted leeds", { ...lot, quantity: 12 }]]],
    [
      "put on the shelf",
      { bizStep: "stocking", disposition: "sellable_accessible", ...at(store) },
      "nothing: stocking moves nothing",
    ],
    ["seen", at(store), "nothing: an event without a step moves nothing"],
    [
      "in a transaction",
      { type: "TransactionEvent", action: "ADD", bizStep: "receiving", ...at(store), ...desadv },
      [["received leeds", { ...lot, quantity: 12, reference: "urn:po:1" }]],
    ],
    [
      "no longer in a transaction",
      { type: "TransactionEvent", action: "DELETE", bizStep: "receiving", ...at(store), ...desadv },
      "nothing: only the tie to the transaction ends",
    ],
  ])("%s", (_, members, expected) => {
    expect(short(map({ ...stock, ...members }))).toEqual(expected);
  });

  it("is known by the event and what each line is about", () => {
    const mapped = map({ bizStep: "receiving", ...at(store), ...stock });
    expect(mapped.kind === "facts" && mapped.facts[0]).toEqual({
      specversion: "1.0",
      id: `urn:uuid:1 in ${gtin} lot:L7`,
      source: "partner",
      type: "larder.stock.received.v1",
      time: "2026-03-01T09:00:00.000Z",
      data: { gtin, location: "leeds", lot: "L7", quantity: 12 },
    });
  });

  it("of a step that the mapping leaves out is nothing", () => {
    const forms = ["departing", "urn:epcglobal:cbv:bizstep:departing", "https://ref.gs1.org/cbv/BizStep-departing"];
    for (const leftOut of [...forms, "cbv:BizStep-departing"]) {
      const around = { ...surroundings(), leftOut: bareSteps([leftOut]) };
      for (const bizStep of forms)
        expect(short(map({ bizStep, ...at(depot), ...stock }, around))).toBe(
          "nothing: the mapping leaves out the step departing",
        );
    }
  });
});

describe("other types of events", () => {
  const children = { childQuantityList: stock.quantityList, parentID: "urn:epc:id:sscc:0614141.1234567890" };
  it.each<[string, object, unknown]>([
    [
      "a transformation",
      {
        type: "TransformationEvent",
        bizStep: "commissioning",
        ...at(store),
        inputQuantityList: [{ epcClass: lgtin, quantity: 2.5, uom: "KGM" }],
        outputEPCList: ["urn:epc:id:sgtin:4012345.077889.25", "urn:epc:id:sgtin:4012345.077889.26"],
        ilmd: { "cbvmda:lotNumber": "B1" },
      },
      [
        ["adjusted leeds", { ...lot, delta: -2500, reason: "transformation" }],
        ["received leeds", { lot: "B1", quantity: 2 }],
      ],
    ],
    [
      "a transformation of what is in no lot",
      {
        type: "TransformationEvent",
        ...at(store),
        inputQuantityList: [{ epcClass: "urn:epc:idpat:sgtin:4012345.012345.*", quantity: 3 }],
        outputQuantityList: [{ epcClass: "urn:epc:idpat:sgtin:4012345.012345.*", quantity: 1 }],
        ilmd: { "cbvmda:lotNumber": "B1", "cbvmda:itemExpirationDate": "2026-05-01" },
      },
      [
        ["adjusted leeds", { delta: -3, reason: "transformation" }],
        ["received leeds", { lot: "B1", expiresOn: "2026-05-01", quantity: 1 }],
      ],
    ],
    [
      "packing",
      { type: "AggregationEvent", action: "ADD", ...children, ...at(store) },
      "nothing: packing and unpacking move nothing",
    ],
    [
      "a pallet received with its children",
      { type: "AggregationEvent", bizStep: "receiving", ...children, ...at(store) },
      [["received leeds", { ...lot, quantity: 12 }]],
    ],
    [
      "an association",
      { type: "AssociationEvent", action: "ADD", ...children, ...at(store) },
      "nothing: joining things moves nothing",
    ],
    [
      "a pallet received alone",
      { bizStep: "receiving", epcList: ["urn:epc:id:sscc:0614141.1234567890"], ...at(store) },
      "rejected: urn:epc:id:sscc:0614141.1234567890 is a logistic unit, and neither the event nor one before it says what is in it",
    ],
    [
      "assets received",
      { bizStep: "receiving", epcList: ["urn:epc:id:grai:4012345.55555.987"], ...at(store) },
      "nothing: names no units of trade items",
    ],
  ])("%s", (_, members, expected) => {
    expect(short(map(members))).toEqual(expected);
  });
});

describe("what is in a logistic unit", () => {
  const [pallet, layer] = ["urn:epc:id:sscc:0614141.1234567890", "urn:epc:id:sscc:0614141.1234567891"];
  const palletLink = "https://id.gs1.org/00/106141412345678908";
  const asset = "urn:epc:id:grai:0614141.12345.400";
  const [one, two] = ["urn:epc:id:sgtin:0614141.107346.1", "urn:epc:id:sgtin:0614141.107346.2"];
  const packing = (
    action: string,
    parentID: string,
    childEPCs: readonly string[],
    childQuantityList: readonly object[] = [],
  ) => ({
    type: "AggregationEvent",
    action,
    bizStep: "packing",
    parentID,
    childEPCs,
    childQuantityList,
  });
  const shipped = { type: "ObjectEvent", action: "OBSERVE", bizStep: "shipping", epcList: [pallet], ...at(depot) };
  const six = { epcClass: lgtin, quantity: 6 };

  /** What the last event of a document becomes. */
  function last(...members: readonly object[]): unknown {
    const contents = new Contents();
    const told = { eventTime: "2026-03-01T10:00:00Z", eventTimeZoneOffset: "+00:00" };
    const read = readEpcis(JSON.stringify(members.map((event) => ({ ...told, ...event }))));
    const events = (read.ok ? read.value : []).map(({ event }) => {
      if (!event.ok) throw new Error(event.rejection.detail);
      contents.note(event.value);
      return mapEvent(event.value, { ...surroundings(), contentsOf: contents.of });
    });
    return short(events.at(-1) ?? { kind: "rejected", reason: "unread" });
  }

  const sold = (...lines: readonly object[]) => lines.map((data) => ["sold depot", data]);
  const unknown = `rejected: ${pallet} is a logistic unit, and neither the event nor one before it says what is in it`;

  it.each<[string, readonly object[], unknown]>([
    [
      "is what was packed",
      [packing("ADD", pallet, [one], [six]), packing("ADD", pallet, [two])],
      sold({ quantity: 2 }, { ...lot, quantity: 6 }),
    ],
    [
      "is what the units inside it hold",
      [packing("ADD", layer, [one]), packing("ADD", pallet, [layer, two])],
      sold({ quantity: 2 }),
    ],
    ["is not known when that of a unit inside it is not", [packing("ADD", pallet, [layer, two])], unknown],
    [
      "is what was seen last",
      [packing("ADD", pallet, [one]), packing("OBSERVE", pallet, [two], [six])],
      sold({ quantity: 1 }, { ...lot, quantity: 6 }),
    ],
    [
      "is less what was unpacked",
      [packing("ADD", pallet, [one, two]), packing("DELETE", pallet, ["https://id.gs1.org/01/10614141073464/21/1"])],
      sold({ quantity: 1 }),
    ],
    ["is not known once all was unpacked", [packing("ADD", pallet, [one]), packing("DELETE", pallet, [])], unknown],
    [
      "is not known once some was unpacked by quantity",
      [packing("ADD", pallet, [one], [six]), packing("DELETE", pallet, [], [six])],
      unknown,
    ],
    [
      "is not known once some was unpacked by quantity, although more was packed since",
      [packing("ADD", pallet, [one], [six]), packing("DELETE", pallet, [], [six]), packing("ADD", pallet, [two])],
      unknown,
    ],
    ["is not known when it holds itself", [packing("ADD", pallet, [pallet])], unknown],
    ["may be nothing that is stock", [packing("ADD", pallet, [asset])], "nothing: names no units of trade items"],
  ])("%s", (_, before, expected) => {
    expect(last(...before, shipped)).toEqual(expected);
  });

  it("is packed once by an event that is told twice, and unknown once that is declared an error", () => {
    const packed = packing("ADD", pallet, [], [six]);
    expect(last(packed, packed, shipped)).toEqual(sold({ ...lot, quantity: 6 }));
    const errorDeclaration = { declarationTime: "2026-03-02T00:00:00Z" };
    expect(last(packed, { ...packed, errorDeclaration }, shipped)).toBe(unknown);
  });

  it("is opened beside assets, and once when a unit in it is named too, in whatever notation", () => {
    const packed = [packing("ADD", layer, [], [six]), packing("ADD", pallet, [layer, one])];
    for (const epcList of [
      [pallet, asset],
      [pallet, layer],
      [layer, pallet],
      [pallet, palletLink],
    ]) {
      const found = last(...packed, { ...shipped, epcList });
      expect(found).toEqual(expect.arrayContaining([...sold({ quantity: 1 }), ...sold({ ...lot, quantity: 6 })]));
    }
  });

  it("is what a transformation uses up, which is rejected when nobody knows it", () => {
    const made = {
      type: "TransformationEvent",
      action: undefined,
      ...at(store),
      inputEPCList: [pallet],
      outputQuantityList: [{ epcClass: lgtin, quantity: 2 }],
    };
    expect(last(packing("ADD", pallet, [], [six]), made)).toEqual([
      ["adjusted leeds", { ...lot, delta: -6, reason: "transformation" }],
      ["received leeds", { ...lot, quantity: 2 }],
    ]);
    expect(last(made)).toBe(unknown);
  });

  const note = (contents: Contents, action: "ADD" | "DELETE", parent: string, epcs: readonly string[]) => {
    const read = readEvent(
      { ...packing(action, parent, epcs), eventTime: "2026-03-01T10:00:00Z", eventTimeZoneOffset: "+00:00" },
      "",
      {},
    );
    if (!read.ok) throw new Error(read.rejection.detail);
    contents.note(read.value);
  };

  it("is not known once something happens to it after more was packed than is remembered", () => {
    const contents = new Contents(5);
    note(contents, "ADD", pallet, [one, two]);
    note(contents, "ADD", layer, [asset, one, two]);
    expect(contents.of([pallet])?.epcs).toEqual([one, two]);
    note(contents, "DELETE", pallet, [two]);
    expect([contents.of([pallet]), contents.of([layer])?.epcs.length]).toEqual([undefined, 3]);
  });

  it("is packed and unpacked one by one in no more work than there are things", () => {
    const contents = new Contents();
    const began = performance.now();
    for (const action of ["ADD", "DELETE"] as const)
      for (let index = 0; index < 5000; index += 1)
        note(contents, action, pallet, [`urn:epc:id:sgtin:4012345.012345.${index}`]);
    // Looked through each time it was 25 million steps: tens of seconds.
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it("is opened in no more work than was packed, however units hold each other", () => {
    const units = Array.from({ length: 9 }, (_, index) => `urn:epc:id:sscc:0614141.100000000${index}`);
    const nested = units.map((unit, index) => {
      const inside = units[index + 1];
      return packing("ADD", unit, inside === undefined ? [one] : Array.from({ length: 200 }, () => inside));
    });
    expect(last(...nested, { ...shipped, epcList: [units[0] ?? ""] })).toEqual(sold({ quantity: 1 }));
  });

  it("says nothing of which event it is", () => {
    const contentsOf = (quantity: string) => () => ({ epcs: [], quantities: [{ epcClass: lgtin, quantity }] });
    const [six, seven] = ["6", "70"].map((quantity) =>
      map({ ...shipped, eventID: undefined }, { ...surroundings(), contentsOf: contentsOf(quantity) }),
    );
    expect(six?.kind === "facts" && six.facts[0]?.id).toBe(seven?.kind === "facts" && seven.facts[0]?.id);
  });

  it("is not asked for beside trade items, which it holds", () => {
    expect(last(packing("ADD", pallet, [one, two]), { ...shipped, epcList: [pallet, one] })).toEqual(
      sold({ quantity: 1 }),
    );
  });

  it("is opened for an observation of the unit without its children too", () => {
    const seen = { ...packing("OBSERVE", pallet, []), bizStep: "receiving", ...at(store) };
    expect(last(packing("ADD", pallet, [one, two]), seen)).toEqual([["received leeds", { quantity: 2 }]]);
  });
});

describe("a transfer that is known by its logistic unit alone", () => {
  const [urn, link] = ["urn:epc:id:sscc:0614141.1234567890", "https://id.gs1.org/00/106141412345678908"] as const;
  const other = "urn:epc:id:sscc:0614141.0234567890";
  const contentsOf = () => ({ epcs: [], quantities: stock.quantityList.map((told) => ({ ...told, quantity: "12" })) });
  const transferOf = (members: object) => {
    const told = { bizStep: "shipping", ...at(depot), ...list("destination", store), ...members };
    const mapped = map(told, { ...surroundings(), contentsOf });
    return mapped.kind === "facts" ? mapped.facts[0]?.data["transfer"] : mapped.reason;
  };

  it("is known by its digits, in whatever notation and order", () => {
    expect(transferOf({ epcList: [urn] })).toBe("106141412345678908");
    expect(transferOf({ epcList: [link] })).toBe("106141412345678908");
    expect(transferOf({ epcList: [urn, other] })).toBe("006141412345678901");
    expect(transferOf({ epcList: [other, link] })).toBe("006141412345678901");
  });

  it("is known by the unit around others", () => {
    const pallet = {
      type: "AggregationEvent",
      parentID: link,
      childEPCs: [other],
      childQuantityList: stock.quantityList,
    };
    expect(transferOf(pallet)).toBe("106141412345678908");
  });
});

describe("quantities", () => {
  const received = (things: object, units: Readonly<Record<string, BaseUnit>> = {}) =>
    short(map({ bizStep: "receiving", ...at(store), ...things }, surroundings(units)));

  it("sums what is of one item and lot, and counts a single thing once", () => {
    const epcs = ["urn:epc:id:sgtin:0614141.107346.2017", "https://id.gs1.org/01/10614141073464/21/2017"];
    const tobacco = ["urn:epc:id:upui:4012345.099887.51qI", "https://id.gs1.org/01/04012345998870/235/51qI"];
    expect(received({ epcList: [...tobacco, "urn:epc:id:upui:4012345.099887.51qJ"] })).toEqual([
      ["received leeds", { quantity: 2 }],
    ]);
    expect(
      received({
        epcList: [...epcs, "urn:epc:id:sgtin:0614141.107346.2018"],
        quantityList: [
          { epcClass: lgtin, quantity: 1.5, uom: "KGM" },
          { epcClass: `https://id.gs1.org/01/${gtin}/10/L7`, quantity: 500, uom: "GRM" },
          { epcClass: `https://id.gs1.org/01/${gtin}/10/L8`, quantity: 3, uom: "LTR" },
        ],
      }),
    ).toEqual([
      ["received leeds", { quantity: 2 }],
      ["received leeds", { ...lot, quantity: 2000 }],
      ["received leeds", { lot: "L8", quantity: 3000 }],
    ]);
  });

  it.each<[string, object, string]>([
    ["a part of a gram", { quantity: 0.0005, uom: "KGM" }, `${lgtin}: 0.0005 KGM is no whole number of g`],
    ["half a piece", { quantity: 1.5 }, `${lgtin}: 1.5 pieces is no whole number of each`],
    ["no quantity", {}, `${lgtin}: the event does not say how much`],
    ["below zero", { quantity: -1 }, `${lgtin}: -1 is below zero`],
    [
      "pounds",
      { quantity: 3, uom: "LBR" },
      `${lgtin}: LBR is none of the units EA, H87, C62, NAR, TNE, KGM, HGM, GRM, MGM, HLT, LTR, DLT, CLT, MLT`,
    ],
    ["too much", { quantity: 1e30 }, `GTIN ${gtin}: more than 1000000000000 units`],
  ])("rejects %s", (_, element, why) => {
    expect(received({ quantityList: [{ epcClass: lgtin, ...element }] })).toBe(`rejected: ${why}`);
  });

  it("rejects units that the item is not kept in", () => {
    expect(received(stock, { [gtin]: "g" })).toBe(`rejected: ${lgtin}: 12 pieces, and GTIN ${gtin} is kept in g`);
    expect(received({ quantityList: [{ epcClass: lgtin, quantity: 2, uom: "KGM" }] }, { [gtin]: "g" })).toEqual([
      ["received leeds", { ...lot, quantity: 2000 }],
    ]);
    const epcList = ["urn:epc:id:sgtin:4012345.012345.1"];
    expect(received({ epcList }, { [gtin]: "g" })).toContain("is one piece");
  });

  it("rejects units that an item of ours is not kept in, also by its own name", () => {
    const ownItems = {
      skuOf: () => undefined,
      unitOf: (sku: string) => (sku === "flour" ? ("each" as const) : undefined),
    };
    const flour = { epcClass: "urn:larder:item:flour", quantity: 2.5, uom: "KGM" };
    const around = { ...surroundings(), ownItems };
    expect(short(map({ bizStep: "receiving", ...at(store), quantityList: [flour] }, around))).toBe(
      "rejected: urn:larder:item:flour: 2.5 KGM, and sku flour is kept in each",
    );
  });

  it("rejects a key with a wrong check digit, and a class where a single thing belongs", () => {
    expect(received({ epcList: ["https://id.gs1.org/01/04012345123457/21/1"] })).toContain("wrong check digit");
    expect(received({ epcList: ["urn:epc:idpat:sgtin:4012345.012345.*"] })).toContain("names a class");
  });

  it("counts nothing as nothing, but a count of zero is one", () => {
    const none = { quantityList: [{ epcClass: lgtin, quantity: 0 }] };
    expect(received(none)).toBe("nothing: names no units of trade items");
    expect(short(map({ bizStep: "stock_taking", ...at(store), ...none }))).toEqual([
      ["counted leeds", { ...lot, quantity: 0 }],
    ]);
  });
});

describe("last dates", () => {
  it("of a Digital Link make facts of their own", () => {
    const link = (expiry: string) => ({ epcClass: `https://id.gs1.org/01/${gtin}/10/L7?17=${expiry}`, quantity: 3 });
    const mapped = map({
      bizStep: "receiving",
      ...at(store),
      quantityList: [link("260401"), link("260501"), link("260401")],
    });
    expect(short(mapped)).toEqual([
      ["received leeds", { ...lot, expiresOn: "2026-04-01", quantity: 6 }],
      ["received leeds", { ...lot, expiresOn: "2026-05-01", quantity: 3 }],
    ]);
    expect(mapped.kind === "facts" && mapped.facts.map(({ id }) => id)).toEqual([
      `urn:uuid:1 in ${gtin} lot:L7 expires:2026-04-01`,
      `urn:uuid:1 in ${gtin} lot:L7 expires:2026-05-01`,
    ]);
  });
});

describe("the ids of facts", () => {
  const idsOf = (mapped: MappedEvent) => (mapped.kind === "facts" ? mapped.facts.map(({ id }) => id) : []);
  const knowing = (...places: readonly string[]) => {
    const found = placeFinder(Object.fromEntries(places.map((place) => [place, place])));
    if (!found.ok) throw new Error(found.rejection);
    return { ...surroundings(), placeOf: found.value };
  };

  it.each<[string, object, string]>([
    ["sold or dispatched", { bizStep: "shipping", ...at(store), ...list("destination", depot) }, "out"],
    ["received or arrived", { bizStep: "receiving", ...at(store), ...list("source", depot) }, "in"],
    [
      "returned or arrived",
      { bizStep: "receiving", disposition: "returned", ...at(store), ...list("source", depot) },
      "in",
    ],
  ])("are the same whether it was %s, which depends on the places that are known", (_, members, side) => {
    const told = { ...stock, ...desadv, ...members };
    const [before, after] = [map(told, knowing(store)), map(told, knowing(store, depot))];
    expect(idsOf(before)).toEqual([`urn:uuid:1 ${side} ${gtin} lot:L7`]);
    expect(idsOf(after)).toEqual(idsOf(before));
    expect(short(after)).not.toEqual(short(before));
  });

  it("differ for all facts of one event", () => {
    const things = (name: string) => ({ [`${name}QuantityList`]: stock.quantityList });
    for (const members of [
      { type: "TransformationEvent", ...at(store), ...things("input"), ...things("output") },
      { bizStep: "receiving", disposition: "damaged", ...at(store), ...stock },
      { bizStep: "receiving", disposition: "damaged", ...at(store), ...stock, ...desadv, ...list("source", depot) },
    ]) {
      const ids = idsOf(map(members));
      expect([ids.length, new Set(ids).size]).toEqual([2, 2]);
    }
  });

  it("differ for all that is not the same, whatever blanks and words there are in it", () => {
    const word = fc.constantFrom(
      "A",
      "A expires:2026-05-01",
      "A ",
      "lot:A",
      "%20",
      "in",
      "é",
      " in 04012345123456",
      "A/%",
    );
    const line = fc.record({
      eventID: fc.tuple(word, word).map(([first, last]) => `urn:x:${first}${last}`.trim()),
      lot: fc.option(
        word.map((text) => text.trim()),
        { nil: undefined },
      ),
      date: fc.option(fc.constantFrom("260501", "260601"), { nil: undefined }),
      bizStep: fc.constantFrom("receiving", "retail_selling"),
    });
    const idOf = ({ eventID, lot: name, date, bizStep }: typeof line extends fc.Arbitrary<infer L> ? L : never) => {
      const lotted = name === undefined ? "" : `/10/${encodeURIComponent(name)}`;
      const epcClass = `https://id.gs1.org/01/${gtin}${lotted}${date === undefined ? "" : `?17=${date}`}`;
      return idsOf(map({ eventID, bizStep, ...at(store), quantityList: [{ epcClass, quantity: 1 }] }))[0];
    };
    fc.assert(
      fc.property(line, line, (one, other) => {
        const isSame = JSON.stringify(one) === JSON.stringify(other);
        expect(idOf(one) === idOf(other)).toBe(isSame);
      }),
      { numRuns: 2000 },
    );
  });

  it("name the sku once Larder's own names are read, also of an item that has got a GTIN", () => {
    const ownItems = { skuOf: (found: string) => (found === gtin ? "jam" : undefined), unitOf: () => undefined };
    const received = (...quantityList: readonly object[]) =>
      map({ bizStep: "receiving", ...at(store), quantityList }, { ...surroundings(), ownItems });
    const own = { epcClass: "urn:larder:item:jam:lot:L7", quantity: 12 };
    const byGtin = { epcClass: lgtin, quantity: 12 };
    expect(received(byGtin)).toEqual(received(own));
    expect(idsOf(received(own))).toEqual(["urn:uuid:1 in sku:jam lot:L7"]);
    expect(short(received(own, byGtin))).toEqual([["received leeds", { sku: "jam", ...lot, quantity: 24 }]]);
    // One that no item has stays: the server tells that.
    const unknown = received({ epcClass: "urn:epc:class:lgtin:4012345.099887.L7", quantity: 1 });
    expect(idsOf(unknown)).toEqual(["urn:uuid:1 in 04012345998870 lot:L7"]);
  });

  it("are one for a lot that is written with composed letters or without", () => {
    const lots = ["Crème".normalize("NFC"), "Crème".normalize("NFD")].map((name) => ({
      epcClass: `https://id.gs1.org/01/${gtin}/10/${encodeURIComponent(name)}`,
      quantity: 1,
    }));
    expect(short(map({ bizStep: "receiving", ...at(store), quantityList: lots }))).toEqual([
      ["received leeds", { lot: "Crème".normalize("NFC"), quantity: 2 }],
    ]);
  });
});

describe("places", () => {
  const places = placeFinder({
    "0614141007776": "leeds",
    "https://id.gs1.org/414/0614141007776/254/cold": "leeds cold",
    "urn:x:1": "x",
  });
  const find = (uri: string) => places.ok && places.value(uri);
  it("inside another have their own entry, else that of the place around them", () => {
    expect(find("urn:epc:id:sgln:0614141.00777.cold")).toEqual({ location: "leeds cold", isPart: false });
    expect(find("urn:epc:id:sgln:0614141.00777.dock")).toEqual({ location: "leeds", isPart: true });
    expect(find("https://id.gs1.org/414/0614141007776")).toEqual({ location: "leeds", isPart: false });
    expect(find("urn:x:1")).toEqual({ location: "x", isPart: false });
    expect(find("urn:epc:id:sgln:0614141.00778.0")).toBe(undefined);
  });

  it("that are a part of one are not counted for it, unless they have an entry of their own", () => {
    const backRoom = "https://id.gs1.org/414/0614141007776/254/back";
    const counted = (members: object, around = surroundings()) =>
      short(map({ bizStep: "cycle_counting", ...stock, ...members }, around));
    const rejected =
      "rejected: counts a part of the place, where a count is of all that is there; give the part an entry of its own";
    expect(counted({ bizLocation: { id: backRoom } })).toBe(rejected);
    expect(counted(at(backRoom))).toBe(rejected);
    expect(counted({ bizLocation: { id: store }, ...at(backRoom) })).toEqual([
      ["counted leeds", { ...lot, quantity: 12 }],
    ]);
    const both = placeFinder({ "0614141007776": "leeds", [backRoom]: "leeds" });
    if (!both.ok) throw new Error(both.rejection);
    const own = counted({ bizLocation: { id: backRoom } }, { ...surroundings(), placeOf: both.value });
    expect(own).toEqual([["counted leeds", { ...lot, quantity: 12 }]]);
    // What moves there moves in the place.
    expect(short(map({ bizStep: "receiving", ...at(backRoom), ...stock }))).toEqual([
      ["received leeds", { ...lot, quantity: 12 }],
    ]);
  });

  it("of parties are no places", () => {
    const destinationList = [{ type: "owning_party", destination: store }];
    expect(short(map({ ...stock, bizStep: "shipping", ...at(depot), ...desadv, destinationList }))).toEqual([
      ["sold depot", { ...lot, quantity: 12, reference: "urn:po:1" }],
    ]);
  });
});

describe("an error declaration", () => {
  const told = { bizStep: "receiving", ...at(store), ...stock };
  const errorDeclaration = {
    declarationTime: "2026-03-02T00:00:00Z",
    reason: "did_not_occur",
    correctiveEventIDs: ["urn:uuid:2"],
  };

  it("voids the facts that the event made", () => {
    const before = map(told);
    const declared = map({ ...told, errorDeclaration });
    if (before.kind !== "facts" || declared.kind !== "facts") throw new Error("no facts");
    expect(declared.facts.map(({ type, time, data }) => ({ type, time, data }))).toEqual(
      before.facts.map(({ source, id }) => ({
        type: "larder.fact.voided.v1",
        time: "2026-03-02T00:00:00.000Z",
        data: { source, id, reason: "did_not_occur; corrected by urn:uuid:2" },
      })),
    );
  });

  it("finds them without an id too", () => {
    const before = map({ ...told, eventID: undefined });
    const declared = map({ ...told, eventID: undefined, errorDeclaration });
    expect(declared.kind === "facts" && declared.facts[0]?.data["id"]).toBe(
      before.kind === "facts" && before.facts[0]?.id,
    );
  });

  it("of what recorded nothing takes nothing back", () => {
    expect(short(map({ ...told, ...at(supplier), errorDeclaration }))).toBe(
      "nothing: declares an error, and the event itself recorded nothing: at no place of ours",
    );
  });

  it.each<[string, object, EpcisSurroundings, string]>([
    [
      "whose contents nobody knows any more",
      { quantityList: [], epcList: ["urn:epc:id:sscc:0614141.1234567890"] },
      surroundings(),
      "urn:epc:id:sscc:0614141.1234567890 is a logistic unit, and neither the event nor one before it says what is in it",
    ],
    [
      "whose item is kept in another unit now",
      {},
      surroundings({ [gtin]: "g" }),
      `${lgtin}: 12 pieces, and GTIN ${gtin} is kept in g`,
    ],
    [
      "that names no consignment",
      { bizStep: "shipping", ...list("destination", depot) },
      surroundings(),
      "moves goods between places of ours, and names no despatch advice, order or logistic unit by which dispatch and arrival find each other",
    ],
  ])("of an event %s is rejected, and not taken for done", (_, members, around, why) => {
    expect(short(map({ ...told, ...members, errorDeclaration }, around))).toBe(
      `rejected: declares an error, and it can't be told what to take back: ${why}`,
    );
  });
});

describe("identity by content", () => {
  const files = sharedFile("epcis/examples/XML/WithEventHashID");
  const identityOf = (text: string) => {
    const read = readEpcis(text);
    const event = read.ok ? read.value[0]?.event : undefined;
    return event?.ok === true ? identify(event.value) : "unread";
  };

  it.skipIf(!existsSync(files))("is one for one event written several ways", () => {
    const found = globSync("*.xml", { cwd: files }).map((name) => identityOf(readFileSync(`${files}/${name}`, "utf8")));
    expect(found.length).toBe(3);
    expect(new Set(found).size).toBe(1);
  });

  it("is another for any other content", () => {
    const told = {
      type: "ObjectEvent",
      eventTime: "2026-03-01T10:00:00Z",
      eventTimeZoneOffset: "+00:00",
      action: "OBSERVE",
      quantityList: [{ epcClass: lgtin, quantity: 12 }],
    };
    const others = [
      { eventTime: "2026-03-01T10:00:00.001Z" },
      { action: "ADD" },
      { bizStep: "receiving" },
      { disposition: "damaged" },
      { quantityList: [{ epcClass: lgtin, quantity: 12, uom: "KGM" }] },
      { quantityList: [...told.quantityList, ...told.quantityList] },
      { "example:dock": "7" },
      { ilmd: { "example:batch": "7" } },
      at(store),
      { bizLocation: { id: store } },
      list("source", store),
      list("destination", store),
      desadv,
    ].map((change) => identityOf(JSON.stringify({ ...told, ...change })));
    expect(new Set([identityOf(JSON.stringify(told)), ...others]).size).toBe(others.length + 1);
    expect(others).not.toContain("unread");
  });
});

it("every rule has its own steps, so that the first that fits is the only one", () => {
  const steps = stepRules.flatMap(({ steps }) => steps);
  expect(new Set(steps).size).toBe(steps.length);
});

describe("all examples of GS1", () => {
  const examples = sharedFile("epcis/examples");
  it.skipIf(!existsSync(examples))("end as facts, nothing or rejections with a reason", () => {
    const gln = /urn:epc:id:sgln:[^"<\s]+|https:\/\/id\.example\.com\/414\/\d{13}/g;
    const reasons = new Set<string>();
    const outcomes = { facts: 0, nothing: 0, rejected: 0 };
    for (const path of globSync("**/*.{jsonld,xml}", { cwd: examples })) {
      const text = readFileSync(`${examples}/${path}`, "utf8");
      const places = placeFinder(
        Object.fromEntries([...text.matchAll(gln)].map(([place]) => [place, place.slice(0, 60)])),
      );
      const read = readEpcis(text);
      if (!places.ok || !read.ok) throw new Error(path);
      for (const { event } of read.value) {
        if (!event.ok) throw new Error(`${path}: ${event.rejection.detail}`);
        const mapped = mapEvent(event.value, { ...surroundings(), placeOf: places.value });
        outcomes[mapped.kind] += 1;
        if (mapped.kind !== "facts") reasons.add(mapped.reason.replace(/^urn:[^ ]+/, "…"));
      }
    }
    expect(outcomes).toEqual({ facts: 29, nothing: 45, rejected: 3 });
    expect([...reasons].sort()).toEqual([
      "at no place of ours",
      "declares an error, and it can't be told what to take back: urn:epc:class:lgtin:4012345.022222.87545GHGH: the event does not say how much",
      "declares an error, and the event itself recorded nothing: joining things moves nothing",
      "http://epcis.example.org/hc/bizstep/summarising_discharge moves nothing",
      "inspecting moves nothing",
      "joining things moves nothing",
      "moves goods between places of ours, and names no despatch advice, order or logistic unit by which dispatch and arrival find each other",
      "packing and unpacking move nothing",
      "sensor_reporting moves nothing",
      "transporting moves nothing",
      "… the event does not say how much",
    ]);
  });
});
