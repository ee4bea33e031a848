import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, Api, type CallOptions, type Change } from "./api.ts";
import { type Launch, type Serving, serve } from "./larder.ts";
import { isSplit } from "./mode.ts";
import { forgetDatabase, type Part, type SplitServing, serveSplit } from "./split.ts";

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
  readonly data = join(this.folder, "data");
  readonly #env: Readonly<Record<string, string>>;
  readonly #launch: Launch;
  readonly #api: Api;
  #serving: Serving | undefined;
  #split: SplitServing | undefined;

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

  /** Where its log is, as commands take it. */
  get log(): string {
    return this.#split?.store ?? this.data;
  }

  /** Whether its process is there. */
  get isRunning(): boolean {
    const child = this.#serving?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Starts it, also again after a stop; resolves when it listens. */
  async start(): Promise<void> {
    const env = { ...this.#env, LARDER_ADMIN_KEY: adminKey };
    if (isSplit) this.#split = await serveSplit(this.data, env, this.#launch);
    this.#serving = this.#split ?? (await serve(this.data, env, [], this.#launch));
  }

  /**
   * Kills it (`kill -9`) and starts it again. Of several processes those that do these parts of its work, one after another: the
   * others go on meanwhile.
   */
  async crash(...parts: readonly [Part, ...Part[]]): Promise<void> {
    if (this.#split !== undefined) {
      for (const part of parts) await this.#split.crash(part);
      return;
    }
    await this.end("SIGKILL");
    await this.start();
  }

  /** Removes all that it has recorded, while it does not run. */
  forget(): void {
    forgetDatabase(this.data);
    rmSync(this.data, { recursive: true });
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

  /** What all of its processes measure. */
  async metrics(): Promise<string> {
    return (await this.#ask("/metrics")).map(({ body }) => String(body)).join("");
  }

  /** How all of its processes are: the status of the worst, and what each has looked at. */
  async readiness(): Promise<{
    status: number;
    checks: Record<string, { readonly ok: boolean; readonly detail?: string }>;
  }> {
    const answers = await this.#ask("/readyz");
    return {
      status: Math.max(...answers.map(({ status }) => status)),
      checks: Object.assign({}, ...answers.map(({ body }) => body.checks)),
    };
  }

  /** Every recorded event up to now, or those after a position. */
  changes(after = ""): Promise<Change[]> {
    return this.#api.changes(after);
  }

  /** The same of each process. */
  async #ask(path: string): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    for (const address of this.#split?.addresses ?? [this.url]) {
      const api = new Api(() => address, adminKey, 1);
      answers.push(await api.call("GET", path));
      api.close();
    }
    return answers;
  }
}
