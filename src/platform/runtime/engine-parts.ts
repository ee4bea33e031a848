import { invariant } from "../../kernel/index.ts";
import type { Settings } from "../config/index.ts";
import type { Messaging } from "../messaging/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Logger, MetricsRegistry } from "../telemetry/index.ts";
import { openMessaging, openStorage } from "./engines.ts";
import type { Checks } from "./module.ts";
import { queueChecks, watchQueues } from "./observe-queues.ts";
import { storeChecks } from "./readiness.ts";

/** The engines that the modules of this process stand on, and only those. */
export interface EngineParts {
  /** Asking for what no module has named in its `needs` is a defect. */
  readonly storage: Storage;
  readonly messaging: Messaging;
  /** The storage, where there is one. */
  readonly opened: Storage | undefined;
  checks(): Promise<Checks>;
  close(): Promise<void>;
}

export async function openEngines(
  needs: ReadonlySet<string>,
  settings: Settings,
  registry: MetricsRegistry,
  logger: Logger,
): Promise<EngineParts> {
  const { store, data } = settings;
  const storage = needs.has("storage") ? await openStorage(store, data) : undefined;
  const messaging = needs.has("messaging")
    ? await openMessaging(store, data, Date.now).catch(async (error) => {
        await storage?.close();
        throw error;
      })
    : undefined;
  if (messaging !== undefined) watchQueues(messaging, registry, logger);
  const stored = storage && storeChecks(storage, logger);
  return {
    get storage() {
      invariant(storage !== undefined, "a module that stands on the storage names it in its needs");
      return storage;
    },
    get messaging() {
      invariant(messaging !== undefined, "a module that stands on queues names messaging in its needs");
      return messaging;
    },
    opened: storage,
    async checks() {
      const [store = {}, queues = {}] = await Promise.all([stored?.(), messaging && queueChecks(messaging)]);
      return { ...store, ...queues };
    },
    async close() {
      try {
        await messaging?.close();
      } finally {
        await storage?.close();
      }
    },
  };
}
