import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ClientOptions, isLarderError, Larder, LarderError } from "./index.ts";

type Answer = () => Response | Promise<Response>;
interface Asked {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: unknown;
  readonly at: number;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A client whose requests get these answers, one after the other, and the last for ever; time passes by itself. */
function clientOf(answers: readonly Answer[], options: Partial<ClientOptions> = {}) {
  const asked: Asked[] = [];
  const fetch: typeof globalThis.fetch = async (url, init = {}) => {
    const { method = "GET", headers, body } = init;
    asked.push({ url: String(url), method, headers: new Headers(headers), body, at: Date.now() });
    return await (answers[Math.min(asked.length, answers.length) - 1] as Answer)();
  };
  return { asked, larder: new Larder({ url: "http://larder/base/", fetch, ...options }) };
}

async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const all = Promise.allSettled([promise]);
  await vi.runAllTimersAsync();
  return (await all)[0];
}
async function failure(promise: Promise<unknown>): Promise<LarderError> {
  const outcome = await settled(promise);
  if (outcome.status === "rejected" && outcome.reason instanceof LarderError) return outcome.reason;
  throw new Error(`no LarderError: ${JSON.stringify(outcome)}`);
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => {
  return () =>
    new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
};
const problem = (status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Answer =>
  json(
    status,
    { status, code, detail: "So it is.", requestId: "r1", ...more },
    { ...headers, "content-type": "application/problem+json" },
  );
const lost: Answer = () => Promise.reject(new TypeError("fetch failed", { cause: new Error("ECONNRESET") }));
const good = json(200, { id: "r" });

describe("errors", () => {
  it("carry the code, the request's id, the findings and the numbers", async () => {
    const lines = [{ sku: "milk", requested: 3, available: 1 }];
    const errors = [{ in: "body", pointer: "/x", detail: "is wrong" }];
    const { larder } = clientOf([problem(409, "insufficient-stock", { lines, errors })]);
    const error = await failure(larder.reserve({ lines: [{ sku: "milk", quantity: 3 }] }));
    expect(error).toMatchObject({ code: "insufficient-stock", status: 409, requestId: "r1", errors });
    expect(error.message).toBe("So it is. (insufficient-stock)");
    if (!isLarderError(error, "insufficient-stock")) throw new Error("not narrowed");
    const [short] = error.problem.lines;
    expect([short?.sku, short?.requested, short?.available]).toEqual(["milk", 3, 1]);
    expect(isLarderError(error, "not-found")).toBe(false);
    expect(isLarderError(new Error("x"))).toBe(false);
  });

  it("say when the answer is not Larder's", async () => {
    const page: Answer = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
    const { larder, asked } = clientOf([page], { retries: 1 });
    expect(await failure(larder.listItems())).toMatchObject({
      code: "unexpected-answer",
      status: 502,
      problem: undefined,
    });
    expect(asked).toHaveLength(2);
    const broken = clientOf([() => new Response("{", { status: 200 })]);
    expect(await failure(broken.larder.listItems())).toMatchObject({ code: "unexpected-answer" });
  });

  it("say when nobody answers, and why", async () => {
    const { larder } = clientOf([lost], { retries: 0 });
    const error = await failure(larder.listItems());
    expect(error).toMatchObject({ code: "unreachable", status: 0, message: "Larder can't be reached: ECONNRESET" });
  });

  it("refuse an address that is none", () => {
    expect(() => new Larder({ url: "larder:8080" })).toThrow(TypeError);
  });
});

describe("retries", () => {
  it.each([
    ["a lost connection", lost],
    ["429", problem(429, "too-many-requests")],
    ["503", problem(503, "overloaded")],
    ["version-conflict", problem(409, "version-conflict")],
    ["a proxy's 504", () => new Response("", { status: 504 })],
  ] as const)("repeat a read after %s", async (_name, answer) => {
    const { larder, asked } = clientOf([answer, answer, good]);
    expect(await settled(larder.getReservation("r"))).toEqual({ status: "fulfilled", value: { id: "r" } });
    expect(asked).toHaveLength(3);
  });

  it.each([
    ["404", problem(404, "not-found")],
    ["a refusal", problem(409, "insufficient-stock")],
    ["500", problem(500, "internal")],
    ["410", problem(410, "position-from-another-history")],
  ] as const)("do not repeat after %s", async (_name, answer) => {
    const { larder, asked } = clientOf([answer, good]);
    await failure(larder.getReservation("r"));
    expect(asked).toHaveLength(1);
  });

  it("end after as many as were allowed", async () => {
    const { larder, asked } = clientOf([lost]);
    expect(await failure(larder.getReservation("r", { retries: 2 }))).toMatchObject({ code: "unreachable" });
    expect(asked).toHaveLength(3);
  });

  it("wait as long as Retry-After says, and a random while longer; delays double", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const after = problem(503, "overloaded", {}, { "retry-after": "3" });
    const { larder, asked } = clientOf([after, lost, lost, good]);
    await settled(larder.getReservation("r"));
    const waits = asked.slice(1).map(({ at }, index) => at - (asked[index]?.at ?? 0));
    expect(waits).toEqual([3100, 200, 400]);
  });

  it("understand a date in Retry-After, and don't wait for hours", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    vi.setSystemTime(new Date("2026-11-21T09:30:00Z"));
    const dated = problem(503, "overloaded", {}, { "retry-after": "Sat, 21 Nov 2026 09:30:02 GMT" });
    const { larder, asked } = clientOf([dated, good]);
    await settled(larder.getReservation("r"));
    expect((asked[1]?.at ?? 0) - (asked[0]?.at ?? 0)).toBe(2000);
    const long = clientOf([problem(503, "overloaded", {}, { "retry-after": "3600" }), good]);
    expect(await failure(long.larder.getReservation("r"))).toMatchObject({ retryAfterMs: 3_600_000 });
  });

  it("give every attempt at a reservation the same key, and two reservations different ones", async () => {
    const { larder, asked } = clientOf([lost, good]);
    const body = { lines: [{ sku: "milk", quantity: 1 }] };
    await settled(larder.reserve(body));
    await settled(larder.reserve(body));
    const keys = asked.map(({ headers }) => headers.get("idempotency-key"));
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
    await settled(larder.reserve(body, { idempotencyKey: "mine" }));
    await settled(larder.reserve({ ...body, id: "cart-1" }));
    expect(asked.slice(3).map(({ headers }) => headers.get("idempotency-key"))).toEqual(["mine", null]);
  });

  it("never send twice what would happen twice, unless nothing was done", async () => {
    const request = { name: "till", scopes: ["stock:write"] } as const;
    for (const answer of [lost, problem(503, "storage-unavailable")]) {
      const { larder, asked } = clientOf([answer, good]);
      await failure(larder.createKey(request));
      expect(asked).toHaveLength(1);
    }
    const { larder, asked } = clientOf([problem(429, "too-many-requests"), good]);
    await settled(larder.createKey(request));
    expect(asked).toHaveLength(2);
  });

  it("take a key that is gone for revoked, when the answer before was lost", async () => {
    const { larder } = clientOf([lost, problem(404, "not-found")]);
    expect(await settled(larder.revokeKey("k1"))).toMatchObject({ status: "fulfilled" });
    const other = clientOf([problem(404, "not-found")]);
    expect(await failure(other.larder.revokeKey("k1"))).toMatchObject({ code: "not-found" });
  });
});

describe("a call", () => {
  it("asks for the key before each attempt, and escapes what stands in the path", async () => {
    let turn = 0;
    const { larder, asked } = clientOf([lost, good], { key: async () => `lk_${++turn}` });
    await settled(larder.getStock("a/b c", { lots: true }));
    expect(asked.map(({ headers }) => headers.get("authorization"))).toEqual(["Bearer lk_1", "Bearer lk_2"]);
    expect(asked[0]?.url).toBe("http://larder/base/v1/stock/a%2Fb%20c?lots=true");
  });

  it("repeats a parameter for each of its values", async () => {
    const { larder, asked } = clientOf([json(200, { items: [], position: "p" })]);
    await settled(larder.getAvailability({ sku: ["a", "b&c"] }, { minPosition: "p0" }));
    expect(asked[0]?.url).toBe("http://larder/base/v1/availability?sku=a&sku=b%26c");
    expect(asked[0]?.headers.get("larder-min-position")).toBe("p0");
  });

  it("ends at once with the reason of its signal, while it waits too", async () => {
    const reason = new Error("enough");
    const { larder, asked } = clientOf([lost]);
    const stop = new AbortController();
    const ended = expect(larder.getReservation("r", { signal: stop.signal })).rejects.toBe(reason);
    await vi.advanceTimersByTimeAsync(1);
    stop.abort(reason);
    await ended;
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  it("counts as unanswered when an attempt takes too long", async () => {
    // The timeout of an attempt is the runtime's own and knows no virtual time.
    vi.useRealTimers();
    const fetch: typeof globalThis.fetch = (_url, init) =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
    const larder = new Larder({ url: "http://larder", fetch, timeoutMs: 20, retries: 1 });
    await expect(larder.listItems()).rejects.toMatchObject({ code: "timeout", status: 0 });
  });

  it("has the checks of a server that is not ready for an answer, and a proxy's 503 for an error", async () => {
    const { larder } = clientOf([json(503, { ok: false, checks: {} })]);
    expect(await settled(larder.isReady())).toMatchObject({ status: "fulfilled", value: { ok: false } });
    const proxied = clientOf([() => new Response("no", { status: 503 })], { retries: 0 });
    expect(await failure(proxied.larder.isReady())).toMatchObject({ code: "unexpected-answer" });
  });
});
