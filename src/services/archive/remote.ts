import { limits } from "../../kernel/index.ts";
import type { Methods } from "../../platform/grpc/index.ts";
import type { Archive } from "./archive.ts";

/** The archive in another process. */
export const archiveMethods: Methods<Archive> = {
  status: { isRepeatable: true },
  // A run that is under way is answered, not begun again.
  start: { isRepeatable: true, timeoutMs: 3 * limits.peerCallMs },
};
