import { limits } from "../../kernel/index.ts";
import type { Methods } from "../../platform/grpc/index.ts";
import type { Relay } from "./api.ts";

/** The relay in another process. */
export const relayMethods: Methods<Relay> = {
  // Each makes another webhook, secret or replay, so who asked must see what became of it.
  create: { isRepeatable: false },
  rotateSecret: { isRepeatable: false },
  replay: { isRepeatable: false },
  list: { isRepeatable: true },
  read: { isRepeatable: true },
  update: { isRepeatable: true },
  pause: { isRepeatable: true },
  enable: { isRepeatable: true },
  // The second time it is not found, which would be told for what was done.
  remove: { isRepeatable: false },
  deliveries: { isRepeatable: true },
  test: { isRepeatable: false, timeoutMs: limits.webhookTestMs + limits.peerCallMs },
};
