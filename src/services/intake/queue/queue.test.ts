import { describe, expect, it, onTestFinished, vi } from "vitest";
import { InvariantError, limits, PlatformError } from "../../../kernel/index.ts";
import type { Delivery } from "../../../platform/messaging/index.ts";
import { VirtualTime } from "../../../platform/messaging/samples.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import { openInventory } from "../../inventory/fixture.ts";
import type { Caller, FactsReceipt, Inventory } from "../../inventory/index.ts";
import { factsQueue } from "./facts-queue.ts";
import { fact, openIntake, till } from "./fixture.ts";
import { callerHeader, factMessages } from "./message.ts";
import { Recorder } from "./recorder.ts";

const milk = { sku: "milk", location: "shop" };
const nothing: FactsReceipt = { accepted: 0, duplicates: 0, rejected: [], position: "" };

async function opened(clock?: () => number) {
  const { inventory } = await openInventory();
  const parts = await openIntake(inventory, clock);
  onTestFinished(async () => {
    await parts.intake.stop();
    await inventory.stop();
  });
  const drained = () =>
    vi.waitFor(async () => expect((await parts.messaging.depth(factsQueue)).waiting).toBe(0), { timeout: 5000 });
  const onHand = async (sku = "milk") => {
    const stock = await inventory.stock(sku, {}, till);
    return stock.ok ? stock.value.totals.onHand : undefined;
  };
  const dead = async () => {
    const page = await parts.intake.deadLetters.list({ limit: 100 }, till);
    return page.ok ? page.value.items : [];
  };
  return { ...parts, inventory, drained, onHand, dead };
}

/** An inventory that answers as told. */
async function answering(recordFacts: Inventory["recordFacts"]) {
  const parts = await openIntake({ recordFacts });
  onTestFinished(() => parts.intake.stop());
  return parts;
}

describe("facts by the queue", () => {
  it("are recorded once, as of their receipt, as the caller who sent them", async () => {
    const calls: [readonly unknown[], Caller, readonly number[] | undefined][] = [];
    const { intake } = await answering(async (facts, caller, receivedAt) => {
      calls.push([facts, caller, receivedAt]);
      return nothing;
    });
    const before = Date.now();
    const one = fact("sold", { ...milk, quantity: 1 });
    const limited: Caller = {
      id: "key",
      locations: new Set(["shop"]),
      sources: new Set(["till"]),
      ownReservations: true,
    };
    expect(await intake.enqueueFacts([one], limited)).toEqual({ ok: true, value: { queued: 1 } });
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    expect(calls[0]?.slice(0, 2)).toEqual([[one], limited]);
    expect(calls[0]?.[2]?.[0]).toBeGreaterThanOrEqual(before);
    expect(calls[0]?.[2]?.[0]).toBeLessThanOrEqual(Date.now());
  });

  it("change the stock, and count once however often they are sent", async () => {
    const { intake, inventory, drained, onHand, dead } = await opened();
    const batch = [fact("received", { ...milk, quantity: 5 }), fact("sold", { ...milk, quantity: 2 })];
    for (const _ of [1, 2, 3]) await intake.enqueueFacts(batch, till);
    await drained();
    await inventory.recordFacts(batch, till);
    expect(await onHand()).toBe(3);
    expect(await dead()).toEqual([]);
  });

  it("that are rejected become dead letters that hold up nobody; redriven after the mistake is gone they count", async () => {
    const { intake, inventory, drained, onHand, dead, ended } = await opened();
    const gtin = "09506000134352";
    const unknown = fact("received", { gtin, location: "shop", quantity: 4 });
    await intake.enqueueFacts(
      [
        fact("received", { ...milk, quantity: 0 }),
        fact("received", { ...milk, quantity: 7 }),
        unknown,
        fact("eaten", milk),
        42,
      ],
      till,
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    await drained();
    expect(await onHand()).toBe(7);
    const letters = await dead();
    expect(letters.map(({ cause }) => cause.split(":")[0]).sort()).toEqual([
      "invalid-fact",
      "invalid-fact",
      "invalid-fact",
      "unknown-item",
    ]);
    const letter = letters.find(({ cause }) => cause.startsWith("unknown-item"));
    expect(letter?.cause).toContain("PUT /v1/items/{sku}");
    expect(letter?.trace).toContain("0af7651916cd43dd8448eb211c80319c");
    const detail = await intake.deadLetters.read(letter?.id ?? "", till);
    expect(detail).toMatchObject({ ok: true, value: { message: { json: unknown }, causes: [{ attempt: 1 }] } });

    await inventory.putItem("oats", { name: "Oats", unit: "each", gtins: [gtin] }, till);
    const redriven = await intake.deadLetters.redrive(letter?.id ?? "", till);
    expect(redriven).toMatchObject({ ok: true, value: { end: "redriven", queue: "intake" } });
    await drained();
    expect(await onHand("oats")).toBe(4);
    // Once more changes nothing, and is answered like the first time.
    expect(await intake.deadLetters.redrive(letter?.id ?? "", till)).toEqual(redriven);
    expect(await intake.deadLetters.discard(letter?.id ?? "", "old", till)).toMatchObject({
      ok: false,
      rejection: { code: "dead-letter-ended", extra: { end: "redriven" } },
    });
    const left = (await dead()).map(({ id }) => id);
    expect(left).toHaveLength(3);
    for (const id of left) {
      const discarded = await intake.deadLetters.discard(id, "nonsense", till);
      expect(discarded).toMatchObject({ ok: true, value: { end: "discarded", reason: "nonsense" } });
      expect(await intake.deadLetters.discard(id, "another reason", till)).toEqual(discarded);
    }
    expect(await intake.deadLetters.read(left[0] ?? "", till)).toMatchObject({
      ok: false,
      rejection: { code: "not-found", detail: expect.stringContaining("nonsense") },
    });
    expect(await dead()).toEqual([]);
    // What was discarded and is sent again is no secret: it is a dead letter again.
    await intake.enqueueFacts([42], till);
    await drained();
    expect(await dead()).toHaveLength(1);
    expect(ended).toHaveLength(4);
    expect(ended[0]).toMatchObject({ actor: "till", end: "redriven", count: 1 });
  });

  it("that only another may speak for are dead letters, and don't count as the other's", async () => {
    const { intake, drained, onHand, dead } = await opened();
    const one = fact("received", { ...milk, quantity: 5 });
    await intake.enqueueFacts([one], { id: "elsewhere", locations: new Set(["attic"]), ownReservations: false });
    await intake.enqueueFacts([one], till);
    await drained();
    expect(await onHand()).toBe(5);
    expect((await dead()).map(({ cause }) => cause)).toEqual([expect.stringMatching(/^forbidden: /)]);
  });

  it("keep their order within a source, sku and location", async () => {
    const seen: unknown[] = [];
    const { intake } = await answering(async (facts) => {
      expect(facts.length).toBeLessThanOrEqual(limits.batchItemsMax);
      seen.push(...facts);
      return nothing;
    });
    const facts = Array.from({ length: 300 }, (_, index) =>
      fact("sold", { sku: `s${index % 7}`, location: "shop", quantity: 1 + index }),
    );
    for (let from = 0; from < facts.length; from += 50) await intake.enqueueFacts(facts.slice(from, from + 50), till);
    await vi.waitFor(() => expect(seen).toHaveLength(facts.length), { timeout: 5000 });
    for (const sku of ["s0", "s3", "s6"]) {
      const of = (list: readonly unknown[]) =>
        (list as typeof facts).filter(({ data }) => "sku" in data && data.sku === sku);
      expect(of(seen)).toEqual(of(facts));
    }
  });

  it("of one key that come together wait in one message; each is judged by itself", async () => {
    const { intake, inventory, messaging, drained, onHand, dead, settled } = await opened();
    const gtin = "09506000134352";
    const sold = Array.from({ length: 250 }, () => fact("sold", { ...milk, quantity: 1 }));
    const scans = Array.from({ length: 3 }, () => fact("received", { gtin, location: "shop", quantity: 1 }));
    sold.splice(7, 0, fact("sold", { ...milk, quantity: 0 }));
    const before = Date.now();
    await intake.enqueueFacts([...sold, ...scans], till);
    await drained();
    // 251 of a key at most 100 at a time, and one of the scans.
    expect(settled).toEqual(["done", "done", "done", "done"]);
    expect(await onHand()).toBe(-250);
    const letters = await dead();
    expect(letters.map(({ cause, attempts, key }) => [cause.split(":")[0], attempts, key]).sort()).toEqual([
      ["invalid-fact", 1, undefined],
      ...scans.map(() => ["unknown-item", 1, undefined]),
    ]);
    // The same request again: nothing more is dead, or there.
    await intake.enqueueFacts(scans, till);
    await intake.enqueueFacts(scans.slice(0, 1), till);
    await drained();
    expect(await dead()).toHaveLength(4);

    await inventory.putItem("oats", { name: "Oats", unit: "each", gtins: [gtin] }, till);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const redriven = Date.now();
    await intake.deadLetters.redriveQueue(factsQueue, till);
    await drained();
    expect(await onHand("oats")).toBe(3);
    expect((await messaging.depth(factsQueue)).deadLetters).toBe(1);
    const calls = await intake.deadLetters.list({ limit: 1 }, till);
    const nonsense = calls.ok ? (calls.value.items[0]?.id ?? "") : "";
    const detail = await intake.deadLetters.read(nonsense, till);
    const headers = detail.ok ? detail.value.message.headers : {};
    const receivedAt = Date.parse(headers["larder-received-at"] ?? "");
    expect(receivedAt).toBeGreaterThanOrEqual(before);
    expect(receivedAt).toBeLessThan(redriven);
  });

  it("that are a list themselves are no batch", async () => {
    const { intake, drained, dead } = await opened();
    await intake.enqueueFacts([[fact("sold", { ...milk, quantity: 1 })]], till);
    await drained();
    expect((await dead()).map(({ cause }) => cause)).toEqual([
      expect.stringContaining("a CloudEvent is a JSON object"),
    ]);
  });

  it("become dead letters together when the queue can't take them one by one", async () => {
    const parts = await openIntake({
      recordFacts: async (facts) => {
        parts.messaging.failNextWrite();
        const rejected = facts.map((_fact, index) => ({ index, id: null, code: "invalid-fact", detail: "told to" }));
        return { ...nothing, rejected: rejected.slice(1) };
      },
    });
    onTestFinished(() => parts.intake.stop());
    await parts.intake.enqueueFacts(
      [1, 2, 3].map(() => fact("sold", { ...milk, quantity: 1 })),
      till,
    );
    await vi.waitFor(() => expect(parts.settled).toEqual(["dead"]));
    const letters = await parts.messaging.deadLetters.list({ order: "oldest-first", limit: 9 });
    expect(letters.items.map(({ cause }) => cause)).toContainEqual(
      expect.stringContaining("2 of 3 facts of this message were turned down"),
    );
  });

  it("wait while the inventory takes none, however long, with no attempt counted", async () => {
    let isDown = true;
    let asked = 0;
    const { intake, messaging, settled, held } = await answering(async () => {
      asked += 1;
      if (isDown) throw new PlatformError("storage-unavailable", "the disk is full");
      return nothing;
    });
    await intake.enqueueFacts([fact("sold", { ...milk, quantity: 1 }), 42], till);
    await vi.waitFor(() => expect(asked).toBeGreaterThan(3), { timeout: 5000 });
    expect(await messaging.depth(factsQueue)).toMatchObject({ waiting: 2, deadLetters: 0 });
    expect(held[0]).toMatchObject({ code: "storage-unavailable" });
    isDown = false;
    await vi.waitFor(() => expect(settled).toEqual(["done", "done"]), { timeout: 10_000 });
  });

  it("come again when the server stops while the inventory takes none", async () => {
    const { intake, messaging, settled } = await openIntake({
      recordFacts: () => Promise.reject(new PlatformError("overloaded", "too much waits")),
    });
    await intake.enqueueFacts([fact("sold", { ...milk, quantity: 1 })], till);
    await vi.waitFor(async () => expect((await messaging.receive(factsQueue, { max: 1, leaseMs: 1 })).length).toBe(0));
    await intake.stop();
    expect(settled).toEqual(["retried"]);
    expect(await messaging.depth(factsQueue)).toMatchObject({ waiting: 1, deadLetters: 0 });
  });

  it("on which the inventory breaks hold up none but themselves", async () => {
    const { intake, settled } = await answering(async (facts) => {
      if (JSON.stringify(facts).includes("poison")) throw new InvariantError("a defect");
      return nothing;
    });
    const one = (sku: string) => fact("sold", { sku, location: "shop", quantity: 1 });
    await intake.enqueueFacts([one("a"), one("poison"), one("b")], till);
    await vi.waitFor(() => expect(settled.toSorted()).toEqual(["done", "done", "retried"]), { timeout: 5000 });
  });

  it("that are given up hold up nobody", async () => {
    const time = new VirtualTime();
    const recorded: string[] = [];
    const inventory = {
      recordFacts: async (facts: readonly unknown[]) => {
        if (JSON.stringify(facts).includes('"broken"')) throw new InvariantError("a defect");
        recorded.push(...facts.map((one) => (one as { id: string }).id));
        return nothing;
      },
    };
    const { intake, messaging, settled } = await openIntake(inventory, time.clock, time.timer);
    onTestFinished(() => intake.stop());
    await intake.enqueueFacts([fact("sold", { ...milk, quantity: 1 }, { id: "broken" })], till);
    await vi.waitFor(() => expect(settled).toHaveLength(1));
    await intake.enqueueFacts([fact("sold", { ...milk, quantity: 1 }, { id: "behind" })], till);
    await vi.waitFor(() => {
      time.pass(60_000);
      expect(settled.filter((how) => how === "dead")).toHaveLength(1);
    });
    await vi.waitFor(() => expect(recorded).toEqual(["behind"]));
    expect(await messaging.depth(factsQueue)).toMatchObject({ waiting: 0, deadLetters: 1 });
  });

  it("that are large are read a few at a time, in their order, and leased all the while", async () => {
    const large = Array.from({ length: 20 }, (_, index) =>
      fact("sold", { ...milk, sku: `s${index}`, quantity: 1, reference: "x".repeat(200_000) }),
    );
    const read: string[] = [];
    const deliveries = factMessages(large, { caller: till }).map(({ id, body, headers = {} }): Delivery => {
      const lease = { queue: factsQueue, id, token: "1", leasedUntil: 1, attempts: 1, sentAt: 1, firstAttemptAt: 1 };
      return {
        ...lease,
        headers,
        get body() {
          if (!read.includes(id)) read.push(id);
          return body;
        },
      };
    });
    const extended = new Set<string>();
    let recorded = 0;
    let isDown = true;
    const recorder = new Recorder({
      inventory: {
        recordFacts: async (facts) => {
          const waiting = (read.length - recorded) * 200_000;
          expect(waiting).toBeLessThan(limits.intakeReadBytesMax + limits.messageBytesMax);
          isDown = !isDown;
          if (!isDown && recorded > 0) throw new PlatformError("storage-unavailable", "away for a moment");
          expect(facts).toEqual(large.slice(recorded, recorded + facts.length));
          recorded += facts.length;
          return nothing;
        },
      },
      messaging: {
        sendDead: () => Promise.reject(new Error("nothing is dead")),
        extend: async ({ id }) => extended.add(id).has(id),
      },
      timers: systemTimers,
      random: () => 0,
    });
    const handled = await recorder.handle(deliveries, new AbortController().signal);
    expect(handled.map(({ outcome }) => outcome)).toEqual(large.map(() => "done"));
    expect(recorded).toBe(20);
    expect(extended.size).toBe(20);
  });

  it("that no message can hold are turned down, all of them", async () => {
    const { intake, messaging } = await answering(async () => nothing);
    const large = fact("sold", { ...milk, quantity: 1, reference: "x".repeat(limits.messageBytesMax) });
    expect(await intake.enqueueFacts([fact("sold", milk), large], till)).toMatchObject({
      ok: false,
      rejection: { code: "payload-too-large", detail: expect.stringContaining("Fact 1") },
    });
    expect((await messaging.depth(factsQueue)).waiting).toBe(0);
  });

  it("of a key with long lists of limits are sent in as many pieces as they need", async () => {
    const recorded: unknown[] = [];
    const { intake } = await answering(async (facts) => {
      recorded.push(...facts);
      return nothing;
    });
    const locations = new Set(Array.from({ length: 1000 }, (_, index) => `${index}`.padStart(64, "l")));
    const facts = Array.from({ length: 300 }, (_, index) => fact("sold", { ...milk, sku: `s${index}`, quantity: 1 }));
    await intake.enqueueFacts(facts, { ...till, locations });
    await vi.waitFor(() => expect(recorded).toHaveLength(300), { timeout: 10_000 });
  });
});

describe("messages that are no facts", () => {
  it.each([
    ["not JSON", "{", { [callerHeader]: '{"id":"k","ownReservations":false}' }, "is not JSON"],
    ["from nobody", "{}", {}, "does not say who sent it"],
    ["with half a caller", "{}", { [callerHeader]: '{"id":"k"}' }, "can't be read"],
    [
      "with limits that are none",
      "{}",
      { [callerHeader]: '{"id":"k","ownReservations":false,"locations":"all"}' },
      "can't",
    ],
    ["with a caller that is a list", "{}", { [callerHeader]: "[]" }, "can't be read"],
  ])("are dead letters: %s", async (_name, body, headers, said) => {
    const { intake, messaging } = await answering(() => Promise.reject(new Error("nothing is to be recorded")));
    await messaging.send(factsQueue, [{ id: "m", body, headers: headers as Record<string, string> }]);
    await vi.waitFor(async () => {
      const page = await intake.deadLetters.list({ queue: factsQueue, limit: 10 }, till);
      expect(page).toMatchObject({ ok: true, value: { items: [{ cause: expect.stringContaining(said) }] } });
    });
    const page = await intake.deadLetters.list({ limit: 1 }, till);
    const id = page.ok ? (page.value.items[0]?.id ?? "") : "";
    const detail = await intake.deadLetters.read(id, till);
    expect(detail).toMatchObject({ ok: true, value: { message: body === "{" ? { text: "{" } : { json: {} } } });
  });
});

describe("dead letters", () => {
  it("are shown to nobody who may not see all", async () => {
    const { intake } = await answering(async () => nothing);
    for (const limit of [{ locations: new Set(["a"]) }, { sources: new Set(["a"]) }, { ownReservations: true }]) {
      const caller: Caller = { ...till, ...limit };
      const { deadLetters } = intake;
      for (const refused of [
        await deadLetters.list({ limit: 1 }, caller),
        await deadLetters.read("dl-1", caller),
        await deadLetters.redrive("dl-1", caller),
        await deadLetters.redriveQueue(factsQueue, caller),
        await deadLetters.discard("dl-1", "no", caller),
      ])
        expect(refused).toMatchObject({ ok: false, rejection: { code: "forbidden" } });
    }
  });

  it("of what is not there are not found", async () => {
    const { intake } = await answering(async () => nothing);
    const { deadLetters } = intake;
    for (const missing of [
      await deadLetters.list({ queue: "typo", limit: 1 }, till),
      await deadLetters.read("dl-1", till),
      await deadLetters.redrive("dl-0000000000000001", till),
      await deadLetters.redriveQueue("typo", till),
      await deadLetters.discard("nonsense", "no", till),
    ])
      expect(missing).toMatchObject({ ok: false, rejection: { code: "not-found" } });
  });

  it("of a queue are redriven together", async () => {
    const { intake, inventory, drained, onHand, dead } = await opened();
    const gtin = "09506000134352";
    const some = Array.from({ length: 30 }, () => fact("received", { gtin, location: "shop", quantity: 1 }));
    await intake.enqueueFacts(some, till);
    await drained();
    expect(await dead()).toHaveLength(30);
    await inventory.putItem("oats", { name: "Oats", unit: "each", gtins: [gtin] }, till);
    const redriven = await intake.deadLetters.redriveQueue(factsQueue, till);
    expect(redriven).toEqual({ ok: true, value: { queue: "intake", redriven: 30 } });
    await drained();
    expect([await onHand("oats"), await dead()]).toEqual([30, []]);
    expect(await intake.deadLetters.redriveQueue(factsQueue, till)).toMatchObject({ value: { redriven: 0 } });
  });
});
