/** A history that has every type of event in it, told through the public interface: what golden logs are recorded from. */

import { ConsumerHost } from "../../src/platform/consumer/index.ts";
import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { createIdentity } from "../../src/services/identity/index.ts";
import { CaptureJobs } from "../../src/services/intake/capture/jobs.ts";
import {
  type Caller,
  inventoryTagging,
  type RunningInventory,
  startInventory,
} from "../../src/services/inventory/index.ts";
import type { WebhookEvent } from "../../src/services/relay/domain/index.ts";
import type { RunEvent } from "../../src/services/sync/domain/reconciliation/index.ts";
import { virtualTimers } from "./state.ts";

const caller: Caller = { id: "admin", ownReservations: false };
const minute = 60_000;
const day = 24 * 60 * minute;
const start = Date.UTC(2026, 0, 1, 12);

/** The stored units of the scenario, one text each. */
export async function recordScenario(): Promise<readonly string[]> {
  const clock = { now: start };
  const timers = virtualTimers();
  const storage = new MemoryStorage({ tagging: inventoryTagging });
  let ids = 0;
  const randomId = () => {
    ids += 1;
    return `golden-${ids}`;
  };
  const outgoing = { problemOf: () => undefined, seal: () => "sealed" };
  const inventory = await startInventory({ storage, clock: () => clock.now, randomId, timers, outgoing });
  const pass = async (ms: number) => {
    clock.now += ms;
    await timers.fire();
  };
  await tell(inventory, pass);
  await keys(storage, clock);
  await capture(new CaptureJobs(storage, () => clock.now, randomId));
  await appendOneByOne(storage, clock, "webhook-w1", webhook(await inventory.position()));
  await appendOneByOne(storage, clock, "webhook-w2", webhook(await inventory.position()).slice(0, 4));
  await appendOneByOne(storage, clock, "reconciliation-c1", reconciliation(clock.now));
  await pass(minute);
  await inventory.stop();
  return (await storage.readLog(0, Number.MAX_SAFE_INTEGER)).map(({ body }) => body);
}

async function tell(inventory: RunningInventory, pass: (ms: number) => Promise<void>): Promise<void> {
  let facts = 0;
  const fact = async (type: string, data: object, time?: number) => {
    facts += 1;
    const item = {
      specversion: "1.0",
      source: "till",
      id: `f${facts}`,
      type: `larder.${type}.v1`,
      ...(time !== undefined && { time: new Date(time).toISOString() }),
      data,
    };
    const { accepted } = await inventory.recordFacts([item], caller);
    if (accepted !== 1) throw new Error(`the fact ${JSON.stringify(item)} was not taken`);
    await pass(1000);
    return item.id;
  };
  const ok = async (outcome: Promise<{ readonly ok: boolean }>) => {
    const answer = await outcome;
    if (!answer.ok) throw new Error(JSON.stringify(answer));
    await pass(1000);
  };
  const milk = { sku: "milk", location: "leeds" };

  await ok(inventory.putLocation("leeds", { name: "Leeds", kind: "store", timeZone: "Europe/London" }, caller));
  const depot = { name: "Depot", kind: "warehouse" } as const;
  await ok(inventory.putLocation("depot", { ...depot, gln: "9506000134352" }, caller));
  await ok(inventory.putLocation("depot", { ...depot, gln: "9506000134376" }, caller));
  const sync = { url: "https://york.example", secret: `whsec_${"A".repeat(32)}`, of: ["group:north"], skus: "milk*" };
  await ok(inventory.putLocation("york/2", { name: "York", kind: "store", group: "north/dairy", sync }, caller));
  await ok(inventory.putItem("milk", { name: "Milk", unit: "each", gtins: ["4006381333931"] }, caller));
  await ok(
    inventory.putItem("milk", { name: "Whole milk", unit: "each", gtins: ["5000112637922"], plu: "4011" }, caller),
  );
  await ok(inventory.setPolicy("milk", { safetyStock: 1, lowAt: 5, backorderLimit: 2 }, caller));

  await fact("stock.expected", { ...milk, quantity: 30, reference: "po-1", dueOn: "2026-01-03" });
  await fact("stock.received", { ...milk, quantity: 20, reference: "po-1", lot: "a", expiresOn: "2026-01-02" });
  await fact("stock.received", { ...milk, quantity: 20, expiresOn: "2026-02-01" });
  await fact("stock.received", { gtin: "5000112637922", location: "leeds", quantity: 10 });
  await fact("stock.sold", { ...milk, quantity: 3 });
  await fact("stock.sold", { ...milk, quantity: 1 }, start + 30 * minute); // a clock that is ahead
  await fact("stock.returned", { ...milk, quantity: 1, sellable: false });
  await fact("stock.adjusted", { ...milk, delta: -2, reason: "damage" });
  await fact("stock.held-back", { ...milk, quantity: 4, reason: "quarantine", lot: "a" });
  await fact("stock.put-back", { ...milk, quantity: 2, reason: "quarantine", lot: "a" });
  await fact("stock.dispatched", { ...milk, quantity: 5, transfer: "t1", to: "york/2" });
  await fact("stock.arrived", { sku: "milk", location: "york/2", quantity: 4, transfer: "t1", from: "leeds" });
  const wrong = await fact("stock.dispatched", { ...milk, quantity: 7, transfer: "t2", to: "york/2" });
  await fact("fact.voided", { source: "till", id: wrong, reason: "mistake" });
  await fact("fact.voided", { source: "till", id: "f17", reason: "told before its fact" });
  await fact("stock.sold", { ...milk, quantity: 6 }); // f16
  await fact("stock.sold", { ...milk, quantity: 9 }); // f17: voided already
  await fact("stock.counted", { ...milk, quantity: 50, asOf: new Date(start + minute).toISOString() });
  await fact("stock.sold", { ...milk, quantity: 2 }, start); // from before the count: absorbed
  await fact("stock.counted", { ...milk, quantity: 8, lot: "a" });

  const lines = [{ sku: "milk", quantity: 2, location: "leeds" }];
  await ok(inventory.reserve({ id: "r1", owner: "anna", reference: "cart-1", ttlSeconds: 60, lines }, caller));
  await ok(inventory.extend("r1", 600, caller));
  await ok(
    inventory.amend("r1", [{ sku: "milk", quantity: 3, location: "leeds", sellableUntil: "2026-01-20" }], caller),
  );
  await ok(inventory.confirm("r1", {}, caller));
  await ok(inventory.fulfil("r1", [{ sku: "milk", quantity: 1 }], caller, "part-1"));
  await ok(inventory.release("r1", caller));
  await ok(
    inventory.reserve(
      { id: "r2", ttlSeconds: 60, strategy: "most-stock", lines: [{ sku: "milk", quantity: 2 }] },
      caller,
    ),
  );
  await ok(
    inventory.reserve(
      { id: "r3", ttlSeconds: 60, lines: [{ sku: "milk", quantity: 1, location: "leeds", lot: "a" }] },
      caller,
    ),
  );
  await ok(inventory.reserve({ id: "r4", ttlSeconds: 86_400, lines }, caller));
  await ok(inventory.reserve({ id: "r5", ttlSeconds: 86_400 * 30, lines }, caller));
  await pass(10 * minute);
  await ok(inventory.confirm("r2", { reacquire: true }, caller));
  await fact("order.completed", {
    order: "o1",
    reservation: "r4",
    lines: [...lines, { ...milk, quantity: 1 }],
    final: true,
  });
  await fact("order.completed", { order: "o2", lines: [{ sku: "tea", location: "york/2", quantity: 3 }] });
  await pass(2 * day); // lot a ends
  await fact("stock.counted", { ...milk, quantity: 1 }); // less than is promised

  await ok(inventory.setPolicy("salt", { location: "leeds", lowAt: 3, expiringDays: 2 }, caller));
  const salt = { sku: "salt", location: "leeds" };
  await fact("stock.received", { ...salt, quantity: 10 });
  await fact("stock.sold", { ...salt, quantity: 8 }); // low
  await fact("stock.received", { ...salt, quantity: 5 }); // recovered
  await ok(inventory.reserve({ id: "r6", ttlSeconds: 60, lines: [{ ...salt, quantity: 7 }] }, caller)); // out
  await pass(2 * minute); // back
  await fact("stock.received", { ...salt, quantity: 2, lot: "b", expiresOn: "2026-01-08" });
  await pass(3 * day); // lot b nears its date
}

/** A document of two events, one of which could not be read; and one whose only part was given up. */
async function capture(jobs: CaptureJobs): Promise<void> {
  const problem = {
    type: "epcisException:ValidationException",
    title: "The event was not captured",
    code: "unreadable-event",
    detail: "/epcisBody/eventList/1/eventTime: is missing",
    eventID: "urn:uuid:2",
    pointer: "/epcisBody/eventList/1",
  } as const;
  const begun = { behaviour: "proceed", events: 2, parts: 1, problems: [problem], problemCount: 1 } as const;
  const recorded = { part: 0, accepted: 1, duplicates: 0, problems: [], problemCount: 0 };
  await jobs.append("golden", 0, { type: "CaptureAccepted", data: begun }, "admin");
  await jobs.append("golden", 1, { type: "CapturePartRecorded", data: recorded }, "admin");
  const given = { behaviour: "rollback", events: 1, parts: 1, problems: [], problemCount: 0 } as const;
  await jobs.append("given-up", 0, { type: "CaptureAccepted", data: given }, "admin");
  await jobs.append("given-up", 1, { type: "CaptureEnded", data: {} }, "admin");
}

/** The life of a webhook, from its making to its end. */
function webhook(after: string): readonly WebhookEvent[] {
  const url = "https://shop.example/larder";
  const mark = (generation: number) => ({ generation, print: "0f".repeat(32) });
  return [
    {
      type: "WebhookCreated",
      data: { url, types: ["larder.stock.out.v1"], limitedTo: ["leeds"], secret: mark(1), after },
    },
    { type: "WebhookChanged", data: { url, skus: ["milk"], locations: ["leeds"] } },
    { type: "WebhookSecretRotated", data: { secret: mark(2), formerUntil: start + day } },
    { type: "WebhookDisabled", data: { reason: "It has answered 410 Gone." } },
    { type: "WebhookEnabled", data: {} },
    { type: "WebhookAdvanced", data: { after } },
    { type: "WebhookReplayed", data: { after } },
    { type: "WebhookPaused", data: {} },
    { type: "WebhookDeleted", data: {} },
  ];
}

/** A reconciliation of two locations, one of which could not be asked. */
function reconciliation(startedAt: number): readonly RunEvent[] {
  const finding = { sku: "milk", location: "leeds", kind: "drift", ours: 5, theirs: 4, action: "counted" } as const;
  const nothing = { compared: 0, inFlight: 0, found: 0, kinds: {}, actions: {}, findings: [] };
  const compared = {
    compared: 3,
    inFlight: 1,
    found: 1,
    kinds: { drift: 1 },
    actions: { counted: 1 },
    findings: [finding],
  };
  return [
    { type: "ReconciliationRequested", data: { mode: "correct", locations: ["leeds", "depot"], scheduled: false } },
    { type: "LocationReconciled", data: { location: "leeds", startedAt, ...compared } },
    { type: "LocationReconciled", data: { location: "depot", startedAt, cause: "no answer", ...nothing } },
    { type: "ReconciliationEnded", data: {} },
  ];
}

async function appendOneByOne(
  storage: MemoryStorage,
  clock: { now: number },
  stream: string,
  events: readonly (WebhookEvent | RunEvent)[],
): Promise<void> {
  for (const [version, { type, data }] of events.entries()) {
    const meta = { command: `${stream}-${version}`, recordedAt: clock.now, actor: "admin" };
    const unit = { meta, expected: [{ stream, version }], events: [{ stream, type, schema: 1, data }] };
    const [outcome] = await storage.append([unit]);
    if (outcome?.ok !== true) throw new Error(`${type} was not appended`);
  }
}

async function keys(storage: MemoryStorage, clock: { now: number }): Promise<void> {
  const host = new ConsumerHost(storage, { timers: virtualTimers() });
  let bytes = 0;
  const identity = createIdentity({
    storage,
    clock: () => clock.now,
    random: (count) => {
      bytes += 1;
      return new Uint8Array(count).fill(bytes);
    },
  });
  await host.start([identity.consumer]);
  const admin = await identity.ensureAdminKey();
  if (admin.state !== "made") throw new Error("no admin key was made");
  const credential = identity.authenticate(admin.secret);
  if (credential === undefined) throw new Error("the admin key is not known");
  const created = await identity.createKey(
    { name: "till 4", scopes: ["stock:write"], locations: ["leeds"] },
    credential,
  );
  if (!created.ok) throw new Error(created.rejection.detail);
  await identity.revokeKey(created.value.id, credential);
  host.stop();
}
