import { describe, expect, it } from "vitest";
import { InvariantError } from "../../kernel/index.ts";
import type { AppendUnit } from "./port.ts";
import { readUnit, recordUnit } from "./unit.ts";

const unit: AppendUnit = {
  meta: {
    command: "0197-sale",
    recordedAt: 1_763_719_200_123,
    actor: "key-1",
    fact: { type: "larder.stock.sold.v1", time: 1_763_719_199_000, id: "sale 17", source: "till-4" },
  },
  expected: [
    { stream: "stock-Zürich-milk", version: 2 },
    { stream: "reservation-r1", version: 0 },
  ],
  events: [
    { stream: "stock-Zürich-milk", type: "StockSold", schema: 1, data: { quantity: 3, note: "½ 🏬" } },
    { stream: "reservation-r1", type: "ReservationEnded", schema: 2, data: {} },
  ],
  claims: [{ key: "00112233445566778899aabbccddeeff", print: "0123456789abcdef" }],
};
const versions = new Map([["stock-Zürich-milk", 2]]);
const recorded = recordUnit(unit, unit.meta, 41, (stream) => (versions.get(stream) ?? 0) + 1);

/** What released versions have written. A sample is added when the form grows, and none is ever changed. */
const samples = [
  '{"at":1763719200123,"cmd":"0197-sale","by":"key-1",' +
    '"fact":{"source":"till-4","id":"sale 17","type":"larder.stock.sold.v1","time":1763719199000},' +
    '"events":[{"stream":"stock-Zürich-milk","v":3,"type":"StockSold","schema":1,"data":{"quantity":3,"note":"½ 🏬"}},' +
    '{"stream":"reservation-r1","v":1,"type":"ReservationEnded","schema":2,"data":{}}],' +
    '"claims":[["00112233445566778899aabbccddeeff","0123456789abcdef"]]}',
];

describe("the stored form of a unit", () => {
  it("is what the newest sample shows, byte for byte", () => {
    expect(recorded.body).toBe(samples.at(-1));
    expect(recorded.body).toBe(samples.at(-1));
  });

  it.each(samples)("is read from every sample", (sample) => {
    expect(readUnit(41, sample)).toEqual(recorded);
  });

  it("leaves out what is not there", () => {
    const small: AppendUnit = {
      meta: { command: "c", recordedAt: 7, actor: "system:expiry" },
      expected: [{ stream: "a", version: 0 }],
      events: [{ stream: "a", type: "HoldLapsed", schema: 1, data: { id: "h" } }],
    };
    const { body } = recordUnit(small, small.meta, 1, () => 1);
    expect(body).toBe(
      '{"at":7,"cmd":"c","by":"system:expiry","events":[{"stream":"a","v":1,"type":"HoldLapsed","schema":1,"data":{"id":"h"}}]}',
    );
    expect(readUnit(1, body).meta).toEqual(small.meta);
  });

  it("is read past members of a later version", () => {
    const later = samples[0]?.replace('"by"', '"zone":{"x":1},"by"').replace('"schema":1', '"schema":1,"lang":"de"');
    expect(readUnit(41, later ?? "")).toEqual({ ...recorded, body: later });
  });

  const good = { at: 1, cmd: "c", by: "b", events: [{ stream: "s", v: 1, type: "t", schema: 1, data: {} }] };
  const spoilt = [
    { ...good, by: 1 },
    { ...good, fact: null },
    { ...good, fact: { source: "s", id: 1, type: "t" } },
    { ...good, claims: {} },
    { ...good, claims: [["k"]] },
    ...[null, 7, [], ...Object.keys(good.events[0] ?? {}).map((name) => ({ ...good.events[0], [name]: null }))].map(
      (event) => ({ ...good, events: [event] }),
    ),
  ].map((unit) => JSON.stringify(unit));

  it("is read when it is a unit", () => {
    expect(readUnit(41, JSON.stringify(good)).events).toHaveLength(1);
  });

  it.each(["", "{", "[]", "null", "{}", '{"at":1,"cmd":"c","by":"b","events":[]}', ...spoilt])(
    "is not read from %j",
    (text) => {
      expect(() => readUnit(41, text)).toThrow(InvariantError);
    },
  );

  it("gives the rest of a unit after a position inside it", () => {
    expect(recorded.after(40)).toBe(recorded);
    expect(recorded.after(41).events.map(({ seq }) => seq)).toEqual([42]);
    expect(recorded.after(41).body).toBe(recorded.body);
  });
});
