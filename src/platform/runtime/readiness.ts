import { limits } from "../../kernel/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Logger } from "../telemetry/index.ts";
import type { Checks } from "./module.ts";

/**
 * Whether the store takes a durable write, seen by making one: it writes again how it stands with outgoing. Asked often
 * it writes at most once in `limits.readinessWriteMs`.
 */
export function storeChecks(storage: Storage, logger: Logger): () => Promise<Checks> {
  let askedAt = Number.NEGATIVE_INFINITY;
  let answer: Promise<Checks> = Promise.resolve({});
  return () => {
    if (performance.now() - askedAt > limits.readinessWriteMs) {
      askedAt = performance.now();
      answer = lookAt(storage, logger);
    }
    return answer;
  };
}

async function lookAt(storage: Storage, logger: Logger): Promise<Checks> {
  const outgoing = storage.outgoingPaused
    ? { outgoing: { ok: true, detail: "paused after a restore, until `larder resume`" } }
    : {};
  try {
    await storage.setOutgoingPaused(storage.outgoingPaused);
    return { store: { ok: true, detail: storage.stats().engine }, ...outgoing };
  } catch (error) {
    logger.error({ err: error }, "the store takes no writes");
    return { store: { ok: false, detail: `it takes no writes: ${reasonOf(error)}` }, ...outgoing };
  }
}

/** What the system said, without the names of files that it may add. */
function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause !== undefined) reason = reason.cause;
  if (reason === error || !(reason instanceof Error)) return "the server's log says why";
  return reason.message.replace(/ '[^']*'/g, "");
}
