import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** Runs a script that has `runUntilSignal` and a log, in a process of its own; `signals` are sent once it says it is up. */
async function ended(script: string, ...signals: NodeJS.Signals[]) {
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const whole = `
    import { runUntilSignal } from "${here("./process.ts")}";
    import { createLogger } from "${here("../telemetry/index.ts")}";
    const logger = createLogger({ level: "info", format: "json" });
    const timer = setInterval(() => {}, 1000);
    const run = (stop) => runUntilSignal(stop, logger).then((code) => { clearInterval(timer); process.exitCode = code; });
    ${script}
    process.stdout.write("up\\n");`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", whole]);
  const log = text(child.stderr);
  const exit = once(child, "exit");
  await Promise.race([once(child.stdout, "data"), exit]);
  for (const signal of signals) {
    child.kill(signal);
    // Two of a kind that are pending at once are delivered as one.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const [code] = await exit;
  return {
    code,
    log: (await log)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  };
}

describe("a process", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("ends with 0 after %s, once all is stopped", async (signal) => {
    const { code, log } = await ended("run(async () => logger.info('finishing'));", signal);
    expect(code).toBe(0);
    expect(log.map(({ msg }) => msg)).toEqual(["stopping", "finishing", "stopped"]);
  });

  it("takes a signal that comes twice at once for one, as Ctrl-C through a launcher", async () => {
    const script = "run(() => new Promise((resolve) => setTimeout(resolve, 500)));";
    expect(await ended(script, "SIGINT", "SIGINT")).toMatchObject({ code: 0 });
  });

  it("ends with 1 when something did not stop", async () => {
    const { code, log } = await ended("run(async () => { throw new Error('stuck'); });", "SIGTERM");
    expect(code).toBe(1);
    expect(log.at(-1)).toMatchObject({ level: "error", err: { message: "stuck" } });
  });

  it.each([
    ["a rejection", "setTimeout(() => Promise.reject(new Error('boom')), 50);"],
    ["an exception", "setTimeout(() => { throw new Error('boom'); }, 50);"],
  ])("logs %s that nobody caught, and ends with 1", async (_what, defect) => {
    const { code, log } = await ended(`run(async () => {}); ${defect}`);
    expect(code).toBe(1);
    expect(log.at(-1)).toMatchObject({ level: "fatal", err: { message: "boom" } });
  });
});
