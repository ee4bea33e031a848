/**
 * Histories that are known to be wrong: each takes a history as it was and makes it one that no right server can give,
 * whatever the other operations and the unknown ones did. Undefined where the history has no place for it.
 */
import type { Answer, Operation, Request } from "./history.ts";

type Corrupt = (history: readonly Operation[]) => readonly Operation[] | undefined;
type Reserve = Request & { kind: "reserve" };

export const corruptions: Readonly<Record<string, Corrupt>> = {
  "an oversell": (history) => {
    const made = one(history, isCreated);
    const line = made && (made.request as Reserve).lines[0];
    if (line === undefined) return undefined;
    const units = 1 + everReceived(history, line.stock);
    const request: Request = { kind: "reserve", id: "oversold", lines: [{ ...line, quantity: units }], ttlMs: 1000 };
    return [...history, afterAll(history, request, heldAs("active", endOf(history) + 1000, true))];
  },
  "an oversell by many": (history) => {
    const made = one(history, isCreated);
    const line = made && (made.request as Reserve).lines[0];
    if (line === undefined) return undefined;
    const all = [...history];
    for (let index = 0; index <= everReceived(history, line.stock); index += 1) {
      const id = `oversold-${index}`;
      const request: Request = { kind: "reserve", id, lines: [{ ...line, quantity: 1 }], ttlMs: 1000 };
      all.push(afterAll(all, request, heldAs("active", endOf(all) + 1000, true)));
      all.push(afterAll(all, { kind: "confirm", id }, heldAs("confirmed", null)));
    }
    return all;
  },
  "a stale refusal": (history) => {
    const made = one(history, isCreated);
    const line = made && (made.request as Reserve).lines[0];
    if (line === undefined) return undefined;
    // However much is gone or held by then, this is enough.
    const units = 1 + everAsked(history);
    const received: Request = { kind: "fact", fact: "late receipt", stock: line.stock, units };
    const told = [...history, afterAll(history, received, { kind: "recorded", isDuplicate: false })];
    const short = [{ stock: line.stock, quantity: 1, available: 0 }];
    const request: Request = { kind: "reserve", id: "refused", lines: [{ ...line, quantity: 1 }], ttlMs: 1000 };
    return [...told, afterAll(told, request, { kind: "refused", code: "insufficient-stock", short })];
  },
  "an acknowledged receipt lost": (history) => {
    const read = last(history, ({ answer }) => answer?.kind === "stock");
    if (read?.answer?.kind !== "stock" || read.request.kind !== "read") return undefined;
    const received: Request = {
      kind: "fact",
      fact: "lost",
      stock: read.request.stock,
      units: 1 + everAsked(history) + everReceived(history, read.request.stock),
    };
    const told = [...history, afterAll(history, received, { kind: "recorded", isDuplicate: false })];
    return [...told, afterAll(told, read.request, read.answer)];
  },
  "a receipt counted twice": (history) => {
    const fact = one(history, ({ answer }) => answer?.kind === "recorded" && !answer.isDuplicate);
    return fact && [...history, afterAll(history, fact.request, fact.answer)];
  },
  "a receipt taken for a duplicate": (history) => {
    const fact = one(
      history,
      ({ request, answer }) => answer?.kind === "recorded" && sameFact(history, request).length === 1,
    );
    return fact && swap(history, fact, { ...fact, answer: { kind: "recorded", isDuplicate: true } });
  },
  "units from nowhere": (history) => {
    const read = one(history, ({ answer }) => answer?.kind === "stock");
    if (read?.answer?.kind !== "stock" || read.request.kind !== "read") return undefined;
    const onHand = 1 + everReceived(history, read.request.stock);
    return swap(history, read, { ...read, answer: { ...read.answer, onHand } });
  },
  "holds from nowhere": (history) => {
    const read = one(history, ({ answer }) => answer?.kind === "stock");
    if (read?.answer?.kind !== "stock") return undefined;
    return swap(history, read, { ...read, answer: { ...read.answer, reserved: 1 + everAsked(history) } });
  },
  "one id promised twice": (history) => {
    const made = one(history, isCreated);
    if (made?.answer?.kind !== "reservation") return undefined;
    const expiresAt = endOf(history) + (made.request as Reserve).ttlMs;
    return [...history, afterAll(history, made.request, { ...made.answer, expiresAt })];
  },
  "a promise with another end": (history) => {
    const made = one(history, isCreated);
    if (made?.answer?.kind !== "reservation" || made.answer.expiresAt === null) return undefined;
    const expiresAt = made.to + (made.request as Reserve).ttlMs + 1;
    return swap(history, made, { ...made, answer: { ...made.answer, expiresAt } });
  },
  "confirmed after its end": (history) => afterItsEnd(history, "confirm", heldAs("confirmed", null)),
  "fulfilled after its end": (history) => afterItsEnd(history, "fulfil", heldAs("fulfilled", null)),
  "expired before its end": (history) => {
    const made = one(history, (operation) => isCreated(operation) && (endTold(operation) ?? 0) > operation.to);
    if (made === undefined) return undefined;
    const look: Request = { kind: "look", id: (made.request as Reserve).id };
    return [...history, { ...made, request: look, answer: heldAs("expired", null) }];
  },
  "ended twice": (history) => {
    const released = one(history, isNow("release", "released"));
    if (released === undefined || !("id" in released.request)) return undefined;
    const { id } = released.request;
    return [...history, afterAll(history, { kind: "fulfil", id }, heldAs("fulfilled", null))];
  },
  "an end taken back": (history) => {
    const confirmed = one(history, isNow("confirm", "confirmed"));
    if (confirmed === undefined || !("id" in confirmed.request)) return undefined;
    const { id } = confirmed.request;
    const active = heldAs("active", endOf(history) + 1000);
    return [...history, afterAll(history, { kind: "look", id }, active)];
  },
  "a promise forgotten": (history) => {
    const made = one(history, isCreated);
    if (made === undefined) return undefined;
    const gone: Answer = { kind: "refused", code: "not-found", short: [] };
    return [...history, afterAll(history, { kind: "look", id: (made.request as Reserve).id }, gone)];
  },
  "a promise made of nothing": (history) => {
    const made = one(history, isCreated);
    const id = made && (made.request as Reserve).id;
    if (id === undefined) return undefined;
    // Nobody asked for it: the request is gone, its reservation is not.
    const rest = history.filter(({ request }) => !("id" in request) || request.id !== id || request.kind !== "reserve");
    return [...rest, afterAll(rest, { kind: "look", id }, heldAs("released", null))];
  },
  "answers exchanged": (history) => {
    const made = one(history, isCreated);
    const read = one(history, ({ answer }) => answer?.kind === "stock");
    if (made?.answer === undefined || read?.answer === undefined) return undefined;
    const first = swap(history, made, { ...made, answer: read.answer });
    return swap(first, read, { ...read, answer: made.answer });
  },
};

/** The middle one, so that there is something before and after. */
function one(history: readonly Operation[], isIt: (operation: Operation) => boolean): Operation | undefined {
  const found = history.filter(isIt);
  return found[Math.floor(found.length / 2)];
}

function last(history: readonly Operation[], isIt: (operation: Operation) => boolean): Operation | undefined {
  return history.findLast(isIt);
}

function swap(history: readonly Operation[], old: Operation, by: Operation): Operation[] {
  return history.map((operation) => (operation === old ? by : operation));
}

function isCreated({ request, answer }: Operation): boolean {
  return request.kind === "reserve" && answer?.kind === "reservation" && answer.created;
}

function isNow(kind: Request["kind"], status: string): (operation: Operation) => boolean {
  return ({ request, answer }) => request.kind === kind && answer?.kind === "reservation" && answer.status === status;
}

function endTold({ answer }: Operation): number | undefined {
  return answer?.kind === "reservation" ? (answer.expiresAt ?? undefined) : undefined;
}

function sameFact(history: readonly Operation[], fact: Request): Operation[] {
  return history.filter(({ request }) => "fact" in request && "fact" in fact && request.fact === fact.fact);
}

/** A reservation that nobody prolonged, ended, or asked for again, put to use well after its end. */
function afterItsEnd(history: readonly Operation[], kind: "confirm" | "fulfil", answer: Answer) {
  const touches = (id: string) => history.filter(({ request }) => "id" in request && request.id === id);
  const made = one(
    history,
    (operation) =>
      isCreated(operation) &&
      touches((operation.request as Reserve).id).every(({ request }) => ["reserve", "look"].includes(request.kind)),
  );
  const end = made && endTold(made);
  if (made === undefined || end === undefined) return undefined;
  const late = afterAll(history, { kind, id: (made.request as Reserve).id }, answer);
  const from = Math.max(late.from, end);
  return [...history, { ...late, from, to: from + 1 }];
}

function heldAs(
  status: "active" | "confirmed" | "fulfilled" | "released" | "expired",
  expiresAt: number | null,
  created = false,
): Answer {
  return { kind: "reservation", created, status, expiresAt };
}

/** An operation of its own after all others, at one instant. */
function afterAll(history: readonly Operation[], request: Request, answer: Answer | undefined): Operation {
  const finite = (times: readonly number[]) => times.filter(Number.isFinite);
  const called = 1 + Math.max(...finite(history.flatMap((one) => [one.called, one.returned])));
  const from = endOf(history);
  return { client: 99, request, ...(answer && { answer }), called, returned: called, from, to: from };
}

function endOf(history: readonly Operation[]): number {
  return Math.max(...history.flatMap(({ from, to }) => [from, to]).filter(Number.isFinite));
}

/** More than a stock can ever have had. */
function everReceived(history: readonly Operation[], stock: string): number {
  return sum(history, (request) =>
    request.kind === "fact" && request.stock === stock ? Math.max(0, request.units) : 0,
  );
}

/** More than can ever have been held or gone. */
function everAsked(history: readonly Operation[]): number {
  return sum(history, (request) => {
    if (request.kind === "fact") return Math.max(0, -request.units);
    return request.kind === "reserve" ? request.lines.reduce((total, { quantity }) => total + quantity, 0) : 0;
  });
}

function sum(history: readonly Operation[], unitsOf: (request: Request) => number): number {
  return history.reduce((total, { request }) => total + unitsOf(request), 0);
}
