/**
 * What answered operations say about those without an answer. A reservation only ever goes on: absent, active,
 * confirmed, ended. So one that brings it to a stage takes effect after everybody who still saw it at an earlier one,
 * if ever. The search would find out by itself, but only at the end of everything that it had built on the mistake.
 */
import type { Operation, Request } from "./history.ts";

const stages = ["absent", "active", "confirmed", "ended"] as const;
type Stage = (typeof stages)[number];
const ends = ["fulfilled", "released", "expired"];

/** The answered operations that come before this one if it takes effect; undefined when it never can. */
export function precedents(unknown: Operation, history: readonly Operation[]): readonly Operation[] | undefined {
  const { request } = unknown;
  const answered = history.filter((one) => one.answer !== undefined && isSameName(one.request, request));
  if (request.kind === "fact") return answered.some(isFirst) ? undefined : [];
  const reached = stageAfter(request.kind);
  if (reached === undefined) return [];
  if (request.kind === "reserve" && answered.some(isFirst)) return undefined;
  const endsSeen = answered.map(seenBy).filter((seen) => ends.includes(seen ?? ""));
  const own = { reserve: ends, confirm: ["fulfilled", "released"], release: ["released"], fulfil: ["fulfilled"] };
  const possible: readonly string[] = request.kind in own ? own[request.kind as keyof typeof own] : ends;
  if (endsSeen.some((seen) => !possible.includes(seen ?? ""))) return undefined;
  return answered.filter((one) => {
    const seen = stageSeen(one);
    return seen !== undefined && stages.indexOf(seen) < stages.indexOf(reached);
  });
}

function isSameName(one: Request, other: Request): boolean {
  return "fact" in one
    ? "fact" in other && one.fact === other.fact
    : "id" in one && "id" in other && one.id === other.id;
}

/** Whether it is the one that counted. */
function isFirst({ answer }: Operation): boolean {
  return (answer?.kind === "recorded" && !answer.isDuplicate) || (answer?.kind === "reservation" && answer.created);
}

function stageAfter(kind: Request["kind"]): Stage | undefined {
  if (kind === "reserve") return "active";
  if (kind === "confirm") return "confirmed";
  return kind === "release" || kind === "fulfil" ? "ended" : undefined;
}

function stageSeen(operation: Operation): Stage | undefined {
  const seen = seenBy(operation);
  if (seen === undefined) return undefined;
  return ends.includes(seen) ? "ended" : stages.find((stage) => stage === seen);
}

/** In what state an answer has seen its reservation: a status, or `absent`. */
function seenBy({ answer }: Operation): string | undefined {
  if (answer?.kind === "reservation") return answer.status;
  if (answer?.kind !== "refused") return undefined;
  if (answer.code === "not-found" || answer.code === "insufficient-stock") return "absent";
  return answer.code.replace("reservation-already-", "");
}
