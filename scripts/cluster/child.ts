import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { leash } from "./leash.ts";

/** How a process is run, and when it counts as up. */
export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
  /** File that its output is appended to. */
  readonly log: string;
  /** What ends it in good order: SIGTERM unless it wants another. */
  readonly stopSignal?: NodeJS.Signals;
  /** Milliseconds that it gets for that, before it is killed. */
  readonly stopMsMax?: number;
  readonly readyMsMax?: number;
  /** Whether it does its work by now; what is thrown counts as no. */
  readonly isReady: () => Promise<boolean>;
}

const readyMsMax = 120_000;
const stopMsMax = 15_000;
/** Times that a process may die before it was ready. */
const readyDeathsMax = 3;
/** Milliseconds before a process that died is started again: at first, and at most. */
const againMsFirst = 200;
const againMsMax = 5000;
/** Milliseconds after which a process counts as well again, so that the next death is a first one. */
const wellMs = 10_000;

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** One process of a cluster: started, watched, and started again when it dies of itself. */
export class Child {
  readonly spec: ChildSpec;
  readonly #say: (line: string) => void;
  #child: ChildProcess | undefined;
  #isWanted = false;
  #againMs = againMsFirst;
  #startedAt = 0;
  #deaths = 0;

  constructor(spec: ChildSpec, say: (line: string) => void) {
    this.spec = spec;
    this.#say = say;
  }

  get name(): string {
    return this.spec.name;
  }

  /** 0 while it does not run. */
  get pid(): number {
    return this.isRunning ? (this.#child?.pid ?? 0) : 0;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it and waits until it is ready. Rejects when it dies again and again, or takes too long. */
  async start(): Promise<void> {
    this.#isWanted = true;
    if (!this.isRunning) this.#spawn();
    await this.ready();
  }

  /** Waits until it is ready, through starts by the watch too: a port or a lock of the one before may take a moment to go. */
  async ready(ms = this.spec.readyMsMax ?? readyMsMax): Promise<void> {
    const end = performance.now() + ms;
    const deathsMax = this.#deaths + readyDeathsMax;
    for (;;) {
      if (this.isRunning && (await this.spec.isReady().catch(() => false))) return;
      if (!this.#isWanted || this.#deaths >= deathsMax) throw new Error(`${this.name} ended: ${this.#lastWords()}`);
      if (performance.now() > end) throw new Error(`${this.name} is not ready after ${ms} ms; see ${this.spec.log}`);
      await pause(50);
    }
  }

  /** Ends it in good order and waits until it is gone; it stays down. Gives its exit code, null when a signal ended it. */
  async stop(): Promise<number | null> {
    this.#isWanted = false;
    const child = this.#child;
    if (child === undefined || !this.isRunning) return child?.exitCode ?? null;
    const exit = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(this.spec.stopSignal ?? "SIGTERM");
    const timer = setTimeout(() => {
      this.#say(`${this.name} did not end in time and is killed`);
      child.kill("SIGKILL");
    }, this.spec.stopMsMax ?? stopMsMax);
    await exit;
    clearTimeout(timer);
    return child.exitCode;
  }

  /** Kills it at once (`kill -9`) and waits until it is gone; it stays down. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    if (!this.isRunning) return;
    const exit = once(this.#child as ChildProcess, "exit");
    this.#child?.kill("SIGKILL");
    await exit;
  }

  /** Holds it where it stands, as a machine that stalls. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** The end of its log, where it may have said why it went. */
  #lastWords(): string {
    const lines = readFileSync(this.spec.log, "utf8").trimEnd().split("\n");
    return `${lines.slice(-3).join(" | ") || "it said nothing"} (${this.spec.log})`;
  }

  #spawn(): void {
    const { command, args, env, cwd, user, log } = this.spec;
    const output = openSync(log, "a");
    // A group of its own: Ctrl-C reaches the launcher alone, which ends all in order.
    const child = spawn(command, args, {
      ...user,
      ...(cwd !== undefined && { cwd }),
      env: env ?? process.env,
      detached: true,
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    this.#child = child;
    this.#startedAt = performance.now();
    child.on("error", (error) => this.#say(`${this.name} can't be started: ${error.message}`));
    leash(child);
    child.on("exit", (code, signal) => void this.#again(code, signal));
  }

  async #again(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    this.#deaths += 1;
    if (!this.#isWanted) return;
    if (performance.now() - this.#startedAt > wellMs) this.#againMs = againMsFirst;
    this.#say(`${this.name} ended (${signal ?? code}); it starts again in ${this.#againMs} ms; ${this.spec.log}`);
    await pause(this.#againMs);
    this.#againMs = Math.min(this.#againMs * 2, againMsMax);
    if (this.#isWanted && !this.isRunning) this.#spawn();
  }
}
