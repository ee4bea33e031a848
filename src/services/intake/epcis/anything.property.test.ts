import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Contents } from "../domain/epcis/contents.ts";
import { mapEvent } from "../domain/epcis/map-event.ts";
import { type EpcisNames, epcisDocument, epcisEventsOf } from "../domain/epcis/write.ts";
import { readEpcis } from "./read.ts";

const example = (name: string) => readFileSync(new URL(`../../../../examples/epcis/${name}`, import.meta.url), "utf8");
const json = example("a-day.jsonld");
const xml = example("a-day.xml");

/** Reads and maps a document; whatever it is, nothing is thrown, and everything ends as something that is said. */
function carryOut(text: string): void {
  const read = readEpcis(text);
  if (!read.ok) {
    expect(read.rejection.detail).not.toBe("");
    return;
  }
  const contents = new Contents();
  for (const { event } of read.value) {
    if (!event.ok) {
      expect(event.rejection.detail).not.toBe("");
      continue;
    }
    contents.note(event.value);
    const mapped = mapEvent(event.value, {
      source: "anyone",
      placeOf: () => ({ location: "leeds", isPart: false }),
      unitOf: () => undefined,
      leftOut: new Set(),
      contentsOf: contents.of,
      digest: (told) => String(told.length),
    });
    if (mapped.kind !== "facts") expect(mapped.reason).not.toBe("");
    else
      for (const { data } of mapped.facts)
        for (const value of Object.values(data)) expect(["string", "number", "boolean"]).toContain(typeof value);
  }
}

const nasty = fc.constantFrom(
  ...["constructor", "__proto__", "toString", "hasOwnProperty", "", " ", "\ud800", "urn:epc:id:sgtin:constructor.1.1"],
  ...["https://x/constructor/01/y", "https://x/01/04012345123456/constructor/__proto__", "cbv:BizStep-constructor"],
  ...["urn:epcglobal:cbv:disp:constructor", "1e999", "-0", "NaN", "9".repeat(60)],
);
const anything = fc.oneof(nasty, fc.jsonValue({ maxDepth: 3 }), fc.string());

/** A document with one of its values, whichever, replaced by anything. */
function mutated(text: string, where: number, value: unknown): string {
  let count = 0;
  const visit = (replace: (index: number, inner: unknown) => unknown) => {
    count = 0;
    return JSON.stringify(JSON.parse(text), (_, inner) => {
      count += 1;
      return replace(count, inner);
    });
  };
  visit((_, inner) => inner);
  const chosen = 1 + (where % count);
  return visit((index, inner) => (index === chosen ? value : inner)) ?? "";
}

describe("whatever a document says", () => {
  it("JSON with any value in any place is carried out or refused", () => {
    fc.assert(
      fc.property(fc.nat(), anything, (where, value) => carryOut(mutated(json, where, value))),
      { numRuns: 400 },
    );
  }, 60_000);

  it("any JSON, and any text, is carried out or refused", () => {
    fc.assert(fc.property(fc.oneof(fc.json(), fc.string(), fc.string({ unit: "binary" })), carryOut), { numRuns: 200 });
  });

  it("XML that was cut and sewn is carried out or refused", () => {
    const piece = fc.oneof(
      nasty.filter((text) => typeof text === "string"),
      fc.string(),
      fc.constantFrom(
        "<",
        "</a>",
        "<constructor>x</constructor>",
        "]]>",
        "<![CDATA[",
        "<!--",
        "&#x0;",
        "<__proto__/>",
        "xmlns:a=''",
      ),
    );
    fc.assert(
      fc.property(fc.nat(xml.length), fc.nat(200), piece, (at, length, text) =>
        carryOut(xml.slice(0, at) + text + xml.slice(at + length)),
      ),
      { numRuns: 400 },
    );
  }, 60_000);

  it("a type that is no text is refused", () => {
    carryOut('{"type":{"toString":1,"valueOf":1}}');
    carryOut('{"@context":{"a":{"@id":{"toString":1}}},"type":7,"epcisBody":{"eventList":[{"type":{"toString":1}}]}}');
  });

  it("names of the standard in XML may be names of anything", () => {
    const reads = ["constructor", "toString", "__proto__", "hasOwnProperty"].map((name) => {
      const read = readEpcis(
        xml.replaceAll("<action>OBSERVE</action>", `<action>OBSERVE</action><${name}>x</${name}>`),
      );
      return read.ok && read.value.every(({ event }) => event.ok);
    });
    expect(reads).toEqual([true, true, true, true]);
  });

  it("anything that is recorded is written or left out", () => {
    const names: EpcisNames = {
      gtinOf: () => undefined,
      unitOf: () => "g",
      placeOf: () => undefined,
      recorded: () => [],
    };
    const types = fc.oneof(
      nasty,
      fc.constantFrom("larder.stock.adjusted.v1", "larder.stock.held-back.v1", "larder.fact.voided.v1"),
    );
    const data = fc.dictionary(
      fc.constantFrom("quantity", "delta", "reason", "lot", "voids", "change", "transfer"),
      anything,
    );
    fc.assert(
      fc.property(types, data, (type, told) => {
        const event = epcisEventsOf(
          { id: "1", type: String(type), time: "t", data: { sku: "s", location: "l", ...told } },
          names,
        );
        JSON.stringify(epcisDocument(event, 0));
      }),
      { numRuns: 200 },
    );
  });
});
