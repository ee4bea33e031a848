/** Every operation through the whole gateway, without a socket: what is behind the schemas is reached fast. */
import type { InjectOptions } from "fastify";
import type { Area, Case, Counts, Step } from "./area.ts";
import { checkAnswer, insist } from "./check.ts";
import { House } from "./house.ts";
import { nothingTold } from "./meanings.ts";
import type { Random } from "./random.ts";
import { methods, Requests, type Sent } from "./requests.ts";

let requests: Requests | undefined;
const toldMax = 50;

export const httpArea: Area = {
  name: "http",
  share: 0.46,
  inputsPerCase: 500,
  async open(index, counts) {
    const house = await House.open(index % 8 === 7 ? "sqlite" : "memory");
    requests ??= new Requests(house.gateway.openapi());
    requests.beginCase(index);
    return new HttpCase(house, requests, counts);
  },
  missing(counts) {
    if (requests === undefined) return ["no case was run"];
    const unanswered = requests.operations
      .filter(({ id }) => counts.of(`2xx ${id}`) === 0)
      .map(({ id }) => `no 2xx from ${id}`);
    const unreached = requests.paths.flatMap((path) =>
      methods
        .filter((method) => counts.of(`reached ${method} ${path}`) === 0)
        .map((method) => `${method} ${path} was not reached`),
    );
    const kinds = [200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 413, 415, 422];
    const unseen = kinds
      .filter((status) => counts.of(`status ${status}`) === 0)
      .map((status) => `no answer was a ${status}`);
    return [...unanswered, ...unreached, ...unseen];
  },
};

class HttpCase implements Case {
  readonly #house: House;
  readonly #requests: Requests;
  readonly #counts: Counts;
  readonly #told = nothingTold();
  #state: string | undefined;

  constructor(house: House, requests: Requests, counts: Counts) {
    this.#house = house;
    this.#requests = requests;
    this.#counts = counts;
  }

  next(random: Random): Step {
    if (random.chance(0.02)) {
      this.#house.advance(random.pick([1000, 60_000, 901_000]));
      this.#state = undefined;
    }
    const sent = this.#requests.make(random, this.#house, this.#told);
    return { show: () => describeSent(sent), run: () => this.#ask(sent) };
  }

  async #ask(sent: Sent): Promise<void> {
    const house = this.#house;
    this.#state ??= await house.state();
    const before = this.#state;
    const headBefore = house.head();
    const answer = await house.gateway.server.inject({
      method: sent.method as NonNullable<InjectOptions["method"]>,
      url: sent.url,
      headers: collected(sent.headers),
      remoteAddress: "127.0.0.1",
      ...(sent.body !== undefined && { payload: sent.body }),
    });
    const status = answer.statusCode;
    checkAnswer(
      { status, contentType: String(answer.headers["content-type"]), body: answer.body },
      sent.method !== "HEAD",
    );
    insist(house.errors.length === 0, `the server logged an error: ${JSON.stringify(house.errors, errorsToo)}`);
    if (status === 202) await house.recorded();
    const isReading = sent.method === "GET" || sent.method === "HEAD";
    if (status < 400 && !isReading) this.#state = undefined;
    else if (isReading) insist(house.head() === headBefore, "reading has moved the log");
    else
      insist((await house.state()) === before, `${sent.method} was answered by ${status}, and yet something changed`);
    this.#note(sent, status, answer.body);
  }

  #note(sent: Sent, status: number, body: string): void {
    this.#counts.add(`status ${status}`);
    if (sent.operation !== undefined && status < 300) this.#counts.add(`2xx ${sent.operation}`);
    const path = this.#requests.paths.find((known) => patternOf(known).test(sent.url));
    if (path !== undefined) this.#counts.add(`reached ${sent.method} ${path}`);
    if (status >= 300 || sent.method === "HEAD" || sent.url.startsWith("/v1/changes") || !body.startsWith("{")) return;
    const { position, next, key, id, captureID } = JSON.parse(body) as Record<string, unknown>;
    keep(this.#told.positions, position);
    keep(this.#told.cursors, next);
    keep(this.#told.captureIds, captureID);
    if (key !== undefined) keep(this.#told.keyIds, id);
    if (status === 201 && sent.operation === "createWebhook") keep(this.#told.webhookIds, id);
    if (sent.operation === "reconcile") keep(this.#told.reconciliationIds, id);
    if (status === 201 && sent.operation === "reserve") keep(this.#told.reservationIds, id);
  }

  async close(): Promise<readonly string[]> {
    return await this.#house.close();
  }
}

const patterns = new Map<string, RegExp>();
function patternOf(path: string): RegExp {
  const known = patterns.get(path);
  if (known !== undefined) return known;
  const pattern = new RegExp(`^${path.replace(/[.*+?]/g, "\\$&").replace(/\{\w+\}/g, "[^/?]+")}(?:\\?|$)`);
  patterns.set(path, pattern);
  return pattern;
}

function keep(list: string[], token: unknown): void {
  if (typeof token !== "string" || list.includes(token)) return;
  list.push(token);
  if (list.length > toldMax) list.shift();
}

function collected(headers: Sent["headers"]): Record<string, string | string[]> {
  const byName: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of headers) byName[name] = name in byName ? [byName[name]!, value].flat() : value;
  return byName;
}

export function describeSent({ method, url, headers, body }: Sent): string {
  const text = body?.toString("utf8");
  const shown =
    text === undefined ? undefined : Buffer.from(text).equals(body!) ? text : `base64:${body!.toString("base64")}`;
  return JSON.stringify({ method, url, headers, body: shown?.slice(0, 20_000) });
}

export function errorsToo(_name: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack } : value;
}
