/** What a log comes to: all that Larder answers on it, in a form that can be kept. */

import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { MemoryLog } from "../../src/platform/storage/memory/memory-log.ts";
import { readUnit } from "../../src/platform/storage/unit.ts";
import type { Timers } from "../../src/platform/timers/index.ts";
import { type Caller, inventoryTagging, startInventory, verifyLog } from "../../src/services/inventory/index.ts";
import { evolve, type Webhook, type WebhookEvent } from "../../src/services/relay/domain/index.ts";
import { evolveRun, type Run, type RunEvent } from "../../src/services/sync/domain/reconciliation/index.ts";
import { settled } from "../../src/simulation/scheduler.ts";

const caller: Caller = { id: "golden", ownReservations: false };

/** Timers that run when they are told to, each once; `soon` is soon. */
export function virtualTimers(): Timers & { fire(): Promise<void> } {
  const repeated = new Set<() => void>();
  return {
    after: () => () => {},
    every: (_ms, run) => {
      repeated.add(run);
      return () => repeated.delete(run);
    },
    soon: setImmediate,
    elapsedMs: () => 0,
    async fire() {
      for (const run of repeated) {
        run();
        for (let turn = 0; turn < 5; turn += 1) await settled();
      }
    },
  };
}

/** A log in memory that holds stored units as they are. */
export async function storageOf(bodies: readonly string[]): Promise<MemoryStorage> {
  const log = new MemoryLog(inventoryTagging);
  for (const body of bodies) log.load(readUnit(log.head() + 1, body));
  return new MemoryStorage({ log });
}

export async function stateOf(bodies: readonly string[]): Promise<object> {
  const storage = await storageOf(bodies);
  const timers = virtualTimers();
  const clock = () => storage.lastRecordedAt();
  const inventory = await startInventory({ storage, clock, randomId: () => "golden", timers });
  const ids = {
    item: new Set<string>(),
    location: new Set<string>(),
    policy: new Set<string>(),
    reservation: new Set<string>(),
  };
  const skus = new Set<string>();
  const events = (await storage.readLog(0, Number.MAX_SAFE_INTEGER)).flatMap((unit) => unit.events);
  for (const { stream } of events) {
    const kind = stream.slice(0, stream.indexOf("-"));
    const id = stream.slice(kind.length + 1);
    if (kind in ids) ids[kind as keyof typeof ids].add(id);
    if (kind === "stock") skus.add(id.slice(id.indexOf("/") + 1));
  }
  const each = async <T>(names: Iterable<string>, read: (name: string) => Promise<T>) =>
    Object.fromEntries(
      await Promise.all([...names].sort().map(async (name) => [name, valueIn(await read(name))] as const)),
    );
  const webhooks = new Map<string, Webhook | undefined>();
  const reconciliations = new Map<string, Run | undefined>();
  for (const { stream, type, data, version, unit } of events) {
    const [kind, id] = [stream.slice(0, stream.indexOf("-")), stream.slice(stream.indexOf("-") + 1)];
    const recorded = { id, version, at: unit.recordedAt, by: unit.actor };
    if (kind === "webhook") webhooks.set(id, evolve(webhooks.get(id), { type, data } as WebhookEvent, recorded));
    if (kind === "reconciliation")
      reconciliations.set(id, evolveRun(reconciliations.get(id), { type, data } as RunEvent, recorded));
  }
  const { events: count, streams, seals, shortfalls, findings } = await verifyLog(storage);
  const state = {
    log: { events: count, streams, seals, shortfalls, findings },
    stocks: await each(skus, (sku) => inventory.stock(sku, { lots: true }, caller)),
    readSide: valueIn(await inventory.availability([...skus].sort(), undefined, caller)),
    trails: await each(skus, (sku) => inventory.stockEvents(sku, { limit: 1000 }, caller)),
    reservations: await each(ids.reservation, (id) => inventory.reservation(id, caller)),
    items: await each(ids.item, (sku) => inventory.item(sku)),
    locations: await each(ids.location, (id) => inventory.location(id, caller)),
    policies: await each(ids.policy, (sku) => inventory.policy(sku, caller)),
    // Absent of the logs of versions that had none.
    ...(webhooks.size > 0 && { webhooks: Object.fromEntries([...webhooks].map(asRecorded)) }),
    ...(reconciliations.size > 0 && { reconciliations: Object.fromEntries(reconciliations) }),
  };
  return JSON.parse(JSON.stringify(state)) as object;
}

function valueIn(outcome: unknown): unknown {
  const { ok, value } = outcome as { readonly ok: boolean; readonly value?: unknown };
  if (!ok) throw new Error(`refused: ${JSON.stringify(outcome)}`);
  return value;
}

/** Without what webhooks know since the first of these was recorded, and that says nothing of what is sent. */
function asRecorded([id, webhook]: readonly [string, Webhook | undefined]) {
  if (webhook === undefined) return [id, undefined] as const;
  const { setIn: _setIn, formers, ...known } = webhook;
  const [former] = formers;
  const recorded = { ...known, ...(former && { former }) };
  return [id, recorded] as const;
}
