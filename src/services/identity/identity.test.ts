import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { limits, PlatformError } from "../../kernel/index.ts";
import type { Credential } from "../../platform/auth/index.ts";
import { ConsumerHost } from "../../platform/consumer/index.ts";
import { MemoryStorage, SharedMemoryLog } from "../../platform/storage/memory/index.ts";
import { createIdentity, type Identity } from "./identity.ts";

const operator: Credential = { id: "operator", name: "operator", scopes: new Set(["admin"]), ownReservations: false };
const everything = { name: "all", scopes: ["admin" as const] };

let now: number;
let storage: MemoryStorage;
let host: ConsumerHost;
let identity: Identity;

async function start(): Promise<void> {
  identity = createIdentity({ storage, clock: () => now, random: randomBytes });
  host = new ConsumerHost(storage);
  await host.start([identity.consumer]);
}

async function restart(): Promise<void> {
  host.stop();
  await start();
}

async function made(request: Parameters<Identity["createKey"]>[0] = everything) {
  const outcome = await identity.createKey(request, operator);
  if (!outcome.ok) throw new Error(outcome.rejection.code);
  return outcome.value;
}

/** Another process on a log that several share. */
async function openShared(log: SharedMemoryLog) {
  const shared = log.open();
  const there = createIdentity({ storage: shared, clock: () => now, random: randomBytes });
  const following = new ConsumerHost(shared);
  onTestFinished(() => following.stop());
  await following.start([there.consumer]);
  return { storage: shared, identity: there };
}

beforeEach(async () => {
  now = Date.UTC(2026, 10, 21);
  storage = new MemoryStorage();
  await start();
});
afterEach(() => host.stop());

describe("a key", () => {
  it("is 256 random bits behind a prefix, and opens what it was made for, across restarts", async () => {
    const key = await made({ name: "till", scopes: ["stock:read"], locations: ["s1"], sources: ["/till/1"] });
    expect(key.key).toMatch(/^lk_[A-Za-z0-9_-]{43}$/);
    for (const again of [false, true]) {
      if (again) await restart();
      expect(identity.authenticate(key.key)).toEqual({
        id: key.id,
        name: "till",
        scopes: new Set(["stock:read"]),
        locations: new Set(["s1"]),
        sources: new Set(["/till/1"]),
        ownReservations: false,
      });
    }
    expect(identity.authenticate(`${key.key}x`)).toBeUndefined();
    expect(identity.authenticate("")).toBeUndefined();
  });

  it("is given with its secret though the answer of the store was lost, once it is known to stand", async () => {
    const { storage: shared, identity: there } = await openShared(new SharedMemoryLog());
    shared.loseNextAnswer();
    const outcome = await there.createKey(everything, operator);
    expect(outcome.ok && there.authenticate(outcome.value.key)?.id === outcome.value.id).toBe(true);
  });

  it("is known to another process as soon as that is asked about it", async () => {
    const log = new SharedMemoryLog();
    const [here, there] = await Promise.all([1, 2].map(() => openShared(log)));
    const outcome = await here!.identity.createKey(everything, operator);
    if (!outcome.ok) throw new Error(outcome.rejection.code);
    const { id, key } = outcome.value;
    expect(there!.identity.authenticate(key)).toBeUndefined();
    await there!.identity.learn?.(key);
    expect(there!.identity.authenticate(key)?.id).toBe(id);
    expect(identity.learn).toBeUndefined();
  });

  it("is asked the store about so seldom that tokens of nobody cost nothing", async () => {
    const { storage: shared, identity: asked } = await openShared(new SharedMemoryLog());
    const catchUp = vi.spyOn(shared, "catchUp");
    const tokens = Array.from({ length: 1000 }, () => `lk_${randomBytes(32).toString("base64url")}`);
    await Promise.all(tokens.map((token) => asked.learn?.(token)));
    expect(catchUp).toHaveBeenCalledTimes(1);
    for (const token of ["", "guess", `lk_${"x".repeat(42)}`, `${tokens[0]}x`]) await asked.learn?.(token);
    expect(catchUp).toHaveBeenCalledTimes(1);
    const startedAt = performance.now();
    for (const token of tokens.slice(0, 3)) await asked.learn?.(token);
    expect(catchUp).toHaveBeenCalledTimes(4);
    expect(performance.now() - startedAt).toBeGreaterThan(2 * limits.keyLookMs);
  });

  it("is nobody's while the store does not answer", async () => {
    const { storage: shared, identity: asked } = await openShared(new SharedMemoryLog());
    const token = `lk_${"x".repeat(43)}`;
    vi.spyOn(shared, "catchUp").mockRejectedValueOnce(new PlatformError("storage-unavailable", "it is away"));
    await asked.learn?.(token);
    vi.spyOn(shared, "catchUp").mockReturnValueOnce(new Promise(() => undefined));
    await asked.learn?.(token);
    expect(asked.authenticate(token)).toBeUndefined();
  });

  it("leaves only the SHA-256 of its secret in the log and the documents", async () => {
    const { key } = await made();
    host.commit();
    const kept = JSON.stringify([await storage.readLog(0, 100), storage.derived.scan("identity", "", 10)]);
    expect(kept).not.toContain(key);
    expect(kept).toContain(createHash("sha256").update(key).digest("hex"));
  });

  it("is recorded in this shape for ever", async () => {
    await made({ name: "n", scopes: ["stock:read"], ownReservations: true, expiresAt: "2026-11-22T00:00:00Z" });
    const [unit] = await storage.readLog(0, 1);
    expect(unit?.meta.actor).toBe("operator");
    expect(unit?.events[0]).toMatchObject({
      stream: expect.stringMatching(/^key-k[0-9a-z]{9}[0-9a-f]{12}$/),
      type: "KeyCreated",
      schema: 1,
      data: {
        name: "n",
        scopes: ["stock:read"],
        ownReservations: true,
        expiresAt: Date.UTC(2026, 10, 22),
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
  });

  it("ends at its time, to the millisecond", async () => {
    const { key } = await made({ ...everything, expiresAt: "2026-11-21T00:00:01Z" });
    const credential = identity.authenticate(key);
    now += 999;
    expect(identity.authenticate(key)).toBe(credential);
    now += 1;
    expect(identity.authenticate(key)).toBeUndefined();
    expect(identity.stands(credential!)).toBe(false);
  });

  it.each(["2026-11-21T00:00:00Z", "tomorrow"])("is not made to expire at %s", async (expiresAt) => {
    expect(await identity.createKey({ ...everything, expiresAt }, operator)).toMatchObject({
      rejection: { code: "invalid-request" },
    });
  });

  it("stops working at once when revoked, also for who holds its credential, and stays so", async () => {
    const { id, key } = await made();
    const credential = identity.authenticate(key)!;
    expect(await identity.revokeKey(id, operator)).toMatchObject({ ok: true });
    expect(identity.authenticate(key)).toBeUndefined();
    expect(identity.stands(credential)).toBe(false);
    expect(await identity.revokeKey(id, operator)).toMatchObject({ rejection: { code: "not-found" } });
    await restart();
    expect(identity.authenticate(key)).toBeUndefined();
  });

  it.each([{ locations: new Set(["s1"]) }, { sources: new Set(["/a"]) }, { ownReservations: true }])(
    "can't be managed by a limited administrator: %o",
    async (limit) => {
      const { id } = await made();
      const limited = { ...operator, ...limit };
      expect(await identity.createKey(everything, limited)).toMatchObject({ rejection: { code: "forbidden" } });
      expect(await identity.revokeKey(id, limited)).toMatchObject({ rejection: { code: "forbidden" } });
      expect(identity.keys({ limit: 10 }, limited)).toMatchObject({ rejection: { code: "forbidden" } });
    },
  );

  it("is listed without its hash, page by page, until it is revoked", async () => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      ids.push((await made()).id);
      now += 1;
    }
    await identity.revokeKey(ids[1]!, operator);
    const listed: string[] = [];
    let cursor: string | undefined;
    do {
      const page = identity.keys({ limit: 3, ...(cursor !== undefined && { cursor }) }, operator);
      if (!page.ok) throw new Error(page.rejection.code);
      expect(JSON.stringify(page)).not.toContain("hash");
      listed.push(...page.value.items.map(({ id }) => id));
      cursor = page.value.next;
    } while (cursor !== undefined);
    expect(listed).toEqual(ids.filter((_, index) => index !== 1));
  });
});

describe("the admin key", () => {
  it("is set by one of several processes that start together, and kept by the others", async () => {
    const board = new SharedMemoryLog();
    const processes = await Promise.all(
      [1, 2, 3].map(async () => {
        const mine = board.open();
        const identity = createIdentity({ storage: mine, clock: () => now, random: randomBytes });
        const host = new ConsumerHost(mine);
        await host.start([identity.consumer]);
        return identity;
      }),
    );
    const secret = "an admin key of all of them";
    const done = await Promise.all(processes.map((each) => each.ensureAdminKey(secret)));
    expect(done.map(({ state }) => state).sort()).toEqual(["kept", "kept", "set"]);
    const made = await Promise.all(processes.map((each) => each.ensureAdminKey()));
    expect(made.map(({ state }) => state)).toEqual(["kept", "kept", "kept"]);
    board.deliver();
    for (const each of processes) expect(each.authenticate(secret)?.id).toBe("admin");
    expect(board.log.head()).toBe(1);
  });

  const [first, second] = ["correct horse battery", "staple of another kind"];

  it("is made at the first start only", async () => {
    const made = await identity.ensureAdminKey();
    if (made.state !== "made") throw new Error(made.state);
    expect(identity.authenticate(made.secret)?.scopes).toEqual(new Set(["admin"]));
    await restart();
    expect(await identity.ensureAdminKey()).toEqual({ state: "kept" });
    expect(identity.authenticate(made.secret)).toBeDefined();
  });

  it("is what the operator gives, which takes the place of what there was", async () => {
    const made = await identity.ensureAdminKey();
    expect(await identity.ensureAdminKey(first)).toEqual({ state: "set" });
    expect(made.state === "made" && identity.authenticate(made.secret)).toBeUndefined();
    expect(await identity.ensureAdminKey(`${first}\n`)).toEqual({ state: "kept" });
    expect(await identity.ensureAdminKey(second)).toEqual({ state: "set" });
    expect(identity.authenticate(first)).toBeUndefined();
    expect(await identity.ensureAdminKey(first)).toEqual({ state: "set" });
    expect(identity.authenticate(first)?.id).toBe("admin");
  });

  it("goes on though another key with the same secret is revoked, and nobody comes in with nothing", async () => {
    const key = await made();
    await identity.ensureAdminKey(key.key);
    expect(await identity.revokeKey(key.id, operator)).toMatchObject({ ok: true });
    expect(identity.authenticate(key.key)).toMatchObject({ id: "admin" });
    expect(identity.authenticate("")).toBeUndefined();
  });

  it("stays revoked though the operator still gives it", async () => {
    await identity.ensureAdminKey(first);
    await identity.revokeKey("admin", operator);
    await restart();
    expect(await identity.ensureAdminKey(first)).toEqual({ state: "revoked" });
    expect(identity.authenticate(first)).toBeUndefined();
    expect(await identity.ensureAdminKey()).toEqual({ state: "kept" });
    expect(await identity.ensureAdminKey(second)).toEqual({ state: "set" });
  });
});
