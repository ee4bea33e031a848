import { setTimeout as wait } from "node:timers/promises";
import { limits } from "../../kernel/index.ts";
import type { BaseUnit } from "./domain/epcis/lines.ts";
import { ImportError } from "./failure.ts";
import type { FactSink, FactSinkReceipt, ItemSink, ItemSinkReceipt, ItemUnits, Refusal } from "./sinks.ts";

export interface HttpSinkOptions {
  /** Of the server, as http://127.0.0.1:8080. */
  readonly url: string;
  readonly key: string;
  /** Hears why a batch is sent again, and after how long. */
  readonly onRetry?: (why: string, waitMs: number) => void;
  /** Between 0 and 1, to spread retries; default `Math.random`. */
  readonly random?: () => number;
  /** How long a busy or unreachable server is asked again; default `limits.importRetryMsMax`. */
  readonly retryMsMax?: number;
}

/**
 * Sends facts to `POST /v1/events` of a running server. What the server is too busy for (429, 503, or a gateway's 502 and
 * 504) and what a lost connection leaves unknown is sent again: facts have ids, so that is harmless. Throws `ImportError`
 * `server-unreachable` when that has not helped for `retryMsMax`, `server-refused` at any other answer.
 */
export function httpSink(options: HttpSinkOptions): FactSink {
  const post = poster(options, "/v1/events", "application/cloudevents-batch+json");
  return {
    send: async (facts, signal) => {
      const encoded = facts.map((fact) => JSON.stringify(fact));
      const answers = await post(encoded, (items) => `[${items.join(",")}]`, signal);
      const last = answers.at(-1)?.body["position"];
      return {
        accepted: sum(answers, "accepted"),
        duplicates: sum(answers, "duplicates"),
        rejected: refusals(answers).map((refusal) => ({ ...refusal, id: facts[refusal.index]?.id ?? null })),
        ...(typeof last === "string" && { position: last }),
      } satisfies FactSinkReceipt;
    },
  };
}

/** As `httpSink`, for items: `POST /v1/items:batch`. */
export function httpItemSink(options: HttpSinkOptions): ItemSink {
  const post = poster(options, "/v1/items:batch", "application/json");
  return {
    send: async (items, signal) => {
      const encoded = items.map((item) => JSON.stringify(item));
      const answers = await post(encoded, (texts) => `{"items":[${texts.join(",")}]}`, signal);
      const last = answers.at(-1)?.body["position"];
      return {
        accepted: sum(answers, "accepted"),
        unchanged: sum(answers, "unchanged"),
        rejected: refusals(answers).map((refusal) => ({ ...refusal, sku: items[refusal.index]?.sku ?? null })),
        ...(typeof last === "string" && { position: last }),
      } satisfies ItemSinkReceipt;
    },
  };
}

/**
 * Asks `GET /v1/items?gtin=` of a running server, with the same patience as `httpSink`. Nothing but the server can tell that
 * 12.5 kg were sent for an item that is kept in pieces, so a key that may not ask (`stock:read`) throws as well.
 */
export function httpItemUnits(options: HttpSinkOptions): ItemUnits {
  const unitOf = async (gtin: string, signal: AbortSignal | undefined): Promise<BaseUnit | undefined> => {
    const get = retrying(options, `/v1/items?gtin=${gtin}`, undefined);
    const answer = await get(undefined, signal);
    const items = typeof answer === "object" ? answer["items"] : undefined;
    const unit = Array.isArray(items) ? items[0]?.unit : undefined;
    return unit === "each" || unit === "g" || unit === "ml" ? unit : undefined;
  };
  return async (gtins, signal) => {
    const units = new Map<string, BaseUnit>();
    for (let from = 0; from < gtins.length; from += questionsAtOnce) {
      const some = gtins.slice(from, from + questionsAtOnce);
      const found = await Promise.all(some.map((gtin) => unitOf(gtin, signal)));
      for (const [index, unit] of found.entries()) if (unit !== undefined) units.set(some[index] ?? "", unit);
    }
    return units;
  };
}

const questionsAtOnce = 8;

type Json = Readonly<Record<string, unknown>>;
/** The answer to the part of a batch that begins at `offset`. */
interface Answer {
  readonly offset: number;
  readonly body: Json;
}

/** Posts encoded items in as few bodies below `limits.bodyBytesMax` as halving finds. */
function poster(options: HttpSinkOptions, path: string, contentType: string) {
  const request = retrying(options, path, contentType);
  const post = async (
    items: readonly string[],
    wrap: (items: readonly string[]) => string,
    signal: AbortSignal | undefined,
    offset = 0,
  ): Promise<Answer[]> => {
    const body = wrap(items);
    const isTooLarge = Buffer.byteLength(body) > limits.bodyBytesMax;
    const answer = isTooLarge && items.length > 1 ? "too-large" : await request(body, signal);
    if (answer !== "too-large") {
      mustTellOfAll(answer, items.length, `${options.url}${path}`);
      return [{ offset, body: answer }];
    }
    if (items.length === 1) return [{ offset, body: oversized }];
    const half = Math.ceil(items.length / 2);
    const first = await post(items.slice(0, half), wrap, signal, offset);
    return [...first, ...(await post(items.slice(half), wrap, signal, offset + half))];
  };
  return post;
}

/** A page for logging in, or any other that says yes to everything, must not pass for a receipt. */
function mustTellOfAll(body: Json, items: number, target: string): void {
  const { accepted = 0, duplicates = 0, unchanged = 0, rejected = [] } = body;
  const told = [accepted, duplicates, unchanged].reduce((sum: number, count) => sum + Number(count), 0);
  if (Array.isArray(rejected) && told + rejected.length === items) return;
  throw new ImportError(
    "server-refused",
    `${target} answers otherwise than Larder, and tells nothing of what was sent: is it the right address?`,
  );
}

const oversized: Json = {
  rejected: [{ index: 0, code: "payload-too-large", detail: "The server takes no body of this size." }],
};

/** One request, a POST when it has a body, repeated until the server has decided about it. */
function retrying(options: HttpSinkOptions, path: string, contentType: string | undefined) {
  const { url, key, onRetry, random = Math.random, retryMsMax = limits.importRetryMsMax } = options;
  const target = `${url.replace(/\/+$/, "")}${path}`;
  const type = contentType === undefined ? {} : { "content-type": contentType };
  const headers = { authorization: `Bearer ${key}`, ...type, accept: "application/json" };

  return async (body: string | undefined, signal: AbortSignal | undefined): Promise<Json | "too-large"> => {
    const from = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      const reply = await ask(target, {
        ...(body === undefined ? {} : { method: "POST", body }),
        headers,
        ...(signal && { signal }),
      });
      const isQuestion = body === undefined;
      if (isQuestion && "status" in reply && reply.status === 404) return {};
      if (!("retry" in reply)) return decided(reply, target, isQuestion ? "stock:read" : "stock:write");
      const backoffMs = Math.min(10_000, 200 * 2 ** attempt) * (0.5 + random() / 2);
      // A wait that is asked for may be none, or a date that our clock has passed.
      const waitMs = Math.max(reply.retryAfterMs ?? 0, backoffMs);
      const triedMs = performance.now() - from;
      if (triedMs + waitMs > retryMsMax) {
        const seconds = Math.round(triedMs / 1000);
        throw new ImportError(
          "server-unreachable",
          `${reply.retry}, for ${seconds} s. Import the file again later: what is recorded counts once.`,
        );
      }
      onRetry?.(reply.retry, waitMs);
      await wait(waitMs, undefined, signal && { signal });
    }
  };
}

interface Reply {
  readonly status: number;
  readonly body: Json;
}
interface Again {
  readonly retry: string;
  readonly retryAfterMs?: number;
}

async function ask(target: string, request: RequestInit): Promise<Reply | Again> {
  try {
    const response = await fetch(target, request);
    const text = await response.text();
    if (![429, 502, 503, 504].includes(response.status)) return { status: response.status, body: asJson(text) };
    const after = retryAfter(response.headers.get("retry-after"));
    return { retry: `${target} answers ${response.status}`, ...(after !== undefined && { retryAfterMs: after }) };
  } catch (error) {
    request.signal?.throwIfAborted();
    const cause = error instanceof Error ? error.cause : undefined;
    // The network's errors have a code; what has none, or this one, is a URL that no request can be sent to.
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "ERR_INVALID_URL";
    if (code !== "ERR_INVALID_URL") return { retry: `${new URL(target).origin} can't be reached (${code})` };
    throw new ImportError("server-unreachable", `${target} is no URL to send to.`, { cause: error });
  }
}

function decided({ status, body }: Reply, target: string, scope: string): Json | "too-large" {
  if (status === 413) return "too-large";
  // When every item was rejected the answer is a problem that lists them like a receipt.
  if ((status >= 200 && status < 300) || Array.isArray(body["rejected"])) return body;
  const detail = body["detail"] ?? body["title"] ?? "no reason given";
  const hints: Readonly<Record<number, string>> = {
    401: " Give a key by --key or LARDER_KEY.",
    403: ` The key needs the scope ${scope} for this.`,
  };
  throw new ImportError("server-refused", `${target} answers ${status}: ${String(detail)}${hints[status] ?? ""}`);
}

/** Milliseconds from a `Retry-After` of seconds or of a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,6}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function asJson(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function sum(answers: readonly Answer[], name: "accepted" | "duplicates" | "unchanged"): number {
  return answers.reduce((total, { body }) => total + (Number(body[name]) || 0), 0);
}

function refusals(answers: readonly Answer[]): Refusal[] {
  return answers.flatMap(({ offset, body }) =>
    ((body["rejected"] ?? []) as Refusal[]).map(({ index, code, detail }) => ({ index: offset + index, code, detail })),
  );
}
