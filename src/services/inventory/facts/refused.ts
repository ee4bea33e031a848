import type { FactRejectionCode } from "../../../kernel/index.ts";

export type FactOutcome = "accepted" | "duplicate" | { readonly code: FactRejectionCode; readonly detail: string };

/** Thrown to take back what a fact has done so far, when it turns out that it can't be recorded. */
export class FactRefused extends Error {
  readonly outcome: FactOutcome;

  constructor(code: FactRejectionCode, detail: string) {
    super(detail);
    this.outcome = { code, detail };
  }
}

/** The outcome of a fact that was refused by being thrown; throws failures of another kind again. */
export function refusalOf(error: unknown): FactOutcome {
  if (error instanceof FactRefused) return error.outcome;
  throw error;
}
