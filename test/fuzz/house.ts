/** The server under test: the real gateway, identity and inventory on a log of its own, with a clock in the fuzzer's hand. */
import { hash, randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConsumerHost } from "../../src/platform/consumer/index.ts";
import type { Messaging } from "../../src/platform/messaging/index.ts";
import { MemoryMessaging } from "../../src/platform/messaging/memory/index.ts";
import {
  deliveryPolicy,
  OutboundClient,
  OutboundError,
  openSecret,
  sealSecret,
} from "../../src/platform/outbound/index.ts";
import type { Storage } from "../../src/platform/storage/index.ts";
import { MemoryStorage } from "../../src/platform/storage/memory/index.ts";
import { openSqliteStorage } from "../../src/platform/storage/sqlite/index.ts";
import { systemTimers } from "../../src/platform/timers/index.ts";
import { startArchive } from "../../src/services/archive/index.ts";
import { createGateway, type Gateway } from "../../src/services/gateway/index.ts";
import { createIdentity, type Identity } from "../../src/services/identity/index.ts";
import {
  captureQueue,
  EpcisEvents,
  factsQueue,
  type RunningCapture,
  type RunningIntake,
  startCapture,
  startIntake,
} from "../../src/services/intake/index.ts";
import {
  factSchemas,
  inventoryTagging,
  type RunningInventory,
  startInventory,
  verifyLog,
} from "../../src/services/inventory/index.ts";
import { type RunningRelay, startRelay } from "../../src/services/relay/index.ts";
import {
  type RunningReconciliations,
  type RunningSync,
  startReconciliation,
  startSync,
} from "../../src/services/sync/index.ts";
import { planted } from "./plants.ts";

export const skus = ["milk", "bread", "caf\u00e9", "a/b", "__proto__", "\u{1f600}"] as const;
export const locations = ["s1", "s2", "s3", "constructor"] as const;
export const knownGln = "9506000134352";
export const knownGtin = "04006381333931";
export const adminKey = "the admin key of the fuzzed house";
const never = 2 ** 31 - 1;
const serverKey = new Uint8Array(32).fill(5);
const everything = { id: "admin", name: "admin", scopes: new Set(["admin"] as const), ownReservations: false };

export interface Keys {
  readonly admin: string;
  /** May only read. */
  readonly reader: string;
  /** Limited to `s1`, one source and its own reservations. */
  readonly till: string;
}

export class House {
  readonly gateway: Gateway;
  readonly inventory: RunningInventory;
  readonly #relay: RunningRelay;
  readonly keys: Keys;
  /** What the server logged as an error: nothing a client sends may do that. */
  readonly errors: unknown[];
  readonly #storage: Storage;
  /** Dead letters of the queue of facts, which no redrive helps. */
  readonly deadLetterIds: readonly string[];
  readonly #intake: RunningIntake;
  readonly #sync: RunningSync;
  readonly #reconciliations: RunningReconciliations;
  readonly #identity: Identity;
  readonly #host: ConsumerHost;
  readonly #capture: RunningCapture;
  readonly #messaging: Messaging;
  readonly #clock: { now: number };
  readonly #folder: string | undefined;

  private constructor(parts: {
    gateway: Gateway;
    deadLetterIds: readonly string[];
    intake: RunningIntake;
    sync: RunningSync;
    reconciliations: RunningReconciliations;
    inventory: RunningInventory;
    relay: RunningRelay;
    keys: Keys;
    errors: unknown[];
    storage: Storage;
    identity: Identity;
    host: ConsumerHost;
    capture: RunningCapture;
    messaging: Messaging;
    clock: { now: number };
    folder: string | undefined;
  }) {
    this.gateway = parts.gateway;
    this.inventory = parts.inventory;
    this.#relay = parts.relay;
    this.keys = parts.keys;
    this.errors = parts.errors;
    this.#storage = parts.storage;
    this.#intake = parts.intake;
    this.deadLetterIds = parts.deadLetterIds;
    this.#sync = parts.sync;
    this.#reconciliations = parts.reconciliations;
    this.#identity = parts.identity;
    this.#host = parts.host;
    this.#capture = parts.capture;
    this.#messaging = parts.messaging;
    this.#clock = parts.clock;
    this.#folder = parts.folder;
  }

  static async open(engine: "memory" | "sqlite", heartbeatMs = 50): Promise<House> {
    const folder = engine === "sqlite" ? mkdtempSync(join(tmpdir(), "larder-fuzz-")) : undefined;
    const storage =
      folder === undefined
        ? new MemoryStorage({ tagging: inventoryTagging })
        : await openSqliteStorage({ folder, tagging: inventoryTagging });
    const clock = { now: Date.UTC(2026, 10, 21, 9) };
    const now = () => clock.now;
    const identity = createIdentity({ storage, clock: now, random: randomBytes });
    const host = new ConsumerHost(storage);
    await host.start([identity.consumer]);
    const inventory = await startInventory(inventoryOptions(storage, now));
    await identity.ensureAdminKey(adminKey);
    const errors: unknown[] = [];
    const silent = () => {};
    const error = (...line: unknown[]) => errors.push(line);
    const logger = {
      level: "error",
      fatal: error,
      error,
      warn: silent,
      info: silent,
      debug: silent,
      trace: silent,
      silent,
      child: () => logger,
    };
    const messaging = new MemoryMessaging({ clock: now });
    const sync = await startSync({
      storage,
      messaging,
      inventory,
      // Whatever a client configures, nothing leaves the house.
      courier: { call: async () => ({ status: 204, headers: {} }) },
      openSecret: (context, sealed) => openSecret(serverKey, context, sealed),
      policy: deliveryPolicy({ deliveryMaxAttempts: 3, deliveryBackoff: "10ms" }),
      clock: now,
      randomId: randomUUID,
      random: Math.random,
    });
    const intake = await startIntake({
      messaging,
      inventory,
      clock: now,
      random: Math.random,
    });
    // Nothing leaves this machine, whatever addresses are made up, and nothing goes on between inputs.
    await storage.setOutgoingPaused(true);
    const outbound = new OutboundClient({ allow: null });
    const relay = await startRelay({
      storage,
      messaging,
      inventory,
      outbound: {
        problemOf: (url) => outbound.problemOf(url),
        call: async () => {
          throw new OutboundError("refused");
        },
      },
      policy: deliveryPolicy({ deliveryMaxAttempts: 2, deliveryBackoff: "1ms" }),
      serverKey: () => new Uint8Array(32),
      clock: now,
      random: randomBytes,
    });
    const fuzzed = planted(inventory, process.env["LARDER_FUZZ_PLANT"]);
    const capture = await startCapture({
      inventory: fuzzed,
      storage,
      messaging,
      clock: now,
      randomId: () => randomBytes(16).toString("hex"),
      random: Math.random,
      onFailure: error,
    });
    const reconciliations = await startReconciliation({
      storage,
      inventory,
      // Everything outgoing is paused, so those that are asked for wait, and nothing goes on between inputs.
      pushes: {
        receivers: () => locations.map((location) => ({ location, settings: { url: "https://nobody.example" } })),
        isOurs: () => true,
        wants: () => false,
        isPending: () => false,
        pushAgain: () => false,
      },
      courier: { call: () => Promise.reject(new Error("there is nobody to call")) },
      openSecret: () => undefined,
      clock: now,
      randomId: () => randomBytes(16).toString("hex"),
      observer: { compared: silent, failed: (_what, error) => errors.push(error) },
    });
    const archive = startArchive({
      log: (storage as Storage).archive,
      preparation: inventory.archiving,
      clock: now,
      timers: systemTimers,
      afterDays: null,
      dailyAtMs: 0,
    });
    const gateway = await createGateway({
      intake,
      epcis: { capture, events: new EpcisEvents(fuzzed, now) },
      archive,
      inventory: fuzzed,
      sync,
      reconciliations,
      identity,
      relay,
      logger,
      readiness: async () => ({ storage: { ok: true } }),
      metrics: { observe: silent, expose: async () => ({ contentType: "text/plain", body: "" }) },
      factSchemas,
      heartbeatMs,
      drainMs: 100,
    });
    const keys = { admin: adminKey, reader: await keyOf(identity, reading), till: await keyOf(identity, tillOnly) };
    const house = new House({
      gateway,
      intake,
      deadLetterIds: await deadLetters(messaging),
      inventory,
      relay,
      sync,
      reconciliations,
      keys,
      errors,
      storage,
      identity,
      host,
      capture,
      messaging,
      clock,
      folder,
    });
    await house.#stockUp();
    return house;
  }

  /** Time passes only between inputs, so that what is read twice is the same twice. */
  advance(ms: number): void {
    this.#clock.now += ms;
  }

  get now(): number {
    return this.#clock.now;
  }

  head(): number {
    return this.#storage.head();
  }

  /** A digest of all that clients can see; as long as nobody changes anything and no time passes, it stays. */
  async state(): Promise<string> {
    return hash("sha256", await describeState(this.inventory, this.#identity, this.#storage), "base64url");
  }

  /** Until what waits in queues is recorded, for some seconds at most: it happens beside whatever is asked meanwhile. */
  async recorded(): Promise<void> {
    const until = performance.now() + 5000;
    for (const queue of [captureQueue, factsQueue]) {
      while ((await this.#messaging.depth(queue)).waiting > 0 && performance.now() < until)
        await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Ends the house. Gives what is wrong with its log, or with what is read from it after a new start. */
  async close(): Promise<readonly string[]> {
    const before = await describeState(this.inventory, this.#identity, this.#storage);
    await this.gateway.close();
    await this.#intake.stop();
    await this.#relay.stop();
    await this.#capture.stop();
    await this.#sync.stop();
    await this.#reconciliations.stop();
    await this.inventory.stop();
    const problems = (await verifyLog(this.#storage)).findings.map(({ seq, problem }) => `event ${seq}: ${problem}`);
    const again = await startInventory(inventoryOptions(this.#storage, () => this.#clock.now));
    const after = await describeState(again, this.#identity, this.#storage);
    if (withoutPositions(after) !== withoutPositions(before))
      problems.push(`after a new start the server answers otherwise: ${firstDifference(before, after)}`);
    await again.stop();
    this.#host.stop();
    await this.#storage.close();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    return problems;
  }

  async #stockUp(): Promise<void> {
    const facts = skus.flatMap((sku) =>
      locations.slice(0, 3).map((location, index) => ({
        specversion: "1.0",
        id: `first-${sku}-${location}`,
        source: "opening",
        type: "larder.stock.received.v1",
        data: { sku, location, quantity: 50 * index + 20, ...(index === 1 && { lot: "L1", expiresOn: "2026-12-24" }) },
      })),
    );
    await this.inventory.recordFacts(facts, everything);
    for (const location of locations)
      await this.inventory.putLocation(
        location,
        { name: location, kind: "store", ...(location === "s1" && { gln: knownGln }) },
        everything,
      );
    const item = { name: "Milk", unit: "each" as const, gtins: ["4006381333931"] };
    await this.inventory.putItem("milk", item as Parameters<RunningInventory["putItem"]>[1], everything);
  }
}

const reading = { name: "reader", scopes: ["stock:read" as const] };
const tillOnly = {
  name: "till",
  scopes: ["stock:read" as const, "stock:write" as const, "reservations:write" as const],
  locations: ["s1"],
  sources: ["till"],
  ownReservations: true,
};

async function keyOf(identity: Identity, request: Parameters<Identity["createKey"]>[0]): Promise<string> {
  const made = await identity.createKey(request, everything);
  if (!made.ok) throw new Error(made.rejection.detail);
  return made.value.key;
}

/** Sweeps and seals would move the log by themselves. */
function inventoryOptions(storage: Storage, clock: () => number) {
  const randomId = () => randomBytes(16).toString("hex");
  const seal = (context: string, secret: string) => sealSecret(serverKey, context, secret);
  const outgoing = { problemOf: () => undefined, seal };
  return { storage, clock, randomId, outgoing, sweepEveryMs: never, sealEveryMs: never };
}

async function describeState(inventory: RunningInventory, identity: Identity, storage: Storage): Promise<string> {
  const known = [...skus];
  const page = { limit: 1000 };
  const parts: unknown[] = [
    await inventory.availability(known, undefined, everything),
    await inventory.reservations(page, everything),
    await inventory.items(page),
    await inventory.locations(page, everything),
    identity.keys(page, everything),
  ];
  for (const sku of known) {
    parts.push(await inventory.stock(sku, { lots: true }, everything), await inventory.policy(sku, everything));
  }
  return JSON.stringify([parts, storage.head()], (_name, value) => (Array.isArray(value) ? inOrder(value) : value));
}

/** The order of locations is nobody's promise. */
function inOrder(list: readonly unknown[]): readonly unknown[] {
  const isPlaced = list.every(
    (each) => typeof each === "object" && each !== null && "location" in each && !("quantity" in each),
  );
  return isPlaced ? list.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : list;
}

/** A stop seals the log, and so moves its end. */
function withoutPositions(state: string): string {
  return state.replace(/"position":"[^"]*"/g, "").replace(/\d+\]$/, "");
}

function firstDifference(before: string, after: string): string {
  let at = 0;
  while (before[at] === after[at]) at += 1;
  const from = Math.max(0, at - 300);
  return `\nbefore: ${before.slice(from, at + 200)}\nafter:  ${after.slice(from, at + 200)}`;
}

async function deadLetters(messaging: MemoryMessaging): Promise<readonly string[]> {
  for (const id of ["a", "b", "c", "d", "e", "f"])
    await messaging.sendDead("intake", { id, body: "no fact" }, { cause: "no fact", attempts: 1 });
  const { items } = await messaging.deadLetters.list({ queue: "intake", order: "oldest-first", limit: 10 });
  return items.map(({ id }) => id);
}
