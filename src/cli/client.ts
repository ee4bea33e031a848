/**
 * Larder's HTTP API, as the commands use it. Paths and bodies are contract.md's; answers are typed by the same schemas
 * that the server answers from.
 */

import type { CreatedKey, KeyRequest, KeysPage } from "../services/identity/index.ts";
import type { DeadLetterDetail, DeadLetterEnd, DeadLettersPage, RedriveAnswer } from "../services/intake/index.ts";
import type {
  Availability,
  FactsReceipt,
  FulfilLine,
  Item,
  ItemBody,
  LocationBody,
  LocationView,
  Reservation,
  ReserveRequest,
  SourcingPlan,
  StockEvents,
  StockView,
} from "../services/inventory/index.ts";
import type {
  CreatedWebhook,
  WebhookAttempt,
  WebhookDeliveries,
  WebhookRequest,
  WebhooksPage,
  WebhookView,
} from "../services/relay/index.ts";
import type { LocationAccuracy, Reconciliation, ReconciliationRequest, SyncStatus } from "../services/sync/index.ts";
import { Failure, messageOf, wrongUse } from "./failure.ts";

export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title?: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  /** Of `insufficient-stock`: every line that was short. */
  readonly lines?: readonly { sku: string; location?: string; requested: number; available: number }[];
}

/** The server understood and said no. */
export class Refusal extends Failure {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(sentenceOf(problem));
    this.name = "Refusal";
    this.problem = problem;
  }
}

/** Nobody answers: the server is not there, or left in the middle. */
export class Unreachable extends Failure {}

type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

interface Call {
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export class Client {
  readonly url: string;
  readonly #key: string | undefined;

  constructor(url: string, key?: string) {
    if (!/^https?:\/\/[^/]/.test(url)) throw wrongUse(`"${url}" is no address of a server, as http://127.0.0.1:8080.`);
    if (!URL.canParse(url)) throw wrongUse(`"${url}" is no address of a server, as http://127.0.0.1:8080.`);
    this.url = url.replace(/\/+$/, "");
    if (/\/v1$/.test(this.url))
      throw wrongUse(`--url names the server alone, without /v1: ${this.url.replace(/\/+v1$/, "")}.`);
    this.#key = key;
  }

  get hasKey(): boolean {
    return this.#key !== undefined;
  }

  reserve(request: ReserveRequest): Promise<Reservation> {
    return this.json("POST", "/v1/reservations", { body: request });
  }
  plan(request: ReserveRequest): Promise<SourcingPlan> {
    return this.json("POST", "/v1/reservations:plan", { body: request });
  }
  reservation(id: string): Promise<Reservation> {
    return this.json("GET", `/v1/reservations/${encodeURIComponent(id)}`);
  }
  confirm(id: string, reacquire: boolean): Promise<Reservation> {
    return this.#change(id, "confirm", reacquire ? { reacquire } : {});
  }
  release(id: string): Promise<Reservation> {
    return this.#change(id, "release", {});
  }
  extend(id: string, ttlSeconds: number): Promise<Reservation> {
    return this.#change(id, "extend", { ttlSeconds });
  }
  fulfil(id: string, lines: readonly FulfilLine[] | undefined, idempotencyKey?: string): Promise<Reservation> {
    const headers = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
    return this.#change(id, "fulfil", lines === undefined ? {} : { lines }, headers);
  }

  stock(sku: string, query: { lots?: boolean; at?: string; knownAt?: string }): Promise<StockView> {
    return this.json("GET", `/v1/stock/${encodeURIComponent(sku)}`, { query });
  }
  stockEvents(sku: string, query: { location?: string; cursor?: string; limit?: number }): Promise<StockEvents> {
    return this.json("GET", `/v1/stock/${encodeURIComponent(sku)}/events`, { query });
  }
  availability(skus: readonly string[], locations?: readonly string[]): Promise<Availability> {
    return this.json("POST", "/v1/availability:batch", { body: { skus, ...(locations && { locations }) } });
  }
  recordFacts(facts: readonly object[]): Promise<FactsReceipt> {
    return this.json("POST", "/v1/events", { body: facts, contentType: "application/cloudevents-batch+json" });
  }
  putItem(sku: string, body: ItemBody): Promise<Item> {
    return this.json("PUT", `/v1/items/${encodeURIComponent(sku)}`, { body });
  }
  putLocation(id: string, body: LocationBody): Promise<LocationView> {
    return this.json("PUT", `/v1/locations/${encodeURIComponent(id)}`, { body });
  }

  sync(cursor?: string): Promise<{ readonly items: readonly SyncStatus[]; readonly next?: string }> {
    return this.json("GET", "/v1/sync", { query: { cursor, limit: 1000 } });
  }
  resendSync(location: string): Promise<SyncStatus> {
    return this.json("POST", `/v1/sync/${encodeURIComponent(location)}/resend`);
  }

  createKey(request: KeyRequest): Promise<CreatedKey> {
    return this.json("POST", "/v1/keys", { body: request });
  }
  keys(cursor?: string): Promise<KeysPage> {
    return this.json("GET", "/v1/keys", { query: { cursor } });
  }
  revokeKey(id: string): Promise<unknown> {
    return this.json("DELETE", `/v1/keys/${encodeURIComponent(id)}`);
  }

  deadLetters(query: {
    queue?: string | undefined;
    cursor?: string | undefined;
    limit: number;
  }): Promise<DeadLettersPage> {
    return this.json("GET", "/v1/dead-letters", { query });
  }
  deadLetter(id: string): Promise<DeadLetterDetail> {
    return this.json("GET", `/v1/dead-letters/${encodeURIComponent(id)}`);
  }
  redriveDeadLetter(id: string): Promise<DeadLetterEnd> {
    return this.json("POST", `/v1/dead-letters/${encodeURIComponent(id)}/redrive`);
  }
  redriveQueue(queue: string): Promise<RedriveAnswer> {
    return this.json("POST", "/v1/dead-letters:redrive", { body: { queue } });
  }
  discardDeadLetter(id: string, reason: string): Promise<DeadLetterEnd> {
    return this.json("DELETE", `/v1/dead-letters/${encodeURIComponent(id)}`, { query: { reason } });
  }

  reconcile(request: ReconciliationRequest): Promise<Reconciliation> {
    return this.json("POST", "/v1/reconciliations", { body: request });
  }
  reconciliation(id: string): Promise<Reconciliation> {
    return this.json("GET", `/v1/reconciliations/${encodeURIComponent(id)}`);
  }
  accuracy(cursor?: string): Promise<{ readonly items: readonly LocationAccuracy[]; readonly next?: string }> {
    return this.json("GET", "/v1/reconciliations:accuracy", { query: { cursor } });
  }

  createWebhook(request: WebhookRequest): Promise<CreatedWebhook> {
    return this.json("POST", "/v1/webhooks", { body: request });
  }

  webhooks(cursor?: string): Promise<WebhooksPage> {
    return this.json("GET", "/v1/webhooks", { query: { cursor } });
  }

  webhook(id: string): Promise<WebhookView> {
    return this.json("GET", webhookPath(id));
  }

  webhookDeliveries(id: string, limit: number): Promise<WebhookDeliveries> {
    return this.json("GET", `${webhookPath(id)}/deliveries`, { query: { limit } });
  }

  changeWebhook(id: string, step: "pause" | "enable"): Promise<WebhookView> {
    return this.json("POST", `${webhookPath(id)}/${step}`);
  }

  rotateWebhookSecret(id: string): Promise<CreatedWebhook> {
    return this.json("POST", `${webhookPath(id)}/rotate-secret`);
  }

  replayWebhook(id: string, after: string): Promise<WebhookView> {
    return this.json("POST", `${webhookPath(id)}/replay`, { body: { after } });
  }

  testWebhook(id: string): Promise<WebhookAttempt> {
    return this.json("POST", `${webhookPath(id)}/test`);
  }

  deleteWebhook(id: string): Promise<void> {
    return this.json("DELETE", webhookPath(id));
  }

  /** What `/readyz` says, whether ready or not. */
  async readiness(): Promise<{ readonly ready: boolean; readonly body: unknown }> {
    const response = await this.send("GET", "/readyz", { signal: AbortSignal.timeout(5000) });
    return { ready: response.ok, body: await response.json().catch(() => undefined) };
  }

  /** Sends a request and reads the JSON of its answer. Throws `Refusal` when it is a problem. */
  async json<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const response = await this.send(method, path, call);
    if (!response.ok) throw new Refusal(await problemOf(response));
    const text = await this.#reached(response.text());
    return (text === "" ? {} : JSON.parse(text)) as T;
  }

  /** Sends a request. Throws `Unreachable` when nobody answers; any status is an answer. */
  send(method: string, path: string, call: Call = {}): Promise<Response> {
    const { query = {}, body, contentType = "application/json", headers = {}, signal } = call;
    return this.#reached(
      fetch(`${this.url}${path}${queryText(query)}`, {
        method,
        headers: {
          ...(this.#key !== undefined && { authorization: `Bearer ${this.#key}` }),
          ...(body !== undefined && { "content-type": contentType }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      }),
    );
  }

  #change(id: string, step: string, body: object, headers: Record<string, string> = {}): Promise<Reservation> {
    return this.json("POST", `/v1/reservations/${encodeURIComponent(id)}/${step}`, { body, headers });
  }

  async #reached<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError") throw error;
      const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const { code } = reason as NodeJS.ErrnoException;
      if (code === "ERR_SSL_WRONG_VERSION_NUMBER")
        throw new Unreachable(
          `No TLS is spoken at ${this.url}: name it by ${this.url.replace("https:", "http:")}, or put TLS in front of it.`,
        );
      const what =
        code === "ECONNREFUSED"
          ? `No server answers at ${this.url}.`
          : `No answer from ${this.url}: ${messageOf(reason).trim()}.`;
      throw new Unreachable(`${what} Start one with \`npm start\`, or name it by --url.`);
    }
  }
}

function webhookPath(id: string): string {
  return `/v1/webhooks/${encodeURIComponent(id)}`;
}

function queryText(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) parameters.append(name, String(one));
  }
  return parameters.size === 0 ? "" : `?${parameters}`;
}

/** The problem of an answer that is none of Larder's, too: a proxy's page, say. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as Problem;
    if (typeof body.code === "string") return body;
  } catch {
    // Not JSON: told by its status below.
  }
  return { status: response.status, code: "unknown", detail: `The server answered ${response.status}.` };
}

function sentenceOf({ code, title, detail, errors = [], lines = [] }: Problem): string {
  if (code === "unauthenticated") {
    return `${detail ?? "The server wants an API key."} Give one by --key or LARDER_KEY; the server printed an admin key at its first start.`;
  }
  // A single finding stands in the detail already.
  const findings = (errors.length > 1 ? errors : [])
    .map((error) => `\n  ${error.pointer || "/"}: ${error.detail}`)
    .join("");
  const short = (lines.length > 1 ? lines : [])
    .map(
      (line) =>
        `\n  ${line.sku}${line.location ? ` at ${line.location}` : ""}: ${line.requested} asked, ${line.available} available`,
    )
    .join("");
  return `${detail ?? title ?? code} (${code})${findings}${short}`;
}
