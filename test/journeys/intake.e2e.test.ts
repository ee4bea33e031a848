/**
 * Facts by the queue, over HTTP: what is taken in is recorded once, whatever is sent again and whenever the server dies;
 * what can't be recorded waits for someone, and counts once that someone has put the cause right.
 */
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { command } from "../../src/cli/fixture.ts";
import { limits } from "../../src/kernel/index.ts";
import { numbers, pause } from "./chance.ts";
import { eventually } from "./larder.ts";
import { itOfOneProcess, patience } from "./mode.ts";
import { adminKey, Server } from "./server.ts";

const seed = Number(process.env["LARDER_TEST_SEED"] ?? 20_261_121);
const facts = 10_000;
const timesMax = 5;
const locations = ["leeds", "york", "hull"];
const skus = 40;

let server: Server;
afterEach(() => server.stop());

interface Fact {
  readonly id: string;
  readonly data: {
    readonly sku?: string;
    readonly gtin?: string;
    readonly location: string;
    readonly quantity: number;
  };
}

/** Every hundredth names a barcode that no item has yet. */
function factOf(n: number): Fact {
  const location = locations[n % locations.length] ?? "";
  const subject = n % 100 === 50 ? { gtin: gtinOf(n % 400) } : { sku: `sku-${n % skus}` };
  return { id: `fact-${n}`, data: { ...subject, location, quantity: 1 + (n % 3) } };
}

/** A GTIN-13 of some number, with its check digit (GS1 General Specifications, 7.9). */
function gtinOf(n: number): string {
  const body = `950600${String(n).padStart(6, "0")}`;
  const sum = [...body].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0);
  return `${body}${(10 - (sum % 10)) % 10}`;
}

const isPoison = ({ data }: Fact) => data.gtin !== undefined;

/** Sends facts until they are taken, as a client does that has lost its answer. */
async function taken(batch: readonly Fact[]): Promise<void> {
  const body = batch.map((fact) => ({
    specversion: "1.0",
    source: "journey",
    type: "larder.stock.received.v1",
    ...fact,
  }));
  const headers = { "content-type": "application/cloudevents-batch+json", prefer: "respond-async" };
  await eventually(async () => {
    const answer = await server.call("POST", "/v1/events", { body, headers }).catch(() => undefined);
    if (answer === undefined || answer.status === 503) return false;
    expect([answer.status, answer.body, answer.headers["preference-applied"]]).toEqual([
      202,
      { queued: batch.length },
      "respond-async",
    ]);
    return true;
  }, 30_000);
}

async function waiting(): Promise<number> {
  return Number(/^larder_queue_messages\{queue="intake"\} (\d+)$/m.exec(await server.metrics())?.[1]);
}

/** Where there are several processes, what a killed one had leased waits for the end of its lease. */
const drained = () => eventually(async () => (await waiting()) === 0, limits.intakeLeaseMs);

async function deadLetters(): Promise<{ id: string; cause: string }[]> {
  const { body } = await server.call("GET", "/v1/dead-letters?queue=intake&limit=1000");
  expect(body.next).toBeUndefined();
  return body.items;
}

/** Units on hand by `sku@location`. */
async function onHand(names: readonly string[]): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const name of names) {
    const { body } = await server.call("GET", `/v1/stock/${name}`);
    for (const row of body.locations ?? []) found[`${name}@${row.location}`] = row.onHand;
  }
  return found;
}

function summed(all: readonly Fact[], skuOf: (fact: Fact) => string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const fact of all) {
    const place = `${skuOf(fact)}@${fact.data.location}`;
    sums[place] = (sums[place] ?? 0) + fact.data.quantity;
  }
  return sums;
}

describe("facts by the queue", () => {
  it("10,000 sent 1 to 5 times, 1 % of them poison, with the server killed: each counts once, exactly the poison is dead", {
    timeout: 180_000 * patience,
  }, async () => {
    const random = numbers(seed);
    server = new Server({ connections: 16 });
    await server.start();
    const all = Array.from({ length: facts }, (_, n) => factOf(n));
    const [poison, good] = [all.filter(isPoison), all.filter((fact) => !isPoison(fact))];

    // In the order of a wild mixture, in requests of one fact to a few hundred.
    const sent = all
      .flatMap((fact, n) =>
        Array.from({ length: 1 + Math.floor(random() * timesMax) }, () => ({ fact, at: n + random() * 2000 })),
      )
      .sort((a, b) => a.at - b.at)
      .map(({ fact }) => fact);
    const batches: Fact[][] = [];
    for (let at = 0; at < sent.length; ) {
      const size = random() < 0.2 ? 1 : 1 + Math.floor(random() * 300);
      batches.push(sent.slice(at, at + size));
      at += size;
    }
    const kills = new Set([Math.floor(batches.length / 3), Math.floor((2 * batches.length) / 3)]);
    const client = async () => {
      for (;;) {
        const batch = batches.pop();
        if (batch === undefined) return;
        if (kills.delete(batches.length)) {
          await server.crash("intake", "inventory");
        }
        await taken(batch);
      }
    };
    await Promise.all(Array.from({ length: 4 }, client));
    expect(kills.size).toBe(0);
    await drained();

    const names = Array.from({ length: skus }, (_, n) => `sku-${n}`);
    expect(await onHand(names)).toEqual(summed(good, ({ data }) => data.sku ?? ""));
    const dead = await deadLetters();
    expect(dead.every(({ cause }) => cause.startsWith("unknown-item: "))).toBe(true);
    const details = await Promise.all(dead.map(({ id }) => server.call("GET", `/v1/dead-letters/${id}`)));
    const byId = (ids: string[]) => ids.sort();
    expect(byId(details.map(({ body }) => body.message.json.id))).toEqual(byId(poison.map(({ id }) => id)));
    const recorded = (await server.changes()).filter(({ type }) => type === "larder.stock.received.v1");
    expect(recorded).toHaveLength(good.length);

    const gtins = [...new Set(poison.map(({ data }) => data.gtin ?? ""))];
    for (const gtin of gtins) {
      const body = { name: gtin, unit: "each", gtins: [gtin] };
      expect((await server.call("PUT", `/v1/items/${gtin}`, { body })).status).toBe(200);
    }
    const all200 = { body: { queue: "intake" } };
    expect((await server.call("POST", "/v1/dead-letters:redrive", all200)).body).toEqual({
      queue: "intake",
      redriven: poison.length,
    });
    await drained();
    expect(await deadLetters()).toEqual([]);
    expect(await onHand(gtins)).toEqual(summed(poison, ({ data }) => data.gtin ?? ""));

    const before = await server.changes();
    for (const { id } of dead) {
      const again = await server.call("POST", `/v1/dead-letters/${id}/redrive`);
      expect([again.status, again.body.end]).toEqual([200, "redriven"]);
    }
    expect((await server.call("POST", "/v1/dead-letters:redrive", all200)).body.redriven).toBe(0);
    await drained();
    expect(await server.changes()).toEqual(before);
  });

  it("that can't be recorded are seen, redriven and discarded by commands", {
    timeout: 60_000 * patience,
  }, async () => {
    server = new Server();
    await server.start();
    const larder = (...args: string[]) => command([...args, "--url", server.url, "--key", adminKey]);
    const json = async (...args: string[]) => {
      const { out, err, code } = await larder(...args, "--json");
      return { code, err, body: out === "" ? undefined : JSON.parse(out) };
    };
    expect((await larder("dlq", "list")).out).toBe("There are no dead letters.\n");
    expect(await larder("doctor", "--data", server.data)).toMatchObject({ code: 0 });

    await taken([factOf(50), factOf(150), factOf(1)]);
    await drained();
    const doctor = await larder("doctor", "--data", server.data);
    expect(doctor.code).toBe(1);
    expect(doctor.out).toMatch(/TROUBLE +queues +dead letters: 2 in intake; see `larder dlq list`/);
    expect(await server.readiness()).toMatchObject({ status: 200, checks: { queues: { needsSomeone: true } } });

    const listed = await json("dlq", "list", "--limit", "1");
    expect(listed).toMatchObject({ code: 0, body: { items: [{ queue: "intake", attempts: 1 }], hasMore: true } });
    const [one, other] = (await json("dlq", "list", "--queue", "intake")).body.items.map(
      ({ id }: { id: string }) => id,
    );
    expect((await larder("dlq", "list")).out).toMatch(/^ID +QUEUE +SINCE +ATTEMPTS +CAUSE\n/);
    const shown = await larder("dlq", "show", one);
    expect(shown.out).toContain("unknown-item: No item has this GTIN.");
    expect(shown.out).toContain('"gtin": "');
    expect(await larder("dlq", "list", "--queue", "typo")).toMatchObject({
      code: 1,
      err: expect.stringContaining("there are: intake"),
    });

    // Nothing was put right: it dies again, as another dead letter.
    expect(await json("dlq", "redrive", one)).toMatchObject({ code: 0, body: { items: [{ end: "redriven" }] } });
    await drained();
    expect(await json("dlq", "redrive", one)).toMatchObject({ code: 0 });
    const late = await json("dlq", "discard", one, "dl-9", "--reason", "nonsense");
    expect(late).toMatchObject({ code: 1, body: { items: [], failed: [{ id: one }, { id: "dl-9" }] } });
    expect(late.err).toContain("dead-letter-ended");
    const ids = (await json("dlq", "list")).body.items.map(({ id }: { id: string }) => id);
    expect(ids).toHaveLength(2);
    expect(ids).toContain(other);
    expect(ids).not.toContain(one);
    expect(await larder("dlq", "discard", ...ids)).toMatchObject({ code: 2 });
    expect(await json("dlq", "discard", ...ids, "--reason", "counted anew")).toMatchObject({ code: 0 });
    expect(await larder("dlq", "redrive", "--queue", "intake")).toMatchObject({
      code: 0,
      out: "0 of intake are handled again.\n",
    });
    expect(await larder("dlq", "redrive")).toMatchObject({ code: 2 });
    expect((await larder("doctor", "--data", server.data)).code).toBe(0);
    for (const name of ["list", "show", "redrive", "discard"])
      expect((await larder("dlq", name, "--help")).out).toContain("Examples:");
  });
});

describe("a watched folder", () => {
  it("is imported whole, though the server is killed in the middle", { timeout: 120_000 * patience }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "larder-watched-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    server = new Server({ env: { LARDER_INTAKE_FOLDER: folder } });
    await server.start();
    const mapping = {
      format: { type: "csv" },
      source: "shop",
      id: "{id}",
      time: { constant: "2026-11-21T09:30:00Z" },
      rules: [
        {
          fact: {
            type: "larder.stock.received.v1",
            data: { sku: "{sku}", location: "leeds", quantity: { number: "qty" } },
          },
        },
      ],
    };
    writeFileSync(join(folder, "mappings", "default.mapping.json"), JSON.stringify(mapping));
    const rows = 30_000;
    const lines = Array.from({ length: rows }, (_, n) => `${n},sku-${n % 10},${n === 777 ? "none" : 1}\n`);
    writeFileSync(join(folder, "day.csv.part"), `id,sku,qty\n${lines.join("")}`);
    renameSync(join(folder, "day.csv.part"), join(folder, "day.csv"));
    await eventually(async () => Number((await onHand(["sku-3"]))["sku-3@leeds"] ?? 0) > 0, 30_000);
    await server.crash("intake");
    await eventually(() => readdirSync(join(folder, "done")).some((name) => name.endsWith("-day.csv")), 60_000);
    const names = Array.from({ length: 10 }, (_, n) => `sku-${n}`);
    const expected = Object.fromEntries(names.map((name) => [`${name}@leeds`, rows / 10 - (name === "sku-7" ? 1 : 0)]));
    expect(await onHand(names)).toEqual(expected);
    const { body } = await server.call("GET", "/v1/dead-letters?queue=intake-files");
    expect(body.items.map(({ cause }: { cause: string }) => cause)).toEqual([
      expect.stringContaining(`rows-turned-down: 1 of ${rows} rows of day.csv`),
    ]);
    expect(readdirSync(join(folder, "working"))).toEqual([]);
  });
});

describe("a backup", () => {
  itOfOneProcess("a log in PostgreSQL is backed up by its own tools")(
    "brings back what was taken in and is not done, also to an earlier time, and hears again what was recorded since",
    async () => {
      const first = new Server();
      const second = new Server();
      onTestFinished(async () => {
        await first.stop();
      });
      server = first;
      await server.start();
      const [poison, before, after] = [factOf(50), factOf(1), factOf(2)];
      await taken([poison, before]);
      await drained();
      const point = String((await server.changes()).at(-1)?.data["recordedAt"]);
      await pause(5);
      await taken([after]);
      await drained();
      const backup = join(first.folder, "backup");
      expect(await command(["backup", backup, "--data", first.data])).toMatchObject({
        code: 0,
        out: expect.stringContaining("So are its queues: 0 messages wait, 1 is a dead letter."),
      });
      expect((await command(["doctor", "--no-server", "--data", first.data])).out).toMatch(
        /TROUBLE +queues +0 messages/,
      );
      await first.end("SIGTERM");

      const restore = ["restore", backup, "--data", second.data, "--to-time", point];
      expect(await command(restore)).toMatchObject({ code: 0, out: expect.stringContaining("1 is a dead letter") });
      server = second;
      await server.start();
      const places = ["sku-1", "sku-2"];
      expect(await onHand(places)).toEqual({ "sku-1@york": 2 });
      await taken([after]);
      await drained();
      expect(await onHand(places)).toEqual({ "sku-1@york": 2, "sku-2@hull": 3 });
      const gtin = poison.data.gtin ?? "";
      await server.call("PUT", `/v1/items/${gtin}`, { body: { name: "oats", unit: "each", gtins: [gtin] } });
      await server.call("POST", "/v1/dead-letters:redrive", { body: { queue: "intake" } });
      await drained();
      expect(await deadLetters()).toEqual([]);
      expect(await onHand([gtin])).toEqual({ [`${gtin}@hull`]: 3 });
    },
    60_000,
  );
});
