/** Several processes on one log: each answers clients, one of them sends, and another goes on where it was. */
import { randomBytes, randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { limits } from "../../kernel/index.ts";
import { MemoryMessaging } from "../../platform/messaging/memory/index.ts";
import { SharedMemoryLog } from "../../platform/storage/memory/index.ts";
import { systemTimers } from "../../platform/timers/index.ts";
import { accepted, caller, fact } from "../inventory/fixture.ts";
import { inventoryTagging, startInventory } from "../inventory/index.ts";
import { admin, key, Receivers } from "./fixture.ts";
import { startRelay } from "./index.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
const timers = {
  ...systemTimers,
  after: (ms: number, run: () => void) => systemTimers.after(Math.min(ms, 20), run),
  every: (ms: number, run: () => void) => systemTimers.every(Math.min(ms, 40), run),
};

let aheadMs = 0;
const clock = () => Date.now() + aheadMs;
beforeEach(() => {
  aheadMs = 0;
});

async function startProcess(log: SharedMemoryLog, messaging: MemoryMessaging, receivers: Receivers, isPaused = false) {
  const storage = log.open();
  await storage.setOutgoingPaused(isPaused);
  const common = { storage, clock, timers };
  const inventory = await startInventory({ ...common, randomId: randomUUID });
  const failed: unknown[] = [];
  const relay = await startRelay({
    ...common,
    messaging,
    inventory,
    outbound: receivers.outbound,
    policy: { firstDelayMs: 2, delayMsMax: 4, attemptsMax: 5, elapsedMsMax: 60_000 },
    serverKey: () => key,
    random: randomBytes,
    observer: {
      attempted: () => undefined,
      settled: () => undefined,
      disabled: () => undefined,
      failed: (_what, error) => void failed.push(error),
    },
  });
  stops.push(async () => {
    await relay.stop();
    await inventory.stop();
    await storage.close();
  });
  const sell = (count: number) =>
    inventory.recordFacts(
      Array.from({ length: count }, (_, n) => fact("stock.sold", { sku: `s${n}`, location: "x", quantity: 1 })),
      caller,
    );
  return { storage, relay, sell, failed };
}

function openLog(): SharedMemoryLog {
  const log = new SharedMemoryLog(inventoryTagging);
  const notices = setInterval(() => log.deliver(), 5);
  stops.push(() => clearInterval(notices));
  return log;
}

const salesHook = { url: "http://a.example/", types: ["larder.stock.sold.v1"] };

/** Two processes; a webhook that was made through the one that does not send, which has had ten events. */
async function twoProcesses() {
  const log = openLog();
  const messaging = new MemoryMessaging({ clock });
  const forgetIds = () => {
    aheadMs += limits.webhookDeduplicationMs;
  };
  const [toFirst, toSecond] = [new Receivers(), new Receivers()];
  const first = await startProcess(log, messaging, toFirst);
  const second = await startProcess(log, messaging, toSecond);
  const { id } = accepted(await second.relay.create(salesHook, admin));
  await second.sell(10);
  await expect.poll(() => toFirst.calls.length, { timeout: 10_000 }).toBe(10);
  return { log, first, second, toFirst, toSecond, id, messaging, forgetIds };
}

it("are sent by one process, whoever made the webhook, and by the next one from where it was", async () => {
  const { first, second, toFirst, toSecond, forgetIds } = await twoProcesses();
  expect([first.relay.isSending(), second.relay.isSending()]).toEqual([true, false]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await first.relay.stop();
  // As long after it that the queue knows no ids any more.
  forgetIds();
  await first.sell(3);
  await expect.poll(() => toSecond.calls.length, { timeout: 10_000 }).toBe(3);
  expect([first.relay.isSending(), second.relay.isSending()]).toEqual([false, true]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(toSecond.calls).toHaveLength(3);
  expect(new Set([...toFirst.calls, ...toSecond.calls].map(({ headers }) => headers?.["webhook-id"])).size).toBe(13);
  expect([...first.failed, ...second.failed]).toEqual([]);
}, 60_000);

it("are not called failing, or disabled, for what failed before another process delivered", async () => {
  const { log, first, second, toFirst, toSecond, id } = await twoProcesses();
  const status = async () => accepted(await second.relay.read(id, admin)).status;
  toFirst.answer = () => ({ status: 503, headers: { "retry-after": "1" } });
  await first.sell(1);
  await expect.poll(() => first.relay.figures().failing, { timeout: 10_000 }).toBe(1);
  log.passOn("relay");
  aheadMs += 2000;
  await expect.poll(() => toSecond.calls.length, { timeout: 10_000 }).toBe(1);
  expect(first.relay.figures().failing).toBe(0);
  expect(first.relay.warnings()).toEqual([]);
  aheadMs += limits.webhookFailingMsMax + 60_000;
  log.passOn("relay");
  const before = toFirst.calls.length;
  await first.sell(1);
  await expect.poll(() => toFirst.calls.length, { timeout: 10_000 }).toBeGreaterThan(before);
  await expect.poll(() => first.relay.figures().failing, { timeout: 10_000 }).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await status()).toBe("active");
  aheadMs += limits.webhookFailingMsMax + 60_000;
  await expect.poll(status, { timeout: 10_000 }).toBe("disabled");
}, 60_000);

it("are changed and deleted through any process", async () => {
  const { first, second, toFirst, id, messaging } = await twoProcesses();
  accepted(await second.relay.pause(id, admin));
  await second.sell(2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(toFirst.calls).toHaveLength(10);
  accepted(await second.relay.enable(id, admin));
  await expect.poll(() => toFirst.calls.length, { timeout: 10_000 }).toBe(12);
  expect((await second.relay.remove(id, admin)).ok).toBe(true);
  await expect.poll(() => messaging.queues(), { timeout: 10_000 }).toEqual([]);
  expect(first.failed).toEqual([]);
}, 60_000);

it("are sent to by a process that runs already once everything outgoing goes on, and wait while it is paused", async () => {
  const receivers = new Receivers();
  const messaging = new MemoryMessaging({ clock: Date.now });
  const { storage, relay, sell, failed } = await startProcess(openLog(), messaging, receivers, true);
  const { id } = accepted(await relay.create(salesHook, admin));
  await sell(2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(receivers.calls).toHaveLength(0);
  expect(accepted(await relay.read(id, admin)).reason).toContain("larder resume");
  await storage.setOutgoingPaused(false);
  await expect.poll(() => receivers.calls.length, { timeout: 5000 }).toBe(2);
  await storage.setOutgoingPaused(true);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await sell(2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(receivers.calls).toHaveLength(2);
  expect(failed).toEqual([]);
}, 60_000);
