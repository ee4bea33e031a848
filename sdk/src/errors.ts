import type { ErrorCode, FactsReceipt, Problem } from "./operations.ts";

/** What went wrong without Larder saying so: nobody answered, not in time, or what answered is not Larder. */
export type ConnectionCode = "unreachable" | "timeout" | "unexpected-answer";

/** What some problems carry beside the members that all have. */
export interface ProblemMembers {
  readonly "insufficient-stock": { readonly lines: readonly ShortLine[] };
  readonly "all-rejected": FactsReceipt;
}

/** A line of which there is not enough. */
export interface ShortLine {
  readonly sku: string;
  /** Absent where no single location was asked for. */
  readonly location?: string | undefined;
  readonly requested: number;
  readonly available: number;
}

/** The problem of one code, with the numbers it carries. */
export type ProblemOf<C extends ErrorCode> = Problem & { readonly code: C } & (C extends keyof ProblemMembers
    ? ProblemMembers[C]
    : unknown);

/** An error of one code: narrowed, its `problem` has the numbers of that code. */
export type LarderErrorOf<C extends ErrorCode | ConnectionCode> = C extends ErrorCode
  ? LarderError & { readonly code: C; readonly problem: ProblemOf<C> }
  : LarderError & { readonly code: C; readonly problem: undefined };

export interface LarderErrorOptions {
  readonly status?: number | undefined;
  readonly problem?: Problem | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** An operation that did not succeed. Decide by `code`; the message is for people and may be reworded. */
export class LarderError extends Error {
  readonly code: ErrorCode | ConnectionCode;
  /** The HTTP status; 0 when nothing was answered. */
  readonly status: number;
  /** What Larder said, whole; undefined when it said nothing. */
  readonly problem: Problem | undefined;
  /** Milliseconds after which to come again, where the answer said so. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode | ConnectionCode, message: string, options: LarderErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "LarderError";
    this.code = code;
    this.status = options.status ?? 0;
    this.problem = options.problem;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** Names the request in Larder's log. */
  get requestId(): string | undefined {
    return this.problem?.requestId;
  }

  /** What is wrong with the request, place by place; empty when that is not what was wrong. */
  get errors(): NonNullable<Problem["errors"]> {
    return this.problem?.errors ?? [];
  }
}

/** Whether something thrown is a `LarderError`, and of this code when one is given. */
export function isLarderError(thrown: unknown): thrown is LarderError;
export function isLarderError<C extends ErrorCode | ConnectionCode>(
  thrown: unknown,
  code: C,
): thrown is LarderErrorOf<C>;
export function isLarderError(thrown: unknown, code?: string): boolean {
  return thrown instanceof LarderError && (code === undefined || thrown.code === code);
}

/** The error of an answer that is not a success. A proxy's page, say, is an `unexpected-answer`. */
export async function errorOf(response: Response): Promise<LarderError> {
  const text = await response.text();
  const { status } = response;
  const retryAfterMs = retryAfter(response.headers.get("retry-after"));
  const problem = problemIn(text);
  if (problem === undefined)
    return new LarderError("unexpected-answer", `The server answered ${status} without a problem of Larder's.`, {
      status,
      retryAfterMs,
    });
  return new LarderError(problem.code, `${problem.detail} (${problem.code})`, { status, problem, retryAfterMs });
}

function problemIn(text: string): Problem | undefined {
  try {
    const body = JSON.parse(text) as Partial<Problem> | null;
    return typeof body?.code === "string" && typeof body.requestId === "string" ? (body as Problem) : undefined;
  } catch {
    return undefined;
  }
}

/** `Retry-After` (RFC 9110, 10.2.3) in milliseconds: seconds, or a date. */
function retryAfter(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
