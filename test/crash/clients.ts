/** Clients of a server that may die at any moment: each writes down what it sent, and what it was answered. */

import type { Api, CallOptions } from "../journeys/api.ts";
import { numbers, pause, pick } from "../journeys/chance.ts";
import type { Book, Entry, Sent, Step } from "./book.ts";

type Caller = Pick<Api, "call">;

export const skus = ["milk", "tea", "rice", "salt", "oats", "eggs"];
const location = "leeds";
/** Reservations a client goes on with; older ones are left to lapse. */
const openMax = 6;

/** Sends until `isOver`. Asks again for some of what it had no answer to, and leaves the rest unknown. */
export class Client {
  readonly #name: string;
  readonly #server: Caller;
  readonly #book: Book;
  readonly #random: () => number;
  readonly #open: string[] = [];
  #unanswered: Entry[] = [];
  /** What came in place of an answer, though the client waited for one. */
  readonly failures: string[] = [];
  /** How often it was answered. */
  answers = 0;
  #sent = 0;

  constructor(name: string, server: Caller, book: Book, seed: number) {
    this.#name = name;
    this.#server = server;
    this.#book = book;
    this.#random = numbers(seed);
  }

  async run(isOver: () => boolean, pauseMs = 0): Promise<void> {
    const again = this.#unanswered.filter(() => this.#random() < 0.7);
    this.#unanswered = [];
    for (const entry of again) {
      if (isOver()) this.#unanswered.push(entry);
      else await this.#ask(entry);
    }
    while (!isOver()) {
      const entry = this.#book.send(this.#next());
      await this.#ask(entry);
      // Some do it twice, though they were answered.
      if (entry.answer !== undefined && this.#random() < 0.05) await this.#ask(entry);
      if (pauseMs > 0) await pause(pauseMs);
    }
  }

  #next(): Sent {
    const random = this.#random;
    this.#sent += 1;
    const id = `${this.#name}-${this.#sent}`;
    const kind = random();
    const reservation = this.#open[Math.floor(random() * this.#open.length)];
    if (kind < 0.3) {
      const type = random() < 0.65 ? "received" : "sold";
      return { kind: "fact", id, type, sku: pick(random, skus), quantity: 1 + Math.floor(random() * 4) };
    }
    if (kind < 0.6 || reservation === undefined) {
      const chosen = new Set([pick(random, skus), pick(random, skus), pick(random, skus)].slice(0, 1 + random() * 3));
      const lines = [...chosen].map((sku) => ({ sku, quantity: 1 + Math.floor(random() * 3) }));
      return { kind: "place", id, lines, ttlSeconds: random() < 0.3 ? 1 : 600 };
    }
    const step = pick<Step>(random, ["confirm", "release", "fulfil", "fulfil", "extend"]);
    const inPart = step === "fulfil" && random() < 0.6;
    return { kind: "step", reservation, step, ...(inPart && { key: id }) };
  }

  async #ask(entry: Entry): Promise<void> {
    const { sent } = entry;
    entry.attempts += 1;
    // A refusal holds for its moment: asked again it may be granted, and that answer lost.
    if (entry.answer !== undefined && entry.answer.status >= 300) entry.answer = undefined;
    const [path, options] = requestOf(sent, this.#book);
    // Some leave before their answer.
    const cut = this.#random() < 0.03 ? { cutAfterMs: Math.floor(this.#random() * 3) } : {};
    try {
      const { status, body } = await this.#server.call("POST", path, { ...options, ...cut });
      // 502 and 504 are no words of ours: a proxy between us has lost the answer.
      // Several processes that race for the same stocks may ask for another attempt: nothing was done.
      const isAskedAgain = status === 409 && body.code === "version-conflict";
      if ([429, 502, 503, 504].includes(status) || isAskedAgain) {
        this.#unanswered.push(entry);
        this.failures.push(`${status} ${body.code ?? ""}`);
        await pause(10);
        return;
      }
      entry.answer = { status, code: body.code, duplicates: body.duplicates };
      this.answers += 1;
      if (sent.kind === "place" && status < 300) this.#open.push(sent.id);
      if (this.#open.length > openMax) this.#open.shift();
    } catch (error) {
      this.#unanswered.push(entry);
      if (!("cutAfterMs" in cut)) this.failures.push(String(error));
      await pause(1);
    }
  }
}

function requestOf(sent: Sent, book: Book): [path: string, options: CallOptions] {
  if (sent.kind === "fact") {
    const { id, type, sku, quantity } = sent;
    const data = { sku, location, quantity };
    return ["/v1/events", { body: { specversion: "1.0", source: "crash", id, type: `larder.stock.${type}.v1`, data } }];
  }
  if (sent.kind === "place") {
    const lines = sent.lines.map((line) => ({ ...line, location }));
    return ["/v1/reservations", { body: { id: sent.id, ttlSeconds: sent.ttlSeconds, lines } }];
  }
  const { reservation, step, key } = sent;
  const path = `/v1/reservations/${reservation}/${step}`;
  if (step === "extend") return [path, { body: { ttlSeconds: 900 } }];
  if (key === undefined) return [path, { body: {} }];
  const [line] = book.linesOf(reservation);
  return [path, { body: { lines: [{ sku: line?.sku, location, quantity: 1 }] }, headers: { "idempotency-key": key } }];
}
