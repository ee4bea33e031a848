import { limits } from "../../../../kernel/index.ts";
import type { Finding } from "./judge.ts";

/** `report` only says what it finds; `correct` also puts it right. */
export type Mode = "report" | "correct";

/**
 * What is done about a finding: ours is sent again, theirs becomes a counted fact here, or nothing because nobody asked
 * for it or neither is possible.
 */
export type Action = "none" | "sent-again" | "counted";

/**
 * Whose figure wins. Theirs only where the location is the one whose system was asked, and is described with authority
 * `theirs`; of any other location they hold but a copy. What they have no record of is sent to them in any case: that a
 * list does not name a stock is no count of it. And what we have no record of can't be sent.
 */
export function actionFor(finding: Finding, mode: Mode, isTheirOwn: boolean, countableAt: number | undefined): Action {
  if (mode === "report") return "none";
  switch (finding.kind) {
    case "late":
    case "missing-there":
      return "sent-again";
    case "drift":
      return isTheirOwn ? counted(finding, countableAt) : "sent-again";
    case "missing-here":
      return isTheirOwn ? counted(finding, countableAt) : "none";
    default:
      return finding.kind satisfies never;
  }
}

/** Less than nothing can't be counted. */
function counted({ theirs }: Finding, countableAt: number | undefined): Action {
  const isPossible = theirs !== null && theirs >= 0 && theirs <= limits.quantityMax && countableAt !== undefined;
  return isPossible ? "counted" : "none";
}
