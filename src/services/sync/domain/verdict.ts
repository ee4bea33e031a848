/** What a receiver's answer means for what was pushed. */

export type Verdict =
  | { readonly kind: "taken" }
  /** It is there, and does not want this: the records are at fault, not the receiver. */
  | { readonly kind: "refused"; readonly cause: string }
  /** It is there, and has too much to do. */
  | { readonly kind: "busy"; readonly cause: string }
  /** It did not do its work, or nobody knows whether it did. */
  | { readonly kind: "failed"; readonly cause: string };

/** `asksToWait` is whether the answer says when to come again. */
export function verdictOf(status: number, asksToWait: boolean): Verdict {
  const cause = `the receiver answered ${status}`;
  if (status >= 200 && status < 300) return { kind: "taken" };
  if (status === 429 || (status === 503 && asksToWait)) return { kind: "busy", cause };
  // Wrong credentials or a wrong path are no fault of the records: they wait until someone has put it right.
  const isOfRecords = status === 400 || status === 409 || status === 413 || status === 422;
  return { kind: isOfRecords ? "refused" : "failed", cause };
}
