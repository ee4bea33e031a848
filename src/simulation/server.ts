/** One run of the server: from its start on what the disk holds to its end, by a stop or by a crash. */
import { hasCode } from "../kernel/index.ts";
import type { Messaging } from "../platform/messaging/index.ts";
import type { Timers } from "../platform/timers/index.ts";
import type { RunningArchive } from "../services/archive/index.ts";
import {
  inventoryTagging,
  type RunningInventory,
  silentObserver,
  startInventory,
} from "../services/inventory/index.ts";
import {
  type RunningReconciliations,
  type RunningSync,
  silentObserver as silentSync,
  startSync,
} from "../services/sync/index.ts";
import type { ColdPart } from "./cold-part.ts";
import type { Disk } from "./disk.ts";
import { type Answer, type Operation, perform } from "./operations.ts";
import { Violation } from "./oracle/shapes.ts";
import { isFault, type Part } from "./parts.ts";
import type { QueuedFacts } from "./queued-facts.ts";
import type { QueueFates, QueuesDisk } from "./queues.ts";
import type { Random } from "./random.ts";
import type { ReconcilingPart } from "./reconciling-part.ts";
import type { Life, Scheduler } from "./scheduler.ts";
import { type Fates, SimulatedStorage } from "./storage.ts";
import type { Warehouse } from "./warehouse.ts";

/** How a server is set up: drawn once for each history. */
export interface Setup {
  readonly cachedStatesMax: number;
  readonly snapshotEveryEvents: number;
  readonly sweepEveryMs: number;
  readonly sealEveryMs: number;
  readonly commitEveryMs: number;
}

export function drawSetup(random: Random): Setup {
  return {
    cachedStatesMax: random.pick([6, 40, 10_000, 10_000, 10_000]),
    snapshotEveryEvents: random.pick([3, 20, 60]),
    sweepEveryMs: random.pick([250, 2000, 60_000]),
    sealEveryMs: random.pick([1000, 10_000]),
    commitEveryMs: random.pick([200, 2000]),
  };
}

export interface ServerEnvironment {
  readonly scheduler: Scheduler;
  readonly disk: Disk;
  readonly fates: Fates;
  readonly setup: Setup;
  /** The server's clock at the moment; told of each look at it. */
  readonly clock: (server: Server) => number;
  /** By the server's clock, without anyone being told: for what decides nothing. */
  readonly glance: () => number;
  /** What changes are pushed to; none in most histories. */
  readonly warehouse: Warehouse | undefined;
  readonly queues: QueuesDisk;
  readonly queueFates: QueueFates;
  /** Where facts go that are to be judged later; nowhere in most histories. */
  readonly queuedFacts: QueuedFacts | undefined;
  /** What else runs beside the inventory. */
  readonly parts: readonly Part[];
  /** Moves old days into cold files; nothing does in most histories. */
  readonly cold: ColdPart | undefined;
  /** Has both sides compared; nothing does in most histories. */
  readonly reconciling: ReconcilingPart | undefined;
  readonly random: Random;
  /** Something broke that nothing may break. */
  readonly fail: (error: unknown) => void;
}

export class Server {
  readonly life: Life = { dead: false };
  /** The time that decisions go by: that of the last look at the clock, never backwards. */
  decidesAt = 0;
  state: "starting" | "up" | "stopping" | "down" = "starting";
  inventory: RunningInventory | undefined;
  storage: SimulatedStorage | undefined;
  messaging: Messaging | undefined;
  archive: RunningArchive | undefined;
  reconciliations: RunningReconciliations | undefined;
  #sync: RunningSync | undefined;
  readonly #running: { stop(): Promise<void> }[] = [];
  readonly #environment: ServerEnvironment;
  readonly #name: string;
  #ids = 0;

  constructor(name: string, environment: ServerEnvironment) {
    this.#name = name;
    this.#environment = environment;
  }

  /** Starts; when that fails, as it may while the store is out of reach, is down again. */
  async start(shared?: SimulatedStorage): Promise<void> {
    const { scheduler, disk, fates, setup, fail } = this.#environment;
    const timers = scheduler.timersOf(this.life);
    try {
      this.storage = shared ?? new SimulatedStorage(disk, timers, fates, this.life, inventoryTagging);
      const inventory = await startInventory({
        storage: this.storage,
        clock: () => this.#environment.clock(this),
        randomId: this.#randomId,
        timers,
        outgoing: { problemOf: () => undefined, seal: (_context, secret) => secret },
        observer: {
          ...silentObserver,
          consumerFailed: (name, error) => fail(new Violation(`the consumer ${name} failed: ${String(error)}`)),
          // A seal that could not be appended is tried again, and so is an expiry whose cold file could not be read; nothing else may fail.
          upkeepFailed: (work, error) =>
            work === "seals" || (work === "expiry" && hasCode(error, "archive-unavailable"))
              ? undefined
              : fail(new Violation(`${work} failed: ${String(error)}`)),
        },
        ...setup,
      });
      if (this.life.dead) return;
      await this.#startSync(inventory);
      await this.#startParts(inventory, timers);
      if (this.life.dead) return;
      this.archive = this.#environment.cold?.startArchive(this, this.storage, inventory);
      this.inventory = inventory;
      this.state = "up";
    } catch (error) {
      if (this.life.dead) return;
      if (!isFault(error)) fail(new Violation(`the server does not start: ${String(error)}`));
      this.end();
    }
  }

  async #startParts(inventory: RunningInventory, timers: Timers): Promise<void> {
    const { parts, queues, queueFates, glance, setup } = this.#environment;
    if (parts.length === 0 || this.storage === undefined) return;
    this.messaging = queues.openFor(this.life, timers, queueFates);
    const { life, storage, messaging } = this;
    const { commitEveryMs } = setup;
    for (const part of parts) {
      if (life.dead) return;
      const running = await part.start({ life, storage, messaging, inventory, timers, clock: glance, commitEveryMs });
      this.#running.push(running);
    }
  }

  async #startSync(inventory: RunningInventory): Promise<void> {
    const { scheduler, setup, warehouse, random, glance, fail, reconciling } = this.#environment;
    if (warehouse === undefined || this.storage === undefined) return;
    // What is given up is never sent again by itself, so that it differs for good: reconciliation is to find nothing of that.
    const [attemptsMax, elapsedMsMax] = reconciling === undefined ? [3, 3_600_000] : [1_000_000, 1e12];
    this.#sync = await startSync({
      storage: this.storage,
      messaging: warehouse.messagingOf(this.life),
      inventory,
      courier: warehouse.courierOf(this.life),
      openSecret: (_context, sealed) => sealed,
      policy: { firstDelayMs: 500, delayMsMax: 20_000, attemptsMax, elapsedMsMax },
      clock: glance,
      randomId: this.#randomId,
      random: () => random.next(),
      observer: { ...silentSync, failed: (what, error) => fail(new Violation(`sync: ${what}: ${String(error)}`)) },
      timers: scheduler.timersOf(this.life),
      commitEveryMs: setup.commitEveryMs,
    });
    if (this.life.dead) return;
    this.reconciliations = await reconciling?.start(this, this.storage, inventory, this.#sync, this.#randomId);
  }

  readonly #randomId = (): string => {
    this.#ids += 1;
    return `${this.#name}.${this.#ids}`;
  };

  async handle(operation: Operation): Promise<Answer> {
    if (this.inventory === undefined) return { code: "storage-unavailable" };
    if (operation.kind !== "facts" || operation.isQueued !== true) return perform(this.inventory, operation);
    return this.#environment.queuedFacts?.take(operation) ?? { code: "storage-unavailable" };
  }

  /** Finishes what it has. */
  async stop(): Promise<void> {
    this.state = "stopping";
    await Promise.all(this.#running.map((running) => running.stop()));
    await this.archive?.stop();
    await this.reconciliations?.stop();
    await this.#sync?.stop();
    await this.inventory?.stop();
    await this.storage?.close();
    this.end();
  }

  end(): void {
    this.life.dead = true;
    this.state = "down";
  }
}

export function isStorageFault(error: unknown): boolean {
  const { code } = error instanceof Error ? (error as { code?: unknown }) : {};
  return code === "storage-unavailable" || code === "archive-unavailable";
}
