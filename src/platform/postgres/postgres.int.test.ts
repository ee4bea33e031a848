import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { CuttingProxy } from "../../../test/cutting-proxy.ts";
import { execute, startPostgres } from "../../../test/postgres.ts";
import { OutcomeUnknown, PlatformError } from "../../kernel/index.ts";
import { Listener, migrate, Postgres } from "./index.ts";

const server = await startPostgres({ ownServer: true });
afterAll(() => server?.stop());

describe.skipIf(server === undefined)("PostgreSQL", () => {
  if (server === undefined) return;
  const opened: { close(): Promise<unknown> }[] = [];
  let url: string;
  let postgres: Postgres;
  const open = (options: Partial<ConstructorParameters<typeof Postgres>[0]> = {}) => {
    const made = new Postgres({ url, name: "a test", ...options });
    opened.push(made);
    return made;
  };
  beforeEach(async () => {
    url = await server.database();
    postgres = open();
  });
  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.close();
  });

  describe("a session", () => {
    it("commits durably and reads what is committed, whatever the server's settings are", async () => {
      const name = new URL(url).pathname.slice(1);
      await execute(url, `alter database ${name} set synchronous_commit = off`);
      await execute(url, `alter database ${name} set default_transaction_isolation = 'serializable'`);
      const show = "select current_setting('synchronous_commit') as a, current_setting('transaction_isolation') as b";
      expect(await postgres.query(show)).toEqual([{ a: "on", b: "read committed" }]);
      const session = await postgres.session();
      expect(await session.query(show)).toEqual([{ a: "on", b: "read committed" }]);
      await session.close();
    });

    it("leaves it at what is stronger: an answer waits for standbys that have to have applied it", async () => {
      const name = new URL(url).pathname.slice(1);
      await execute(url, `alter database ${name} set synchronous_commit = remote_apply`);
      expect(await open().query("show synchronous_commit")).toEqual([{ synchronous_commit: "remote_apply" }]);
    });

    it("gives whole numbers as numbers, and is called by its name", async () => {
      const [row] = await postgres.query(
        "select 9007199254740991::bigint as n, current_setting('application_name') as a",
      );
      expect(row).toEqual({ n: Number.MAX_SAFE_INTEGER, a: "a test" });
    });

    it("runs prepared statements with values, also in arrays", async () => {
      const statement = { name: "pair", text: "select * from unnest($1::text[], $2::int[]) u(a, b)" };
      for (const _ of [1, 2])
        expect(
          await postgres.query(statement, [
            ['"a,', null, "{b}\\"],
            [1, 2, null],
          ]),
        ).toEqual([
          { a: '"a,', b: 1 },
          { a: null, b: 2 },
          { a: "{b}\\", b: null },
        ]);
    });

    it("ends a statement that takes too long, with nothing done, and goes on", async () => {
      const hasty = open({ statementMsMax: 100 });
      await expect(hasty.query("select pg_sleep(5)")).rejects.toMatchObject({ code: "storage-unavailable" });
      expect(await hasty.query("select 1 as one")).toEqual([{ one: 1 }]);
    });

    it("loses its locks when its client says nothing for too long within a transaction", async () => {
      await postgres.query("create table t (n int); insert into t values (1)");
      const slow = open({ idleTransactionMsMax: 100 });
      const session = await slow.session();
      const ended = new Promise<void>((resolve) => session.onEnd(resolve));
      let isHeard = false;
      const unhear = session.onEnd(() => {
        isHeard = true;
      });
      await session.query("begin; update t set n = 2");
      unhear();
      await ended;
      expect(isHeard).toBe(false);
      // The client hears of its end a moment before the server lets go of what it had locked.
      expect(await postgres.query("select n from t for update")).toEqual([{ n: 1 }]);
    });

    it("loses its locks when its client does not read the answer, which the server sends before it commits", async () => {
      const proxy = await CuttingProxy.start(server.port);
      try {
        const through = open({ url: url.replace(String(server.port), String(proxy.port)), unreadMsMax: 500 });
        // More than there is room for on the way.
        const answer = `select pg_advisory_xact_lock(7), case n when 1 then pg_sleep(1)::text else repeat('x', 1000000) end
          from generate_series(1, 100) n`;
        const lost = through.query(answer).catch((error: unknown) => error);
        const locks = "select count(*) as n from pg_locks where locktype = 'advisory' and granted";
        await expect.poll(() => postgres.query(locks)).toEqual([{ n: 1 }]);
        proxy.silence(true);
        const began = performance.now();
        await postgres.query("select pg_advisory_xact_lock(7)");
        expect(performance.now() - began).toBeLessThan(5000);
        proxy.silence(false);
        expect(await lost).toBeInstanceOf(OutcomeUnknown);
      } finally {
        await proxy.stop();
      }
    });
  });

  describe("a fault", () => {
    it("is storage-unavailable when the server refuses, and the cause tells why", async () => {
      const failure = await postgres.query("select 1 / 0").catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(PlatformError);
      expect(failure).toMatchObject({
        code: "storage-unavailable",
        message: expect.stringContaining("division by zero"),
      });
    });

    it("is storage-unavailable when there is no server, and never tells the password", async () => {
      const nowhere = open({ url: "postgres://someone:secret@127.0.0.1:1/none" });
      for (const attempt of [() => nowhere.query("select 1"), () => nowhere.session()]) {
        const failure = await attempt().catch((error: Error) => error);
        expect(failure).toMatchObject({ code: "storage-unavailable" });
        expect(String((failure as Error).message)).toContain("127.0.0.1:1/none");
        expect(String((failure as Error).message)).not.toContain("secret");
      }
    });

    it("leaves the outcome unknown when the answer is lost, and the next statement has a new connection", async () => {
      const proxy = await CuttingProxy.start(server.port);
      try {
        await postgres.query("create table t (n int)");
        const through = open({ url: url.replace(String(server.port), String(proxy.port)), connectionsMax: 1 });
        await through.query("select 1");
        proxy.loseNextAnswer("insert");
        const failure = await through.query("insert into t values (1)").catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(Error);
        expect(failure).not.toBeInstanceOf(PlatformError);
        expect(await through.query("select n from t")).toEqual([{ n: 1 }]);
      } finally {
        await proxy.stop();
      }
    });

    it("leaves the outcome unknown when the server says nothing any more", async () => {
      const proxy = await CuttingProxy.start(server.port);
      try {
        const through = open({ url: url.replace(String(server.port), String(proxy.port)), statementMsMax: 200 });
        await through.query("select 1");
        proxy.silence(true);
        const failure = await through.query("select 1").catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(Error);
        expect(failure).not.toBeInstanceOf(PlatformError);
      } finally {
        await proxy.stop();
      }
    });

    it("does not outlast a server that was killed and is back", async () => {
      await postgres.query("create table t (n int); insert into t values (1)");
      await server.kill();
      await expect(postgres.query("select n from t")).rejects.toThrow();
      await server.start();
      expect(await postgres.query("select n from t")).toEqual([{ n: 1 }]);
    });
  });

  describe("a transaction", () => {
    it("is whole or undone", async () => {
      await postgres.query("create table t (n int)");
      await postgres.transaction(({ query }) => query("insert into t values (1)"));
      const failing = postgres.transaction(async ({ query }) => {
        await query("insert into t values (2)");
        throw new Error("no more");
      });
      await expect(failing).rejects.toThrow("no more");
      expect(await postgres.query("select n from t")).toEqual([{ n: 1 }]);
    });
  });

  describe("migrations", () => {
    const home = mkdtempSync(join(tmpdir(), "larder-migrations-"));
    afterAll(() => rmSync(home, { recursive: true }));
    const folderOf = (name: string, files: Record<string, string>) => {
      mkdirSync(join(home, name));
      for (const [file, text] of Object.entries(files)) writeFileSync(join(home, name, file), text);
      return pathToFileURL(`${join(home, name)}/`);
    };

    it("run once each, also when several processes start together, and what is new comes on top", async () => {
      const first = folderOf("first", {
        "0001-a.sql": "create table larder.a (n int); insert into larder.a values (1)",
      });
      await Promise.all([1, 2, 3, 4].map(() => migrate(open(), "things", first)));
      const second = folderOf("second", {
        "0001-a.sql": "select 1 / 0",
        "0002-b.sql": "insert into larder.a values (2)",
      });
      await Promise.all([1, 2, 3, 4].map(() => migrate(open(), "things", second)));
      expect(await postgres.query("select n from larder.a order by n")).toEqual([{ n: 1 }, { n: 2 }]);
    });

    it("leave nothing of one that fails", async () => {
      const bad = folderOf("bad", { "0001-a.sql": "create table larder.a (n int)", "0002-b.sql": "select 1 / 0" });
      await expect(migrate(postgres, "things", bad)).rejects.toMatchObject({ code: "storage-unavailable" });
      expect(await postgres.query("select to_regclass('larder.a') as a")).toEqual([{ a: null }]);
    });

    it("refuse a database that a newer version has used", async () => {
      const newer = folderOf("newer", { "0001-a.sql": "select 1", "0002-b.sql": "select 1" });
      await migrate(postgres, "things", newer);
      const older = folderOf("older", { "0001-a.sql": "select 1" });
      await expect(migrate(postgres, "things", older)).rejects.toThrow(/newer version of Larder/);
      await migrate(postgres, "other things", older);
    });
  });

  describe("a listener", () => {
    it("hears what is notified, and again after its connection was lost", async () => {
      const heard: string[] = [];
      let connected = 0;
      const listener = new Listener(postgres, {
        channel: "news",
        heard: (payload) => heard.push(payload),
        connected: () => {
          connected += 1;
        },
      });
      opened.push(listener);
      await expect.poll(() => connected).toBe(1);
      expect(listener.isConnected).toBe(true);
      await postgres.query("select pg_notify('news', 'a'), pg_notify('other', 'x')");
      await expect.poll(() => heard).toEqual(["a"]);
      await postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%'");
      await expect.poll(() => connected, { timeout: 5000 }).toBe(2);
      await postgres.query("notify news, 'b'");
      await expect.poll(() => heard).toEqual(["a", "b"]);
    });
  });

  it("is refused when its database is not encoded as UTF-8", async () => {
    await postgres.check();
    await execute(url, "create database ascii encoding 'SQL_ASCII' template template0");
    const other = open({ url: url.replace(/[^/]*$/, "ascii") });
    await expect(other.check()).rejects.toThrow(/needs UTF8/);
  });
});
