import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { limits, PlatformError } from "../../kernel/index.ts";
import { OutboundError } from "../../platform/outbound/index.ts";
import { accepted, caller, codeOf, openInventory, restoredFrom } from "../inventory/fixture.ts";
import { admin, createWebhook, eventually, type House, key, limitedTo, openHouse, receive } from "./fixture.ts";

let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.stop());

const one = "https://one.test/";
const two = "https://two.test/";
const read = async (id: string) => accepted(await house.relay.read(id, admin));
const calls = () => house.receivers.calls;
/** Skus of what one address got, in order. */
const skusAt = (url: string) =>
  calls()
    .filter((call) => call.url === url)
    .map(({ body = "" }) => JSON.parse(body).data.sku as string);
const hours = (count: number) => count * 3_600_000;

describe("a webhook", () => {
  it("gets each event that is recorded from then on, as the change feed has it, signed", async () => {
    await receive(house, "before");
    const { secret } = await createWebhook(house);
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(1);
    const [call] = calls();
    expect(call?.method).toBe("POST");
    expect(call?.headers?.["content-type"]).toBe("application/cloudevents+json; charset=utf-8");
    const event = new Webhook(secret).verify(call?.body ?? "", { ...call?.headers }) as { id: string; type: string };
    expect(event).toMatchObject({
      type: "larder.stock.received.v1",
      data: { sku: "milk", location: "s1", quantity: 1 },
    });
    expect(call?.headers?.["webhook-id"]).toBe(event.id);
    const feed = accepted(
      await house.inventory.changes(undefined, { skus: new Set(["milk"]) }, caller, {
        signal: new AbortController().signal,
        heartbeatMs: 1000,
      }),
    );
    for await (const { events } of feed) {
      expect(events).toEqual([event]);
      break;
    }
  });

  it("gets an event that is larger than a queue takes, and what comes behind it", async () => {
    const { messageBytesMax } = limits;
    onTestFinished(() => void Object.assign(limits, { messageBytesMax }));
    Object.assign(limits, { messageBytesMax: 1500 });
    await createWebhook(house);
    const name = "é".repeat(600);
    accepted(await house.inventory.putItem("large", { name, unit: "each" }, caller));
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(2);
    const [large, small] = calls().map(({ body = "" }) => JSON.parse(body));
    expect(large).toMatchObject({ type: "larder.item.registered.v1", data: { sku: "large", name } });
    expect(small).toMatchObject({ data: { sku: "milk" } });
  });

  it("gets only what it chose", async () => {
    await createWebhook(house, { url: one, skus: ["milk"], locations: ["s1"] });
    await createWebhook(house, { url: two, types: ["larder.location.described.v1"] });
    for (const [sku, location] of [
      ["bread", "s1"],
      ["milk", "s2"],
      ["milk", "s1"],
    ] as const)
      await receive(house, sku, location);
    await house.inventory.putLocation("s1", { name: "Leeds", kind: "store" }, caller);
    await eventually(() => calls().length).toBe(2);
    expect(calls().map(({ url, body = "" }) => [url, JSON.parse(body).type])).toEqual(
      expect.arrayContaining([
        [one, "larder.stock.received.v1"],
        [two, "larder.location.described.v1"],
      ]),
    );
  });

  it("is told of nothing private: keys, seals and webhooks themselves", async () => {
    await createWebhook(house, { url: one });
    await createWebhook(house, { url: two });
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(2);
    expect(skusAt(one)).toEqual(["milk"]);
  });

  it("is refused when it chooses a type that no event has", async () => {
    const misspelt = { url: one, types: ["larder.stock.solt.v1"] };
    expect(await house.relay.create(misspelt, admin)).toMatchObject({
      rejection: { code: "invalid-request", detail: expect.stringContaining("Did you mean larder.stock.sold.v1?") },
    });
    const { id } = await createWebhook(house);
    expect(codeOf(await house.relay.update(id, misspelt, admin))).toBe("invalid-request");
  });

  it("is refused for an address that may not be reached", async () => {
    house.receivers.problem = "must be a public address.";
    const refused = await house.relay.create({ url: "http://127.0.0.1/" }, admin);
    expect(refused).toMatchObject({
      rejection: { code: "invalid-request", detail: "`url` must be a public address." },
    });
    house.receivers.problem = undefined;
    const { id } = await createWebhook(house);
    house.receivers.problem = "must be a public address.";
    expect(codeOf(await house.relay.update(id, { url: "http://127.0.0.1/" }, admin))).toBe("invalid-request");
  });

  it("can be listed, changed and deleted, and then leaves nothing behind", async () => {
    const { id } = await createWebhook(house, { url: one, skus: ["milk"] });
    const other = await createWebhook(house, { url: two });
    const page = accepted(await house.relay.list({ limit: 1 }, admin));
    expect(page).toMatchObject({ items: [{ id }], next: id });
    expect(accepted(await house.relay.list({ limit: 1, cursor: id }, admin)).items).toMatchObject([{ id: other.id }]);
    expect(accepted(await house.relay.update(id, { url: two, locations: ["s2"] }, admin))).toMatchObject({
      url: two,
      locations: ["s2"],
    });
    expect(await read(id)).not.toHaveProperty("skus");
    await receive(house, "bread", "s2");
    await eventually(() => skusAt(two)).toEqual(["bread", "bread"]);
    expect(accepted(await house.relay.remove(id, admin))).toBeUndefined();
    expect(codeOf(await house.relay.read(id, admin))).toBe("not-found");
    expect(codeOf(await house.relay.remove(id, admin))).toBe("not-found");
    expect(await house.messaging.queues()).toEqual([`webhook-${other.id}`]);
    await house.restart();
    expect(accepted(await house.relay.list({ limit: 10 }, admin)).items.map((webhook) => webhook.id)).toEqual([
      other.id,
    ]);
    expect(
      house.storage.derived.scan("relay-journal", "", 100).map((document) => document.id.split("/")[0]),
    ).not.toContain(id);
  });
});

describe("a webhook that is deleted meanwhile", () => {
  /** Deletes it just before, or just after, the next call of this kind. */
  function deleteAt(id: string, call: "queues" | "declareQueue", when: "before" | "after"): void {
    const { messaging, relay } = house;
    const plain = messaging[call].bind(messaging) as (...args: unknown[]) => Promise<unknown>;
    const once = async (...args: unknown[]) => {
      Object.assign(messaging, { [call]: plain });
      if (when === "before") await relay.remove(id, admin);
      const answer = await plain(...args);
      if (when === "after") await relay.remove(id, admin);
      return answer;
    };
    Object.assign(messaging, { [call]: once });
  }

  it("is shown as it was, and leaves no queue behind when it is set to work", async () => {
    const seen = await createWebhook(house);
    deleteAt(seen.id, "queues", "after");
    expect(accepted(await house.relay.read(seen.id, admin))).toMatchObject({ waiting: 0, deadLetters: 0 });
    const enabled = await createWebhook(house);
    deleteAt(enabled.id, "declareQueue", "before");
    expect(codeOf(await house.relay.enable(enabled.id, admin))).toBe("not-found");
    expect(await house.messaging.queues()).toEqual([]);
    expect(house.told.failed).toEqual([]);
  });
});

describe("a delivery", () => {
  it("is tried again until any 2xx comes, and each attempt is listed", async () => {
    const answers = [503, new OutboundError("refused"), 302, 202];
    house.receivers.answer = () => answers[calls().length - 1] ?? 204;
    const { id } = await createWebhook(house);
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(4);
    await eventually(async () => (await read(id)).waiting).toBe(0);
    const ids = calls().map(({ headers }) => headers?.["webhook-id"]);
    expect(new Set(ids).size).toBe(1);
    const { items } = accepted(await house.relay.deliveries(id, 10, admin));
    expect(items.map(({ attempt, delivered, status, cause }) => [attempt, delivered, status, cause])).toEqual([
      [4, true, 202, null],
      [3, false, 302, "answered 302: redirects are not followed"],
      [2, false, null, "the connection was refused"],
      [1, false, 503, "answered 503"],
    ]);
    expect(items[0]).toMatchObject({ event: ids[0], type: "larder.stock.received.v1" });
    await house.restart();
    expect(accepted(await house.relay.deliveries(id, 10, admin)).items).toEqual(items);
  });

  it("keeps the order of each sku and location, whatever fails on the way", async () => {
    const step = fc.record({ sku: fc.constantFrom("milk", "bread"), location: fc.constantFrom("s1", "s2") });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 25 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
        async (steps, luck) => {
          const own = await openHouse({
            policy: { firstDelayMs: 1, delayMsMax: 2, attemptsMax: 1000, elapsedMsMax: hours(1) },
          });
          try {
            const got = new Map<string, number[]>();
            own.receivers.answer = async ({ body = "" }) => {
              await new Promise(setImmediate);
              if (luck.next().value === 0) return 500;
              const { sku, location, version } = JSON.parse(body).data;
              got.set(`${location}/${sku}`, [...(got.get(`${location}/${sku}`) ?? []), version]);
              return 204;
            };
            await createWebhook(own);
            for (const { sku, location } of steps) await receive(own, sku, location);
            await eventually(() => [...got.values()].flat().length).toBe(steps.length);
            for (const versions of got.values()) expect(versions).toEqual(versions.map((_, index) => index + 1));
          } finally {
            await own.stop();
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  it("that is given up becomes a dead letter and holds up its own sku and location alone, until it is redriven", async () => {
    let isBroken = true;
    house.receivers.answer = ({ body = "" }) => (isBroken && JSON.parse(body).data.sku === "milk" ? 500 : 204);
    const { id } = await createWebhook(house);
    await receive(house, "milk", "s1", 2);
    await receive(house, "bread", "s1", 2);
    await eventually(async () => (await read(id)).deadLetters).toBe(1);
    expect(await read(id)).toMatchObject({ waiting: 1, status: "active" });
    expect(skusAt(one).filter((sku) => sku === "milk")).toHaveLength(5);
    expect(skusAt(one).filter((sku) => sku === "bread")).toHaveLength(2);
    const [dead] = (await house.messaging.deadLetters.list({ order: "oldest-first", limit: 1 })).items;
    expect(dead).toMatchObject({
      queue: `webhook-${id}`,
      key: "stock s1/milk",
      cause: expect.stringContaining("answered 500"),
    });
    isBroken = false;
    accepted(await house.relay.enable(id, admin));
    await eventually(async () => (await read(id)).waiting).toBe(0);
    expect(await read(id)).toMatchObject({ deadLetters: 0 });
  });

  it("waits as long as the receiver asks", async () => {
    house.receivers.answer = () => ({ status: 429, headers: { "retry-after": "3600" } });
    const { id } = await createWebhook(house);
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(1);
    house.receivers.answer = () => 204;
    await receive(house, "bread");
    await eventually(() => skusAt(one)).toEqual(["milk", "bread"]);
    expect((await read(id)).waiting).toBe(1);
    house.clock.ahead = hours(1) + 1000;
    // Something new wakes the worker, which sees that the hour is over.
    await receive(house, "eggs");
    await eventually(() => [...skusAt(one)].sort()).toEqual(["bread", "eggs", "milk", "milk"]);
  });

  it("to one that does not answer delays no other, and none waits for the server", async () => {
    const held: (() => void)[] = [];
    house.receivers.answer = ({ url }) => (url === one ? new Promise((resolve) => held.push(() => resolve(204))) : 204);
    await createWebhook(house, { url: one });
    await createWebhook(house, { url: two });
    for (let n = 0; n < 20; n += 1) await receive(house, `sku-${n}`);
    await eventually(() => skusAt(two).length).toBe(20);
    expect(held).toHaveLength(8);
    while (skusAt(one).length < 20 || held.length > 0) {
      for (const release of held.splice(0)) release();
      await new Promise(setImmediate);
    }
  });
});

describe("a webhook whose receiver fails", () => {
  it("is disabled at once by 410, and goes on where it was when it is enabled", async () => {
    house.receivers.answer = () => 410;
    const { id } = await createWebhook(house);
    await receive(house, "milk");
    await eventually(async () => (await read(id)).status).toBe("disabled");
    expect((await read(id)).reason).toContain("410");
    expect(house.told.disabled).toEqual([id]);
    await receive(house, "bread");
    await house.restart();
    expect(await read(id)).toMatchObject({ status: "disabled", waiting: 1 });
    const before = calls().length;
    house.receivers.answer = () => 204;
    expect(accepted(await house.relay.enable(id, admin))).toMatchObject({ status: "active", reason: null });
    await eventually(() => skusAt(one).slice(before).sort()).toEqual(["bread", "milk"]);
  });

  it("goes on when it is changed before a 410 to what it was is answered", async () => {
    let release: () => void = () => undefined;
    const gone = new Promise<number>((resolve) => {
      release = () => resolve(410);
    });
    house.receivers.answer = ({ url }) => (url === one ? gone : 204);
    const { id } = await createWebhook(house, { url: one });
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(1);
    const { append } = house.storage;
    // It is changed between the decision to disable it and its append.
    house.storage.append = async (units) => {
      house.storage.append = append;
      accepted(await house.relay.update(id, { url: two }, admin));
      return await append.call(house.storage, units);
    };
    release();
    await eventually(async () => (await read(id)).url).toBe(two);
    await receive(house, "bread");
    await eventually(() => [...skusAt(two)].sort()).toEqual(["bread", "milk"]);
    expect((await read(id)).status).toBe("active");
    expect(house.told.disabled).toEqual([]);
  });

  it("is disabled after failing for days, with the reason; one success in between is enough to go on", async () => {
    house.receivers.answer = () => 500;
    const { id } = await createWebhook(house);
    const fail = async (sku: string) => {
      const before = calls().length;
      await receive(house, sku);
      await eventually(() => calls().length).toBeGreaterThan(before);
    };
    await fail("a");
    expect((await read(id)).failingSince).not.toBeNull();
    house.clock.ahead = hours(4 * 24);
    house.receivers.answer = () => 204;
    await fail("b");
    await eventually(async () => (await read(id)).failingSince).toBeNull();
    house.receivers.answer = () => 500;
    house.clock.ahead = hours(6 * 24);
    await fail("c");
    expect((await read(id)).status).toBe("active");
    house.clock.ahead = hours(11 * 24 + 1);
    await fail("d");
    await eventually(async () => (await read(id)).status).toBe("disabled");
    const { reason } = await read(id);
    expect(reason).toContain("all deliveries have failed since");
    expect(reason).toContain("answered 500");
    expect(house.relay.warnings()).toEqual(["1 disabled"]);
    expect(house.relay.figures()).toEqual({ active: 0, paused: 0, disabled: 1, failing: 0 });
  });

  it("is not disabled for days before it was enabled, though a crash took it back to what was known then", async () => {
    house.receivers.answer = () => 500;
    const { id } = await createWebhook(house);
    const failingSince = Date.now() + house.clock.ahead;
    house.clock.ahead = hours(6 * 24);
    accepted(await house.relay.pause(id, admin));
    accepted(await house.relay.enable(id, admin));
    await house.restart(key, () => {
      const known = { id, body: JSON.stringify({ attempts: 1, failingSince }) };
      const journal = { consumer: "relay-journal", checkpoint: house.storage.head(), put: [known], remove: [] };
      house.storage.derived.commit([journal]);
    });
    await receive(house, "milk");
    await eventually(() => calls().length).toBeGreaterThan(1);
    expect(await read(id)).toMatchObject({ status: "active", failingSince: expect.any(String) });
  });
});

describe("what is not sent now", () => {
  it("because the webhook is paused, is sent when it is enabled", async () => {
    const { id } = await createWebhook(house);
    expect(accepted(await house.relay.pause(id, admin))).toMatchObject({ status: "paused", reason: "paused" });
    await receive(house, "milk");
    await house.restart();
    await receive(house, "bread");
    expect(calls()).toEqual([]);
    accepted(await house.relay.enable(id, admin));
    await eventually(() => skusAt(one).sort()).toEqual(["bread", "milk"]);
  });

  it("because the webhook is paused for days, is tried as long as ever once it is enabled", async () => {
    const { id } = await createWebhook(house);
    house.receivers.answer = () => ({ status: 503, headers: { "retry-after": "1" } });
    await receive(house, "milk");
    await eventually(async () => (await house.relay.deliveries(id, 10, admin)).ok && calls().length).toBe(1);
    accepted(await house.relay.pause(id, admin));
    house.clock.ahead += hours(4 * 24);
    accepted(await house.relay.enable(id, admin));
    await eventually(() => calls().length).toBe(2);
    house.receivers.answer = () => 204;
    house.clock.ahead += 2000;
    await eventually(() => skusAt(one)).toEqual(["milk", "milk", "milk"]);
    await eventually(async () => await read(id)).toMatchObject({ waiting: 0, deadLetters: 0 });
  });

  it("because everything outgoing is paused, waits for that to end", async () => {
    await house.storage.setOutgoingPaused(true);
    await house.restart();
    const { id, reason } = await createWebhook(house);
    expect(reason).toContain("larder resume");
    await receive(house, "milk");
    expect((await read(id)).waiting).toBe(0);
    await house.storage.setOutgoingPaused(false);
    await house.restart();
    await eventually(() => skusAt(one)).toEqual(["milk"]);
  });

  it("because the server stopped, is sent after the next start, and nothing twice", async () => {
    const { id } = await createWebhook(house);
    await receive(house, "a");
    await eventually(async () => [skusAt(one), (await read(id)).waiting]).toEqual([["a"], 0]);
    await house.relay.stop();
    // By then the queue has forgotten what it has had, so that only the place counts.
    house.clock.ahead += hours(3);
    await receive(house, "b");
    await house.restart();
    await eventually(() => skusAt(one)).toEqual(["a", "b"]);
  });

  it("or where it was is lost, is sent once all the same", async () => {
    await createWebhook(house);
    for (const sku of ["a", "b"]) await receive(house, sku);
    await eventually(() => skusAt(one).sort()).toEqual(["a", "b"]);
    await house.relay.stop();
    house.storage.derived.reset("relay-journal");
    house.storage.derived.reset("relay");
    await receive(house, "c");
    await house.restart();
    await receive(house, "d");
    await eventually(() => skusAt(one).sort()).toEqual(["a", "b", "c", "d"]);
  });

  it("because its queue was lost, is sent all the same", async () => {
    house.receivers.answer = () => 500;
    const { id } = await createWebhook(house);
    await receive(house, "a");
    await eventually(async () => (await read(id)).waiting + (await read(id)).deadLetters).toBe(1);
    await house.relay.stop();
    await house.messaging.removeQueue(`webhook-${id}`);
    house.receivers.answer = () => 204;
    const before = calls().length;
    await house.restart();
    await eventually(() => skusAt(one).slice(before)).toEqual(["a"]);
  });

  it("because a restore came before it was sent, is sent after a later restore that keeps it", async () => {
    const { id } = await createWebhook(house, { types: ["larder.stock.received.v1"] });
    await house.relay.stop();
    await receive(house, "milk", "s1", 3);
    const { storage } = house;
    const head = storage.head();
    // The webhook had come to the end of the first history; the second one parts from it before the last two events.
    const epochs = [
      { number: 1, id: "left", startsAfter: 0 },
      ...storage.epochs.map(({ id }) => ({ number: 2, id, startsAfter: head - 2 })),
      { number: 3, id: "restored-again", startsAfter: head },
    ];
    const after = Buffer.from(`1.left.${head + 5}`).toString("base64url");
    const restored = await restoredFrom(storage, epochs);
    const document = { id, body: JSON.stringify({ attempts: 0, place: { after, replays: 0 } }) };
    restored.derived.commit([{ consumer: "relay-journal", checkpoint: head, put: [document], remove: [] }]);
    const { inventory } = await openInventory({ storage: restored });
    const relay = await house.start({ storage: restored, inventory });
    await eventually(() => skusAt(one)).toEqual(["milk", "milk"]);
    await relay.stop();
    await inventory.stop();
  });

  it("and was not delivered yet, is not told to the log as delivered", async () => {
    house.receivers.answer = ({ body = "" }) => (JSON.parse(body).data.sku === "a" ? 500 : 204);
    const { id } = await createWebhook(house);
    await receive(house, "a");
    await eventually(async () => (await read(id)).deadLetters).toBe(1);
    house.clock.ahead += hours(2);
    await receive(house, "b");
    await eventually(() => skusAt(one)).toContain("b");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await house.storage.readStream(`webhook-${id}`)).map(({ type }) => type)).toEqual(["WebhookCreated"]);
  });

  it("and is older than what was recorded of its place, is not read again", async () => {
    const { id } = await createWebhook(house);
    const deliver = async (sku: string) => {
      await receive(house, sku);
      await eventually(() => skusAt(one)).toContain(sku);
    };
    await deliver("a");
    house.clock.ahead = hours(2);
    await deliver("b");
    const stream = () => house.storage.readStream(`webhook-${id}`);
    await eventually(async () => (await stream()).map(({ type }) => type)).toEqual([
      "WebhookCreated",
      "WebhookAdvanced",
    ]);
    await house.relay.stop();
    house.storage.derived.reset("relay-journal");
    // Now nothing is known to the queue.
    await house.messaging.removeQueue(`webhook-${id}`);
    await house.restart();
    await deliver("c");
    expect(skusAt(one)).toEqual(["a", "b", "c"]);
  });
});

describe("a replay", () => {
  it("passes over nothing that the webhook has not had yet", async () => {
    const { id } = await createWebhook(house);
    accepted(await house.relay.pause(id, admin));
    await receive(house, "a");
    const position = await house.inventory.position();
    await receive(house, "b");
    accepted(await house.relay.replay(id, position, admin));
    accepted(await house.relay.enable(id, admin));
    await eventually(() => skusAt(one)).toEqual(["a", "b"]);
  });

  it("sends again what came after a position, with the ids it had", async () => {
    const { id } = await createWebhook(house);
    await receive(house, "a");
    const position = await house.inventory.position();
    for (const sku of ["b", "c"]) {
      await receive(house, sku);
      await eventually(() => skusAt(one)).toContain(sku);
    }
    accepted(await house.relay.replay(id, position, admin));
    await eventually(() => skusAt(one)).toEqual(["a", "b", "c", "b", "c"]);
    const events = house.receivers.eventsAt(one);
    expect(events.slice(3)).toEqual(events.slice(1, 3));
    await house.restart();
    await receive(house, "d");
    await eventually(() => skusAt(one).slice(5)).toEqual(["d"]);
    expect(codeOf(await house.relay.replay(id, "no position", admin))).toBe("invalid-position");
  });
});

it("is ended without a word of it to others that end at the same time", async () => {
  const [first, second] = [await createWebhook(house, { url: one }), await createWebhook(house, { url: two })];
  house.receivers.answer = ({ url }) =>
    url === two ? new Promise((resolve) => setTimeout(() => resolve(204), 200)) : 204;
  await receive(house, "milk");
  await eventually(() => calls().length).toBe(2);
  // What the second has under way outlasts the end of the first.
  const ended = await Promise.all([first.id, second.id].map((id) => house.relay.remove(id, admin)));
  expect(ended.map(({ ok }) => ok)).toEqual([true, true]);
  expect(house.told.failed).toEqual([]);
  expect(await house.messaging.queues()).toEqual([]);
});

it("goes by what was recorded, also when nobody could be told", async () => {
  const { id } = await createWebhook(house);
  await receive(house, "a");
  await eventually(() => skusAt(one)).toEqual(["a"]);
  const { append, findCommands } = house.storage;
  house.storage.append = async (units) => {
    house.storage.append = append;
    await append.call(house.storage, units);
    throw new Error("the answer was lost");
  };
  house.storage.findCommands = async () => {
    house.storage.findCommands = findCommands;
    throw new PlatformError("storage-unavailable", "the store is away");
  };
  await expect(house.relay.pause(id, admin)).rejects.toThrow("the answer of an append was lost");
  expect((await read(id)).status).toBe("paused");
  await receive(house, "b");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(skusAt(one)).toEqual(["a"]);
  accepted(await house.relay.enable(id, admin));
  await eventually(() => skusAt(one)).toEqual(["a", "b"]);
});

describe("the secret", () => {
  const signers = (secrets: readonly string[]) => {
    const { body = "", headers } = calls().at(-1) ?? {};
    return secrets.filter((secret) => {
      try {
        new Webhook(secret).verify(body, { ...headers });
        return true;
      } catch {
        return false;
      }
    });
  };

  it("is another one for each webhook and each rotation; the former signs too for a day", async () => {
    const { id, secret } = await createWebhook(house);
    const { secret: next, formerSecretUntil } = accepted(await house.relay.rotateSecret(id, admin));
    expect(next).not.toBe(secret);
    expect(Date.parse(formerSecretUntil ?? "") - Date.now()).toBeGreaterThan(hours(23));
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(1);
    expect(signers([secret, next])).toEqual([secret, next]);
    const other = await createWebhook(house, { url: two });
    expect(new Set([secret, next, other.secret]).size).toBe(3);
  });

  it("that is replaced again within the day, as the answer was lost, still signs until the day is over", async () => {
    const { id, secret } = await createWebhook(house);
    const { secret: lost } = accepted(await house.relay.rotateSecret(id, admin));
    const { secret: next } = accepted(await house.relay.rotateSecret(id, admin));
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(1);
    expect(signers([secret, lost, next])).toEqual([secret, lost, next]);
  });

  it("is in no log and no document, and the same after a restart", async () => {
    const { id, secret } = await createWebhook(house);
    await house.restart();
    await receive(house, "milk");
    await eventually(() => calls().length).toBe(1);
    expect(signers([secret])).toEqual([secret]);
    const kept = [
      ...(await house.storage.readLog(0, 1000)).map(({ body }) => body),
      ...house.storage.derived.scan("relay", "", 100).map(({ body }) => body),
    ].join("\n");
    expect(kept).toContain(id);
    expect(kept).not.toContain(secret.slice(6));
    expect(kept).not.toContain("whsec_");
  });

  it("that can't be made any more stops the webhook, instead of signing with another one, until it is rotated", async () => {
    const { id } = await createWebhook(house);
    await house.restart(new Uint8Array(32));
    expect((await read(id)).reason).toContain("secret.key");
    expect(house.relay.warnings()).toEqual(["1 without their secret, for secret.key is another one"]);
    await receive(house, "milk");
    expect(calls()).toEqual([]);
    const { secret } = accepted(await house.relay.rotateSecret(id, admin));
    await eventually(() => calls().length).toBe(1);
    expect(signers([secret])).toEqual([secret]);
    await house.restart(key);
    expect((await read(id)).reason).toContain("secret.key");
  });
});

describe("a credential that may see its own reservations only", () => {
  it("makes no webhook, for that would tell of others', and knows of none", async () => {
    const shop = { ...admin, id: "shop", ownReservations: true };
    expect(codeOf(await house.relay.create({ url: one }, shop))).toBe("forbidden");
    const { id } = await createWebhook(house);
    expect(codeOf(await house.relay.read(id, shop))).toBe("not-found");
    expect(accepted(await house.relay.list({ limit: 10 }, shop)).items).toEqual([]);
  });
});

describe("a credential that is limited to locations", () => {
  it("makes webhooks that tell of nothing else, for ever", async () => {
    const by = limitedTo("s1", "s2");
    const { id } = await createWebhook(house, {}, by);
    for (const location of ["s3", "s1", "s2"]) await receive(house, `at-${location}`, location);
    await eventually(() => skusAt(one).sort()).toEqual(["at-s1", "at-s2"]);
    // Also after one without limits has changed it.
    accepted(await house.relay.update(id, { url: one, locations: ["s2", "s3"] }, admin));
    for (const location of ["s3", "s2"]) await receive(house, `again-${location}`, location);
    await eventually(() => skusAt(one).slice(2)).toEqual(["again-s2"]);
    expect(codeOf(await house.relay.create({ url: one, locations: ["s3"] }, by))).toBe("not-found");
  });

  it("knows only webhooks that tell of some of its own locations", async () => {
    const own = await createWebhook(house, {}, limitedTo("s1"));
    const unlimited = await createWebhook(house);
    const known = async (by: typeof admin) =>
      accepted(await house.relay.list({ limit: 10 }, by)).items.map(({ id }) => id);
    expect(await known(limitedTo("s1", "s2"))).toEqual([own.id]);
    expect(await known(limitedTo("s2"))).toEqual([]);
    expect(await known(admin)).toEqual([own.id, unlimited.id]);
    const position = await house.inventory.position();
    for (const by of [limitedTo("s2")]) {
      const { relay } = house;
      const answers = await Promise.all([
        relay.read(own.id, by),
        relay.update(own.id, { url: two }, by),
        relay.pause(own.id, by),
        relay.enable(own.id, by),
        relay.rotateSecret(own.id, by),
        relay.deliveries(own.id, 1, by),
        relay.replay(own.id, position, by),
        relay.test(own.id, by),
        relay.remove(own.id, by),
      ]);
      expect(answers.map(codeOf)).toEqual(Array(9).fill("not-found"));
    }
  });
});

describe("a test", () => {
  it("posts a signed event at once and tells what became of it, also while the webhook is paused", async () => {
    const { id, secret } = await createWebhook(house);
    accepted(await house.relay.pause(id, admin));
    expect(accepted(await house.relay.test(id, admin))).toMatchObject({ delivered: true, status: 204, cause: null });
    const [call] = calls();
    expect(new Webhook(secret).verify(call?.body ?? "", { ...call?.headers })).toMatchObject({
      type: "larder.webhook.test.v1",
      data: { webhook: id },
    });
    house.receivers.answer = () => new OutboundError("name-not-found");
    expect(accepted(await house.relay.test(id, admin))).toMatchObject({
      delivered: false,
      status: null,
      cause: "the name of the host was not found",
    });
  });
});
