import { existsSync, readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import type { EpcisEvent, ReadEvent } from "../domain/epcis/model.ts";
import { sharedFile } from "./examples.fixture.ts";
import { readEpcis } from "./read.ts";
import { XmlEventReader } from "./read-xml.ts";

const expectedFile = sharedFile("expected/epcis/files.csv");
const examples = (path: string) => sharedFile(`epcis/${path}`);

function eventsIn(text: string): readonly ReadEvent[] {
  const read = readEpcis(text);
  if (!read.ok) throw new Error(`${read.rejection.pointer} ${read.rejection.detail}`);
  return read.value;
}

function modelsIn(text: string): readonly EpcisEvent[] {
  return eventsIn(text).map(({ event }) => {
    if (!event.ok) throw new Error(`${event.rejection.pointer} ${event.rejection.detail}`);
    return event.value;
  });
}

function tally(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([word, count]) => `${word}=${count}`)
    .join(" ");
}

describe("the examples of GS1", () => {
  it.skipIf(!existsSync(expectedFile))("are read as the expected file says, all 46", () => {
    const rows: Record<string, string>[] = parse(readFileSync(expectedFile), { columns: true });
    const found = rows.map(({ file = "" }) => {
      const events = modelsIn(readFileSync(examples(file), "utf8"));
      const things = events.flatMap(({ things, inputs, outputs }) => [things, inputs, outputs]);
      const parents = events.filter(({ parent }) => parent !== undefined).length;
      return {
        file,
        events: tally(events.map(({ type }) => type)),
        actions: tally(events.flatMap(({ action }) => action ?? [])),
        epc_mentions: String(things.reduce((sum, { epcs }) => sum + epcs.length, parents)),
        quantities: String(
          things.flatMap(({ quantities }) => quantities).filter(({ quantity }) => quantity !== undefined).length,
        ),
      };
    });
    expect(found).toEqual(
      rows.map(({ file, events, actions, epc_mentions, quantities }) => ({
        file,
        events,
        actions,
        epc_mentions,
        quantities,
      })),
    );
    expect(found.length).toBe(46);
  });
});

/** Without what only one of a pair tells: its id, and what vendors added. */
function common(event: EpcisEvent | undefined): object {
  const { eventId: _id, rest: _rest, ...said } = event ?? { eventId: undefined, rest: undefined };
  return said;
}

describe("one model for every notation", () => {
  const pairs: readonly (readonly [string, string, readonly number[]])[] = [
    ["examples/JSON/Example_9.6.1-ObjectEvent.jsonld", "examples/XML/Mimasu/Example1.xml", [0, 1]],
    ["examples/JSON/Example_9.6.1-ObjectEvent.jsonld", "examples/XSL/1.2/XML/ObjectEvent.xml", [0, 1]],
    ["examples/JSON/Example_9.6.4-TransformationEvent.jsonld", "examples/XSL/1.2/XML/TransformationEvent.xml", [0]],
    ["examples/XML/Mimasu/Example3.xml", "examples/XSL/1.2/XML/AggregationEvent.xml", [0]],
  ];
  it.skipIf(!existsSync(examples("examples"))).each(pairs)("%s is %s", (one, other, indexes) => {
    const [first, second] = [one, other].map((path) => modelsIn(readFileSync(examples(path), "utf8")));
    for (const index of indexes) {
      expect(common(first?.[index])).toEqual(common(second?.[index]));
      expect(first?.[index]?.time).toBeGreaterThan(0);
    }
    expect(second?.length).toBe(indexes.length);
  });

  it.skipIf(!existsSync(examples("examples")))("vendors' members too, when a pair tells the same", () => {
    const [json, xml] = ["JSON/Example_9.6.4-TransformationEvent.jsonld", "XSL/1.2/XML/TransformationEvent.xml"].map(
      (path) => modelsIn(readFileSync(examples(`examples/${path}`), "utf8"))[0]?.rest,
    );
    expect(json).toContain("http://ns.example.com/epcis/batch=XYZ");
    expect(json).toBe(xml);
  });

  const base = {
    eventTime: "2026-03-01T10:00:00.1234567+02:00",
    eventTimeZoneOffset: "+02:00",
    action: "OBSERVE",
    epcList: ["urn:epc:id:sgtin:0614141.107346.2017"],
  };
  const plain = {
    ...base,
    type: "ObjectEvent",
    bizStep: "shipping",
    disposition: "in_transit",
    bizTransactionList: [{ type: "po", bizTransaction: "urn:x:1" }],
  };
  const variants: readonly (readonly [string, unknown])[] = [
    ["a lone event", plain],
    ["an array of events", [plain]],
    ["a document", { type: "EPCISDocument", epcisBody: { eventList: [plain] } }],
    ["a document of one event", { type: "EPCISDocument", epcisBody: { event: plain } }],
    [
      "URNs",
      {
        ...plain,
        bizStep: "urn:epcglobal:cbv:bizstep:shipping",
        disposition: "urn:epcglobal:cbv:disp:in_transit",
        bizTransactionList: [{ type: "urn:epcglobal:cbv:btt:po", bizTransaction: "urn:x:1" }],
      },
    ],
    [
      "web URIs and CURIEs",
      {
        ...plain,
        type: "https://ref.gs1.org/epcis/ObjectEvent",
        bizStep: "https://ref.gs1.org/cbv/BizStep-shipping",
        disposition: "cbv:Disp-in_transit",
        bizTransactionList: { type: "cbv:BTT-po", bizTransaction: "urn:x:1" },
      },
    ],
    [
      "prefixes of its own",
      {
        "@context": [
          "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
          { e: "https://ref.gs1.org/epcis/" },
        ],
        "@type": "e:ObjectEvent",
        ...Object.fromEntries(Object.entries(plain).flatMap(([k, v]) => (k === "type" ? [] : [[`e:${k}`, v]]))),
      },
    ],
    [
      "prefixes of the document",
      {
        "@context": { vb: "https://ref.gs1.org/cbv/", epcis: { "@id": "https://ref.gs1.org/epcis/" } },
        "epcis:type": "EPCISDocument",
        "epcis:epcisBody": { "epcis:eventList": [{ ...plain, bizStep: "vb:BizStep-shipping" }] },
      },
    ],
  ];
  it.each(variants)("%s", (_, document) => {
    expect(modelsIn(JSON.stringify(document))).toEqual([
      {
        type: "ObjectEvent",
        time: Date.parse("2026-03-01T08:00:00.123Z"),
        offset: "+02:00",
        action: "OBSERVE",
        bizStep: "shipping",
        disposition: "in_transit",
        dispositionsSet: [],
        dispositionsUnset: [],
        things: { epcs: base.epcList, quantities: [] },
        inputs: { epcs: [], quantities: [] },
        outputs: { epcs: [], quantities: [] },
        transactions: [{ type: "po", id: "urn:x:1" }],
        sources: [],
        destinations: [],
        rest: "",
      },
    ]);
  });

  it("events of one array have prefixes each", () => {
    const one = { ...plain, "@context": { a: "https://ref.gs1.org/cbv/" }, bizStep: "a:BizStep-shipping" };
    const other = { ...plain, "@context": { a: "https://acme.example/" }, bizStep: "a:BizStep-shipping" };
    const found = modelsIn(JSON.stringify([one, other])).map(({ bizStep }) => bizStep);
    expect(found).toEqual(["shipping", "https://acme.example/BizStep-shipping"]);
  });

  it("a prefix is one that a name can follow, and never a scheme", () => {
    const context = { example: "http://ns.example.com", https: "urn:x:" };
    const event = {
      ...plain,
      "@context": context,
      "example:dock": 7,
      bizStep: "https://ref.gs1.org/cbv/BizStep-shipping",
    };
    const [found] = modelsIn(JSON.stringify(event));
    expect([found?.bizStep, found?.rest]).toEqual(["shipping", "example:dock=7"]);
  });

  it("what 1.2 keeps in extensions of extensions is found", () => {
    const event =
      "<ObjectEvent><eventTime>2026-03-01T10:00:00Z</eventTime><eventTimeZoneOffset>Z</eventTimeZoneOffset>" +
      "<baseExtension><eventID>urn:uuid:9</eventID></baseExtension><action>ADD</action><extension><quantityList><quantityElement>" +
      "<epcClass>urn:x:1</epcClass><quantity>2.50</quantity></quantityElement></quantityList><extension><sourceList>" +
      '<source type="urn:epcglobal:cbv:sdt:location">urn:x:2</source></sourceList></extension></extension></ObjectEvent>';
    const [found] = modelsIn(`<e:EPCISDocument xmlns:e="urn:epcglobal:epcis:xsd:1">${event}</e:EPCISDocument>`);
    expect(found).toMatchObject({
      eventId: "urn:uuid:9",
      offset: "+00:00",
      things: { epcs: [], quantities: [{ epcClass: "urn:x:1", quantity: "2.5" }] },
      sources: [{ type: "location", id: "urn:x:2" }],
    });
  });

  it("an event of a kind that is not known can't be read, and is not passed over", () => {
    const list = "<EventList><QuantityEvent><epcClass>urn:x:1</epcClass></QuantityEvent><extension/></EventList>";
    const found = eventsIn(
      `<e:EPCISDocument xmlns:e="urn:epcglobal:epcis:xsd:1"><EPCISBody>${list}</EPCISBody></e:EPCISDocument>`,
    );
    expect(found.map(({ pointer, event }) => [pointer, event.ok])).toEqual([["/epcisBody/eventList/0", false]]);
  });

  it("words of another vocabulary stay whole", () => {
    const [event] = modelsIn(JSON.stringify({ ...plain, bizStep: "https://acme.example/BizStep-shipping" }));
    expect(event?.bizStep).toBe("https://acme.example/BizStep-shipping");
  });

  it("master data gives lot and last date, but not under a name that may mean anything", () => {
    const told = { "cbvmda:lotNumber": "L7", "gs1:expirationDate": { "@value": "2026-12-10", "@type": "xsd:date" } };
    const [known, foreign, bound] = modelsIn(
      JSON.stringify([
        { ...plain, ilmd: told },
        { ...plain, ilmd: { "example:lotNumber": "X", "example:bestBeforeDate": "soon" } },
        { ...plain, "@context": { cbvmda: "http://example.com/cbvmda/" }, ilmd: { "cbvmda:lotNumber": "L8" } },
      ]),
    );
    expect([known?.lot, known?.expiresOn]).toEqual(["L7", "2026-12-10"]);
    expect(bound?.lot).toBe("L8");
    expect([foreign?.lot, foreign?.expiresOn]).toEqual([undefined, undefined]);
  });

  it("says what is wrong with an event, and where, and reads the others", () => {
    const events = eventsIn(
      JSON.stringify([
        plain,
        { ...plain, eventTime: "2026-03-01 10:00" },
        { ...plain, action: "observe" },
        { ...plain, quantityList: [{ epcClass: "urn:x:1", quantity: "1,5" }] },
        { ...plain, epcList: [7] },
        { ...plain, type: "SaleEvent" },
        "ObjectEvent",
        { ...plain, ilmd: { "cbvmda:sellByDate": "next week" } },
      ]),
    );
    expect(
      events.map(({ event }) => (event.ok ? "ok" : `${event.rejection.pointer}: ${event.rejection.detail}`)),
    ).toEqual([
      "ok",
      "/1/eventTime: 2026-03-01 10:00 is no time with an offset, as 2026-11-21T09:30:00Z",
      "/2/action: observe is none of ADD, OBSERVE, DELETE",
      "/3/quantityList/0/quantity: is no number",
      "/4/epcList/0: is no text",
      "/5/type: SaleEvent is no event type of EPCIS",
      "/6: an event is a JSON object",
      "/7/ilmd: sellByDate next week is no date, as 2026-11-21",
    ]);
  });

  it.each([
    ["{", "is no JSON"],
    ["7", "is no EPCIS document"],
    ["{}", "is missing"],
    ['{"type":"EPCISDocument","epcisBody":{}}', "is missing"],
    ["<html></html>", "html is no EPCIS document"],
    ["<EPCISDocument><EPCISBody>", "unclosed tag"],
  ])("refuses %s", (text, why) => {
    const read = readEpcis(text);
    expect(read.ok ? "read" : read.rejection.detail).toContain(why);
  });
});

describe("XML that means harm", () => {
  const document = (inside: string, before = "") =>
    `<?xml version="1.0"?>${before}<e:EPCISDocument xmlns:e="urn:epcglobal:epcis:xsd:2"><EPCISBody><EventList>` +
    `<ObjectEvent><eventTime>2026-03-01T10:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>` +
    `<epcList><epc>${inside}</epc></epcList><action>ADD</action></ObjectEvent></EventList></EPCISBody></e:EPCISDocument>`;

  it("reads the five entities and character references, and no other", () => {
    expect(modelsIn(document("&lt;a&amp;&quot;&apos;&gt;&#65;"))[0]?.things.epcs).toEqual(["<a&\"'>A"]);
    const read = readEpcis(document("&xxe;"));
    expect(read.ok ? "read" : read.rejection.detail).toContain("undefined entity");
  });

  it.each([
    ["an external entity", '<!DOCTYPE a [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>'],
    ["a billion laughs", '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">]>'],
    ["an external definition", '<!DOCTYPE a SYSTEM "http://127.0.0.1/evil.dtd">'],
    ["a public definition", '<!DOCTYPE a PUBLIC "x" "http://127.0.0.1/evil.dtd">'],
    ["a parameter entity", '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]>'],
  ])("refuses %s", (_, doctype) => {
    const read = readEpcis(document("&c;", doctype));
    expect(read).toEqual({
      ok: false,
      rejection: { pointer: "", detail: "line 1: a document type that defines something is not read" },
    });
  });

  it("passes over a document type that says nothing, as the examples have it", () => {
    expect(modelsIn(document("urn:x:1", "<!DOCTYPE project>")).length).toBe(1);
  });

  it("stops at elements that nest without end", () => {
    const read = readEpcis(document("<a>".repeat(100_000)));
    expect(read.ok ? "read" : read.rejection.detail).toBe("line 1: elements nest more than 64 deep");
  });

  it("stops at an event that has no end", () => {
    const bounds = { elementsMax: 100, charsMax: 1000 };
    const [beforeEnd = ""] = document("").split("</epcList>");
    const [beforeText = ""] = document("").split("</epc>");
    const endless = (before: string, piece: string) => () => {
      const reader = new XmlEventReader(bounds);
      reader.push(before);
      for (let count = 0; count < 200; count += 1) reader.push(piece);
    };
    expect(endless(beforeEnd, "<v>x</v>")).toThrow("an event of more than 100 elements");
    expect(endless(beforeEnd, `<v>${"x".repeat(100)}</v>`)).toThrow("an event of more than 1000 characters");
    expect(endless(beforeText, "x".repeat(100))).toThrow("a text of more than 1000 characters");
    expect(endless("<EPCISDocument><!--", "x".repeat(100))).toThrow("a text of more than 1000 characters");
  });

  it("reads the same however the text is cut", () => {
    const whole = document("urn:epc:id:sgtin:0614141.107346.2017");
    const reader = new XmlEventReader();
    const found = [...whole].flatMap((letter) => reader.push(letter));
    expect([...found, ...reader.finish()]).toEqual(eventsIn(whole));
    expect(found[0]?.line).toBe(1);
  });
});
