/** What tests of the relay share: a relay over an inventory in memory, with receivers that answer as told. */
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { limits } from "../../kernel/index.ts";
import type { Credential } from "../../platform/auth/index.ts";
import { MemoryMessaging } from "../../platform/messaging/memory/index.ts";
import { type OutboundAnswer, type OutboundCall, OutboundError } from "../../platform/outbound/index.ts";
import type { MemoryStorage } from "../../platform/storage/memory/index.ts";
import { systemTimers } from "../../platform/timers/index.ts";
import { accepted, fact, openInventory } from "../inventory/fixture.ts";
import type { RunningInventory } from "../inventory/index.ts";
import { type RelayOptions, type RunningRelay, startRelay } from "./index.ts";
import type { CreatedWebhook, WebhookRequest } from "./wire.ts";

export const admin: Credential = { id: "admin", name: "admin", scopes: new Set(["admin"]), ownReservations: false };

export function limitedTo(...locations: string[]): Credential {
  return {
    id: "limited",
    name: "limited",
    scopes: new Set(["sync:admin"]),
    locations: new Set(locations),
    ownReservations: false,
  };
}

type Told = number | { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | OutboundError;

/** The other side: answers each call as told, 204 unless told, and keeps what it got. */
export class Receivers {
  readonly calls: OutboundCall[] = [];
  answer: (call: OutboundCall) => Told | Promise<Told> = () => 204;
  problem: string | undefined;

  readonly outbound: RelayOptions["outbound"] = {
    problemOf: () => this.problem,
    call: async (call): Promise<OutboundAnswer> => {
      this.calls.push(call);
      const told = await this.answer(call);
      if (told instanceof OutboundError) throw told;
      const { status, headers = {} } = typeof told === "number" ? { status: told } : told;
      return { status, headers, body: Buffer.alloc(0), isCut: false, tookMs: 1 };
    },
  };

  /** Ids of the events that one address got, in order. */
  eventsAt(url: string): readonly string[] {
    return this.calls.filter((call) => call.url === url).map(({ headers }) => headers?.["webhook-id"] ?? "");
  }
}

export interface House {
  readonly storage: MemoryStorage;
  readonly messaging: MemoryMessaging;
  readonly inventory: RunningInventory;
  readonly receivers: Receivers;
  readonly clock: { ahead: number };
  readonly told: { disabled: string[]; failed: unknown[] };
  relay: RunningRelay;
  /** Another relay beside it. */
  start(changed: Partial<RelayOptions>): Promise<RunningRelay>;
  /** Ends the relay and starts another on what it kept; as another server when it is given another key. */
  restart(serverKey?: Uint8Array, whileDown?: () => void): Promise<void>;
  stop(): Promise<void>;
}

export const key = randomBytes(32);

/** Retries follow within a few milliseconds; `clock.ahead` lets hours pass. */
export async function openHouse(options: Partial<RelayOptions> = {}): Promise<House> {
  const clock = { ahead: 0 };
  const now = () => Date.now() + clock.ahead;
  const { storage, inventory } = await openInventory();
  const messaging = new MemoryMessaging({ clock: now });
  const receivers = new Receivers();
  const told: House["told"] = { disabled: [], failed: [] };
  const start = (changed: Partial<RelayOptions> = {}) =>
    startRelay({
      storage,
      messaging,
      inventory,
      outbound: receivers.outbound,
      policy: { firstDelayMs: 2, delayMsMax: 4, attemptsMax: 5, elapsedMsMax: limits.deliveryElapsedMsMax },
      serverKey: () => key,
      clock: now,
      random: randomBytes,
      // Whatever waits does so for a moment.
      timers: { ...systemTimers, after: (ms, run) => systemTimers.after(Math.min(ms, 20), run) },
      observer: {
        attempted: () => undefined,
        settled: () => undefined,
        disabled: (webhook) => void told.disabled.push(webhook),
        failed: (_what, error) => void told.failed.push(error),
      },
      ...options,
      ...changed,
    });
  const house: House = {
    storage,
    messaging,
    inventory,
    receivers,
    clock,
    told,
    start,
    relay: await start(),
    async restart(serverKey, whileDown) {
      await house.relay.stop();
      whileDown?.();
      house.relay = await start(serverKey === undefined ? {} : { serverKey: () => serverKey });
    },
    async stop() {
      await house.relay.stop();
      await inventory.stop();
      await messaging.close();
      expect(told.failed).toEqual([]);
    },
  };
  return house;
}

export async function createWebhook(
  house: House,
  request: Partial<WebhookRequest> = {},
  by = admin,
): Promise<CreatedWebhook> {
  // Lists are by time of creation, to the millisecond.
  house.clock.ahead += 1;
  return accepted(await house.relay.create({ url: "https://one.test/", ...request }, by));
}

/** Records that one unit came in, so many times. */
export async function receive(house: House, sku: string, location = "s1", times = 1): Promise<void> {
  const facts = Array.from({ length: times }, () => fact("stock.received", { sku, location, quantity: 1 }));
  const { accepted: count } = await house.inventory.recordFacts(facts, { id: "till", ownReservations: false });
  expect(count).toBe(times);
}

/** Resolves once a condition holds, looked at again and again. */
export const eventually = (condition: () => unknown) => expect.poll(condition, { interval: 2, timeout: 10_000 });
