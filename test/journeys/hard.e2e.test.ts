/**
 * Many clients, one small stock, everything that goes wrong: carts that name the same skus in opposite order, holds that
 * lapse while others wait for them, answers lost and asked for again, late counts and voids, and the server killed in
 * the middle. Every answer and the final state must be what an oracle says that follows the log.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { Oracle } from "../oracle/oracle.ts";
import type { Kept } from "../oracle/words.ts";
import { numbers, pause } from "./chance.ts";
import { isSplit, patience } from "./mode.ts";
import { type Answer, Server } from "./server.ts";

const skus = ["milk", "tea", "rice", "salt"];
const location = "leeds";
const clients = 48;
const rounds = 10;
const kills = 2;

/** Of several processes on one log, recorded time is raised to that of the unit before, which another has decided (ADR 23): by so many ms. */
const raisedMsMax = isSplit ? 1000 : 0;

let server: Server;
afterEach(async () => await server.stop());

interface Journal {
  readonly id: string;
  readonly lines: readonly { sku: string; quantity: number }[];
  readonly ttlSeconds: number;
  /** The last answer to each step; undefined while unknown. */
  reserve?: Answer;
  end?: { readonly step: "confirm" | "release" | "fulfil"; answer?: Answer };
}

describe("a small stock and everyone after it", () => {
  it("gives 100 of 500 parallel buyers one unit each, and 400 a clear refusal", async () => {
    server = new Server({ connections: 64 });
    await server.start();
    await received("milk", 100, "opening");
    const answers = await Promise.all(
      Array.from({ length: 500 }, () =>
        server.call("POST", "/v1/reservations", { body: { lines: [{ sku: "milk", quantity: 1, location }] } }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(100);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(400);
    for (const { body } of refused) {
      expect(body).toMatchObject({
        code: "insufficient-stock",
        lines: [{ sku: "milk", location, requested: 1, available: 0 }],
      });
    }
    const { body } = await server.call("GET", "/v1/stock/milk");
    expect(body.totals).toMatchObject({ onHand: 100, reserved: 100, available: 0 });
  });

  it("keeps every promise through lost answers, late facts and kill -9", { timeout: 120_000 * patience }, async () => {
    const seed = Number(process.env["LARDER_TEST_SEED"] ?? 20_261_121);
    server = new Server({ connections: 64 });
    await server.start();
    const journals: Journal[] = [];
    for (const sku of skus) await received(sku, 60, `opening-${sku}`);
    let isOver = false;
    const facts = factsFrom(numbers(seed));
    const killer = killAndRestart(() => isOver);
    await Promise.all([
      ...Array.from({ length: clients }, (_, index) => client(index, numbers(seed + index), journals)),
      facts,
    ]);
    isOver = true;
    await killer;
    await pause(2500); // what is left of the holds lapses, and that is recorded
    await followTheLog(journals);
    expect(await server.end("SIGTERM")).toBe(0);
    const larder = fileURLToPath(new URL("../../bin/larder.js", import.meta.url));
    const verified = spawnSync(process.execPath, [larder, "verify", server.log]);
    expect(verified.status, `${verified.stdout}${verified.stderr}`).toBe(0);
  });
});

async function received(sku: string, quantity: number, id: string): Promise<void> {
  await insist(() =>
    server.call("POST", "/v1/events", { body: event(id, "stock.received", { sku, location, quantity }) }),
  );
}

function event(id: string, type: string, data: object, time?: number) {
  return {
    specversion: "1.0",
    source: "journey",
    id,
    type: `larder.${type}.v1`,
    ...(time !== undefined && { time: new Date(time).toISOString() }),
    data,
  };
}

/** Asks again until there is an answer that says something. */
async function insist(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      const answer = await ask();
      if (answer.status !== 503 && answer.status !== 429) return answer;
    } catch {
      // No answer: it may have taken effect or not. The same request again tells.
    }
    await pause(20);
  }
}

async function killAndRestart(isOver: () => boolean): Promise<void> {
  for (let kill = 0; kill < kills; kill += 1) {
    await pause(1500);
    if (isOver()) return;
    await server.crash("inventory");
  }
}

async function client(index: number, random: () => number, journals: Journal[]): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    // Two or three skus, in an order of this client's own.
    const chosen = [...skus].sort(() => random() - 0.5).slice(0, 2 + Math.floor(random() * 2));
    const lines = chosen.map((sku) => ({ sku, location, quantity: 1 + Math.floor(random() * 3) }));
    const journal: Journal = { id: `c${index}-${round}`, lines, ttlSeconds: 1 + Math.floor(random() * 2) };
    journals.push(journal);
    const body = { id: journal.id, ttlSeconds: journal.ttlSeconds, lines };
    const cut = random() < 0.15 ? { cutAfterMs: Math.floor(random() * 4) } : {};
    if ("cutAfterMs" in cut) await server.call("POST", "/v1/reservations", { body, ...cut }).catch(() => undefined);
    for (let attempt = 0; attempt < 5; attempt += 1) {
      journal.reserve = await insist(() => server.call("POST", "/v1/reservations", { body }));
      if (journal.reserve.status !== 409) break;
      await pause(100 + random() * 400); // holds of others may lapse meanwhile
    }
    if (journal.reserve === undefined || journal.reserve.status >= 300) continue;
    const step = (["confirm", "release", "fulfil", undefined] as const)[Math.floor(random() * 4)];
    if (step === undefined) continue;
    if (random() < 0.2) await pause(journal.ttlSeconds * 1000 - 20 + random() * 40); // at the very edge of its time
    journal.end = { step };
    if (random() < 0.15)
      await server
        .call("POST", `/v1/reservations/${journal.id}/${step}`, { body: {}, cutAfterMs: 1 })
        .catch(() => undefined);
    journal.end.answer = await insist(() =>
      server.call("POST", `/v1/reservations/${journal.id}/${step}`, { body: {} }),
    );
  }
}

/** Late receipts, sales and counts, and voids of some of them, also before they come. */
async function factsFrom(random: () => number): Promise<void> {
  const start = Date.now();
  for (let index = 0; index < 120; index += 1) {
    const sku = skus[Math.floor(random() * skus.length)] ?? "milk";
    const time = start - 3_600_000 + Math.floor(random() * 3_500_000) + index; // never two of one time
    const kind = random();
    const id = `fact-${index}`;
    const fact =
      kind < 0.4
        ? event(id, "stock.received", { sku, location, quantity: 1 + Math.floor(random() * 12) }, time)
        : kind < 0.7
          ? event(id, "stock.sold", { sku, location, quantity: 1 + Math.floor(random() * 6) }, time)
          : kind < 0.85
            ? event(id, "stock.counted", { sku, location, quantity: Math.floor(random() * 80) }, time)
            : event(id, "fact.voided", {
                source: "journey",
                id: `fact-${Math.floor(random() * 120)}`,
                reason: "typed wrong",
              });
    if (random() < 0.2) await server.call("POST", "/v1/events", { body: fact, cutAfterMs: 1 }).catch(() => undefined);
    const { status, body } = await insist(() => server.call("POST", "/v1/events", { body: fact }));
    expect([status, body.rejected], JSON.stringify(body)).toEqual([202, []]);
    if (random() < 0.5) await pause(40);
  }
}

/** What is said of a balance, and changes none. */
const remarks = ["larder.stock.shortfall.v1", "larder.stock.out.v1", "larder.stock.back.v1"];

/** Follows the log with the oracle: each event must be right when it comes, each answer must have its event. */
async function followTheLog(journals: readonly Journal[]): Promise<void> {
  const oracle = new Oracle();
  const byId = new Map(journals.map((journal) => [journal.id, journal]));
  const steps = new Map<string, string[]>();
  const told = new Set<string>();
  const waiting = new Set<string>();
  for (const { type, time, data } of (await server.changes()) as unknown as LoggedEvent[]) {
    const sku = data.sku ?? "";
    const pair = `${location}/${sku}`;
    const recordedAt = Date.parse(data.recordedAt);
    if (type === "larder.reservation.status-changed.v1") {
      steps.set(data.reservation, [...(steps.get(data.reservation) ?? []), data.step]);
      continue;
    }
    switch (type) {
      case "larder.stock.received.v1":
      case "larder.stock.sold.v1":
      case "larder.stock.counted.v1":
        tell(pair, type, data, Date.parse(time));
        break;
      case "larder.fact.voided.v1":
        oracle.voided.add(data.voids?.id ?? "");
        if (data.sku === undefined) waiting.add(data.voids?.id ?? "");
        break;
      case "larder.reservation.reserved.v1": {
        const asked = byId.get(data.reservation)?.lines.find((line) => line.sku === sku)?.quantity ?? 0;
        expect(asked, `${data.reservation} never asked for ${pair}`).toBeGreaterThan(0);
        expect(
          oracle.available(pair, recordedAt),
          `${data.reservation} got ${pair} that was not there`,
        ).toBeGreaterThanOrEqual(asked);
        const expiresAt = Date.parse(data.expiresAt ?? "");
        const latest = recordedAt + (byId.get(data.reservation)?.ttlSeconds ?? 0) * 1000;
        expect(expiresAt).toBeLessThanOrEqual(latest);
        expect(expiresAt).toBeGreaterThanOrEqual(latest - raisedMsMax);
        const line = { sku, location, quantity: asked, lineIndex: 0, fulfilled: 0, released: 0 };
        change(data.reservation, { expiresAt, lines: [...linesOf(data.reservation), line] });
        break;
      }
      // Of a reservation over several stocks the first of them tells; the others say it again.
      case "larder.reservation.confirmed.v1":
        expect(
          oracle.confirm(data.reservation, false, recordedAt - raisedMsMax),
          "an expired hold is never confirmed",
        ).toBe("ok");
        break;
      case "larder.reservation.fulfilled.v1":
        expect(oracle.fulfil(data.reservation, undefined, "", recordedAt - raisedMsMax), "nor fulfilled").toBe("ok");
        break;
      case "larder.reservation.released.v1":
        expect(oracle.release(data.reservation, recordedAt - raisedMsMax), "nor released").toBe("ok");
        break;
      case "larder.reservation.expired.v1": {
        const { expiresAt, lines } = oracle.kept.get(data.reservation) as Kept;
        expect(expiresAt, "a hold lapses at its time, never before").toBeLessThanOrEqual(recordedAt);
        expect(oracle.kept.get(data.reservation)?.status).toBe("active");
        // Each stock records it for itself, when somebody relies on it there.
        change(data.reservation, { lines: lines.filter((line) => line.sku !== sku) });
        break;
      }
      default:
        expect(remarks, `an event of type ${type} has no place here`).toContain(type);
    }
    // A void that waited takes effect with its fact's own unit: the balance is whole again at the event after it.
    const isAwaited = data.cause?.id !== undefined && waiting.has(data.cause.id) && type !== "larder.fact.voided.v1";
    if (data.sku === undefined || isAwaited || remarks.includes(type)) continue;
    const balance = recorded(pair);
    expect(data.balance, `${type} ${JSON.stringify(data)}`).toMatchObject(balance);
  }

  const counts = { accepted: 0, refused: 0, expired: 0 };
  for (const { id, reserve, end } of journals) {
    const recorded = steps.get(id) ?? [];
    if (reserve !== undefined && reserve.status < 300) {
      counts.accepted += 1;
      expect(
        recorded.filter((step) => step === "placed"),
        `${id} was promised`,
      ).toHaveLength(1);
    } else {
      counts.refused += 1;
      expect(reserve?.body.code).toBe("insufficient-stock");
      expect(recorded, `${id} was refused`).toEqual([]);
    }
    if (end?.answer === undefined) continue;
    const done = { confirm: "confirmed", release: "released", fulfil: "fulfilled" }[end.step];
    if (end.answer.status === 200)
      expect(
        recorded.filter((step) => step === done),
        `${id} ${end.step}`,
      ).toHaveLength(1);
    else {
      counts.expired += 1;
      expect(end.answer.body.code, JSON.stringify(end.answer.body)).toBe("reservation-already-expired");
      expect(recorded).toContain("expired");
      expect(recorded).not.toContain(done);
    }
    const endings = recorded.filter((step) => ["released", "fulfilled", "expired"].includes(step));
    expect(endings.length, `${id} ended by ${endings.join(" and ")}`).toBeLessThanOrEqual(1);
  }
  for (const [name, count] of Object.entries(counts))
    expect(count, `no ${name} in this run: it proves little`).toBeGreaterThan(5);

  for (const sku of skus) {
    const { body } = await server.call("GET", `/v1/stock/${sku}`);
    expect(body.totals, sku).toMatchObject({
      ...recorded(`${location}/${sku}`),
      reserved: 0,
    });
    const read = await server.call("GET", `/v1/availability?sku=${sku}`);
    expect(read.body.items[0], sku).toMatchObject({
      onHand: oracle.onHand(`${location}/${sku}`),
      available: body.totals.available,
    });
  }

  function tell(pair: string, type: string, { cause, quantity = 0 }: LoggedEvent["data"], at: number): void {
    const name = cause.id ?? "";
    expect(told.has(name), `${name} took effect twice`).toBe(false);
    told.add(name);
    oracle.told.push({ name, type: type.replace(/^larder\.stock\.|\.v1$/g, ""), pair, at, quantity });
  }

  function linesOf(id: string): Kept["lines"] {
    return oracle.kept.get(id)?.lines ?? [];
  }

  function change(id: string, changes: Partial<Kept>): void {
    const { print = "", status = "active", expiresAt = null, lines = [], keys = {} } = oracle.kept.get(id) ?? {};
    oracle.kept.set(id, { print, status, expiresAt, lines, keys, ...changes });
  }

  /** As the log has it: at the beginning of time no hold has lapsed by itself. */
  function recorded(pair: string) {
    const held = (kind: "reserved" | "committed") => oracle.held(pair, 0, kind);
    return { onHand: oracle.onHand(pair), reserved: held("reserved"), committed: held("committed") };
  }
}

interface LoggedEvent {
  readonly type: string;
  readonly time: string;
  readonly data: {
    readonly sku?: string;
    readonly quantity?: number;
    readonly recordedAt: string;
    readonly expiresAt?: string;
    readonly reservation: string;
    readonly step: string;
    readonly balance?: object;
    readonly voids?: { readonly id: string };
    readonly cause: { readonly id?: string };
  };
}
