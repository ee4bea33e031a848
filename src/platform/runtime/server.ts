import { randomBytes } from "node:crypto";
import { parseDuration } from "../../kernel/index.ts";
import type { AdminKey } from "../../services/identity/index.ts";
import type { Settings } from "../config/index.ts";
import { OutboundClient } from "../outbound/index.ts";
import type { Storage } from "../storage/index.ts";
import {
  createMetrics,
  type Logger,
  type MemoryWatch,
  type MetricsRegistry,
  watchMemory,
  watchProcess,
} from "../telemetry/index.ts";
import { systemTimers } from "../timers/index.ts";
import { openMessaging, openStorage } from "./engines.ts";
import { type Checks, chooseModules, startModules } from "./module.ts";
import { modules, type Offers, type Resources } from "./modules.ts";
import { queueChecks, watchQueues } from "./observe-queues.ts";
import { storeChecks } from "./readiness.ts";
import { secretKey } from "./secret-key.ts";

export interface ServerOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  /** Larder's own version, for the metrics. */
  readonly version: string;
}

export interface RunningServer {
  /** Where it listens, as `http://127.0.0.1:8080`; undefined when the gateway is not among the targets. */
  readonly url: string | undefined;
  /** What the start did about the admin key; undefined when identity is not among the targets. */
  readonly adminKey: AdminKey | undefined;
  readonly modules: readonly string[];
  /** Tells load balancers that it will stop, and gives them `LARDER_DRAIN_DELAY` to turn to others; answers meanwhile. */
  drain(): Promise<void>;
  /** Stops accepting, finishes what it has, closes the store. */
  stop(): Promise<void>;
}

/** A target that can't be run; the message is for the operator. */
export class TargetError extends Error {}

/** The table of modules, for `--list-targets`. */
export function listTargets(): readonly {
  readonly name: string;
  readonly about: string;
  readonly uses: readonly string[];
}[] {
  return Object.entries(modules).map(([name, { about, uses }]) => ({ name, about, uses }));
}

/** Opens the store, starts the chosen modules, and listens. What was started is stopped again when a later step fails. */
export async function startServer({ settings, logger, version }: ServerOptions): Promise<RunningServer> {
  const chosen = chooseModules(settings.target, modules);
  if ("problem" in chosen) throw new TargetError(chosen.problem);

  const storage = await openStorage(settings.store, settings.data);
  const messaging = await openMessaging(settings.store, settings.data, Date.now).catch(async (error) => {
    await storage.close();
    throw error;
  });
  const outbound = new OutboundClient({ allow: settings.outboundAllow });
  const registry = createMetrics();
  const unwatch = watchStore(storage, registry, version);
  watchQueues(messaging, registry, logger);
  const memory = watchMemory();
  const store = storeChecks(storage, logger);
  let moduleChecks = (): Checks => ({ modules: { ok: false, detail: "still starting" } });

  const readiness = async (): Promise<Checks> => {
    const [stored, queued] = await Promise.all([store(), queueChecks(messaging)]);
    const checks = { ...stored, ...queued, memory: memoryCheck(memory), ...moduleChecks() };
    registry.metrics.ready.set(Object.values(checks).every(({ ok }) => ok) ? 1 : 0);
    return checks;
  };
  const resources: Resources = {
    storage,
    messaging,
    outbound,
    settings,
    logger,
    registry,
    // Where several processes share a log, all decide by its store's clock.
    clock: () => Date.now() + (storage.shared?.clockOffsetMs() ?? 0),
    random: randomBytes,
    serverKey: secretKey(settings.store, settings.data, randomBytes),
    readiness,
    isMemoryShort: () => memory.isShort(),
  };
  const close = async () => {
    unwatch();
    outbound.close();
    memory.stop();
    await messaging.close().finally(() => storage.close());
  };

  try {
    const running = await startModules<Resources, Offers>(chosen.names, modules, resources, logger);
    const stop = () => running.stop().finally(close);
    try {
      moduleChecks = running.checks;
      const adminKey = await running.offers.identity?.ensureAdminKey(settings.adminKey ?? undefined);
      const url = await running.offers.gateway?.listen(settings.host, settings.port);
      const drain = async () => {
        const ms = parseDuration(settings.drainDelay) ?? 0;
        if (ms === 0 || running.offers.gateway === undefined) return;
        running.offers.gateway.drain();
        await new Promise<void>((resolve) => void systemTimers.after(ms, resolve));
      };
      return { url, adminKey, modules: chosen.names, drain, stop };
    } catch (error) {
      await running.stop();
      throw error;
    }
  } catch (error) {
    await close();
    throw error;
  }
}

function memoryCheck(memory: MemoryWatch): { readonly ok: boolean; readonly detail?: string } {
  if (!memory.isShort()) return { ok: true };
  const { liveBytes, limitBytes } = memory.figures();
  const [live, limit] = [liveBytes, limitBytes].map((bytes) => Math.round(bytes / 1e6));
  return {
    ok: false,
    detail: `no writes are taken: ${live} MB of the heap's ${limit} MB are in use; NODE_OPTIONS=--max-old-space-size gives it more`,
  };
}

function watchStore(storage: Storage, registry: MetricsRegistry, version: string): () => void {
  const { metrics } = registry;
  const { engine } = storage.stats();
  metrics.build.set(1, { version, node: process.versions.node, sqlite: process.versions.sqlite ?? "none", engine });
  registry.beforeScrape(() => {
    const { logBytes, derivedBytes, events } = storage.stats();
    metrics.storageBytes.set(logBytes, { part: "log" });
    metrics.storageBytes.set(derivedBytes, { part: "derived" });
    metrics.storageEvents.set(events);
    metrics.outgoingPaused.set(storage.outgoingPaused ? 1 : 0);
  });
  return watchProcess(registry);
}
