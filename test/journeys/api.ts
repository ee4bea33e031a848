/** The API as a client sees it, with connections that are kept. */
import { Agent, request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // A journey reads whatever a client may get; each reads its own shape out of it.
  // biome-ignore lint/suspicious/noExplicitAny: the test decides what it expects to be there
  readonly body: any;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: string | null;
  /** Cuts the connection this many milliseconds after the request was sent, as a client that vanishes. */
  readonly cutAfterMs?: number;
}

/** A recorded event, as the change feed tells it. */
export interface Change {
  readonly type: string;
  readonly time: string;
  readonly position: string;
  readonly data: Record<string, never>;
}

export class Api {
  readonly #url: () => string;
  readonly #key: string;
  readonly #agent: Agent;

  /** `url` is asked at each call: a server that starts anew may be elsewhere. */
  constructor(url: () => string, key: string, connections = 64) {
    this.#url = url;
    this.#key = key;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** One call of the API. Rejects when no answer came: whether it took effect is then unknown. */
  call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
    const key = options.key === undefined ? this.#key : options.key;
    const headers = {
      ...(payload !== undefined && {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(payload),
      }),
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...options.headers,
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.#url()}${path}`, { method, headers, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const isJson =
            /json/.test(response.headers["content-type"] ?? "") &&
            !/ndjson/.test(response.headers["content-type"] ?? "");
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: isJson && text !== "" ? JSON.parse(text) : text,
          });
        });
      });
      outgoing.on("error", reject);
      outgoing.end(payload, () => {
        if (options.cutAfterMs !== undefined)
          setTimeout(() => outgoing.destroy(new Error("the client vanished")), options.cutAfterMs);
      });
    });
  }

  /** Every recorded event up to now, or those after a position. */
  async changes(after = ""): Promise<Change[]> {
    const { body } = await this.call("GET", `/v1/changes?follow=false${after && `&after=${after}`}`, {
      headers: { accept: "application/x-ndjson" },
    });
    return String(body)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }
}
