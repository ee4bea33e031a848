import type { Methods } from "../../platform/grpc/index.ts";
import type { Sync } from "./api.ts";
import type { Reconciliations } from "./reconciliation/index.ts";

/** Sync in another process. */
export const syncMethods: Methods<Sync> = {
  status: { isRepeatable: true },
  // Everything twice is no more than everything.
  resend: { isRepeatable: true },
};

/** Reconciliation in another process. */
export const reconciliationMethods: Methods<Reconciliations> = {
  // Each request is a reconciliation of its own.
  request: { isRepeatable: false },
  reconciliation: { isRepeatable: true },
  reconciliations: { isRepeatable: true },
  accuracy: { isRepeatable: true },
};
