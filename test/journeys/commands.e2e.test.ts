import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { eventually, freePort, larder, type Serving, serve, spawnLarder, temporaryFolder } from "./larder.ts";

const key = "the key of the journeys";
let data: string;
let server: Serving;
let env: Record<string, string>;
const cleanUps: (() => void)[] = [];

const json = async (...args: string[]) => {
  const { out, err, code } = await larder([...args, "--json"], env);
  return { code, err, body: out === "" ? undefined : JSON.parse(out) };
};

async function received(sku: string, quantity: number, id = sku): Promise<void> {
  const answer = await fetch(`${server.url}/v1/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/cloudevents+json" },
    body: JSON.stringify({
      specversion: "1.0",
      source: "journey",
      id,
      type: "larder.stock.received.v1",
      data: { sku, location: "leeds", quantity },
    }),
  });
  expect(answer.status).toBe(202);
}

beforeAll(async () => {
  data = temporaryFolder((clean) => cleanUps.push(clean));
  server = await serve(data, { LARDER_ADMIN_KEY: key });
  env = { LARDER_URL: server.url, LARDER_KEY: key, LARDER_DATA: data };
  await received("apple", 10);
});
afterAll(async () => {
  await server.end();
  for (const clean of cleanUps) clean();
});

describe("the commands, on a running server", () => {
  it("reserve, confirm and fulfil, and refuse what is not there", async () => {
    expect(await json("reserve", "apple=3", "--id", "cart", "--ttl", "5m")).toMatchObject({
      code: 0,
      body: { id: "cart", status: "active", lines: [{ sku: "apple", location: "leeds", quantity: 3 }] },
    });
    const short = await larder(["reserve", "apple=8", "--json"], env);
    expect(short).toMatchObject({ code: 1, out: "" });
    expect(short.err).toContain("insufficient-stock");
    const unknown = await larder(["reserve", "aple=1", "apple=1", "--location", "york"], env);
    expect(unknown.err).toContain("Nothing is known of aple: is that spelt right?");
    expect(unknown.err).toContain("Nothing is known of apple at york: is that spelt right?");
    expect(short.err).not.toContain("is known of");
    expect((await json("reserve", "confirm", "cart")).body).toMatchObject({ status: "confirmed" });
    const part = ["reserve", "fulfil", "cart", "apple=1", "--location", "leeds", "--idempotency-key", "parcel"];
    expect((await json(...part)).body).toMatchObject({ status: "partly-fulfilled" });
    expect((await json(...part)).body).toMatchObject({ lines: [{ fulfilled: 1 }] });
    expect((await json("reserve", "release", "cart")).body).toMatchObject({ status: "fulfilled" });
    expect((await json("stock", "apple")).body).toMatchObject({ totals: { onHand: 9, available: 9 } });
    const plan = await larder(["reserve", "apple=2", "--plan"], env);
    expect(plan).toMatchObject({ code: 0 });
    expect(plan.out).toContain("leeds");
  });

  it("show a table to people and the history of a sku", async () => {
    const table = await larder(["stock", "apple"], env);
    expect(table.out.split("\n")[0]).toMatch(/^LOCATION +AVAILABLE +ON HAND/);
    expect(table.out).not.toContain("\u001b[");
    const history = await json("stock", "apple", "--history", "--limit", "2");
    expect(history.body.events).toHaveLength(2);
    const places = ["--location", "leeds", "--location", "york"];
    const both = await json("stock", "apple", "--history", "--limit", "50", ...places);
    const times = both.body.events.map(({ data }: { data: { recordedAt: string } }) => data.recordedAt);
    expect(times).toEqual([...times].sort().reverse());
    expect((await larder(["stock", "no-such-sku"], env)).code).toBe(1);
  });

  it("make a key that works, and end it", async () => {
    const made = await json("keys", "create", "till", "--scope", "stock:read");
    const till = { ...env, LARDER_KEY: made.body.key };
    expect((await larder(["stock", "apple"], till)).code).toBe(0);
    const denied = await larder(["reserve", "apple=1"], till);
    expect(denied).toMatchObject({ code: 1 });
    expect(denied.err).toContain("reservations:write");
    expect((await json("keys", "list")).body.items.map(({ name }: { name: string }) => name)).toContain("till");
    expect((await larder(["keys", "revoke", made.body.id], env)).code).toBe(0);
    const ended = await larder(["stock", "apple"], till);
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.err).toContain("--key or LARDER_KEY");
  });

  it("export, verify, back up and restore, each beside the server", async () => {
    const folder = temporaryFolder(onTestFinished);
    const [backup, restored, anchor] = ["backup", "restored", "anchor"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const lines = (await larder(["export"], env)).out.trim().split("\n");
    const events = lines.map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ specversion: "1.0", type: "larder.stock.received.v1" });
    const fromFolder = await larder(["export", "--data", data], env);
    expect(fromFolder.out.trim().split("\n").slice(0, lines.length)).toEqual(lines);
    const sheet = await larder(["export", "--format", "csv"], env);
    expect(sheet.out).toMatch(/^apple,leeds,(\d+),\1,0,0,0,0,0,\d+,/m);
    expect((await larder(["export", "--format", "csv", "--data", data], env)).out).toBe(sheet.out);

    await eventually(async () => (await json("verify")).body.lastSeal !== undefined);
    expect(await json("verify", "--write-anchor", anchor)).toMatchObject({ code: 0, body: { ok: true } });
    const made = await json("backup", backup);
    const kept = join(backup, "anchor.json");
    expect(made).toMatchObject({ code: 0, body: { anchor: JSON.parse(readFileSync(kept, "utf8")) } });
    expect((await larder(["backup", backup], env)).err).toContain("overwrites nothing");
    expect((await json("verify", backup, "--anchor", anchor)).body).toMatchObject({ ok: true });
    for (const log of [backup, data]) expect((await json("verify", log, "--anchor", kept)).code).toBe(0);

    const { position } = events[0];
    const back = await json("restore", backup, "--data", restored, "--to-position", position);
    expect(back).toMatchObject({ code: 0, body: { epoch: { number: 2 } } });
    const early = join(folder, "early");
    const empty = await larder(["restore", backup, "--data", early, "--to-time", "2000-01-01T00:00:00Z"]);
    expect(empty).toMatchObject({ code: 1, err: expect.stringMatching(/this backup goes from \S+Z to \S+Z/) });
    expect(existsSync(early)).toBe(false);
    const cut = await json("verify", restored, "--anchor", kept);
    expect(cut).toMatchObject({ code: 1, body: { findings: [{ problem: expect.stringContaining("tail was cut") }] } });
    const again = await serve(restored, { LARDER_ADMIN_KEY: key });
    const there = { LARDER_URL: again.url, LARDER_KEY: key };
    expect(JSON.parse((await larder(["stock", "apple", "--json"], there)).out)).toMatchObject({
      totals: { onHand: 10 },
    });
    const seen = await larder(["doctor", "--json", "--data", restored], there);
    expect(JSON.parse(seen.out).findings).toContainEqual(
      expect.objectContaining({ about: "outgoing", status: "warning" }),
    );
    const gone = await larder(["tail", "--after", events.at(-1).position], there);
    expect(gone).toMatchObject({ code: 1 });
    expect(gone.err).toContain("position-from-another-history");
    await again.end();
    expect(await larder(["resume", "--data", restored])).toMatchObject({
      code: 0,
      out: expect.stringContaining("goes on"),
    });
    expect((await larder(["resume", "--data", restored])).out).toContain("Nothing outgoing was paused");
    const nowhere = join(folder, "nowhere");
    expect((await larder(["resume", "--data", nowhere])).err).toBe(
      `There is no log in ${nowhere}: name a server's data folder.\n`,
    );
    expect(existsSync(nowhere)).toBe(false);
    const unwritable = join(nowhere, "events.ndjson");
    expect(await larder(["export", "--out", unwritable], env)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/can't be written.*Name another file by --out\.\n$/),
    });
  }, 90_000);

  it("find a log that was changed or cut", async () => {
    const folder = temporaryFolder(onTestFinished);
    const [backup, anchor] = [join(folder, "backup"), join(folder, "anchor")] as const;
    await larder(["verify", "--write-anchor", anchor], env);
    await larder(["backup", backup], env);
    const log = new DatabaseSync(join(backup, "log.db"));
    log.exec(`UPDATE log SET body = replace(body, '"quantity":10', '"quantity":11') WHERE body LIKE '%"quantity":10%'`);
    log.close();
    const changed = await json("verify", backup);
    expect(changed).toMatchObject({ code: 1, body: { ok: false } });
    expect(changed.body.findings.length).toBeGreaterThan(0);
    writeFileSync(anchor, JSON.stringify({ ...JSON.parse(readFileSync(anchor, "utf8")), to: 1_000_000 }));
    expect(await json("verify", "--anchor", anchor)).toMatchObject({ code: 1, body: { ok: false } });
    truncateSync(anchor, 3);
    expect((await larder(["verify", "--anchor", anchor], env)).err).toContain("can't be read");
  });
});

describe("larder tail", () => {
  it("goes on where it was when the server dies and comes back: each event once", async () => {
    const folder = temporaryFolder(onTestFinished);
    const port = String(await freePort());
    const settings = { LARDER_ADMIN_KEY: key, LARDER_PORT: port };
    let current = await serve(folder, settings);
    const there = { LARDER_URL: current.url, LARDER_KEY: key };
    const tail = spawnLarder(["tail", "--after", "start", "--type", "larder.stock.received.v1", "--json"], there);
    let out = "";
    tail.stdout!.on("data", (chunk) => (out += chunk));
    const skus = () =>
      out
        .trim()
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line).data.sku);
    const record = async (sku: string) => {
      const before = server;
      server = current;
      await received(sku, 1).finally(() => (server = before));
    };
    await record("one");
    await eventually(() => skus().length === 1);
    await current.end("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 300));
    current = await serve(folder, settings);
    await record("two");
    await record("three");
    await eventually(() => skus().length === 3, 20_000);
    expect(skus()).toEqual(["one", "two", "three"]);
    tail.kill("SIGINT");
    await eventually(() => tail.exitCode !== null);
    expect(tail.exitCode).toBe(0);
    await current.end();
  });
});

describe("errors", () => {
  it("say what to do next when nobody answers", async () => {
    const port = await freePort();
    const nobody = await larder(["stock", "apple"], { LARDER_PORT: String(port) });
    expect(nobody).toEqual({
      code: 1,
      out: "",
      err: `No server answers at http://127.0.0.1:${port}. Start one with \`npm start\`, or name it by --url.\n`,
    });
  });

  it("ask for an address that is one", async () => {
    const answer = await larder(["stock", "apple", "--url", "localhost:8080"]);
    expect(answer).toMatchObject({ code: 2, err: expect.stringContaining("as http://127.0.0.1:8080") });
  });

  it("name what was meant, and end with 2 for a wrong use", async () => {
    const unknown = await larder(["stcok", "apple"]);
    expect(unknown).toMatchObject({ code: 2, out: "" });
    expect(unknown.err).toContain("Did you mean stock?");
    const line = await larder(["reserve", "comfirm", "cart"]);
    expect(line).toMatchObject({ code: 2 });
    expect(line.err).toContain("Did you mean confirm?");
    expect(await larder(["help", "stok"])).toEqual({
      code: 2,
      out: "",
      err: expect.stringContaining("Did you mean stock?"),
    });
    for (const [args, part] of [
      [["archive", "--status", "--before", "2026-01-01"], "--before and --status"],
      [["reconcile", "--correct", "--history"], "--history compares nothing"],
      [["backup", "postgres://larder:hunter2@db/larder"], "is an address"],
      [["stock", "apple", "--url", `${server.url}/v1`], "without /v1"],
      [
        ["webhooks", "create", "https://shop.example.com/", "--type", "stock.solt"],
        "Did you mean larder.stock.sold.v1?",
      ],
    ] as const) {
      const refused = await larder(args, env);
      expect(refused).toMatchObject({ out: "", err: expect.stringContaining(part) });
      expect([refused.code === 0, refused.err.includes("hunter2")]).toEqual([false, false]);
    }
    expect(await larder(["stock", "apple", "--lost"])).toMatchObject({ code: 2 });
    expect(await larder(["reserve", "apple=two"])).toMatchObject({ code: 2 });
    expect(await larder(["stock", "--help"])).toMatchObject({
      code: 0,
      err: "",
      out: expect.stringContaining("Examples:"),
    });
  });
});
