import { randomBytes } from "node:crypto";
import { parseDuration } from "../../kernel/index.ts";
import { createOperationsServer, type OperationsServer } from "../../services/gateway/index.ts";
import type { AdminKey, Identity } from "../../services/identity/index.ts";
import type { Settings } from "../config/index.ts";
import { addressesIn, OutboundClient } from "../outbound/index.ts";
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
import { clusterProblem, modulesElsewhere, OfferedModules, RemoteModules } from "./cluster.ts";
import { openEngines } from "./engine-parts.ts";
import { type Checks, chooseModules, startModules } from "./module.ts";
import { type Interfaces, modules, type Offers, type Resources } from "./modules.ts";
import { secretKey } from "./secret-key.ts";

export interface ServerOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  /** Larder's own version, for the metrics. */
  readonly version: string;
}

export interface RunningServer {
  /** Where it listens, as `http://127.0.0.1:8080`: the API, or without a gateway what operators ask for. */
  readonly url: string | undefined;
  /** Where it answers gRPC, as `127.0.0.1:9090`; undefined when it does not. */
  readonly grpcAddress: string | undefined;
  /** Where it offers its modules to other processes; undefined when it does not. */
  readonly clusterAddress: string | undefined;
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

/** A row of the table of modules, for `--list-targets`. */
export interface Target {
  readonly name: string;
  readonly about: string;
  /** Parts of the platform that are opened for it. */
  readonly needs: readonly string[];
  /** Modules that may run in other processes. */
  readonly uses: readonly string[];
  /** Modules that must run in the same process. */
  readonly beside: readonly string[];
}

export function listTargets(): readonly Target[] {
  return Object.entries(modules).map(([name, { about, needs, uses, mayUse = [], beside = [] }]) => ({
    name,
    about,
    needs,
    uses: [...uses, ...mayUse],
    beside,
  }));
}

/**
 * Opens what the chosen modules need, starts them, and listens. What was started is stopped again when a later step
 * fails.
 */
export async function startServer({ settings, logger, version }: ServerOptions): Promise<RunningServer> {
  const chosen = chooseModules(settings.target, modules, new Set(modulesElsewhere(settings).keys()));
  if ("problem" in chosen) throw new TargetError(chosen.problem);
  const problem = clusterProblem(settings);
  if (problem !== undefined) throw new TargetError(problem);

  const registry = createMetrics((err) =>
    logger.error({ err }, "some figures can't be read, and are told as they were"),
  );
  const needs = new Set(chosen.names.flatMap((name) => modules[name as keyof typeof modules].needs));
  const engines = await openEngines(needs, settings, registry, logger);
  const outbound = new OutboundClient({ allow: settings.outboundAllow });
  const unwatch = watchServer(engines.opened, registry, version);
  const memory = watchMemory();
  let isDraining = false;
  let moduleChecks = (): Checks => ({ modules: { ok: false, detail: "still starting" } });

  const resources: Resources = {
    get storage() {
      return engines.storage;
    },
    get messaging() {
      return engines.messaging;
    },
    outbound,
    settings,
    logger,
    registry,
    // Where several processes share a log, all decide by its store's clock.
    clock: () => Date.now() + (engines.opened?.shared?.clockOffsetMs() ?? 0),
    random: randomBytes,
    serverKey: secretKey(settings, randomBytes),
    isMemoryShort: () => memory.isShort(),
    async readiness() {
      const checks = { ...(await engines.checks()), memory: memoryCheck(memory), ...moduleChecks() };
      registry.metrics.ready.set(!isDraining && Object.values(checks).every(({ ok }) => ok) ? 1 : 0);
      return checks;
    },
  };
  // Also where nobody asks /readyz.
  registry.beforeScrape(async () => {
    try {
      await resources.readiness();
    } catch (error) {
      registry.metrics.ready.set(0);
      throw error;
    }
  });
  let remote: RemoteModules | undefined;
  const close = async () => {
    remote?.close();
    unwatch();
    outbound.close();
    memory.stop();
    await engines.close();
  };

  try {
    const elsewhere = await RemoteModules.connect(
      ...([chosen.remote, resources, engines.opened?.shared && resources.clock] as const),
    );
    remote = elsewhere;
    const running = await startModules<Resources, Offers, Interfaces>(
      ...([chosen.names, modules, resources, logger, elsewhere.interfaces] as const),
    );
    const { identity, gateway } = running.offers;
    let offered: OfferedModules | undefined;
    let operations: OperationsServer | undefined;
    const stop = async () => {
      await offered?.leave();
      await running.stop().finally(() => Promise.all([offered?.close(), operations?.close()]));
    };
    try {
      moduleChecks = () => ({ ...running.checks(), ...elsewhere.checks() });
      const adminKey = await identity?.ensureAdminKey(settings.adminKey ?? undefined);
      if (settings.clusterPort !== null) offered = await OfferedModules.of(running.offers, settings, logger);
      const clusterAddress = await offered?.listen();
      if (gateway === undefined) operations = await operationsOf(resources, identity);
      const url = await (gateway?.http ?? operations)?.listen(settings.host, settings.port);
      const grpcAddress = await gateway?.grpc?.listen(settings.host, settings.grpcPort ?? 0);
      const drain = async () => {
        isDraining = true;
        const ms = parseDuration(settings.drainDelay) ?? 0;
        if (ms === 0 || gateway === undefined) return;
        gateway.http.drain();
        gateway.grpc?.drain();
        await new Promise<void>((resolve) => void systemTimers.after(ms, resolve));
      };
      return {
        url,
        grpcAddress,
        clusterAddress,
        adminKey,
        modules: chosen.names,
        drain,
        stop: () => stop().finally(close),
      };
    } catch (error) {
      await stop();
      throw error;
    }
  } catch (error) {
    await close();
    throw error;
  }
}

function operationsOf(
  { settings, logger, registry, readiness }: Resources,
  identity?: Identity,
): Promise<OperationsServer> {
  const { contentType, scrape } = registry;
  const metrics = async () => ({ contentType, body: await scrape() });
  const isOperator = addressesIn(settings.operatorsFrom);
  return createOperationsServer({
    ...{ logger, readiness, metrics, isOperator },
    ...(identity && { authenticator: identity }),
  });
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

function watchServer(storage: Storage | undefined, registry: MetricsRegistry, version: string): () => void {
  const { metrics } = registry;
  const engine = storage?.stats().engine ?? "none";
  metrics.build.set(1, { version, node: process.versions.node, sqlite: process.versions.sqlite ?? "none", engine });
  if (storage !== undefined) watchStore(storage, registry);
  return watchProcess(registry);
}

function watchStore(storage: Storage, { metrics, beforeScrape }: MetricsRegistry): void {
  beforeScrape(() => {
    const { logBytes, derivedBytes, events } = storage.stats();
    metrics.storageBytes.set(logBytes, { part: "log" });
    metrics.storageBytes.set(derivedBytes, { part: "derived" });
    metrics.storageEvents.set(events);
    metrics.outgoingPaused.set(storage.outgoingPaused ? 1 : 0);
  });
}
