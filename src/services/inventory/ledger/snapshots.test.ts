import { describe, expect, it } from "vitest";
import type { DerivedDocument, RecordedUnit } from "../../../platform/storage/index.ts";
import type { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { comparable } from "../domain/stock/arrival.fixture.ts";
import { emptyStock, type Stock } from "../domain/stock/index.ts";
import { accepted, caller, fact, openInventory } from "../fixture.ts";
import { streamOf } from "./index.ts";
import { loadState, SnapshotWriter } from "./snapshots.ts";

const stream = streamOf.stock("shop", "milk");

/** A stock with lots, holds, counts and receipts, and a snapshot of it that more events follow. */
async function written(): Promise<{ storage: MemoryStorage; snapshot: DerivedDocument }> {
  const opened = await openInventory();
  const { inventory, storage, clock } = opened;
  const place = { sku: "milk", location: "shop" };
  const many = Array.from({ length: 250 }, () => fact("stock.received", { ...place, quantity: 1 }));
  await inventory.recordFacts(many, caller);
  await inventory.recordFacts(
    [
      fact("stock.received", { ...place, quantity: 5, lot: "a", expiresOn: "2026-03-03", reference: "p" }),
      fact("stock.expected", { ...place, quantity: 9, reference: "p" }),
      fact("stock.counted", { ...place, quantity: 4, lot: "a" }),
    ],
    caller,
  );
  await inventory.reserve({ id: "r", lines: [{ ...place, quantity: 3, sellableUntil: "2026-03-01" }] }, caller);
  await inventory.reserve({ id: "l", lines: [{ ...place, quantity: 2, lot: "a" }] }, caller);
  await inventory.stop(); // keeps what was derived
  const snapshot = storage.derived.get("snapshots", stream);
  if (snapshot === undefined) throw new Error("no snapshot was written");
  const after = await openInventory({ storage, clock });
  await after.inventory.confirm("r", {}, caller);
  await after.inventory.recordFacts([fact("stock.sold", { ...place, quantity: 7 })], caller);
  await after.inventory.stop();
  return { storage, snapshot };
}

async function load(storage: MemoryStorage) {
  const reader = new SnapshotWriter(() => undefined);
  const { version, state } = await loadState(storage, reader, stream);
  return { version, state: comparable(state as Stock), discarded: reader.counters.discarded };
}

/** Puts another body in the place of the snapshot. */
function replace(storage: MemoryStorage, put: readonly DerivedDocument[], remove: readonly string[] = []): void {
  const checkpoint = storage.derived.checkpoint("snapshots");
  storage.derived.commit([{ consumer: "snapshots", checkpoint, put, remove }]);
}

function unitOf(name: string, seq: number, version: number): RecordedUnit {
  const meta = { command: `c${seq}`, recordedAt: 1000, actor: "test" };
  return {
    meta,
    claims: [],
    body: "",
    events: [{ seq, stream: name, version, type: "StockSold", schema: 1, data: {}, unit: meta }],
  };
}

describe("snapshots", () => {
  it("with the events after them give the state of the whole history", async () => {
    const { storage } = await written();
    const withSnapshot = await load(storage);
    replace(storage, [], [stream]);
    expect(withSnapshot).toEqual(await load(storage));
    expect(withSnapshot.discarded).toEqual({ damaged: 0, "other-shape": 0, stale: 0 });
  });

  it("spare reading what they contain", async () => {
    const { storage, snapshot } = await written();
    const { version } = JSON.parse(snapshot.body) as { version: number };
    const reads: number[] = [];
    const readStream = storage.readStream.bind(storage);
    storage.readStream = (name, after, upTo) => {
      reads.push(after ?? 0);
      return readStream(name, after, upTo);
    };
    await load(storage);
    expect(reads).toEqual([version - 1]);
  });

  type Body = { shape: number; version: number; seq: number; digest: string; state: string };
  const spoilt: readonly (readonly [string, "damaged" | "other-shape" | "stale", (body: Body) => string])[] = [
    [
      "a changed digit",
      "damaged",
      (body) =>
        JSON.stringify({ ...body, state: body.state.replace(/\d/, (digit) => String((Number(digit) + 1) % 10)) }),
    ],
    ["a cut text", "damaged", (body) => JSON.stringify(body).slice(0, -20)],
    ["another version under its digest", "damaged", (body) => JSON.stringify({ ...body, version: body.version - 1 })],
    ["nothing", "damaged", () => ""],
    ["null", "damaged", () => "null"],
  ];

  it.each(spoilt)("holding %s are discarded and counted, never believed", async (_what, reason, spoil) => {
    const { storage, snapshot } = await written();
    const expected = await load(storage);
    replace(storage, [{ ...snapshot, body: spoil(JSON.parse(snapshot.body) as Body) }]);
    const found = await load(storage);
    expect(found).toEqual({ ...expected, discarded: { ...expected.discarded, [reason]: 1 } });
  });

  it("of another stock are not believed", async () => {
    const { storage, snapshot } = await written();
    const other = streamOf.stock("shop", "tea");
    replace(storage, [{ ...snapshot, id: other }]);
    const reader = new SnapshotWriter(() => undefined);
    expect(await loadState(storage, reader, other)).toMatchObject({ version: 0, state: { onHand: 0 } });
    expect(reader.counters.discarded.damaged).toBe(1);
  });

  it("of another shape, of another history or ahead of the log are discarded, though they are whole", async () => {
    const { storage, snapshot } = await written();
    const expected = await load(storage);
    const sign = async (change: Partial<Body>) => {
      const { createHash } = await import("node:crypto");
      const body = { ...(JSON.parse(snapshot.body) as Body), ...change };
      const said = JSON.stringify([stream, body.shape, body.version, body.seq, body.state]);
      replace(storage, [
        {
          id: stream,
          body: JSON.stringify({ ...body, digest: createHash("sha256").update(said).digest("base64url") }),
        },
      ]);
    };
    const body = JSON.parse(snapshot.body) as Body;
    await sign({});
    expect(await load(storage)).toEqual(expected);
    const cases = [
      ["other-shape", { shape: body.shape + 1 }],
      ["stale", { seq: body.seq + 1 }],
      ["stale", { version: body.version + 1000, seq: body.seq + 1000 }],
      ["stale", { version: body.version - 1 }],
    ] as const;
    for (const [reason, change] of cases) {
      await sign(change);
      expect(await load(storage)).toEqual({ ...expected, discarded: { ...expected.discarded, [reason]: 1 } });
    }
  });

  it("are never written of a state that is ahead of the log", async () => {
    const { storage } = await written();
    const asked: number[] = [];
    const writer = new SnapshotWriter((_stream, version) => {
      asked.push(version);
      return undefined; // another version is in memory
    });
    for (const unit of await storage.readLog(0, 10_000)) writer.apply(unit);
    const [version] = await storage.versions([stream]);
    expect(writer.changes()).toEqual({ put: [], remove: [] });
    expect(asked).toEqual([version]);
  });

  it("or none: a cold start answers as the process before it did", async () => {
    const { storage } = await written();
    const answers = [];
    for (const round of ["warm", "without snapshots", "without anything derived"]) {
      if (round !== "warm") storage.derived.reset("snapshots");
      if (round === "without anything derived")
        for (const consumer of ["availability", "reservations", "expiry", "registry-item", "registry-location"])
          storage.derived.reset(consumer);
      const { inventory } = await openInventory({ storage });
      const { position: _position, ...stock } = accepted(await inventory.stock("milk", { lots: true }, caller));
      const reservation = accepted(await inventory.reservation("r", caller));
      const items = accepted(await inventory.availability(["milk"], undefined, caller)).items;
      answers.push({
        stock,
        reservation,
        items,
        list: accepted(await inventory.reservations({ limit: 9 }, caller)).items,
      });
      await inventory.stop();
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it("are written of a stock that had to be folded from many events, and of no other", async () => {
    const opened = await openInventory();
    const { inventory, storage } = opened;
    const receive = (sku: string) => fact("stock.received", { sku, location: "shop", quantity: 1 });
    await inventory.recordFacts([...Array.from({ length: 9 }, () => receive("milk")), receive("tea")], caller);
    await inventory.stop();
    const writer = new SnapshotWriter(() => undefined);
    const [milk, tea] = [
      await loadState(storage, writer, stream),
      await loadState(storage, writer, streamOf.stock("shop", "tea")),
    ];
    expect([milk.version, tea.version]).toEqual([9, 1]);
    // Written as it was folded, not as it has become.
    (milk.state as Stock).onHand = 1000;
    const { put } = writer.changes();
    expect(put.map(({ id }) => id)).toEqual([stream]);
    replace(storage, put);
    const reads: number[] = [];
    const readStream = storage.readStream.bind(storage);
    storage.readStream = (name, after, upTo) => {
      reads.push(after ?? 0);
      return readStream(name, after, upTo);
    };
    const again = await loadState(storage, writer, stream);
    expect([again.version, (again.state as Stock).onHand, reads]).toEqual([9, 9, [8]]);
    expect(writer.changes().put).toEqual([]);
    expect(writer.counters.discarded).toEqual({ damaged: 0, "other-shape": 0, stale: 0 });
  });

  it("keep the cost of stocks that are seldom in memory from growing with their history", async () => {
    const { inventory, storage } = await openInventory({ cachedStatesMax: 2 });
    const skus = Array.from({ length: 12 }, (_, index) => `sku-${index}`);
    const round = async () => {
      for (const sku of skus)
        await inventory.recordFacts([fact("stock.received", { sku, location: "shop", quantity: 1 })], caller);
    };
    const readStream = storage.readStream.bind(storage);
    let [reads, read] = [0, 0];
    storage.readStream = async (name, after, upTo) => {
      const events = await readStream(name, after, upTo);
      reads += 1;
      read += events.length;
      return events;
    };
    for (let turn = 0; turn < 60; turn += 1) {
      [reads, read] = [0, 0];
      await round();
      // Some rounds fall between two commits of what was derived.
      if (turn % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await round();
    expect(reads).toBeGreaterThanOrEqual(skus.length);
    expect(read / reads).toBeLessThan(25);
    await inventory.stop();
  });

  it("of many stocks that are due together are written in turns, none left out", () => {
    const stocks = Array.from({ length: 2000 }, (_, index) => streamOf.stock("shop", `sku ${index}`));
    const writer = new SnapshotWriter(() => emptyStock(), 2);
    for (const [seq, name] of [...stocks, ...stocks].entries())
      writer.apply(unitOf(name, seq + 1, seq < stocks.length ? 1 : 2));
    const written = new Set<string>();
    let turns = 0;
    for (; turns < 100; turns += 1) {
      const { put } = writer.changes();
      if (put.length === 0) break;
      expect(put.reduce((sum, { body }) => sum + body.length, 0)).toBeLessThan(300_000);
      for (const { id } of put) written.add(id);
    }
    expect(turns).toBeGreaterThan(1);
    expect(written).toEqual(new Set(stocks));
  });
});
