import { errorOf, isLarderError, LarderError } from "./errors.ts";
import { limits } from "./limits.ts";

export interface LarderOptions {
  /** Where Larder listens, as `https://stock.example.com`; a path in front of `/v1` is kept. */
  readonly url: string;
  /** An API key (`lk_…`) or another bearer token; a function is asked before each attempt, so that it may change. */
  readonly key?: string | (() => string | Promise<string>) | undefined;
  /** How requests are made; the runtime's `fetch` unless given. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds an attempt may take; 10,000 unless given. */
  readonly timeoutMs?: number | undefined;
  /** Attempts after the first, of what is safe to repeat; 4 unless given. */
  readonly retries?: number | undefined;
}

export interface CallOptions {
  /** Ends the call, retries and all, with its reason. */
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
}

type QueryValue = string | number | boolean | readonly (string | number | boolean)[] | undefined;

/** One call of the API, as the generated methods make it. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly answer: "json" | "text" | "none";
  /** Whether it may be sent again when its answer was lost. */
  readonly isRepeatable?: boolean;
  /** Whether it takes an `Idempotency-Key`; without one by the caller or an id in the body, it is given one. */
  readonly takesKey?: boolean;
  /** Error statuses that are answers here. */
  readonly alsoAnswers?: readonly number[];
  readonly query?: object;
  readonly body?: unknown;
  readonly bodyType?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/**
 * Makes calls. What is safe to repeat is tried again when nobody answered, and on 408, 429, 502, 503, 504 and
 * `version-conflict`; what is not, on 429 alone, which says that nothing was done. Waits are exponential with full
 * jitter, and at least what `Retry-After` asks for.
 */
export class Transport {
  readonly #url: string;
  readonly #options: LarderOptions;

  constructor(options: LarderOptions) {
    if (!/^https?:\/\/[^/]/.test(options.url)) throw new TypeError(`"${options.url}" is no address of a server.`);
    this.#url = options.url.replace(/\/+$/, "");
    this.#options = options;
  }

  /** Resolves with the answer, undefined when it has no body. Rejects with `LarderError`, or the signal's reason. */
  async call<T>(call: Call, options: CallOptions): Promise<T> {
    const headers = new Headers({ accept: call.answer === "text" ? "*/*" : "application/json" });
    for (const [name, value] of Object.entries(call.headers ?? {})) if (value !== undefined) headers.set(name, value);
    if (call.takesKey && !headers.has("idempotency-key") && !hasId(call.body))
      headers.set("idempotency-key", randomId());
    const body = call.body === undefined ? undefined : bodyText(call.body);
    if (body !== undefined) headers.set("content-type", call.bodyType ?? "application/json");

    const retries = options.retries ?? this.#options.retries ?? limits.retries;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#attempt<T>(call, headers, body, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!isLarderError(error)) throw error;
        // The attempt whose answer was lost did it.
        const isGone = call.method === "DELETE" && call.answer === "none" && error.code === "not-found";
        if (isGone && attempt > 0) return undefined as T;
        if (attempt >= retries || !mayRepeat(call, error)) throw error;
        if ((error.retryAfterMs ?? 0) > limits.retryAfterMsMax) throw error;
        await sleep(delayMs(attempt, limits.backoffMsMax, error.retryAfterMs), options.signal);
      }
    }
  }

  /** Opens a stream: resolves with a successful answer whose body has not been read. */
  async open(path: string, query: object, headers: Headers, signal: AbortSignal): Promise<Response> {
    const response = await this.#fetch(path, query, { headers, signal });
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  async #attempt<T>(call: Call, headers: Headers, body: string | undefined, options: CallOptions): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? limits.attemptMs;
    const late = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, late]) : late;
    try {
      const init = { method: call.method, headers, signal, ...(body !== undefined && { body }) };
      const response = await this.#fetch(call.path, call.query ?? {}, init);
      if (!response.ok && !isAnswer(call, response)) throw await errorOf(response);
      if (call.answer === "text") return (await response.text()) as T;
      const text = await response.text();
      return (text === "" ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      if (isLarderError(error)) throw error;
      if (late.aborted && !options.signal?.aborted)
        throw new LarderError("timeout", `No answer came within ${timeoutMs} ms.`, { cause: error });
      if (error instanceof SyntaxError)
        throw new LarderError("unexpected-answer", "The answer is no JSON.", { cause: error });
      throw unreachable(error);
    }
  }

  async #fetch(path: string, query: object, init: RequestInit & { readonly headers: Headers }): Promise<Response> {
    const { key, fetch = globalThis.fetch } = this.#options;
    const token = typeof key === "function" ? await key() : key;
    if (token !== undefined) init.headers.set("authorization", `Bearer ${token}`);
    // Larder never redirects; a proxy that does would have a POST come as a GET.
    return await fetch(`${this.#url}${path}${queryText(query)}`, { ...init, redirect: "error" });
  }
}

export function unreachable(cause: unknown): LarderError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const reason = inner instanceof Error ? inner.message : String(inner);
  return new LarderError("unreachable", `Larder can't be reached: ${reason}`, { cause });
}

/** The rows of every page, in order; the next page is fetched when the rows of this one have been taken. */
export async function* pages<P extends { readonly next?: string | undefined }, R>(
  fetchPage: (cursor?: string) => Promise<P>,
  rowsOf: (page: P) => readonly R[],
): AsyncGenerator<R, void> {
  let page = await fetchPage();
  yield* rowsOf(page);
  while (page.next !== undefined) {
    page = await fetchPage(page.next);
    yield* rowsOf(page);
  }
}

/** Whether an error status comes with the operation's own answer instead of a problem. */
function isAnswer({ alsoAnswers = [] }: Call, { status, headers }: Response): boolean {
  return alsoAnswers.includes(status) && (headers.get("content-type") ?? "").startsWith("application/json");
}

function mayRepeat({ isRepeatable = false }: Call, { code, status }: LarderError): boolean {
  if (status === 429) return true;
  if (!isRepeatable) return false;
  return status === 0 || status === 408 || (status >= 502 && status <= 504) || code === "version-conflict";
}

/** Full jitter: anything up to the exponential delay, on top of what the server asked for. */
export function delayMs(attempt: number, longestMs: number, retryAfterMs = 0): number {
  return retryAfterMs + Math.random() * Math.min(longestMs, limits.backoffMs * 2 ** attempt);
}

/** Waits; ends at once with the signal's reason when that aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const cancel = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", cancel);
      resolve();
    }, ms);
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

/** 128 random bits as text. Browsers have `randomUUID` on secure pages only, and this everywhere. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function hasId(body: unknown): boolean {
  return typeof body === "object" && body !== null && "id" in body && body.id !== undefined;
}

/** A text is sent as it is, whatever else as JSON. */
function bodyText(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

function queryText(query: object): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query) as [string, QueryValue][]) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
