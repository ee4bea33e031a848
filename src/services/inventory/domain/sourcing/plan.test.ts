import { describe, expect, it } from "vitest";
import { type Demand, endOfDates, type Place, type PlanRequest, planSourcing, type Supply } from "./index.ts";

function supply(location: string, capacity: number, more: Partial<Supply> = {}): Supply {
  return { sku: "milk", location, capacity, dated: [], lots: [], ...more };
}

function demand(quantity: number, more: Partial<Demand> = {}): Demand {
  return { line: 0, sku: "milk", quantity, ...more };
}

function plan(request: Partial<PlanRequest>) {
  return planSourcing({ demands: [], supplies: [], places: [], strategy: "priority", allowPartial: false, ...request });
}

function served(request: Partial<PlanRequest>): string[] {
  return plan(request).allocations.map(({ line, location, quantity }) => `${line}: ${quantity} ${location}`);
}

const places: readonly Place[] = [
  { location: "leeds", priority: 10, position: { lat: 53.8008, lon: -1.5491 } },
  { location: "york", priority: 20, position: { lat: 53.96, lon: -1.0873 } },
  { location: "hull", priority: 10 },
];

describe("the strategies", () => {
  it("priority takes the lower number first, then the name, and 100 where nothing is set", () => {
    const supplies = ["bath", "york", "leeds", "hull"].map((location) => supply(location, 2));
    const { allocations } = plan({ demands: [demand(7)], supplies, places });
    expect(allocations.map(({ location, because }) => [location, because])).toEqual([
      ["hull", "first in priority (10)"],
      ["leeds", "next in priority (10)"],
      ["york", "next in priority (20)"],
      ["bath", "next in priority (100)"],
    ]);
  });

  it("most-stock takes the location that can promise the line the most", () => {
    const ends = [
      { from: "2026-12-01", capacity: 9 },
      { from: endOfDates, capacity: 1 },
    ];
    const supplies = [supply("leeds", 9, { dated: ends }), supply("york", 4), supply("hull", 4)];
    expect(served({ demands: [demand(2)], supplies, places, strategy: "most-stock" })).toEqual(["0: 2 leeds"]);
    const lasting = plan({
      demands: [demand(5, { sellableUntil: "2026-12-02" })],
      supplies,
      places,
      strategy: "most-stock",
    });
    expect(lasting.allocations.map(({ location, quantity, because }) => [location, quantity, because])).toEqual([
      ["hull", 4, "most stock: 4 can be promised"],
      ["york", 1, "next most stock: 4 can be promised"],
    ]);
  });

  it("nearest goes by distance, and takes locations without a position last", () => {
    const supplies = ["hull", "leeds", "york"].map((location) => supply(location, 1));
    const near = { lat: 53.9591, lon: -1.0815 };
    const { allocations } = plan({ demands: [demand(3)], supplies, places, strategy: "nearest", near });
    expect(allocations.map(({ location, because }) => [location, because])).toEqual([
      ["york", "nearest: 0.4 km"],
      ["leeds", "next nearest: 35.3 km"],
      ["hull", "its position is not known, so it comes after those whose is"],
    ]);
  });

  it("nearest is never asked for without a position", () => {
    expect(() => plan({ demands: [demand(1)], strategy: "nearest" })).toThrow("near");
  });

  it("earliest-expiry takes stock that ends first, and undated stock last", () => {
    const supplies = [
      supply("york", 1),
      supply("leeds", 1, { lots: [{ lot: "a", from: "2026-12-05", capacity: 1 }] }),
      supply("hull", 1, { lots: [{ lot: "a", from: "2026-12-01", capacity: 1 }] }),
    ];
    const { allocations } = plan({ demands: [demand(3)], supplies, places, strategy: "earliest-expiry" });
    expect(allocations.map(({ location, because }) => [location, because])).toEqual([
      ["hull", "its stock ends first: 2026-12-01"],
      ["leeds", "its stock ends next: 2026-12-05"],
      ["york", "none of its stock has a date, so it comes after stock that has"],
    ]);
  });

  it("earliest-expiry looks at what can serve the line alone: until its date, of its lot, and promised to nobody", () => {
    const lot = (name: string, from: string, capacity = 5) => ({ lot: name, from, capacity });
    const dated = [
      { from: "2026-12-01", capacity: 5 },
      { from: "2026-12-09", capacity: 5 },
      { from: "9999-12-31", capacity: 0 },
    ];
    const york = supply("york", 10, { dated, lots: [lot("a", "2026-12-01"), lot("b", "2026-12-09")] });
    const leeds = supply("leeds", 5, { lots: [lot("b", "2026-12-05")] });
    const first = (more: Partial<Demand>, supplies = [york, leeds]) =>
      plan({ demands: [demand(3, more)], supplies, places, strategy: "earliest-expiry" }).allocations[0];
    expect(first({})).toMatchObject({ location: "york", because: "its stock ends first: 2026-12-01" });
    expect(first({ sellableUntil: "2026-12-02" })).toMatchObject({
      location: "leeds",
      because: "its stock ends first: 2026-12-05",
    });
    expect(first({ lot: "b" })).toMatchObject({ location: "leeds" });
    const promised = { ...york, lots: [lot("a", "2026-12-01", 0), lot("b", "2026-12-09")] };
    expect(first({}, [promised, leeds])).toMatchObject({ location: "leeds" });
  });

  it("fewest-splits prefers one location that has everything to others of lower priority", () => {
    const supplies = [supply("hull", 1), supply("leeds", 1), supply("york", 2)];
    const { allocations, notes } = plan({ demands: [demand(2)], supplies, places, strategy: "fewest-splits" });
    expect(allocations).toEqual([
      { line: 0, sku: "milk", location: "york", quantity: 2, because: "serves the whole order by itself" },
    ]);
    expect(notes).toEqual([]);
  });

  it("fewest-splits looks at the whole order, and takes the least sum of priorities among the smallest sets", () => {
    const demands = [demand(1), demand(1, { line: 1, sku: "eggs" }), demand(1, { line: 2, sku: "rice" })];
    const supplies = [
      supply("hull", 1),
      supply("leeds", 1, { sku: "eggs" }),
      supply("bath", 1),
      supply("bath", 1, { sku: "eggs" }),
      supply("york", 1, { sku: "rice" }),
      supply("york", 1),
    ];
    const { allocations, notes } = plan({ demands, supplies, places, strategy: "fewest-splits" });
    expect(allocations.map(({ line, location, because }) => [line, location, because])).toEqual([
      [0, "york", "needed 2 locations at least, and york has all of 2 of the 3 lines"],
      [1, "leeds", "needed 2 locations at least, and leeds has all of 1 of the 3 lines"],
      [2, "york", "needed 2 locations at least, and york has all of 2 of the 3 lines"],
    ]);
    expect(notes).toEqual(["Split over 2 locations: no single one has all 3 lines."]);
  });

  it("fewest-splits sums priorities, rather than taking the first location that fits into a set", () => {
    const supplies = [supply("first", 3), supply("second", 5), supply("third", 5), supply("last", 7)];
    const ranked = [1, 2, 2, 5].map((priority, index) => ({ location: supplies[index]?.location ?? "", priority }));
    const request = { demands: [demand(10)], supplies, places: ranked, strategy: "fewest-splits" } as const;
    expect(served(request)).toEqual(["0: 5 second", "0: 5 third"]);
  });

  it("fewest-splits says when it chose greedily, and whether fewer might do", () => {
    const many = Array.from({ length: 13 }, (_, index) => supply(`bin-${String(index).padStart(2, "0")}`, index));
    const { allocations, notes } = plan({
      demands: [demand(30)],
      supplies: [...many, supply("x", 1)],
      strategy: "fewest-splits",
    });
    expect(allocations.map(({ location, quantity }) => [location, quantity])).toEqual([
      ["bin-12", 12],
      ["bin-11", 11],
      ["bin-07", 7],
    ]);
    expect(notes).toEqual([
      "Split over 3 locations: no single one has all 30 units.",
      "13 locations could serve this order, too many to try every combination: 3 of them were chosen greedily, and no fewer would do.",
    ]);
  });
});

describe("lines that name where they are served", () => {
  it("are served there whatever the strategy prefers", () => {
    const supplies = [supply("leeds", 9), supply("york", 9)];
    expect(plan({ demands: [demand(1, { locations: ["york"] })], supplies, places }).allocations).toEqual([
      { line: 0, sku: "milk", location: "york", quantity: 1, because: "the order names this location" },
    ]);
  });

  it("use several locations in the order named", () => {
    const supplies = [supply("leeds", 2), supply("york", 2), supply("hull", 9)];
    const { allocations, notes } = plan({ demands: [demand(3, { locations: ["york", "leeds"] })], supplies, places });
    expect(allocations.map(({ location, quantity, because }) => [location, quantity, because])).toEqual([
      ["york", 2, "number 1 of the 2 locations that the order names"],
      ["leeds", 1, "number 2 of the 2 locations that the order names"],
    ]);
    expect(notes).toEqual(["Split over 2 locations: no single one has all 3 units."]);
  });

  it("push others aside that could be served elsewhere, and those say so", () => {
    const demands = [demand(2), demand(2, { line: 1, locations: ["leeds"] })];
    const supplies = [supply("leeds", 3), supply("york", 3)];
    const { allocations } = plan({ demands, supplies, places });
    expect(allocations.map(({ line, location, quantity, because }) => [line, location, quantity, because])).toEqual([
      [0, "leeds", 1, "first in priority (10)"],
      [0, "york", 1, "next in priority (20); other lines need what leeds has"],
      [1, "leeds", 2, "the order names this location"],
    ]);
  });
});

describe("dates and lots", () => {
  const dated = supply("leeds", 6, {
    dated: [
      { from: "2026-12-01", capacity: 5 },
      { from: "2026-12-05", capacity: 3 },
      { from: endOfDates, capacity: 1 },
    ],
    lots: [
      { lot: "a", from: "2026-12-05", capacity: 2 },
      { lot: "b", from: undefined, capacity: 1 },
    ],
  });
  const available = (more: Partial<Demand>) =>
    plan({ demands: [demand(100, more)], supplies: [dated] }).short[0]?.available;

  it("holds a date to the entry at or after it", () => {
    expect(
      ["2026-11-30", "2026-12-01", "2026-12-02", "2026-12-05", "2026-12-06"].map((sellableUntil) =>
        available({ sellableUntil }),
      ),
    ).toEqual([5, 5, 3, 3, 1]);
    expect(available({})).toBe(6);
  });

  it("serves any date from stock that has none", () => {
    const short = plan({ demands: [demand(9, { sellableUntil: "2030-01-01" })], supplies: [supply("leeds", 4)] }).short;
    expect(short[0]?.available).toBe(4);
  });

  it("holds a lot to what is left in it, and refuses one that ends too soon or is not there", () => {
    expect(available({ lot: "a" })).toBe(2);
    expect(available({ lot: "b" })).toBe(1);
    expect(available({ lot: "a", sellableUntil: "2026-12-05" })).toBe(2);
    expect(available({ lot: "a", sellableUntil: "2026-12-06" })).toBe(0);
    expect(available({ lot: "c" })).toBe(0);
  });

  it("counts what is asked of a lot against the dates up to its own", () => {
    const demands = [demand(2, { lot: "a" }), demand(2, { line: 1, sellableUntil: "2026-12-03" })];
    expect(plan({ demands, supplies: [dated] }).short).toEqual([{ line: 1, sku: "milk", requested: 2, available: 1 }]);
  });
});

describe("orders that can't be served whole", () => {
  const demands = [
    demand(8, { line: 3 }),
    demand(3, { line: 1, sku: "eggs", locations: ["york"] }),
    demand(2, { line: 2, sku: "rice" }),
  ];
  const supplies = [supply("leeds", 3), supply("york", 2), supply("leeds", 2, { sku: "rice" })];

  it("are refused with every short line, and what it could get", () => {
    expect(plan({ demands, supplies })).toEqual({
      allocations: [],
      short: [
        { line: 1, sku: "eggs", location: "york", requested: 3, available: 0 },
        { line: 3, sku: "milk", requested: 8, available: 5 },
      ],
      notes: ["Refused: the permitted locations can't serve 2 of 3 lines whole."],
    });
  });

  it("are served as far as possible when that is allowed", () => {
    const partial = plan({ demands, supplies, allowPartial: true });
    expect(partial.allocations.map(({ line, location, quantity }) => `${line}: ${quantity} ${location}`)).toEqual([
      "2: 2 leeds",
      "3: 3 leeds",
      "3: 2 york",
    ]);
    expect(partial.short.map(({ line, available }) => [line, available])).toEqual([
      [1, 0],
      [3, 5],
    ]);
    expect(partial.notes).toEqual(["2 of 3 lines get less than asked for.", "Split over 2 locations."]);
  });

  it("are served by fewest-splits from no more locations than have all that there is", () => {
    const request = { supplies, strategy: "fewest-splits", allowPartial: true } as const;
    const one = plan({
      ...request,
      demands: [demand(8, { locations: ["york"] }), demand(4, { line: 1, sku: "rice" })],
    });
    expect(one.allocations.map(({ location, because }) => [location, because])).toEqual([
      ["york", "the order names this location"],
      ["leeds", "needed 2 locations at least, and leeds has a part of it"],
    ]);
    const rice = plan({ ...request, demands: [demand(4, { sku: "rice" })] });
    expect(rice.allocations.map(({ because }) => because)).toEqual(["has all that there is for this order"]);
    const milk = plan({ ...request, demands: [demand(5)] });
    expect(milk.allocations.map(({ because }) => because)).toEqual([
      "needed 2 locations at least, and leeds has 3 of the 5 units",
      "needed 2 locations at least, and york has 2 of the 5 units",
    ]);
  });

  it("are refused by fewest-splits with the same figures, without a search", () => {
    const refused = plan({ demands, supplies, strategy: "fewest-splits" });
    expect(refused).toEqual(plan({ demands, supplies }));
  });
});
