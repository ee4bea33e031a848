import { limits, parseDuration } from "../../kernel/index.ts";
import { type Archive, archiveMethods, type RunningArchive, startArchive } from "../../services/archive/index.ts";
import type { GrpcGateway } from "../../services/gateway/grpc/index.ts";
import { createGateway, type Gateway } from "../../services/gateway/index.ts";
import { createIdentity, type Identity } from "../../services/identity/index.ts";
import {
  captureQueue,
  type Epcis,
  EpcisEvents,
  type IntakeInterface,
  intakeMethods,
  type RunningIntake,
  startCapture,
  startIntake,
} from "../../services/intake/index.ts";
import {
  factSchemas,
  type Inventory,
  inventoryMethods,
  type RunningInventory,
  remoteInventory,
  startInventory,
} from "../../services/inventory/index.ts";
import {
  type Relay,
  type RunningRelay,
  type RunningSinks,
  relayMethods,
  startRelay,
  startSinks,
} from "../../services/relay/index.ts";
import {
  type Reconciliations,
  type RunningReconciliations,
  type RunningSync,
  reconciliationMethods,
  type Sync,
  startReconciliation,
  startSync,
  syncMethods,
} from "../../services/sync/index.ts";
import type { Settings } from "../config/index.ts";
import { ConsumerHost } from "../consumer/index.ts";
import { InFlight } from "../http/index.ts";
import type { Messaging } from "../messaging/index.ts";
import { addressesIn, deliveryPolicy, type OutboundClient, openSecret, sealSecret } from "../outbound/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Logger, MetricsRegistry } from "../telemetry/index.ts";
import { systemTimers } from "../timers/index.ts";
import { archiveAfterDays, openSinks } from "./engines.ts";
import type { Checks, ModuleTable } from "./module.ts";
import { archiveObserver, watchArchive } from "./observe-archive.ts";
import { intakeObserver } from "./observe-intake.ts";
import { inventoryObserver, watchInventory } from "./observe-inventory.ts";
import { reconciliationObserver, watchReconciliation } from "./observe-reconciliation.ts";
import { relayObserver, watchRelay } from "./observe-relay.ts";
import { sinkChecks, sinksObserver, watchSinks } from "./observe-sinks.ts";
import { syncObserver, watchSync } from "./observe-sync.ts";
import { randomIds } from "./random-ids.ts";
import { tlsOf } from "./tls.ts";

/** Parts of the platform that modules stand on, opened once for a process. */
export interface Resources {
  readonly storage: Storage;
  readonly messaging: Messaging;
  /** Calls to addresses that users configure. One for all modules: its limits count what all of them call. */
  readonly outbound: OutboundClient;
  readonly settings: Settings;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Cryptographically strong random bytes. */
  readonly random: (bytes: number) => Uint8Array;
  /** 32 bytes of this server's own, which secrets of others are made from or sealed with. */
  readonly serverKey: () => Uint8Array;
  /** Whether the heap is so full that nothing should be taken in. */
  readonly isMemoryShort: () => boolean;
  /** What the whole server says of itself. */
  readonly readiness: () => Promise<Checks>;
}

/** What modules may use of each other, wherever they run. */
export interface Interfaces {
  readonly inventory: Inventory;
  readonly intake: IntakeInterface;
  readonly relay: Relay;
  readonly sync: Sync;
  readonly reconciliation: Reconciliations;
  readonly archive: Archive;
}

/** What each module is to those beside it in the same process, by its name. */
export interface Offers {
  readonly inventory: RunningInventory;
  readonly identity: Identity;
  readonly intake: { readonly queue: RunningIntake; readonly epcis: Epcis };
  readonly relay: RunningRelay;
  readonly sinks: RunningSinks;
  readonly sync: RunningSync;
  readonly reconciliation: RunningReconciliations;
  readonly archive: RunningArchive;
  readonly gateway: { readonly http: Gateway; readonly grpc: GrpcGateway | undefined };
}

/**
 * Every module there is; `all` is every row, `--target` picks some. A module is given what it uses as an interface and
 * can't tell where it runs.
 */
export const modules: ModuleTable<Resources, Offers, Interfaces> = {
  inventory: {
    about: "records facts, decides reservations, and answers what is there",
    needs: ["storage"],
    uses: [],
    published: {
      methods: inventoryMethods(),
      connect: (peers, { random }) => remoteInventory(peers, randomIds(random)),
      isVital: true,
    },
    async start({ storage, settings, logger, registry, clock, random, serverKey, outbound, isMemoryShort }) {
      const inventory = await startInventory({
        outgoing: {
          problemOf: (url) => outbound.problemOf(url),
          seal: (context, secret) => sealSecret(serverKey(), context, secret),
        },
        storage,
        clock,
        randomId: randomIds(random),
        observer: inventoryObserver(registry.metrics, logger),
        cachedStatesMax: settings.cachedStates,
        isMemoryShort,
      });
      const unwatch = watchInventory(() => inventory.figures(), storage, registry);
      return {
        offer: inventory,
        checks: () => consumersCheck(inventory),
        async stop() {
          unwatch();
          await inventory.stop();
        },
      };
    },
  },

  identity: {
    about: "knows the API keys",
    needs: ["storage"],
    uses: [],
    async start({ storage, logger, clock, random }) {
      const identity = createIdentity({ storage, clock, random });
      const host = new ConsumerHost(storage, {
        onFailure: (consumer, err) => logger.error({ consumer, err }, "a consumer of the log failed"),
        onCommitFailure: (err) => logger.error({ err }, "what was derived from the log is not kept"),
      });
      await host.start([identity.consumer]);
      return {
        offer: identity,
        checks: () => ({ identity: { ok: host.failures().length === 0 } }),
        stop: async () => host.stop(),
      };
    },
  },

  intake: {
    about: "takes in what others tell: facts by a queue, files by a folder, EPCIS documents; keeps the dead letters",
    needs: ["storage", "messaging"],
    uses: ["inventory"],
    published: { methods: intakeMethods },
    async start({ storage, messaging, settings, logger, registry, clock, random }, { inventory }) {
      const observer = intakeObserver(registry.metrics, logger);
      const shared = { messaging, inventory, clock, random: Math.random };
      const folder = settings.intakeFolder === null ? {} : { folder: settings.intakeFolder };
      const queue = await startIntake({ ...shared, observer, ...folder });
      const capture = await startCapture({
        ...shared,
        storage,
        randomId: randomIds(random),
        onSettled: (settled) => observer.settled(captureQueue, settled),
        onHeld: observer.held,
        onFailure: observer.failed,
      }).catch(async (error) => {
        await queue.stop();
        throw error;
      });
      return {
        offer: { queue, epcis: { capture, events: new EpcisEvents(inventory, clock) } },
        stop: async () => void (await Promise.all([queue.stop(), capture.stop()])),
      };
    },
  },

  relay: {
    about: "sends recorded events to webhooks",
    needs: ["storage", "messaging"],
    uses: ["inventory"],
    published: { methods: relayMethods, isElsewhere: (relay) => !relay.isSending() },
    async start({ storage, messaging, settings, logger, registry, clock, random, serverKey, outbound }, { inventory }) {
      const relay = await startRelay({
        storage,
        messaging,
        inventory,
        outbound,
        policy: deliveryPolicy(settings),
        serverKey,
        clock,
        random,
        observer: relayObserver(registry.metrics, logger),
      });
      watchRelay(() => relay.figures(), registry);
      return {
        offer: relay,
        checks: () => relayCheck(relay),
        async stop() {
          await relay.stop();
        },
      };
    },
  },

  sinks: {
    about: "carries recorded changes to NATS and Redis, where they are configured",
    needs: ["storage"],
    uses: ["inventory"],
    async start({ storage, settings, logger, registry, clock, random }, { inventory }) {
      const sinks = startSinks({
        sinks: await openSinks(settings, randomIds(random)),
        storage,
        inventory,
        clock,
        random: Math.random,
        timers: systemTimers,
        observer: sinksObserver(registry.metrics, logger),
      });
      watchSinks(() => sinks.figures(), registry);
      return { offer: sinks, checks: () => sinkChecks(sinks.figures(), clock()), stop: () => sinks.stop() };
    },
  },

  sync: {
    about: "pushes changes to the locations that ask for them",
    needs: ["storage", "messaging"],
    uses: ["inventory"],
    published: { methods: syncMethods, isElsewhere: (sync) => !sync.isOurs() },
    async start({ storage, messaging, settings, logger, registry, clock, random, serverKey, outbound }, { inventory }) {
      const sync = await startSync({
        storage,
        messaging,
        inventory,
        courier: outbound,
        openSecret: (context, sealed) => openSecret(serverKey(), context, sealed),
        policy: deliveryPolicy(settings),
        clock,
        randomId: randomIds(random),
        random: Math.random,
        observer: syncObserver(registry.metrics, logger),
      });
      watchSync(() => sync.all(), registry);
      return {
        offer: sync,
        checks: () => ({ sync: { ok: sync.failures().length === 0 } }),
        async stop() {
          await sync.stop();
        },
      };
    },
  },

  reconciliation: {
    about: "compares with the locations that get changes pushed, and puts right what differs",
    needs: ["storage"],
    uses: ["inventory"],
    beside: ["sync"],
    published: { methods: reconciliationMethods },
    async start({ storage, settings, logger, registry, clock, random, serverKey, outbound }, { inventory }, { sync }) {
      const everyMs = settings.reconcileEvery === "off" ? undefined : parseDuration(settings.reconcileEvery);
      const reconciliations = await startReconciliation({
        storage,
        inventory,
        pushes: sync,
        courier: outbound,
        openSecret: (context, sealed) => openSecret(serverKey(), context, sealed),
        clock,
        randomId: randomIds(random),
        observer: reconciliationObserver(registry.metrics, logger),
        ...(everyMs !== undefined && { schedule: { everyMs, mode: settings.reconcileMode } }),
      });
      watchReconciliation(() => reconciliations.newest(), registry);
      return {
        offer: reconciliations,
        checks: () => ({ reconciliation: { ok: reconciliations.failures().length === 0 } }),
        async stop() {
          await reconciliations.stop();
        },
      };
    },
  },

  archive: {
    about: "moves old days of the log into cold files",
    needs: ["storage"],
    uses: [],
    beside: ["inventory"],
    published: { methods: archiveMethods },
    async start({ storage, settings, logger, registry, clock }, _uses, { inventory }) {
      if (storage.archive === undefined && settings.archiveAfter !== null)
        logger.warn("LARDER_ARCHIVE_AFTER does nothing here: only a log in a data folder has cold files");
      const archive = startArchive({
        log: storage.archive,
        preparation: inventory.archiving,
        clock,
        timers: systemTimers,
        afterDays: archiveAfterDays(settings),
        dailyAtMs: timeOfDayMs(settings.archiveAt),
        ended: archiveObserver(registry.metrics, logger, clock),
      });
      watchArchive(storage.archive, registry, clock);
      return { offer: archive, stop: () => archive.stop() };
    },
  },

  gateway: {
    about: "answers HTTP, WebSocket and gRPC",
    needs: [],
    uses: ["inventory", "intake", "relay", "sync", "reconciliation"],
    mayUse: ["archive"],
    // Each gateway follows the log for its keys, so that it knows whoever calls without asking anyone.
    beside: ["identity"],
    async start(
      { settings, logger, registry, readiness },
      { inventory, intake, relay, sync, reconciliation, archive },
      // The inventory may run elsewhere.
      { identity, inventory: beside }: Pick<Offers, "identity"> & Partial<Offers>,
    ) {
      const { metrics, contentType, scrape } = registry;
      const [requests, feeds] = [new InFlight(), new InFlight(limits.credentialFeedsMax, limits.feedsMax)];
      registry.beforeScrape(() => metrics.openFeeds.set(feeds.total));
      const routes = new Map<string, string>();
      const routeOf = (pattern: string): string => {
        let route = routes.get(pattern);
        if (route === undefined) {
          // Patterns write a colon that is no parameter as two.
          route = pattern.replace("::", ":");
          routes.set(pattern, route);
        }
        return route;
      };
      const gateway = await createGateway({
        inventory,
        ...(beside && { readFacts: beside.readFacts }),
        identity,
        intake: intake.queue,
        epcis: intake.epcis,
        relay,
        sync,
        reconciliations: reconciliation,
        archive,
        logger,
        readiness,
        isOperator: addressesIn(settings.operatorsFrom),
        factSchemas,
        requestsInFlight: requests,
        feedsInFlight: feeds,
        metrics: {
          observe(pattern, method, status, seconds) {
            const route = routeOf(pattern);
            metrics.requests.inc(1, { route, method, status: String(status) });
            if (!route.startsWith("/v1/changes")) metrics.requestSeconds.observe(seconds, { route, method });
          },
          expose: async () => ({ contentType, body: await scrape() }),
        },
      });
      if (settings.grpcPort === null) return { offer: { http: gateway, grpc: undefined }, stop: () => gateway.close() };
      const tls = tlsOf(settings.grpcTls);
      const { createGrpcGateway } = await import("../../services/gateway/grpc/index.ts");
      const grpc = createGrpcGateway({
        ...{ inventory, authenticator: identity, logger },
        ...{ requestsInFlight: requests, feedsInFlight: feeds },
        observe(route, status, seconds) {
          metrics.requests.inc(1, { route, method: "GRPC", status });
          if (!streams.has(route)) metrics.requestSeconds.observe(seconds, { route, method: "GRPC" });
        },
        ...(tls && { tls }),
      });
      return {
        offer: { http: gateway, grpc },
        stop: async () => void (await Promise.all([gateway.close(), grpc.close()])),
      };
    },
  },
};

/** Calls that last as long as their client wants. */
const streams: ReadonlySet<string> = new Set([
  "/larder.v1.ReservationService/Converse",
  "/larder.v1.FactService/StreamFacts",
  "/larder.v1.ChangeService/FollowChanges",
]);

/** Milliseconds after midnight of a time as `03:00`. */
function timeOfDayMs(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return (hours * 60 + minutes) * 60_000;
}

function consumersCheck(inventory: RunningInventory): Checks {
  const problems = inventory.problems();
  const { lagEvents } = inventory.figures();
  if (problems.length > 0) return { consumers: { ok: false, detail: problems.join(" ") } };
  // A read side that far behind answers with old figures; a start is not done before it has caught up.
  const isBehind = lagEvents > limits.readyLagEventsMax;
  return { consumers: { ok: !isBehind, detail: [`${lagEvents} events behind`, ...inventory.warnings()].join("; ") } };
}

/** A webhook that fails is its receiver's affair: the server is ready all the same. */
function relayCheck(relay: RunningRelay): Checks {
  const { active, paused, disabled } = relay.figures();
  const all = active + paused + disabled;
  const counts = all === 1 ? "1 webhook" : `${all} webhooks`;
  return { relay: { ok: relay.failures().length === 0, detail: [counts, ...relay.warnings()].join("; ") } };
}
