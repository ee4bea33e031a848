/**
 * Calls between the command and the processes that it measures: what is measured runs in a process of its own, so that
 * nothing of the harness weighs on it, and is told what to do over Node's own channel.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { started } from "./tidy.ts";

type Methods = Readonly<Record<string, (argument: never) => unknown>>;
type Answer = { readonly id: number; readonly result?: unknown; readonly error?: string };

/** Answers the calls of the parent, one after another as they come. */
export function serveCalls(methods: Methods): void {
  process.on("message", async ({ id, method, argument }: { id: number; method: string; argument: unknown }) => {
    let answer: Answer;
    try {
      const called = methods[method] as ((argument: unknown) => unknown) | undefined;
      if (called === undefined) throw new Error(`nothing is called ${method}`);
      answer = { id, result: await called(argument) };
    } catch (error) {
      answer = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.send?.(answer);
  });
  // A parent that has gone leaves nobody to measure for.
  process.on("disconnect", () => process.exit(0));
}

/** A process that takes calls. */
export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #calls = 0;

  /** Starts a script of `bench/processes/` on this Node, with the flags that `npm start` gives the server. */
  constructor(script: string, env: Readonly<Record<string, string>> = {}, flags: readonly string[] = []) {
    this.#process = started(
      fork(join(import.meta.dirname, "../processes", script), [], {
        execArgv: [...nodeFlags, ...flags],
        // Medusa looks for its modules from where it runs.
        cwd: join(import.meta.dirname, ".."),
        // Peers talk a lot while they start; what matters comes back as an error.
        stdio: ["ignore", "ignore", "ignore", "ipc"],
        env: { ...process.env, ...env },
      }),
    );
    this.#process.on("message", ({ id, result, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result as never);
      else waiting?.reject(new Error(error));
    });
    this.#process.on("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${script} ended with ${signal ?? code}`));
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Rejects with what the method threw, when the process ends first, or after `timeoutMs`. */
  async call<T>(method: string, argument?: unknown, timeoutMs = 120_000): Promise<T> {
    const id = this.#calls++;
    const answered = new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, method, argument }, (error) => error && reject(error));
    });
    return await within(answered, timeoutMs, `${method} took longer than ${timeoutMs} ms`);
  }

  /** Ends the process, by force when it does not go by itself. */
  async stop(): Promise<void> {
    if (this.#process.connected) {
      await this.call("close", undefined, 15_000).catch(() => undefined);
      const exit = once(this.#process, "exit");
      // It goes by itself then, and writes its profile if it makes one.
      if (this.#process.connected) this.#process.disconnect();
      await within(exit, 3000, "it stays").catch(() => undefined);
    }
    await endProcess(this.#process);
  }
}

/** What every process that is measured runs with; `npm start` and `src/main.ts` have the same. */
export const nodeFlags = [
  "--disable-warning=ExperimentalWarning",
  "--max-semi-space-size=64",
  "--no-allocation-site-pretenuring",
] as const;

/** Ends a process that we started: asks, and after `graceMs` insists. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM", graceMs = 10_000) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill(signal);
  const insist = setTimeout(() => child.kill("SIGKILL"), graceMs);
  await exit.finally(() => clearTimeout(insist));
}

export async function within<T>(work: Promise<T>, milliseconds: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(message)), milliseconds);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
