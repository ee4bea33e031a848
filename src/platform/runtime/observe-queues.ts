import type { Messaging, QueueDepth } from "../messaging/index.ts";
import type { Logger, MetricsRegistry } from "../telemetry/index.ts";
import type { Checks } from "./module.ts";

/** Reads at each scrape how much waits in each queue, and how long it has. */
export function watchQueues(messaging: Messaging, { metrics, beforeScrape }: MetricsRegistry, logger: Logger): void {
  beforeScrape(async () => {
    try {
      const now = Date.now();
      const secondsSince = (then: number | undefined) => (then === undefined ? 0 : Math.max(0, now - then) / 1000);
      const found = await depths(messaging);
      // A queue that was removed is told of no more.
      for (const name of ["queueWaiting", "queueOldestSeconds", "deadLetters", "deadLetterOldestSeconds"] as const)
        metrics[name].clear();
      for (const [queue, depth] of found) {
        metrics.queueWaiting.set(depth.waiting, { queue });
        metrics.queueOldestSeconds.set(secondsSince(depth.oldestSentAt), { queue });
        metrics.deadLetters.set(depth.deadLetters, { queue });
        metrics.deadLetterOldestSeconds.set(secondsSince(depth.oldestDeadAt), { queue });
      }
    } catch (error) {
      logger.error({ err: error }, "the queues can't be read");
    }
  });
}

/** Whether the queues can be read. Dead letters need someone, but work goes on beside them. */
export async function queueChecks(messaging: Messaging): Promise<Checks> {
  try {
    const dead = (await depths(messaging)).filter(([, { deadLetters }]) => deadLetters > 0);
    const counts = dead.map(([queue, { deadLetters }]) => `${deadLetters} in ${queue}`);
    if (counts.length === 0) return { queues: { ok: true, detail: "no dead letters" } };
    const detail = `dead letters: ${counts.join(", ")}; see \`larder dlq list\``;
    return { queues: { ok: true, needsSomeone: true, detail } };
  } catch {
    return { queues: { ok: false, detail: "they can't be read: the server's log says why" } };
  }
}

async function depths(messaging: Messaging): Promise<readonly (readonly [string, QueueDepth])[]> {
  const queues = await messaging.queues();
  const found = await Promise.all(
    queues.map(async (queue) => {
      const depth = await messaging.depth(queue).catch(async (error: unknown) => {
        // A queue may be removed while others are being looked at.
        if ((await messaging.queues()).includes(queue)) throw error;
        return undefined;
      });
      return depth && ([queue, depth] as const);
    }),
  );
  return found.filter((each) => each !== undefined);
}
