/**
 * The definition itself, for tiny histories: every choice of unknown operations, every order that keeps to real time,
 * every whole millisecond for each. Shares nothing with the checker: the answers come from the oracle of the contract.
 */
import { Oracle } from "../oracle/oracle.ts";
import type { Answer, Operation, Request } from "./history.ts";

/** Whether some order explains all answers. */
export function explained(history: readonly Operation[]): boolean {
  // What happens after the last answer explains nothing.
  const horizon = Math.max(0, ...history.map(({ to }) => to).filter(Number.isFinite));
  const follow = (oracle: Oracle, left: readonly Operation[], now: number): boolean => {
    if (left.every(({ answer }) => answer === undefined)) return true;
    return left.some((operation) => {
      const others = left.filter((one) => one !== operation);
      if (others.some(({ returned }) => returned < operation.called)) return false;
      for (let time = Math.max(now, operation.from); time <= Math.min(operation.to, horizon); time += 1) {
        const next = oracle.copy();
        const answer = answered(next, operation.request, time);
        const fits = operation.answer === undefined || textOf(operation.answer) === textOf(answer);
        if (fits && follow(next, others, time)) return true;
      }
      return false;
    });
  };
  return follow(new Oracle(["x"]), history, 0);
}

/** Short lines may be told in any order. */
function textOf(answer: Answer): string {
  const short = "short" in answer ? answer.short.map((line) => Object.values(line).join()).sort() : [];
  return JSON.stringify({ ...answer, short });
}

/** What a right server answers at a time; a stock's location is `x`. */
export function answered(oracle: Oracle, request: Request, now: number): Answer {
  const pairOf = (stock: string) => stock.replace(/^(.*)@(.*)$/, "$2/$1");
  if (request.kind === "fact") {
    const isDuplicate = oracle.names.has(request.fact);
    const told = { name: request.fact, type: "adjusted", pair: pairOf(request.stock), at: now };
    if (!isDuplicate) oracle.told.push({ ...told, quantity: request.units });
    oracle.names.set(request.fact, "");
    return { kind: "recorded", isDuplicate };
  }
  if (request.kind === "read") {
    const pair = pairOf(request.stock);
    const held = (kind: "reserved" | "committed") => oracle.held(pair, now, kind);
    return { kind: "stock", onHand: oracle.onHand(pair), reserved: held("reserved"), committed: held("committed") };
  }
  const { id } = request;
  const isNew = !oracle.kept.has(id);
  const code = codeOf(oracle, request, now);
  const status = oracle.status(id, now);
  if (code === "ok" && status !== undefined && status !== "partly-fulfilled") {
    const expiresAt = status === "active" ? (oracle.kept.get(id)?.expiresAt ?? null) : null;
    return { kind: "reservation", created: request.kind === "reserve" && isNew, status, expiresAt };
  }
  const lines = code === "insufficient-stock" && request.kind === "reserve" ? request.lines : [];
  const short = lines
    .map((line) => ({ ...line, available: oracle.free(pairOf(line.stock), now) }))
    .filter(({ quantity, available }) => available < quantity);
  return { kind: "refused", code, short };
}

function codeOf(oracle: Oracle, request: Exclude<Request, { kind: "fact" | "read" }>, now: number): string {
  const { id } = request;
  switch (request.kind) {
    case "reserve": {
      const at = request.lines.map(({ stock, quantity }) => ({ sku: stock.replace(/@.*/, ""), quantity }));
      const body = { lines: at, ttlSeconds: request.ttlMs / 1000, allowPartial: false };
      const isNew = !oracle.kept.has(id);
      const code = oracle.reserve(id, body, now);
      const chosen = at.map((line, lineIndex) => ({ ...line, location: "x", lineIndex }));
      if (isNew && code === "ok") oracle.place(id, body, chosen, now);
      return code;
    }
    case "extend":
      return oracle.extend(id, request.ttlMs / 1000, now);
    case "confirm":
      return oracle.confirm(id, false, now);
    case "release":
      return oracle.release(id, now);
    case "fulfil":
      return oracle.fulfil(id, undefined, "", now);
    case "look":
      return oracle.kept.has(id) ? "ok" : "not-found";
  }
}
