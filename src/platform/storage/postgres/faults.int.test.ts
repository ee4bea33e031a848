import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { startPostgres, type TestPostgres } from "../../../../test/postgres.ts";
import { PlatformError } from "../../../kernel/index.ts";
import { storeChecks } from "../../runtime/readiness.ts";
import { silentLogger } from "../../telemetry/index.ts";
import type { AppendUnit, RecordedUnit, Storage } from "../port.ts";
import { event, numbers, sampleTagging, unitOf } from "../samples.ts";
import { TestStore } from "./postgres.fixture.ts";
import { firstBeliefs, propose } from "./proposal.ts";

const postgres = await startPostgres({ ownServer: true });
afterAll(() => postgres?.stop());

describe.skipIf(postgres === undefined)("the log in PostgreSQL", () => {
  const server = postgres as TestPostgres;
  let store: TestStore;
  beforeEach(async () => {
    store = await TestStore.make(server);
  });
  afterEach(() => store.remove());

  /** A session of its own on the database, as `psql` has one. */
  async function session(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: store.url });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  it("loses nothing that was acknowledged when the server is killed under load, and tells what became of the rest", async () => {
    const storage = await store.open();
    const isIn = new Map<string, boolean>();
    let isOver = false;
    const writers = numbers(8).map(async (writer) => {
      for (let n = 1; !isOver; n += 1) {
        const command = `w${writer}-${n}`;
        isIn.set(command, await appendSurely(storage, unitOf(command, { [command]: 0 }, [event(command)])));
      }
    });
    for (const _kill of numbers(3)) {
      await pause(400);
      await server.kill();
      await pause(100);
      await server.start();
    }
    await pause(400);
    isOver = true;
    await Promise.all(writers);
    const found = new Map<string, number>();
    for (const { meta } of await storage.readLog(0, 1_000_000))
      found.set(meta.command, (found.get(meta.command) ?? 0) + 1);
    expect([...found.values()].every((count) => count === 1)).toBe(true);
    for (const [command, wasIn] of isIn) expect([command, found.has(command)]).toEqual([command, wasIn]);
    expect(found.size).toBeGreaterThan(50);
  });

  it("skips nothing when a transaction stays open after its position was drawn", async () => {
    const [one, two] = [await store.open(), await store.open()];
    const heard = hearing(two);
    const open = await session();
    await open.query("begin");
    await open.query(appendStatement, appendValues([unitOf("c1", { a: 0 }, [event("a")])]));
    const others = [one, two].map((process, n) =>
      process.append([unitOf(`c${n + 2}`, { [`b${n}`]: 0 }, [event(`b${n}`)])]),
    );
    await pause(200);
    await two.catchUp();
    // Nobody has a later position while this one is open.
    expect(heard).toEqual([]);
    expect(await two.readLog(0, 10)).toEqual([]);
    await open.query("commit");
    await open.end();
    await Promise.all(others);
    await two.catchUp();
    expect(heard[0]).toBe("c1 1");
    expect(heard.map((unit) => unit.split(" ")[1])).toEqual(["1", "2", "3"]);
  });

  it("undoes what was not committed, and nobody hears of it", async () => {
    const one = await store.open();
    const heard = hearing(one);
    const open = await session();
    await open.query("begin");
    await open.query(appendStatement, appendValues([unitOf("c1", { a: 0 }, [event("a")])]));
    const other = one.append([unitOf("c2", { a: 0 }, [event("a")])]);
    await pause(100);
    await open.end();
    expect(await other).toEqual([{ ok: true, seq: 1 }]);
    expect(heard).toEqual(["c2 1"]);
  });

  it("waits for an append that is still under way on the server before it says what became of it", async () => {
    const storage = await store.open("one", { url: store.proxyUrl });
    const heard = hearing(storage);
    const holder = await session();
    await holder.query("begin");
    await holder.query("select larder.lock()");
    const lost = storage.append([unitOf("c1", { a: 0 }, [event("a")])]);
    await pause(200);
    store.proxy.cut();
    await expect(lost).rejects.not.toThrow(PlatformError);
    const found = storage.findCommands(["c1", "c2"], 0);
    await pause(200);
    await holder.query("commit");
    await holder.end();
    // The server had it all the time, and appends it once the log is free.
    expect(await found).toEqual([1, undefined]);
    expect(heard).toEqual(["c1 1"]);
  });

  it("never lets an attempt land that was given up", async () => {
    await store.open();
    const client = await session();
    const writer = randomUUID();
    const late = appendValues([unitOf("c1", { a: 0 }, [event("a")])], { writer, attempt: 7 });
    await client.query("select larder.give_up($1, 7)", [writer]);
    await expect(client.query(appendStatement, late)).rejects.toMatchObject({ code: "LD003" });
    const next = appendValues([unitOf("c2", { a: 0 }, [event("a")])], { writer, attempt: 8 });
    expect((await client.query(appendStatement, next)).rows[0]).toMatchObject({ appended: true });
    await client.end();
  });

  it("hears page by page what many others have appended, before its own", async () => {
    const [one, two] = [await store.open(), await store.open("two", { url: store.proxyUrl })];
    const heard = hearing(two);
    store.proxy.silence(true);
    for (const part of numbers(4)) {
      const streams = numbers(700).map((n) => `s${part}-${n}`);
      await one.append(streams.map((stream) => unitOf(stream, { [stream]: 0 }, [event(stream), event(stream)])));
    }
    store.proxy.silence(false);
    expect(await two.append([unitOf("own", { own: 0 }, [event("own")])])).toEqual([{ ok: true, seq: 5601 }]);
    expect(heard).toHaveLength(2801);
    expect(heard.map((unit) => Number(unit.split(" ")[1]))).toEqual([...numbers(2800).map((n) => 2 * n - 1), 5601]);
  });

  describe("a turn", () => {
    it("is lost by a process that holds it for over a second, whose append may then meet conflicts", async () => {
      const [one, two] = [await store.open(), await store.open()];
      await two.takeTurn();
      const began = performance.now();
      expect(await one.append([unitOf("c1", { a: 0 }, [event("a")])])).toEqual([{ ok: true, seq: 1 }]);
      expect(performance.now() - began).toBeGreaterThan(800);
      expect(await two.append([unitOf("c2", { a: 0 }, [event("a")]), unitOf("c3", { b: 0 }, [event("b")])])).toEqual([
        { ok: false, conflict: { stream: "a" } },
        { ok: true, seq: 2 },
      ]);
    });

    it("ends with its connection", async () => {
      const [one, two] = [await store.open(), await store.open("two", { url: store.proxyUrl })];
      await two.takeTurn();
      store.proxy.cut();
      await pause(100);
      expect(await two.append([unitOf("c1", { a: 0 }, [event("a")])])).toEqual([{ ok: true, seq: 1 }]);
      const turn = await two.takeTurn();
      await turn.end();
      expect(await one.append([unitOf("c2", { a: 1 }, [event("a")])])).toEqual([{ ok: true, seq: 2 }]);
    });
  });

  it("tells what became of an append in a turn whose connection was lost", async () => {
    const [one, two] = [await store.open("one", { url: store.proxyUrl }), await store.open()];
    await one.takeTurn();
    store.proxy.loseNextAnswer("larder-append");
    await expect(one.append([unitOf("c1", { a: 0 }, [event("a")])])).rejects.not.toThrow(PlatformError);
    expect(await one.findCommands(["c1"], 0)).toEqual([1]);
    expect(await two.append([unitOf("c2", { a: 1 }, [event("a")])])).toEqual([{ ok: true, seq: 2 }]);
  });

  it("takes a lease from a process that is cut off, and lets it know", async () => {
    const [one, two] = [await store.open("one", { url: store.proxyUrl }), await store.open()];
    const history: string[] = [];
    const tokens: number[] = [];
    const holder = (name: string) => ({
      acquired: (token: number) => {
        history.push(`${name} has it`);
        tokens.push(token);
      },
      lost: () => void history.push(`${name} lost it`),
    });
    one.lease("relay", holder("one"));
    await until(() => history.length === 1);
    two.lease("relay", holder("two"));
    store.proxy.silence(true);
    await until(() => history.length === 3);
    store.proxy.silence(false);
    // The one that lost it knew before the other had it.
    expect(history).toEqual(["one has it", "one lost it", "two has it"]);
    expect(tokens[1]).toBeGreaterThan(tokens[0] ?? 0);
    await two.close();
    await until(() => history.length === 5);
    expect(history.slice(3)).toEqual(["two lost it", "one has it"]);
    expect(tokens[2]).toBeGreaterThan(tokens[1] ?? 0);
  });

  it("tells a process whose answers come late that it has lost a lease before another one has it", async () => {
    const [one, two] = [await store.open("one", { url: store.proxyUrl }), await store.open()];
    const history: string[] = [];
    const holder = (name: string) => ({
      acquired: () => void history.push(`${name} has it`),
      lost: () => void history.push(`${name} lost it`),
    });
    one.lease("relay", holder("one"));
    await until(() => history.length === 1);
    two.lease("relay", holder("two"));
    await pause(1000);
    // The server hears a last sign of life, whose answer is 1.5 s on its way when nothing passes any more.
    store.proxy.delay(1500);
    await pause(2300);
    store.proxy.silence(true);
    await until(() => history.length === 3);
    store.proxy.silence(false);
    store.proxy.delay(0);
    expect(history).toEqual(["one has it", "one lost it", "two has it"]);
  });

  describe("a clock that is wrong", () => {
    it("is told by how much", async () => {
      const storage = await store.open("one", { clock: () => Date.now() + 600_000 });
      expect(Math.abs(storage.clockOffsetMs() + 600_000)).toBeLessThan(1000);
    });

    it("records nothing that is ahead of the store's, and is told again when it jumps", async () => {
      let ahead = 0;
      const storage = await store.open("one", { clock: () => Date.now() + ahead });
      ahead = 600_000;
      const late = unitOf("c1", { a: 0 }, [event("a")], { recordedAt: Date.now() + ahead });
      await expect(storage.append([late])).rejects.toMatchObject({ code: "storage-unavailable" });
      expect(await storage.readLog(0, 10)).toEqual([]);
      const recordedAt = Date.now() + ahead + storage.clockOffsetMs();
      expect(await storage.append([unitOf("c2", { a: 0 }, [event("a")], { recordedAt })])).toMatchObject([
        { ok: true },
      ]);
      expect(storage.lastRecordedAt()).toBeLessThanOrEqual(Date.now() + 1000);
    });
  });

  describe("opening", () => {
    it("makes the tables once, however many start together", async () => {
      const opened = await Promise.all(numbers(4).map((n) => store.open(`p${n}`)));
      expect(new Set(opened.map(({ epochs }) => epochs[0]?.id)).size).toBe(1);
      await Promise.all(opened.map((one, n) => one.append([unitOf(`c${n}`, { [`s${n}`]: 0 }, [event(`s${n}`)])])));
      expect(await opened[0]?.readLog(0, 10)).toHaveLength(4);
    });

    it("is refused to an older version of Larder", async () => {
      await (await store.open("one")).close();
      await store.execute("insert into larder.migration (part, number, name) values ('log', 99, '0099-later.sql')");
      await expect(store.open("one")).rejects.toThrow("newer version of Larder");
    });

    it("is refused behind a pooler", async () => {
      store.proxy.rename(4711);
      await expect(store.open("one", { url: store.proxyUrl })).rejects.toThrow("pooler");
    });

    it("is refused where the log is shorter than what was derived from it", async () => {
      const storage = await store.open("one");
      storage.derived.commit([{ consumer: "stock", checkpoint: 5, put: [], remove: [] }]);
      await storage.close();
      await expect(store.open("one")).rejects.toThrow("begin a new epoch");
      await store.execute("select larder.begin_epoch()");
      const again = await store.open("one");
      expect(again.epochs.map(({ number, startsAfter }) => [number, startsAfter])).toEqual([
        [1, 0],
        [2, 0],
      ]);
      expect(again.derived.checkpoint("stock")).toBe(0);
      expect(again.outgoingPaused).toBe(true);
    });

    it("tags all units anew for a version that tags otherwise, and refuses the older one from then on", async () => {
      const one = await store.open("one");
      await one.append(numbers(3).map((n) => unitOf(`c${n}`, { [`s${n}`]: 0 }, [event(`s${n}`, { tags: ["a"] })])));
      const two = await store.open("two", { tagging: { version: 2, of: ({ meta }) => [`by ${meta.command}`] } });
      expect(await two.findTagged("a", undefined, 10)).toEqual([]);
      expect(await two.findTagged("by c2", undefined, 10)).toEqual([2]);
      await expect(one.append([unitOf("c4", { s: 0 }, [event("s")])])).rejects.toMatchObject({
        code: "storage-unavailable",
      });
      await expect(store.open("three")).rejects.toThrow("tagged by a newer version");
    });
  });

  it("stops writing when another epoch has begun", async () => {
    const storage = await store.open();
    await store.execute("select larder.begin_epoch()");
    await expect(storage.append([unitOf("c1", { a: 0 }, [event("a")])])).rejects.toMatchObject({
      code: "storage-unavailable",
    });
    await expect(storage.catchUp()).rejects.toThrow("restart");
    const { store: check } = await storeChecks(storage, silentLogger())();
    expect(check).toEqual({ ok: false, detail: expect.stringMatching(/takes no writes: .* epoch .*: restart it$/) });
    expect(await storage.findCommands(["c1"], 0)).toEqual([undefined]);
  });

  it("does not undo what another process says of everything outgoing, by saying again what it believes", async () => {
    const [one, two] = [await store.open(), await store.open("two", { url: store.proxyUrl })];
    await one.setOutgoingPaused(true);
    await two.catchUp();
    expect(two.outgoingPaused).toBe(true);
    store.proxy.silence(true);
    await one.setOutgoingPaused(false);
    const again = two.setOutgoingPaused(two.outgoingPaused);
    store.proxy.silence(false);
    await again;
    expect(two.outgoingPaused).toBe(false);
  });

  it("commits durably whatever the settings of the server, and never less than they ask for", async () => {
    await store.open();
    const client = await session();
    for (const [set, then] of [
      ["off", "on"],
      ["local", "on"],
      ["remote_apply", "remote_apply"],
    ]) {
      await client.query(`set synchronous_commit = ${set}; begin; select larder.lock()`);
      expect((await client.query("show synchronous_commit")).rows[0]).toEqual({ synchronous_commit: then });
      await client.query("rollback");
    }
    await client.query("begin isolation level repeatable read");
    await expect(client.query("select larder.lock()")).rejects.toMatchObject({ code: "LD000" });
    await client.end();
  });

  it("spreads the log over parts, and goes on into the next", async () => {
    const storage = await store.open("one");
    await storage.close();
    await store.execute("update larder.head set seq = 39999998");
    const again = await store.open("one");
    const streams = ["a", "b", "c"];
    await again.append(streams.map((stream) => unitOf(stream, { [stream]: 0 }, [event(stream)])));
    expect((await again.readLog(39_999_998, 10)).map(({ events }) => events[0]?.seq)).toEqual([
      39_999_999, 40_000_000, 40_000_001,
    ]);
  });

  it("is read and searched past the numbers of four bytes", async () => {
    const [before, after] = [2 ** 31 - 3, 2 ** 31];
    await (await store.open("one")).close();
    await store.execute(`select larder.make_parts(${after + 20_000_000}); update larder.head set seq = ${before}`);
    const storage = await store.open("one");
    const unit = (n: number) => unitOf(`c${n}`, { [`s${n}`]: 0 }, [event(`s${n}`, { tags: ["a"] })]);
    for (const n of numbers(5)) expect(await storage.append([unit(n)])).toEqual([{ ok: true, seq: before + n }]);
    for (const at of [before, after - 2, after - 1, after])
      expect((await storage.readLog(at, Infinity)).map(({ events }) => events[0]?.seq)).toEqual(
        numbers(before + 5 - at).map((n) => at + n),
      );
    expect(await storage.findCommands(["c1", "c5", "c6"], after)).toEqual([undefined, before + 5, undefined]);
    expect(await storage.findTagged("a", undefined, Infinity)).toEqual(numbers(5).map((n) => before + 6 - n));
    expect(await storage.findTagged("a", after, 1)).toEqual([after - 1]);
    expect((await storage.readStream("s5"))[0]?.seq).toBe(before + 5);
  });
});

/** Appends, and where the outcome is unknown or nothing was appended, finds out and goes on until the server is back. */
async function appendSurely(storage: Storage, unit: AppendUnit): Promise<boolean> {
  const after = storage.head();
  try {
    const [outcome] = await storage.append([unit]);
    return outcome?.ok ?? false;
  } catch (error) {
    if (error instanceof PlatformError) {
      await pause(50);
      return false;
    }
  }
  for (;;) {
    try {
      const [seq] = await storage.findCommands([unit.meta.command], after);
      return seq !== undefined;
    } catch {
      await pause(50);
    }
  }
}

function hearing(storage: Storage): string[] {
  const heard: string[] = [];
  const place = ({ meta, events }: RecordedUnit) => `${meta.command} ${events[0]?.seq}`;
  storage.subscribe((units) => heard.push(...units.map(place)));
  return heard;
}

const appendStatement = `select * from larder.append(${numbers(25)
  .map((n) => `$${n}`)
  .join(", ")})`;

function appendValues(units: readonly AppendUnit[], { writer = randomUUID(), attempt = 1 } = {}): unknown[] {
  const known = { head: 0, lastRecordedAt: 0 };
  const { parameters } = propose(units, firstBeliefs(units), known, sampleTagging, true);
  return [0, 1000, 1, sampleTagging.version, writer, attempt, false, ...parameters];
}

/** Waits up to 20 s. */
async function until(holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 20) {
    if (waited > 20_000) throw new Error("what was waited for has not come");
    await pause(20);
  }
}
