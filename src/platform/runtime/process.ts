import type { Logger } from "../telemetry/index.ts";

/** Milliseconds from the signal to the end of the process at the latest: what contract.md promises, less a margin. */
const stopMsMax = 9500;

/** Milliseconds after the first signal in which more of them are the same one: a terminal and a launcher both send it. */
const sameSignalMs = 1000;

/**
 * Runs until SIGTERM or SIGINT, then stops and gives the exit code: 0 when all was finished, 1 when something failed or
 * took too long. A second signal, later, ends the process at once. What nobody caught is a defect: it is logged, and the
 * process ends with 1, because its state can't be trusted any more; whoever watches over it starts a new one.
 *
 * `ready` is called once signals are heard: who tells the world that the server listens does so there, for a signal may
 * follow at once. `drain` comes before `stop`, and its time does not count: what the server does there is its work.
 */
export async function runUntilSignal(
  stop: () => Promise<void>,
  logger: Logger,
  ready: () => void = () => undefined,
  drain: () => Promise<void> = async () => undefined,
): Promise<number> {
  const crash = (error: unknown) => {
    logger.fatal({ err: error }, "a defect: stopping at once");
    process.exit(1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);

  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, resolve);
    ready();
  });
  const since = performance.now();
  const again = () => {
    if (performance.now() - since > sameSignalMs) process.exit(1);
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, again);
  logger.info({ signal }, "stopping");
  await drain();
  const timer = setTimeout(() => {
    logger.fatal(`did not stop within ${stopMsMax} ms`);
    process.exit(1);
  }, stopMsMax);
  try {
    await stop();
    logger.info("stopped");
    return 0;
  } catch (error) {
    logger.error({ err: error }, "did not stop cleanly");
    return 1;
  } finally {
    clearTimeout(timer);
  }
}
