/**
 * What clients asked of a server and what they were told: the only thing the checker sees. A stock is one sku at one
 * location, named `sku@location`; times are whole milliseconds of the clock that the server decides by.
 */
export interface Line {
  readonly stock: string;
  readonly quantity: number;
}

export type Request =
  | { readonly kind: "reserve"; readonly id: string; readonly lines: readonly Line[]; readonly ttlMs: number }
  | { readonly kind: "extend"; readonly id: string; readonly ttlMs: number }
  | { readonly kind: "confirm" | "release" | "fulfil" | "look"; readonly id: string }
  /** A receipt, or below zero a sale, told under a name that counts once. */
  | { readonly kind: "fact"; readonly fact: string; readonly stock: string; readonly units: number }
  | { readonly kind: "read"; readonly stock: string };

export type Status = "active" | "confirmed" | "fulfilled" | "released" | "expired";

export type Answer =
  | {
      readonly kind: "reservation";
      readonly created: boolean;
      readonly status: Status;
      readonly expiresAt: number | null;
    }
  | { readonly kind: "refused"; readonly code: string; readonly short: readonly Short[] }
  | { readonly kind: "recorded"; readonly isDuplicate: boolean }
  | { readonly kind: "stock"; readonly onHand: number; readonly reserved: number; readonly committed: number };

export interface Short extends Line {
  readonly available: number;
}

/** One call. Without an answer its outcome is unknown: it took effect at some time after its call, or never will. */
export interface Operation {
  readonly client: number;
  readonly request: Request;
  readonly answer?: Answer;
  /** When it was sent and answered, by a clock that orders everything (infinite without an answer). */
  readonly called: number;
  readonly returned: number;
  /** The earliest and latest time that the server can have decided at. */
  readonly from: number;
  readonly to: number;
}

/**
 * With an attempt of unknown outcome beside each call that was answered as one that had been made before: where something
 * between client and log asks again by itself, that may have been its own.
 */
export function withRepeats(history: readonly Operation[]): readonly Operation[] {
  return history.flatMap((one): Operation[] => {
    const { answer, ...attempt } = one;
    const isRepeat =
      (answer?.kind === "recorded" && answer.isDuplicate) ||
      (one.request.kind === "reserve" && answer?.kind === "reservation" && !answer.created);
    const open = Number.POSITIVE_INFINITY;
    return isRepeat ? [{ ...attempt, returned: open, to: open }, one] : [one];
  });
}

/**
 * Parts that can be judged by themselves, because nothing connects them: a stock with the reservations on it, or several
 * that some reservation names together. A history is linearizable exactly when each part is (locality).
 */
export function partsOf(history: readonly Operation[]): (readonly Operation[])[] {
  const leaders = new Map<string, string>();
  const leaderOf = (name: string): string => {
    const above = leaders.get(name) ?? name;
    return above === name ? name : leaderOf(above);
  };
  for (const { request } of history) {
    if (request.kind !== "reserve") continue;
    for (const { stock } of request.lines) leaders.set(leaderOf(`${stock} stock`), leaderOf(request.id));
  }
  const parts = new Map<string, Operation[]>();
  for (const operation of history) {
    const { request } = operation;
    const leader = leaderOf("stock" in request ? `${request.stock} stock` : request.id);
    parts.set(leader, [...(parts.get(leader) ?? []), operation]);
  }
  return [...parts.values()];
}

/** What was seen of a history up to a time: calls that were under way have no answer yet. */
export function until(history: readonly Operation[], time: number): Operation[] {
  const open = Number.POSITIVE_INFINITY;
  return history.flatMap((operation): Operation[] => {
    const { answer, ...rest } = operation;
    if (operation.called > time) return [];
    return answer === undefined || operation.returned <= time ? [operation] : [{ ...rest, returned: open, to: open }];
  });
}

/** How much of a history is hard: shares of operations without an answer, and of refusals and expiries. */
export function sharesOf(history: readonly Operation[]): { readonly unknown: number; readonly refused: number } {
  const share = (isOne: (operation: Operation) => boolean) => history.filter(isOne).length / history.length;
  return {
    unknown: share(({ answer }) => answer === undefined),
    refused: share(
      ({ answer }) => answer?.kind === "refused" || (answer?.kind === "reservation" && answer.status === "expired"),
    ),
  };
}

export function show({ client, request, answer, called, returned }: Operation): string {
  const { kind, ...what } = request;
  const when = `${called.toFixed(2)} to ${returned.toFixed(2)}`;
  return `client ${client}, ${when}: ${kind} ${JSON.stringify(what)} → ${answer ? JSON.stringify(answer) : "unknown"}`;
}

/** One operation as a line of text. */
export function write(operation: Operation): string {
  return JSON.stringify(operation);
}

export function read(line: string): Operation {
  const { returned, to, ...rest } = JSON.parse(line) as Operation & { returned: number | null; to: number | null };
  // JSON has no infinity.
  return { ...rest, returned: returned ?? Number.POSITIVE_INFINITY, to: to ?? Number.POSITIVE_INFINITY };
}
