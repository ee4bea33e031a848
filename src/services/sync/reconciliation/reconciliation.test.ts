import { describe, expect, it, vi } from "vitest";
import { limits, PlatformError } from "../../../kernel/index.ts";
import { isSigned, type OutboundCall } from "../../../platform/outbound/index.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import { accepted, caller, codeOf, fact } from "../../inventory/fixture.ts";
import { lookWhenTold, openWorld, type World } from "./world.fixture.ts";

const minute = 60_000;

async function onHand({ inventory }: World, sku: string): Promise<number | undefined> {
  const [item] = await inventory.availabilityOf([{ location: "leeds", sku }]);
  return item?.onHand;
}

/** Seven stocks on both sides. */
async function openStocked(options: Parameters<typeof openWorld>[0] = {}): Promise<World> {
  const world = await openWorld(options);
  for (const sku of ["bread", "eggs", "milk", "oil", "rice", "salt", "tea"])
    await world.tell("stock.received", { sku, quantity: 20 });
  world.clock.now += 10 * minute;
  return world;
}

describe("a reconciliation", () => {
  it("of two sides that agree finds nothing", async () => {
    const world = await openStocked();
    expect(await world.run("report")).toMatchObject({
      status: "done",
      compared: 7,
      matched: 7,
      inFlight: 0,
      accuracy: 1,
      findings: [],
      locations: [{ location: "leeds", findings: 0, cause: null }],
    });
    await world.stop();
  });

  it("reports what differs, and changes nothing", async () => {
    const world = await openStocked();
    await world.tell("stock.sold", { sku: "milk", quantity: 3 }, { lose: true });
    world.stock.forget("bread");
    Object.assign(world.stock.get("tea") ?? {}, { onHand: 99 });
    world.stock.take("x", [{ sku: "gin", location: "leeds", available: 4, onHand: 4, version: 1, changedAt: "" }]);
    world.stock.take("y", [{ sku: "private", location: "leeds", available: 4, onHand: 4, version: 1, changedAt: "" }]);
    const head = world.storage.head();
    const run = await world.run("report");
    const finding = (sku: string, kind: string, ours: number | null, theirs: number | null) => ({
      receiver: "leeds",
      sku,
      location: "leeds",
      kind,
      ours,
      theirs,
      action: "none",
    });
    expect(run.findings.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))).toEqual([
      finding("bread", "missing-there", 20, null),
      finding("gin", "missing-here", null, 4),
      finding("milk", "late", 17, 20),
      finding("tea", "drift", 20, 99),
    ]);
    expect(run).toMatchObject({ compared: 8, matched: 4, accuracy: 0.5 });
    expect(world.pending.size).toBe(0);
    const events = (await world.storage.readLog(head, 100)).flatMap((unit) => unit.events.map(({ type }) => type));
    expect(events).toEqual(["ReconciliationRequested", "LocationReconciled", "ReconciliationEnded"]);
    await world.stop();
  });

  it("puts a copy of ours right by sending it again, until nothing differs", async () => {
    const world = await openStocked();
    await world.tell("stock.sold", { sku: "milk", quantity: 3 }, { lose: true });
    world.stock.forget("bread");
    Object.assign(world.stock.get("tea") ?? {}, { onHand: 99 });
    const run = await world.run("correct");
    expect(run.findings.map(({ action }) => action)).toEqual(["sent-again", "sent-again", "sent-again"]);
    await world.deliver();
    expect(await world.run("correct")).toMatchObject({ accuracy: 1, findings: [] });
    expect([world.stock.get("milk"), world.stock.get("bread"), world.stock.get("tea")]).toMatchObject([
      { onHand: 17 },
      { onHand: 20 },
      { onHand: 20 },
    ]);
    await world.stop();
  });

  it("counts a figure that is their own, and keeps what was sold since", async () => {
    const world = await openStocked({ authority: "theirs" });
    world.stock.move("milk", -5); // nobody tells us
    world.clock.now += minute;
    // Between their snapshots and the correction goods go on moving, and of those we are told.
    const snapshot = world.stock.snapshot.bind(world.stock);
    let asked = 0;
    vi.spyOn(world.stock, "snapshot").mockImplementation((...args) => {
      const page = snapshot(...args);
      world.clock.now += 10;
      asked += 1;
      if (page.next === undefined && asked > 3) {
        const time = new Date(world.stock.move("milk", -2)).toISOString();
        void world.inventory.recordFacts(
          [fact("stock.sold", { sku: "milk", location: "leeds", quantity: 2 }, { time })],
          caller,
        );
      }
      return page;
    });
    const run = await world.run("correct");
    expect(run.findings).toMatchObject([{ sku: "milk", kind: "drift", theirs: 15, ours: 20, action: "counted" }]);
    expect(await onHand(world, "milk")).toBe(13);
    expect(world.stock.get("milk")?.onHand).toBe(13);
    vi.restoreAllMocks();
    expect(await world.run("correct")).toMatchObject({ findings: [] });
    const trail = accepted(await world.inventory.stockEvents("milk", { limit: 3 }, caller));
    expect(trail.events.map(({ data }) => data["actor"])).toContain("system:reconciliation");
    await world.stop();
  });

  it("counts what we had never heard of where theirs wins", async () => {
    const world = await openStocked({ authority: "theirs" });
    world.stock.move("gin", 4);
    world.clock.now += minute;
    expect((await world.run("correct")).findings).toMatchObject([{ kind: "missing-here", action: "counted" }]);
    expect(await onHand(world, "gin")).toBe(4);
    await world.stop();
  });

  it("finds a figure that is more than ours can ever be, and leaves what can't be counted", async () => {
    const world = await openStocked({ authority: "theirs" });
    world.stock.move("milk", 1e15);
    world.clock.now += minute;
    const run = await world.run("correct");
    expect(run).toMatchObject({ status: "done", findings: [{ sku: "milk", kind: "drift", action: "none" }] });
    await world.stop();
  });

  it("lets changes under way arrive", async () => {
    const world = await openStocked({ authority: "theirs" });
    const at = world.stock.move("milk", -5);
    world.clock.now += 10;
    await world.inventory.recordFacts(
      [fact("stock.received", { sku: "beer", location: "leeds", quantity: 1 })],
      caller,
    );
    world.pending.add(JSON.stringify(["leeds", "beer"]));
    // The fact comes while they are asked the second time.
    const snapshot = world.stock.snapshot.bind(world.stock);
    let asked = 0;
    vi.spyOn(world.stock, "snapshot").mockImplementation((...args) => {
      asked += 1;
      const sold = fact(
        "stock.sold",
        { sku: "milk", location: "leeds", quantity: 5 },
        { time: new Date(at).toISOString() },
      );
      if (asked === 4) void world.inventory.recordFacts([sold], caller);
      return snapshot(...args);
    });
    expect(await world.run("correct")).toMatchObject({ compared: 6, inFlight: 2, findings: [] });
    await world.stop();
  });

  it("of records that say neither version nor time finds only what stands still", async () => {
    const world = await openStocked({ tells: "nothing" });
    Object.assign(world.stock.get("tea") ?? {}, { onHand: 99 });
    Object.assign(world.stock.get("milk") ?? {}, { onHand: 98 });
    world.pending.add(JSON.stringify(["leeds", "milk"]));
    expect((await world.run("report")).findings).toMatchObject([{ sku: "tea", kind: "drift", ours: 20, theirs: 99 }]);
    await world.stop();
  });

  it("that broke off is begun again at the next start, and counts once", async () => {
    const world = await openStocked({ authority: "theirs" });
    world.stock.move("milk", -5);
    world.clock.now += minute;
    const record = world.inventory.recordFacts.bind(world.inventory);
    let counted = 0;
    const stopped = new Promise<void>((resolve) => {
      vi.spyOn(world.inventory, "recordFacts").mockImplementation(async (...args) => {
        const receipt = await record(...args);
        counted += 1;
        void world.reconciliations.stop().then(resolve);
        return receipt;
      });
    });
    const { id } = accepted(await world.reconciliations.request({ mode: "correct" }, caller));
    await stopped;
    expect(counted).toBe(1);
    await world.inventory.stop();
    // Wrong once more before it goes on, so that it would count again.
    world.clock.now += minute;
    world.stock.move("milk", -1);
    world.clock.now += minute;

    const again = await openWorld({
      authority: "theirs",
      storage: world.storage,
      clock: world.clock,
      stock: world.stock,
    });
    await vi.waitFor(async () => {
      const run = accepted(await again.reconciliations.reconciliation(id, caller));
      expect(run).toMatchObject({ status: "done", findings: [{ sku: "milk", action: "counted" }] });
    });
    const { events } = accepted(await again.inventory.stockEvents("milk", { limit: 100 }, caller));
    expect(events.filter(({ type }) => type === "larder.stock.counted.v1")).toHaveLength(1);
    // The next one, which has another name, puts right the rest.
    expect((await again.run("correct")).findings).toMatchObject([{ ours: 15, theirs: 14, action: "counted" }]);
    expect(await onHand(again, "milk")).toBe(14);
    await again.stop();
  });

  it("goes on where an append has come that was taken for lost, and that is no failure", async () => {
    const { timers, look } = lookWhenTold();
    const world = await openStocked({ timers });
    const { storage } = world;
    const append = storage.append.bind(storage);
    let isLate = false;
    storage.append = async (units) => {
      const [unit] = units;
      if (unit !== undefined && !isLate && unit.events.some(({ type }) => type === "LocationReconciled")) {
        isLate = true;
        await append([{ ...unit, meta: { ...unit.meta, command: "the one before" } }]);
      }
      return await append(units);
    };
    const { id } = accepted(await world.reconciliations.request({ mode: "report" }, caller));
    await vi.waitFor(async () => {
      look();
      expect(accepted(await world.reconciliations.reconciliation(id, caller))).toMatchObject({ status: "done" });
    });
    expect([isLate, world.failures]).toEqual([true, []]);
    const results = (await storage.readLog(0, 10_000)).flatMap(({ events }) => events);
    expect(results.filter(({ type }) => type === "LocationReconciled")).toHaveLength(1);
    await world.stop();
  });

  it("comes by itself when its time has come, also after a restart, but not while everything outgoing is paused", async () => {
    const { timers, look } = lookWhenTold();
    const schedule = { everyMs: 120 * minute, mode: "correct" as const };
    const world = await openStocked({ timers, schedule });
    world.clock.now += 109 * minute;
    look();
    expect(accepted(await world.reconciliations.reconciliations({ limit: 9 }, caller)).items).toEqual([]);
    world.clock.now += minute;
    await world.storage.setOutgoingPaused(true);
    look();
    await world.storage.setOutgoingPaused(false);
    expect(accepted(await world.reconciliations.reconciliations({ limit: 9 }, caller)).items).toEqual([]);
    look();
    const runs = async (from: World) =>
      accepted(await from.reconciliations.reconciliations({ limit: 9 }, caller)).items;
    await vi.waitFor(async () =>
      expect(await runs(world)).toMatchObject([{ scheduled: true, mode: "correct", status: "done" }]),
    );
    await world.stop();

    world.clock.now += 119 * minute;
    const again = await openWorld({ storage: world.storage, clock: world.clock, stock: world.stock, timers, schedule });
    look();
    expect(await runs(again)).toHaveLength(1);
    again.clock.now += minute;
    look();
    await vi.waitFor(async () => expect((await runs(again)).filter(({ status }) => status === "done")).toHaveLength(2));
    await again.stop();
  });
});

it("waits while everything outgoing is paused, as after a restore", async () => {
  const { timers, look } = lookWhenTold();
  const world = await openStocked({ timers });
  const snapshot = vi.spyOn(world.stock, "snapshot");
  await world.storage.setOutgoingPaused(true);
  const { id } = accepted(await world.reconciliations.request({ mode: "correct" }, caller));
  look();
  await new Promise((resolve) => setImmediate(resolve));
  expect(snapshot).not.toHaveBeenCalled();
  for (let n = 1; n < limits.reconciliationsWaitingMax; n += 1)
    await world.reconciliations.request({ mode: "report" }, caller);
  expect(codeOf(await world.reconciliations.request({ mode: "report" }, caller))).toBe("too-many-requests");
  await world.storage.setOutgoingPaused(false);
  look();
  await vi.waitFor(async () => {
    expect(accepted(await world.reconciliations.reconciliation(id, caller)).status).toBe("done");
  });
  await world.stop();
});

describe("what can't be compared", () => {
  /** Has the log refuse to give a stock from now on, as when a cold file of it is damaged. */
  function damage({ storage }: World, sku: string): void {
    const read = storage.readStream.bind(storage);
    storage.readStream = async (stream, ...range) => {
      if (stream === `stock-leeds/${sku}`) throw new PlatformError("archive-unavailable", "the cold file 7 is damaged");
      return await read(stream, ...range);
    };
  }
  const gin = { sku: "gin", location: "leeds", onHand: 4 };
  const withRecords = (world: World, ...more: readonly object[]) => {
    world.answer = () => ({
      status: 200,
      body: JSON.stringify({ records: [...world.stock.snapshot(undefined, 100).records, ...more] }),
    });
  };

  it("for a cold file that can't be read is passed over and told; all others are compared, and the next one begins", async () => {
    const world = await openStocked();
    for (const sku of ["milk", "salt"]) await world.tell("stock.sold", { sku, quantity: 3 }, { lose: true });
    Object.assign(world.stock.get("tea") ?? {}, { onHand: 99 });
    for (const sku of ["milk", "rice"]) damage(world, sku);
    const run = await world.run("report");
    expect(run.locations).toEqual([
      expect.objectContaining({
        ...{ location: "leeds", compared: 6, matched: 4, inFlight: 0, findings: 2, left: 2, cause: null },
        passedOver: [{ reason: "unreadable-here", count: 1, first: { sku: "milk", location: "leeds" } }],
      }),
    ]);
    expect(run.findings.map(({ sku, kind }) => [sku, kind]).sort()).toEqual([
      ["salt", "late"],
      ["tea", "drift"],
    ]);
    expect(world.compared[0]?.passedOver?.[0]?.first.problem).toBe("the cold file 7 is damaged");
    expect(world.failures).toEqual([]);
    expect(await world.run("report")).toMatchObject({ status: "done", compared: 6 });
    await world.stop();
  });

  it("at the second look alone is passed over too", async () => {
    const world = await openStocked();
    for (const sku of ["milk", "salt"]) await world.tell("stock.sold", { sku, quantity: 3 }, { lose: true });
    const snapshot = world.stock.snapshot.bind(world.stock);
    let asked = 0;
    vi.spyOn(world.stock, "snapshot").mockImplementation((cursor, ...args) => {
      if (cursor === undefined) asked += 1;
      if (cursor === undefined && asked === 2) damage(world, "milk");
      return snapshot(cursor, ...args);
    });
    expect(await world.run("correct")).toMatchObject({
      findings: [{ sku: "salt", action: "sent-again" }],
      locations: [{ compared: 6, matched: 5, inFlight: 0, passedOver: [{ count: 1, first: { sku: "milk" } }] }],
    });
    await world.stop();
  });

  it("but can't be counted, for the history that a count needs can't be read, is left as it is and the others are counted", async () => {
    const world = await openStocked({ authority: "theirs" });
    for (const sku of ["milk", "salt", "tea"]) world.stock.move(sku, -5);
    world.clock.now += minute;
    const record = world.inventory.recordFacts.bind(world.inventory);
    vi.spyOn(world.inventory, "recordFacts").mockImplementation(async (facts, ...args) => {
      if (JSON.stringify(facts).includes('"salt"')) throw new PlatformError("archive-unavailable", "no such cold file");
      return await record(facts, ...args);
    });
    const run = await world.run("correct");
    expect(run.findings.map(({ sku, action }) => [sku, action]).sort()).toEqual([
      ["milk", "counted"],
      ["salt", "none"],
      ["tea", "counted"],
    ]);
    expect(run.locations).toMatchObject([{ findings: 3, left: 1 }]);
    expect(await Promise.all(["milk", "salt", "tea"].map((sku) => onHand(world, sku)))).toEqual([15, 20, 15]);
    await world.stop();
  });

  it.each([
    ["a sku that is longer than there may be", { sku: "x".repeat(101) }, { sku: "x".repeat(100), location: "leeds" }],
    ["a sku of nothing", { sku: "" }, { sku: "", location: "leeds" }],
    ["white space at an end", { sku: "gin " }, { sku: "gin ", location: "leeds" }],
    ["a control character, which is not shown", { sku: "gin\u0000" }, { sku: "gin\ufffd", location: "leeds" }],
    ["a location that can be none", { location: " leeds" }, { sku: "gin", location: " leeds" }],
  ])("for its name, %s, is passed over and told, and all others are compared", async (_what, wrong, first) => {
    const world = await openStocked();
    withRecords(world, { ...gin, ...wrong }, { ...gin, sku: "private " }, { ...gin, ...wrong });
    Object.assign(world.stock.get("tea") ?? {}, { onHand: 99 });
    const run = await world.run("report");
    expect(run).toMatchObject({ status: "done", compared: 7, matched: 6, findings: [{ sku: "tea" }] });
    // What it would not be told of is no concern of ours, whatever its name.
    expect(run.locations[0]?.passedOver).toEqual([{ reason: "impossible-name", count: 2, first }]);
    await world.stop();
  });

  it("is named to nobody who may not know its location", async () => {
    const world = await openStocked();
    withRecords(world, { ...gin, sku: "gin ", location: "york" });
    const { id, locations } = await world.run("report");
    expect(locations[0]?.passedOver).toMatchObject([{ count: 1, first: { sku: "gin ", location: "york" } }]);
    const limited = { ...caller, locations: new Set(["leeds"]) };
    const shown = accepted(await world.reconciliations.reconciliation(id, limited));
    expect(shown.locations[0]?.passedOver).toMatchObject([{ count: 1, first: null }]);
    await world.stop();
  });
});

it("tells how much was left as it is, of all that was found and not only of what is listed", async () => {
  const world = await openWorld();
  const count = limits.reconciliationFindingsKept + 10;
  const records = Array.from({ length: count }, (_, index) => ({ sku: `s${index}`, location: "leeds", onHand: 1 }));
  world.answer = () => ({ status: 200, body: JSON.stringify({ records }) });
  const run = await world.run("correct");
  expect(run.findings).toHaveLength(limits.reconciliationFindingsKept);
  expect(run.locations).toMatchObject([{ findings: count, left: count }]);
  await world.stop();
});

describe("a snapshot that can't be compared", () => {
  const page = (records: unknown, rest: object = {}) => JSON.stringify({ records, ...rest });
  const milk = { sku: "milk", location: "leeds", onHand: 1 };
  it.each<[string, number, string]>([
    ["its snapshot answers 500", 500, ""],
    ["its snapshot answers 404", 404, "{}"],
    ["its snapshot is not JSON", 200, "<html>"],
    ["a page of its snapshot is no object", 200, "3"],
    ["a page of its snapshot has no records", 200, "{}"],
    ["a record of its snapshot is no object", 200, page([1])],
    ["a sku in its snapshot is no text", 200, page([{ ...milk, sku: null }])],
    ["a location in its snapshot is no text", 200, page([{ ...milk, location: 7 }])],
    ["onHand of milk at leeds in its snapshot is not as it should be", 200, page([{ ...milk, onHand: 1.5 }])],
    ["version of milk at leeds in its snapshot is not as it should be", 200, page([{ ...milk, version: -1 }])],
    ["asOf of milk at leeds in its snapshot is not as it should be", 200, page([{ ...milk, asOf: "noon" }])],
    ["`next` of its snapshot is no text, or too long a one", 200, page([], { next: 1 })],
    ["its snapshot gives a page again", 200, page([], { next: "a" })],
  ])("%s", async (cause, status, body) => {
    const soon = { ...systemTimers, after: (_ms: number, run: () => void) => systemTimers.after(0, run) };
    const world = await openWorld({ timers: soon });
    world.answer = () => ({ status, body });
    expect(await world.run("correct")).toMatchObject({ status: "failed", locations: [{ cause, findings: 0 }] });
    expect(accepted(await world.reconciliations.accuracy({ limit: 9 }, caller)).items).toEqual([]);
    await world.stop();
  });

  it("is asked for by a signed request, unless the secret can't be read", async () => {
    const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    const world = await openWorld({ sealedSecret: secret });
    let call: OutboundCall | undefined;
    world.answer = (asked) => {
      call = asked;
      return { status: 200, body: page([]) };
    };
    expect(await world.run("report")).toMatchObject({ status: "done" });
    expect(isSigned(secret, call?.headers ?? {}, "", world.clock.now)).toBe(true);
    await world.stop();
    const torn = await openWorld({ sealedSecret: "torn" });
    expect((await torn.run("report")).locations).toMatchObject([
      { cause: expect.stringContaining("another server key") },
    ]);
    await torn.stop();
  });

  it("is asked for again when it fails once", async () => {
    const soon = { ...systemTimers, after: (_ms: number, run: () => void) => systemTimers.after(0, run) };
    const world = await openStocked({ timers: soon });
    let calls = 0;
    world.answer = () => {
      calls += 1;
      world.answer = undefined;
      return { status: 503, body: "" };
    };
    expect(await world.run("report")).toMatchObject({ status: "done", matched: 7 });
    expect(calls).toBe(1);
    await world.stop();
  });
});

describe("a stop", () => {
  it("answers whose request is being recorded, and takes no more", async () => {
    const world = await openStocked();
    const letGo = world.storage.holdNextAppend();
    const asked = world.reconciliations.request({ mode: "report" }, caller);
    await new Promise(setImmediate);
    const stopped = world.reconciliations.stop();
    await new Promise(setImmediate);
    letGo();
    const { id } = accepted(await asked);
    await stopped;
    await expect(world.reconciliations.request({ mode: "report" }, caller)).rejects.toMatchObject({
      code: "shutting-down",
    });
    const again = await openWorld({ storage: world.storage, clock: world.clock, stock: world.stock });
    await expect.poll(async () => accepted(await again.reconciliations.reconciliation(id, caller)).status).toBe("done");
    await again.stop();
    await world.inventory.stop();
  });
});

describe("what reconciliations tell", () => {
  it("is listed newest first, page by page, and how well a location agreed over time", async () => {
    const world = await openStocked();
    const ids: string[] = [];
    for (const wrong of [0, 2, 0]) {
      world.clock.now += minute;
      for (const sku of ["tea", "salt"].slice(0, wrong)) world.stock.forget(sku);
      ids.unshift((await world.run("correct")).id);
      await world.deliver();
    }
    const first = accepted(await world.reconciliations.reconciliations({ limit: 2 }, caller));
    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const rest = accepted(await world.reconciliations.reconciliations({ limit: 2, cursor: first.next ?? "" }, caller));
    expect([rest.items.map(({ id }) => id), rest.next]).toEqual([ids.slice(2), undefined]);
    expect(codeOf(await world.reconciliations.reconciliations({ limit: 2, cursor: "?" }, caller))).toBe(
      "invalid-request",
    );
    const { items } = accepted(await world.reconciliations.accuracy({ limit: 9 }, caller));
    expect(items).toMatchObject([
      {
        location: "leeds",
        accuracy: 1,
        discrepancyRate: 0,
        history: [{ accuracy: 1 }, { compared: 7, findings: 2, accuracy: 5 / 7 }, { accuracy: 1 }],
      },
    ]);
    await world.stop();
    const again = await openWorld({ storage: world.storage, clock: world.clock, stock: world.stock });
    expect(accepted(await again.reconciliations.accuracy({ limit: 9 }, caller)).items).toEqual(items);
    expect(accepted(await again.reconciliations.reconciliations({ limit: 2 }, caller))).toEqual(first);
    await again.stop();
  });

  it("is hidden from whom it is no concern of", async () => {
    const world = await openStocked();
    const { id } = await world.run("report");
    const other = { ...caller, locations: new Set(["york"]) };
    expect(codeOf(await world.reconciliations.reconciliation(id, other))).toBe("not-found");
    expect(accepted(await world.reconciliations.reconciliations({ limit: 9 }, other)).items).toEqual([]);
    expect(accepted(await world.reconciliations.accuracy({ limit: 9 }, other)).items).toEqual([]);
    expect(codeOf(await world.reconciliations.request({ mode: "report", locations: ["leeds"] }, other))).toBe(
      "not-found",
    );
    expect(codeOf(await world.reconciliations.request({ mode: "report" }, other))).toBe("not-found");
    expect(codeOf(await world.reconciliations.request({ mode: "report", locations: ["nowhere"] }, caller))).toBe(
      "not-found",
    );
    expect(codeOf(await world.reconciliations.reconciliation("nothing", caller))).toBe("not-found");
    await world.stop();
  });
});
