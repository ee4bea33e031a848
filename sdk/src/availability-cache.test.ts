import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AvailabilityCache, type CacheOptions, type KnownAvailability, Larder } from "./index.ts";

// A Larder that says what the test tells it to, in the order that the test chooses.

const row = (sku: string, location: string, version: number, available: number) => ({
  ...{ sku, location, available, onHand: available + 1, unavailable: 0, reserved: 1, committed: 0, safetyStock: 0 },
  ...{ incoming: 0, version, updatedAt: "2026-11-21T09:30:00.000Z" },
});
type Row = ReturnType<typeof row>;

const event = ({ sku, location, version, updatedAt, ...balance }: Row, position: string) => ({
  ...{ specversion: "1.0", id: position, source: "s", type: "larder.stock.sold.v1", time: updatedAt, position },
  data: { sku, location, version, balance, recordedAt: updatedAt },
});
const heartbeat = (position: string, caughtUp = true) => ({ type: "heartbeat", position, caughtUp });

interface Fetch {
  readonly skus: readonly string[];
  readonly locations: readonly string[] | undefined;
  readonly minPosition: string | null;
  answer(items: readonly (Row | { sku: string; known: false })[]): void;
  refuse(status: number, code: string): void;
  lose(): void;
}

class ScriptedLarder {
  readonly fetches: Fetch[] = [];
  /** The addresses by which the feed was opened. */
  readonly feeds: URLSearchParams[] = [];
  begin = "p0";
  isGone = false;
  /** The code of the problem with which the next feed is refused. */
  refusal: string | undefined;
  #feed: ReadableStreamDefaultController<Uint8Array> | undefined;

  readonly fetch: typeof globalThis.fetch = (input, init = {}) => {
    const url = new URL(String(input));
    if (this.isGone) return Promise.reject(new TypeError("fetch failed"));
    if (url.pathname === "/v1/items") return Promise.resolve(Response.json({ items: [], position: this.begin }));
    if (url.pathname === "/v1/changes") return Promise.resolve(this.#open(url.searchParams, init.signal));
    return new Promise((resolve, reject) => {
      const { skus, locations } = JSON.parse(String(init.body)) as Pick<Fetch, "skus" | "locations">;
      this.fetches.push({
        ...{ skus, locations, minPosition: new Headers(init.headers).get("larder-min-position") },
        answer: (items) => resolve(Response.json({ items, position: "?" })),
        refuse: (status, code) => resolve(Response.json({ code, status, detail: "no", requestId: "r" }, { status })),
        lose: () => reject(new TypeError("fetch failed")),
      });
    });
  };

  say(...lines: readonly object[]): void {
    this.#feed?.enqueue(new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
  }

  cut(): void {
    this.#feed?.error(new TypeError("terminated"));
  }

  #open(query: URLSearchParams, signal: AbortSignal | null | undefined): Response {
    this.feeds.push(query);
    const code = this.refusal;
    this.refusal = undefined;
    if (code !== undefined) return Response.json({ code, status: 410, detail: "no", requestId: "r" }, { status: 410 });
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#feed = controller;
        signal?.addEventListener("abort", () => controller.error(signal.reason));
      },
    });
    return new Response(body);
  }
}

let script: ScriptedLarder;
let cache: AvailabilityCache;

function start(options: CacheOptions = {}): void {
  cache = new Larder({ url: "http://larder", fetch: script.fetch }).cache(options);
}
/** Lets what is due happen, up to some milliseconds from now. */
const pass = (ms = 1) => vi.advanceTimersByTimeAsync(ms);

async function started(options: CacheOptions = {}, at = "p1"): Promise<void> {
  start(options);
  await pass();
  script.say(heartbeat(at));
  await pass();
}

/** Has a sku fetched and answered. */
async function held(sku: string, ...rows: readonly Row[]): Promise<void> {
  cache.availability(sku, "x");
  await pass();
  script.fetches.at(-1)?.answer(rows);
  await pass();
}

beforeEach(() => {
  vi.useFakeTimers();
  script = new ScriptedLarder();
});
afterEach(() => {
  cache.stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const known = (sku = "a", location = "x") => cache.availability(sku, location) as KnownAvailability;

describe("an answer from memory", () => {
  it("is unknown at first, fetched behind that in one call with what else was asked for, and then there", async () => {
    await started();
    expect(cache.availability("a", "x")).toEqual({
      ...{ known: false, sku: "a", location: "x", reason: "pending", ageMs: Number.POSITIVE_INFINITY, stale: true },
    });
    cache.availability("a", "y");
    cache.availability("b", "x");
    await pass();
    expect(script.fetches.map(({ skus, minPosition }) => [skus, minPosition])).toEqual([[["a", "b"], "p1"]]);
    script.fetches[0]?.answer([row("a", "x", 3, 7), { sku: "b", known: false }]);
    await pass();
    expect(known()).toEqual({ ...row("a", "x", 3, 7), known: true, ageMs: expect.any(Number), stale: false });
    // A location that never had any has none; that is known too.
    expect(known("a", "y")).toMatchObject({ known: true, available: 0, onHand: 0, version: 0, updatedAt: null });
    expect(cache.availability("b", "x")).toMatchObject({ known: false, reason: "no-such-sku", stale: false });
    expect(cache.everywhere("a")).toMatchObject([{ location: "x", available: 7 }]);
    expect(script.fetches).toHaveLength(1);
  });

  it("can be waited for, but not longer than one wants to", async () => {
    await started();
    const [patient, hasty] = [cache.availabilityWithin(500, "a", "x"), cache.availabilityWithin(10, "a", "x")];
    await pass(20);
    expect(await hasty).toMatchObject({ known: false, reason: "pending" });
    script.fetches[0]?.answer([row("a", "x", 3, 7)]);
    await pass();
    expect(await patient).toMatchObject({ known: true, available: 7 });
    expect(await cache.availabilityWithin(0, "a", "x")).toMatchObject({ known: true });
  });

  it("leaves nothing behind of those who no longer wait, however often they ask while Larder is gone", async () => {
    script.isGone = true;
    start();
    for (let round = 0; round < 10; round += 1) {
      const asked = Array.from({ length: 50 }, () => cache.availabilityWithin(10, "a", "x"));
      const ready = [cache.ready(10), cache.warm(["a", "b"], 10)];
      await pass();
      expect(cache.status().waiting).toBe(53);
      await pass(10);
      expect((await Promise.all(asked)).map(({ known }) => known)).not.toContain(true);
      expect(await Promise.all(ready)).toEqual([false, false]);
      expect(cache.status()).toMatchObject({ waiting: 0, pending: 2 });
    }
    script.isGone = false;
    const patient = cache.availabilityWithin(60_000, "a", "x");
    await pass(6000);
    script.fetches[0]?.answer([row("a", "x", 3, 7)]);
    await pass();
    expect(await patient).toMatchObject({ known: true, available: 7 });
    expect(cache.status()).toMatchObject({ waiting: 0, pending: 0 });
  });

  it("follows the feed: of a sku at every location, and of one that came to be", async () => {
    await started();
    await held("a", row("a", "x", 3, 7));
    await held("b");
    cache.availability("c", "x");
    await pass();
    script.fetches.at(-1)?.answer([{ sku: "c", known: false }]);
    await pass();
    script.say(event(row("a", "x", 4, 6), "p2"), event(row("a", "y", 1, 2), "p3"), event(row("c", "x", 1, 9), "p4"));
    script.say({ ...event(row("a", "x", 9, 0), "p5"), data: { reservation: "r", step: "placed" } });
    await pass();
    expect([known("a", "x"), known("a", "y"), known("c", "x")]).toMatchObject([
      { available: 6, version: 4 },
      { available: 2, version: 1 },
      { available: 9, version: 1 },
    ]);
  });

  it("never goes back to an older version", async () => {
    await started();
    await held("a", row("a", "x", 5, 7));
    script.say(event(row("a", "x", 4, 8), "p2"));
    await pass();
    expect(known()).toMatchObject({ version: 5, available: 7 });
  });

  it("contains what the feed said while its fetch was under way, and not the older of the two", async () => {
    await started();
    cache.availability("a", "x");
    cache.availability("b", "x");
    await pass();
    script.say(event(row("a", "x", 4, 6), "p2"), event(row("b", "x", 4, 6), "p3"));
    await pass();
    script.fetches[0]?.answer([row("a", "x", 3, 7), row("b", "x", 5, 5)]);
    await pass();
    expect([known("a"), known("b")]).toMatchObject([
      { version: 4, available: 6 },
      { version: 5, available: 5 },
    ]);
  });

  it("asks Larder for nothing older than the feed has come to", async () => {
    await started();
    script.say(event(row("a", "x", 4, 6), "p7"));
    await pass();
    cache.availability("a", "x");
    await pass();
    expect(script.fetches[0]?.minPosition).toBe("p7");
  });

  it("compares names as Larder does", async () => {
    await started();
    await held("caf\u00e9", row("caf\u00e9", "x", 1, 1));
    expect(known("cafe\u0301")).toMatchObject({ known: true, sku: "caf\u00e9" });
  });
});

describe("the age of an answer", () => {
  it("counts from its fetch, and from each sign of life that is of the present", async () => {
    await started({ staleAfterMs: 2000 });
    await held("a", row("a", "x", 3, 7));
    await pass(1500);
    expect(known().ageMs).toBeGreaterThanOrEqual(1500);
    script.say(heartbeat("p2", false), event(row("b", "x", 1, 1), "p3"));
    await pass();
    expect(known().ageMs).toBeGreaterThanOrEqual(1500);
    expect(known().stale).toBe(false);
    await pass(600);
    expect(known()).toMatchObject({ stale: true, available: 7 });
    script.say(heartbeat("p4"));
    await pass();
    expect(known().ageMs).toBeLessThan(10);
    expect(known().stale).toBe(false);
  });

  it("counts a fetch from the moment it was sent, for nobody knows when it was answered", async () => {
    await started();
    cache.availability("a", "x");
    await pass(1000);
    script.fetches[0]?.answer([row("a", "x", 3, 7)]);
    await pass();
    expect(known().ageMs).toBeGreaterThanOrEqual(999);
  });

  it("grows while Larder is gone, and the answer stays", async () => {
    await started();
    await held("a", row("a", "x", 3, 7));
    script.isGone = true;
    script.cut();
    await pass(10_000);
    expect(known()).toMatchObject({ available: 7, version: 3, stale: true });
    expect(known().ageMs).toBeGreaterThanOrEqual(10_000);
    expect(cache.status()).toMatchObject({ isFollowing: false, skus: 1, error: { code: "unreachable" } });
    script.isGone = false;
    await pass(2000);
    expect(script.feeds.at(-1)?.get("after")).toBe("p1");
    script.say(event(row("a", "x", 4, 1), "p2"), heartbeat("p2"));
    await pass();
    expect(known()).toMatchObject({ available: 1, stale: false });
    expect(cache.status()).toMatchObject({ isFollowing: true, error: undefined });
  });

  it("does not look young because a backlog is being read", async () => {
    // The silent feed is opened again after a pause of random length: with one of 0 the next would be silent for too long just now.
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    await started();
    await held("a", row("a", "x", 3, 7));
    await pass(6000);
    script.say(event(row("a", "x", 4, 6), "p2"), heartbeat("p2", false));
    await pass();
    expect(known()).toMatchObject({ available: 6, stale: true });
  });
});

describe("a fetch", () => {
  it("is made again until Larder answers", async () => {
    await started();
    cache.availability("a", "x");
    await pass();
    script.fetches[0]?.lose();
    await pass(1);
    expect(cache.status()).toMatchObject({ pending: 1, error: { code: "unreachable" } });
    await pass(300);
    expect(script.fetches).toHaveLength(2);
    script.fetches[1]?.refuse(503, "read-side-behind");
    await pass(1000);
    script.fetches[2]?.answer([row("a", "x", 1, 1)]);
    await pass();
    expect(known()).toMatchObject({ available: 1 });
  });

  it("does not wait any longer once Larder is back", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    await started();
    cache.availability("a", "x");
    await pass();
    for (let turn = 0; turn < 3; turn += 1) {
      script.fetches.at(-1)?.lose();
      await pass(200 * 2 ** turn + 10);
    }
    script.fetches.at(-1)?.lose();
    script.cut();
    await pass(300);
    expect([script.fetches.length, script.feeds.length]).toEqual([4, 2]);
    script.say(heartbeat("p2"));
    await pass(10);
    expect(script.fetches).toHaveLength(5);
  });

  it("of up to 1,000 skus goes in one call, of more in several", async () => {
    await started();
    const warm = cache.warm(Array.from({ length: 1500 }, (_, index) => `s${index}`));
    await pass();
    expect(script.fetches.map(({ skus }) => skus.length)).toEqual([1000]);
    script.fetches[0]?.answer([]);
    await pass();
    expect(script.fetches[1]?.skus).toHaveLength(500);
    script.fetches[1]?.answer([]);
    await pass();
    expect(await warm).toBe(true);
    expect(cache.status()).toMatchObject({ skus: 1500, pending: 0 });
  });

  it("that fails is made again for half as many, so that what is too much at once comes in parts", async () => {
    await started();
    for (let index = 0; index < 1000; index += 1) cache.availability(`s${index}`, "x");
    await pass();
    const sizes: number[] = [];
    for (let turn = 0; sizes.length < 6 && turn < 20; turn += 1) {
      const fetch = script.fetches[turn];
      const count = fetch?.skus.length ?? 0;
      sizes.push(count);
      if (count > 300) fetch?.lose();
      else fetch?.answer([]);
      await pass(2000);
      script.say(heartbeat("p1"));
      await pass();
    }
    expect(sizes).toEqual([1000, 500, 250, 350, 175, 275]);
  });

  it("of a sku that Larder fails at goes on failing, and those asked for with it and after it are answered", async () => {
    await started();
    for (const sku of ["a", "bad", "b", "c"]) cache.availability(sku, "x");
    for (let turn = 0; turn < 30; turn += 1) {
      if (turn === 10) cache.availability("d", "x");
      await pass(2000);
      script.say(heartbeat("p1"));
      const last = script.fetches.at(-1);
      if (last?.skus.includes("bad")) last.refuse(500, "internal-error");
      else last?.answer((last?.skus ?? []).map((sku) => row(sku, "x", 1, 1)));
      await pass();
    }
    expect(["a", "b", "c", "d"].map((sku) => known(sku).known)).toEqual([true, true, true, true]);
    expect(cache.availability("bad", "x")).toMatchObject({ known: false, reason: "pending" });
  });

  it("that holds no sku at all finds that one out, and the others are answered", async () => {
    await started();
    for (const sku of ["a", "b", " bad", "c"]) cache.availability(sku, "x");
    await pass();
    for (let turn = 0; turn < 7; turn += 1) {
      const last = script.fetches[turn];
      if (last?.skus.includes(" bad")) last.refuse(400, "invalid-request");
      else last?.answer((last?.skus ?? []).map((sku) => row(sku, "x", 1, 1)));
      await pass();
    }
    expect(script.fetches.map(({ skus }) => skus.join())).toEqual(["a,b, bad,c", "a,b", " bad,c", " bad", "c"]);
    expect(cache.availability(" bad", "x")).toMatchObject({ known: false, reason: "no-such-sku" });
    expect([known("a"), known("b"), known("c")]).toMatchObject([{ known: true }, { known: true }, { known: true }]);
  });
});

describe("a cache", () => {
  it("follows the skus and locations it was told to, and no others", async () => {
    start({ skus: ["a", "b"], locations: ["x"], heartbeatSeconds: 2 });
    const ready = cache.ready();
    await pass();
    const [feed] = script.feeds;
    expect([feed?.getAll("sku"), feed?.getAll("location"), feed?.get("heartbeatSeconds"), feed?.get("after")]).toEqual([
      ["a", "b"],
      ["x"],
      "2",
      "p0",
    ]);
    expect(script.fetches).toMatchObject([{ skus: ["a", "b"], locations: ["x"], minPosition: "p0" }]);
    script.fetches[0]?.answer([row("a", "x", 1, 1), { sku: "b", known: false }]);
    script.say(heartbeat("p1"));
    await pass();
    expect(await ready).toBe(true);
    expect(cache.availability("c", "x")).toMatchObject({ known: false, reason: "not-followed" });
    expect(cache.availability("a", "y")).toMatchObject({ known: false, reason: "not-followed" });
    expect(cache.everywhere("c")).toEqual([]);
    await pass();
    expect(script.fetches).toHaveLength(1);
  });

  it("says so when it is not ready in time", async () => {
    script.isGone = true;
    start({ skus: ["a"] });
    const ready = cache.ready(1000);
    await pass(1001);
    expect(await ready).toBe(false);
    script.isGone = false;
    await pass(6000);
    expect(script.fetches).toMatchObject([{ skus: ["a"] }]);
  });

  it("lets go of what was asked for longest ago when it is full", async () => {
    await started({ skusMax: 2 });
    await held("a", row("a", "x", 1, 1));
    await held("b", row("b", "x", 1, 1));
    cache.availability("a", "x");
    script.say(event(row("b", "x", 2, 1), "p2"));
    await pass();
    await held("c", row("c", "x", 1, 1));
    expect(cache.status().skus).toBe(2);
    expect([known("a"), known("c")]).toMatchObject([{ known: true }, { known: true }]);
    expect(cache.availability("b", "x")).toMatchObject({ known: false, reason: "pending" });
  });

  it("refuses to follow more names than it can hold, or an address can", () => {
    expect(() => start({ skus: ["a", "b"], skusMax: 1 })).toThrow(RangeError);
    expect(() => start({ skus: Array.from({ length: 900 }, (_, index) => `sku-${index}`) })).toThrow("address");
    start();
  });

  it("stops, and goes on answering", async () => {
    await started();
    await held("a", row("a", "x", 3, 7));
    cache.stop();
    await pass(10_000);
    expect(known()).toMatchObject({ available: 7, stale: true });
    expect(cache.availability("b", "x")).toMatchObject({ known: false });
    await pass(1000);
    expect([script.fetches.length, script.feeds.length, cache.status().isFollowing]).toEqual([1, 1, false]);
  });
});

describe("another history", () => {
  it("has all fetched anew, and what is not yet keeps its age", async () => {
    await started();
    await held("a", row("a", "x", 30, 7));
    await held("b", row("b", "x", 20, 5));
    await pass(3000);
    [script.begin, script.refusal] = ["q1", "position-from-another-history"];
    script.cut();
    await pass(500);
    expect(script.feeds.at(-1)?.get("after")).toBe("q1");
    expect(script.fetches.at(-1)).toMatchObject({ skus: ["a", "b"], minPosition: "q1" });
    script.say(heartbeat("q1"), event(row("b", "x", 3, 2), "q2"));
    await pass();
    expect(known("a")).toMatchObject({ version: 30, available: 7 });
    expect(known("a").ageMs).toBeGreaterThan(3000);
    script.fetches.at(-1)?.answer([row("a", "x", 1, 4), row("b", "x", 2, 1)]);
    await pass();
    expect([known("a"), known("b")]).toMatchObject([
      { version: 1, available: 4, stale: false },
      { version: 3, available: 2, stale: false },
    ]);
  });

  it("shows by a fetch as well, and an answer out of the old one is not taken for one of the new", async () => {
    await started();
    await held("a", row("a", "x", 30, 7));
    cache.availability("b", "x");
    await pass();
    const old = script.fetches.at(-1);
    [script.begin, script.refusal] = ["q1", "position-from-another-history"];
    vi.spyOn(Math, "random").mockReturnValue(0.9);
    script.cut();
    await pass(200);
    // The old history has been left and the new one not begun.
    expect(script.feeds).toHaveLength(2);
    old?.answer([row("b", "x", 99, 99)]);
    await pass(1000);
    for (let turn = 0; turn < 3; turn += 1) {
      for (const fetch of script.fetches.slice(2)) fetch.answer(fetch.skus.map((sku) => row(sku, "x", 2, 1)));
      await pass(500);
    }
    expect(script.fetches.slice(2).flatMap(({ skus }) => skus)).toEqual(expect.arrayContaining(["a", "b"]));
    expect([known("a"), known("b")]).toMatchObject([{ version: 2 }, { version: 2 }]);

    script.say(heartbeat("q2"));
    cache.availability("c", "x");
    await pass();
    [script.begin] = ["r1"];
    script.refusal = "position-from-another-history";
    script.fetches.at(-1)?.refuse(410, "position-from-another-history");
    await pass(500);
    expect(script.feeds.at(-1)?.get("after")).toBe("r1");
  });
});
