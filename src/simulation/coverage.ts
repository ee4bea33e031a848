/** What the histories of `npm test` must have reached: every kind of fault, and every refusal that this path can give. */
import type { ErrorCode, FactRejectionCode } from "../kernel/index.ts";
import { faultKinds } from "./faults.ts";
import { sharedFaultKinds } from "./shared-history.ts";

const atTheEdge = "given by the HTTP edge, which the simulator does not have";

/** For every code whether a history must have come to it; a text says why it can't. */
const codes = {
  "invalid-request": true,
  "all-rejected": atTheEdge,
  "idempotency-key-required": true,
  "invalid-position": true,
  "invalid-check-digit": true,
  unauthenticated: atTheEdge,
  forbidden: true,
  "not-found": true,
  "method-not-allowed": atTheEdge,
  "request-timeout": atTheEdge,
  "insufficient-stock": true,
  "reservation-already-confirmed": true,
  "reservation-already-fulfilled": true,
  "reservation-already-released": true,
  "reservation-already-expired": true,
  "exceeds-reservation": true,
  "version-conflict": "after a conflict a ledger decides in turns; tests of the ledger run out of them",
  "gtin-in-use": true,
  "gln-in-use": "the shop's places have no GLN; tests of the catalog let two ask for one",
  "position-from-another-history": true,
  "payload-too-large": atTheEdge,
  "unsupported-media-type": atTheEdge,
  "idempotency-key-reused": true,
  "too-many-allocations": true,
  "dead-letter-ended": "no client of the simulator asks for dead letters",
  "headers-too-large": atTheEdge,
  "too-many-requests": atTheEdge,
  overloaded: "needs 50,000 commands that wait at once; tests of the ledger have them",
  "read-side-behind": "the read side is fed before anyone is answered; tests of the consumer hold it back",
  "archive-unavailable": true,
  "storage-unavailable": true,
  "peer-unavailable": "given by calls to other processes, of which the simulator has none",
  "shutting-down": true,
  internal: "no answer: a history that meets it fails",
  "invalid-fact": true,
  "event-id-reused": true,
  "out-of-range": true,
  "unknown-item": true,
} as const satisfies Record<ErrorCode | FactRejectionCode, true | string>;

/** Those that histories of several processes don't come to: these have no cold files. */
const notOfSeveral: readonly string[] = ["archive-unavailable"];

/** What was not reached, a name each. */
export function notReached(
  faults: Readonly<Record<string, number>>,
  answers: Readonly<Record<string, number>>,
  isOfSeveral: boolean,
): readonly string[] {
  const kinds: readonly string[] = isOfSeveral ? sharedFaultKinds : faultKinds;
  const reasons = Object.entries(codes).flatMap(([code, isReachable]) => (isReachable === true ? [code] : []));
  const reachable = isOfSeveral ? reasons.filter((code) => !notOfSeveral.includes(code)) : reasons;
  return [...kinds.filter((kind) => !faults[kind]), ...reachable.filter((code) => !answers[code])];
}
