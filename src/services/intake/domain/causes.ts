import { type FactRejectionCode, factRejections } from "../../../kernel/index.ts";

/** What whoever looks after the server can do about each kind of rejected fact. */
const advice: Readonly<Record<FactRejectionCode, string>> = {
  "invalid-fact": "Have its sender put it right and send it anew, then discard this one.",
  "event-id-reused": "Have its sender give it an id of its own, then discard this one.",
  "out-of-range": "Look for the mistake in its quantity, or void what made the total so large, then redrive it.",
  "unknown-item": "Register the barcode with an item (PUT /v1/items/{sku}), then redrive it.",
  "invalid-check-digit": "Have its sender put the barcode right and send it anew, then discard this one.",
  forbidden: "Have it sent with a key that may speak for the location and source, then discard this one.",
};

/** Why a fact became a dead letter: the code first, then sentences for a person. */
export function rejectionCause(code: string, detail: string): string {
  if (!isKnown(code)) return `${code}: ${detail}`;
  return `${code}: ${factRejections[code]} (${detail}) ${advice[code]}`;
}

function isKnown(code: string): code is FactRejectionCode {
  return Object.hasOwn(factRejections, code);
}

/** Why a message is no fact at all. */
export function unreadableCause(detail: string): string {
  return `unreadable-message: ${detail} Have its sender send it anew, then discard this one.`;
}
