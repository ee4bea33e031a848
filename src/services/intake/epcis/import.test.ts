import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { accepted, caller, type Opened, openInventory } from "../../inventory/fixture.ts";
import { rejectedLine } from "../domain/rejected.ts";
import {
  checkEpcisMapping,
  type FactSink,
  ImportError,
  type ImportInput,
  type ImportSummary,
  type ItemUnits,
  importEpcis,
  MappingError,
  type Reject,
  RejectsFile,
  type RejectsWriter,
} from "../index.ts";
import { readEpcis } from "./read.ts";

const example = (name: string) => readFileSync(new URL(`../../../../examples/epcis/${name}`, import.meta.url), "utf8");
const mapping = checkEpcisMapping(JSON.parse(example("mapping.json")));
const gtins = { milk: "09506000134307", beef: "09506000134314", mince: "09506000134321" } as const;

function input(text: string | Uint8Array, pieceBytes = 100): ImportInput {
  const bytes = Buffer.from(text);
  async function* pieces() {
    for (let from = 0; from < bytes.length; from += pieceBytes) yield bytes.subarray(from, from + pieceBytes);
  }
  return { name: "test", folder: ".", bytes: pieces(), bytesTotal: bytes.length };
}

class Rejects implements RejectsWriter {
  readonly found: Reject[] = [];
  begin(): void {}
  async write(rejects: readonly Reject[]): Promise<void> {
    this.found.push(...rejects);
  }
}

async function shop(): Promise<{ readonly opened: Opened; readonly sink: FactSink; readonly units: ItemUnits }> {
  const opened = await openInventory({ clock: { now: Date.parse("2026-03-03T00:00:00Z") } });
  const { inventory } = opened;
  for (const [sku, gtin] of Object.entries(gtins)) {
    accepted(await inventory.putItem(sku, { name: sku, unit: sku === "beef" ? "g" : "each", gtins: [gtin] }, caller));
  }
  return {
    opened,
    sink: { send: (facts) => inventory.recordFacts(facts, caller) },
    units: async (asked) => {
      const units = new Map<string, "each" | "g" | "ml">();
      for (const gtin of asked) {
        const [item] = accepted(await inventory.itemsByGtin(gtin)).items;
        if (item !== undefined) units.set(gtin, item.unit);
      }
      return units;
    },
  };
}

async function stockOf({ inventory }: Opened, sku: string) {
  const { locations } = accepted(await inventory.stock(sku, {}, caller));
  return Object.fromEntries(
    locations.map(({ location, onHand, unavailable, incoming }) => [location, { onHand, unavailable, incoming }]),
  );
}

const short = ({ rows, made, accepted, duplicates, rejectedCount }: ImportSummary) => ({
  rows,
  made,
  accepted,
  duplicates,
  rejectedCount,
});

describe("the documents of a day", () => {
  it.each(["a-day.jsonld", "a-day.xml"])(
    "%s comes to the stock of the day, and in the other notation to nothing more",
    async (name) => {
      const { opened, sink, units } = await shop();
      const other = name === "a-day.jsonld" ? "a-day.xml" : "a-day.jsonld";
      const first = await importEpcis({ input: input(example(name)), mapping, sink, units });
      expect(short(first)).toEqual({ rows: 12, made: 11, accepted: 11, duplicates: 0, rejectedCount: 0 });
      expect(first.ignored).toEqual([
        { reason: "the mapping leaves out the step departing", count: 1 },
        { reason: "packing and unpacking move nothing", count: 1 },
      ]);
      const day = {
        milk: {
          depot: { onHand: 24, unavailable: 0, incoming: 0 },
          leeds: { onHand: 12, unavailable: 1, incoming: 0 },
        },
        beef: { leeds: { onHand: 7500, unavailable: 0, incoming: 0 } },
        mince: { leeds: { onHand: 4, unavailable: 0, incoming: 0 } },
      };
      for (const [sku, stock] of Object.entries(day)) expect(await stockOf(opened, sku)).toEqual(stock);
      const again = await importEpcis({ input: input(gzipSync(example(other))), mapping, sink, units });
      expect(short(again)).toEqual({ rows: 12, made: 11, accepted: 0, duplicates: 11, rejectedCount: 0 });
      for (const [sku, stock] of Object.entries(day)) expect(await stockOf(opened, sku)).toEqual(stock);
    },
  );

  it("moves what was packed into a pallet that goes alone", async () => {
    const { opened, sink, units } = await shop();
    const told = {
      eventTime: "2026-03-02T10:00:00Z",
      eventTimeZoneOffset: "+00:00",
      readPoint: { id: "urn:epc:id:sgln:9506000.13437.0" },
    };
    const pallet = "urn:epc:id:sscc:9506000.0000000017";
    const milk = { epcClass: `https://id.gs1.org/01/${gtins.milk}`, quantity: 6 };
    const events = [
      { ...told, type: "AggregationEvent", action: "ADD", parentID: pallet, childQuantityList: [milk] },
      { ...told, type: "ObjectEvent", action: "OBSERVE", bizStep: "receiving", epcList: [pallet] },
    ];
    const summary = await importEpcis({ input: input(JSON.stringify(events)), mapping, sink, units });
    expect(short(summary)).toEqual({ rows: 2, made: 1, accepted: 1, duplicates: 0, rejectedCount: 0 });
    expect(await stockOf(opened, "milk")).toEqual({ depot: { onHand: 6, unavailable: 0, incoming: 0 } });
  });

  it("are the same events in both notations", () => {
    const [json, xml] = ["a-day.jsonld", "a-day.xml"].map((name) => {
      const read = readEpcis(example(name));
      return read.ok ? read.value.map(({ event }) => event) : [];
    });
    expect(json?.length).toBe(12);
    expect(xml).toEqual(json);
  });
});

describe("what can't be recorded", () => {
  const place = "urn:epc:id:sgln:9506000.13435.0";
  const event = (epcClass: string, more: object = {}) => ({
    type: "ObjectEvent",
    eventTime: "2026-03-02T10:00:00Z",
    eventTimeZoneOffset: "+00:00",
    action: "OBSERVE",
    bizStep: "receiving",
    readPoint: { id: place },
    quantityList: [{ epcClass, quantity: 3, ...more }],
  });

  it("goes to the rejects event by event, also of XML on one line, and what was no event is turned down again", async () => {
    const { sink, units } = await shop();
    const rejects = new Rejects();
    const one = (gtin: string) =>
      `<ObjectEvent><eventTime>2026-03-02T10:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset><epcList/><action>OBSERVE</action><bizStep>receiving</bizStep><readPoint><id>${place}</id></readPoint><quantityList><quantityElement><epcClass>https://id.gs1.org/01/${gtin}</epcClass><quantity>3</quantity></quantityElement></quantityList></ObjectEvent>`;
    const xml = `<?xml version="1.0"?><epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0" creationDate="2026-03-02T10:00:00Z"><EPCISBody><EventList>${one("09506000134338")}${one("09506000134345")}</EventList></EPCISBody></epcis:EPCISDocument>`;
    const summary = await importEpcis({ input: input(xml), mapping, sink, units, rejects });
    expect([summary.rejectedCount, rejects.found.length]).toEqual([2, 2]);
    const lines = [
      rejectedLine(1, "unknown-item", {
        text: JSON.stringify(event(`https://id.gs1.org/01/${gtins.milk}`)),
        isObject: true,
      }),
      rejectedLine(2, "invalid-event", { text: "x", isObject: false }),
    ];
    for (const text of [lines.join(""), lines.toReversed().join("")])
      expect(short(await importEpcis({ input: input(text), mapping, sink, units }))).toMatchObject({
        rows: 2,
        rejectedCount: 1,
      });
  });

  it("goes to the rejects with its place, and stops nothing", async () => {
    const { opened, sink, units } = await shop();
    const rejects = new Rejects();
    const good = event(`https://id.gs1.org/01/${gtins.milk}`);
    const events = [
      { ...good, eventTime: "yesterday" },
      event(`https://id.gs1.org/01/${gtins.beef}`),
      event("https://id.gs1.org/01/09506000134338"),
      good,
    ];
    const document = { type: "EPCISDocument", epcisBody: { eventList: events } };
    const summary = await importEpcis({ input: input(JSON.stringify(document)), mapping, sink, units, rejects });
    expect(short(summary)).toEqual({ rows: 4, made: 2, accepted: 1, duplicates: 0, rejectedCount: 3 });
    expect(rejects.found.map(({ line, by, reason, detail }) => [line, by, reason, detail])).toEqual([
      [
        1,
        "row",
        "the event can't be read",
        "/epcisBody/eventList/0/eventTime: yesterday is no time with an offset, as 2026-11-21T09:30:00Z",
      ],
      [
        2,
        "row",
        "the event can't be recorded",
        `/epcisBody/eventList/1: https://id.gs1.org/01/${gtins.beef}: 3 pieces, and GTIN ${gtins.beef} is kept in g`,
      ],
      [3, "server", "unknown-item", expect.stringContaining("09506000134338")],
    ]);
    expect(rejects.found.map(({ row }) => JSON.parse(row.text ?? ""))).toEqual(events.slice(0, 3));
    expect(await stockOf(opened, "milk")).toEqual({ leeds: { onHand: 3, unavailable: 0, incoming: 0 } });
  });

  it("is imported from the rejects once the cause is put right, as the same events", async () => {
    const { opened, sink, units } = await shop();
    const tea = "09506000134338";
    const lotted = (more: object = {}) => ({ ...event(`https://id.gs1.org/01/${tea}`), action: "ADD", ...more });
    const document = {
      "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", { my: "urn:epcglobal:cbv:mda:" }],
      type: "EPCISDocument",
      epcisBody: {
        eventList: [
          lotted({ ilmd: { "my:lotNumber": "L1" } }),
          lotted({ "@context": { own: "urn:epcglobal:cbv:mda:" }, ilmd: { "own:lotNumber": "L2" } }),
          lotted({ bizStep: "receiving", eventTime: "yesterday" }),
        ],
      },
    };
    const folder = await mkdtemp(join(tmpdir(), "larder-epcis-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const importing = async (text: string) => {
      const rejects = new RejectsFile(join(folder, "rejects.ndjson"), { type: "ndjson" });
      const summary = await importEpcis({ input: input(text), mapping, sink, units, rejects });
      return { ...short(summary), rejects: (await rejects.close()) ? await readFile(rejects.path, "utf8") : "" };
    };
    const all = await importing(JSON.stringify(document));
    expect(all).toMatchObject({ rows: 3, accepted: 0, rejectedCount: 3 });
    accepted(await opened.inventory.putItem("tea", { name: "Tea", unit: "each", gtins: [tea] }, caller));
    const some = await importing(all.rejects);
    expect(some).toMatchObject({ rows: 3, accepted: 2, rejectedCount: 1 });
    expect(await importing(some.rejects.replaceAll("yesterday", "2026-03-02T11:00:00Z"))).toMatchObject({
      accepted: 1,
    });
    const { locations } = accepted(await opened.inventory.stock("tea", { lots: true }, caller));
    expect(locations[0]?.lots?.map(({ lot, quantity }) => [lot, quantity]).sort()).toEqual([
      ["L1", 3],
      ["L2", 3],
      ["unknown", 3],
    ]);
    // They are the events that they were: the document brings nothing new.
    expect(await importing(JSON.stringify(document))).toMatchObject({ accepted: 0, duplicates: 2, rejectedCount: 1 });
    const wrong = importing(`${all.rejects}nonsense\n`);
    await expect(wrong).rejects.toThrow("is no rejects file: its line 4 is none");
  });

  it.each<[string, string | Uint8Array, string]>([
    ["no document", "type,quantity\nreceived,3\n", "is no JSON"],
    ["nothing", "", "is no JSON"],
    ["another document", "{}", "The document at /epcisBody is missing."],
    ["XML that is cut off", example("a-day.xml").slice(0, 4000), "unclosed tag"],
    [
      "a document type with entities",
      '<!DOCTYPE a [<!ENTITY b "c">]><EPCISDocument/>',
      "a document type that defines something is not read",
    ],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), "bytes that are not UTF-8"],
  ])("ends the import: %s", async (_, text, why) => {
    const { sink } = await shop();
    const failure = await importEpcis({ input: input(text), mapping, sink }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ImportError);
    expect((failure as ImportError).message).toContain(why);
  });

  it.each([100, 100_000])(
    "is not what was read before the damage of a file, in pieces of %i bytes",
    async (pieceBytes) => {
      const { opened, sink, units } = await shop();
      const xml = example("a-day.xml");
      const third = xml.indexOf("</ObjectEvent>", xml.indexOf("</ObjectEvent>", xml.indexOf("</ObjectEvent>") + 1) + 1);
      const cut = `${xml.slice(0, third)}</ObjectEvent><ObjectEvent><b></a>`;
      const importing = importEpcis({ input: input(cut, pieceBytes), mapping, sink, units });
      const failure = await importing.catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "input-damaged", summary: { rows: 3, accepted: 2 } });
      expect(await stockOf(opened, "milk")).not.toEqual({});
    },
  );

  it.each([
    [{ source: "x" }, '"places" is missing'],
    [{ source: "x", places: { "9506000134353": "leeds" } }, "GLN 9506000134353 has a wrong check digit"],
    [{ source: "x", places: {}, rules: [] }, '"rules" is unknown here'],
  ])("a mapping that is wrong is refused: %j", (value, why) => {
    expect(() => checkEpcisMapping(value)).toThrow(MappingError);
    expect(() => checkEpcisMapping(value)).toThrow(why);
  });
});
