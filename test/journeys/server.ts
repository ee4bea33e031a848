import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, Api, type CallOptions, type Change } from "./api.ts";
import { type Launch, type Serving, serve } from "./larder.ts";
import { isSplit, serveSplit } from "./split.ts";

export type { Answer, CallOptions } from "./api.ts";

export const adminKey = "journey-admin-key-0123456789";

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
  readonly #api: Api;
  #serving: Serving | undefined;

  constructor(options: ServerOptions = {}) {
    this.#env = options.env ?? {};
    this.#launch = options.launch ?? {};
    this.#api = new Api(() => this.url, adminKey, options.connections);
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
    this.#api.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** One call of the API. Rejects when no answer came: whether it took effect is then unknown. */
  call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    return this.#api.call(method, path, options);
  }

  /** Every recorded event up to now, or those after a position. */
  changes(after = ""): Promise<Change[]> {
    return this.#api.changes(after);
  }
}
