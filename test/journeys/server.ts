import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Launch, type Serving, serve } from "./larder.ts";
import { isSplit, serveSplit } from "./split.ts";

export const adminKey = "journey-admin-key-0123456789";

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

export interface ServerOptions {
  readonly connections?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly launch?: Launch;
}

/** A server as a user would run it: a process of its own on a folder of its own, or several (`split.ts`). */
export class Server {
  readonly folder = mkdtempSync(join(tmpdir(), "larder-journey-"));
  /** Where its log is. */
  readonly data = join(this.folder, "data");
  readonly #env: Readonly<Record<string, string>>;
  readonly #launch: Launch;
  readonly #agent: Agent;
  #serving: Serving | undefined;

  constructor(options: ServerOptions = {}) {
    this.#env = options.env ?? {};
    this.#launch = options.launch ?? {};
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections ?? 64 });
  }

  /** What it has logged since its last start. */
  get stderr(): string {
    return this.#serving?.log() ?? "";
  }

  get url(): string {
    return this.#serving?.url ?? "";
  }

  get pid(): number {
    return this.#serving?.child.pid ?? 0;
  }

  /** Whether its process is there. */
  get isRunning(): boolean {
    const child = this.#serving?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Starts it, also again after a stop; resolves when it listens. */
  async start(): Promise<void> {
    const env = { ...this.#env, LARDER_ADMIN_KEY: adminKey };
    this.#serving = isSplit
      ? await serveSplit(this.data, env, this.#launch)
      : await serve(this.data, env, [], this.#launch);
  }

  /** Ends the process by a signal and waits until it is gone. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    return (await this.#serving?.end(signal)) ?? null;
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
    this.#agent.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** One call of the API. Rejects when no answer came: whether it took effect is then unknown. */
  call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
    const key = options.key === undefined ? adminKey : options.key;
    const headers = {
      ...(payload !== undefined && {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(payload),
      }),
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...options.headers,
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.url}${path}`, { method, headers, agent: this.#agent }, (response) => {
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
  async changes(after = ""): Promise<{ type: string; time: string; position: string; data: Record<string, never> }[]> {
    const { body } = await this.call("GET", `/v1/changes?follow=false${after && `&after=${after}`}`, {
      headers: { accept: "application/x-ndjson" },
    });
    return String(body)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }
}
