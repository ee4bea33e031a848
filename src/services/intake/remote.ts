import { limits } from "../../kernel/index.ts";
import type { Methods } from "../../platform/grpc/index.ts";
import type { Epcis } from "./capture/epcis.ts";
import type { Intake } from "./intake.ts";

/** What other processes may ask of intake. */
export interface IntakeInterface {
  readonly queue: Intake;
  readonly epcis: Epcis;
}

const read = { isRepeatable: true } as const;
/** Reading a document, or the log, may take as long as the inventory takes, and longer. */
const longRead = { isRepeatable: true, timeoutMs: 3 * limits.peerCallMs } as const;

/** Intake in another process. */
export const intakeMethods: Methods<IntakeInterface> = {
  queue: {
    // A fact that is taken in twice is recorded once.
    enqueueFacts: { isRepeatable: true },
    // What is done to dead letters changes nothing when it is done again.
    deadLetters: { list: read, read, redrive: read, redriveQueue: { isRepeatable: false }, discard: read },
  },
  epcis: {
    // Each is a job of its own, although what it records counts once.
    capture: { capture: { isRepeatable: false, timeoutMs: longRead.timeoutMs }, job: read, jobs: read },
    events: { events: longRead, event: read },
  },
};
