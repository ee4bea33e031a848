/** A process that has queues open and works on them as it is told. */
import type { Messaging, OutgoingMessage } from "../../src/platform/messaging/index.ts";
import { openPostgresMessaging } from "../../src/platform/messaging/postgres/index.ts";
import { openSqliteMessaging } from "../../src/platform/messaging/sqlite/index.ts";
import { serveCalls } from "../harness/child.ts";

export interface QueueWork {
  readonly queue: string;
  /** Part of the ids and keys: different for each process. */
  readonly name: string;
  readonly count: number;
  /** Messages of one call. */
  readonly batch: number;
  readonly callers: number;
}

/** Milliseconds of the work, and of this process's CPU. */
export interface QueueUsage {
  readonly tookMs: number;
  readonly cpuMs: number;
}

let messaging: Messaging | undefined;
const body = JSON.stringify({ sku: "milk", location: "leeds", available: 17, text: "x".repeat(150) });

function opened(): Messaging {
  if (messaging === undefined) throw new Error("no queues are open");
  return messaging;
}

async function measured(callers: number, call: (caller: number) => Promise<void>): Promise<QueueUsage> {
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  const { user, system } = process.cpuUsage(cpu);
  return { tookMs: performance.now() - from, cpuMs: (user + system) / 1000 };
}

serveCalls({
  async open({ url, folder }: { url?: string; folder?: string }) {
    messaging =
      url === undefined
        ? await openSqliteMessaging({ folder: folder ?? "", clock: Date.now })
        : await openPostgresMessaging({ url });
  },
  declare: ({ queue }: { queue: string }) =>
    opened().declareQueue({ name: queue, deduplicationMs: 3_600_000, attemptsMax: 10, depthMax: 2_000_000 }),
  send: ({ queue, name, count, batch, callers }: QueueWork) =>
    measured(callers, async (caller) => {
      for (let from = caller * batch; from < count; from += callers * batch) {
        const messages: OutgoingMessage[] = Array.from({ length: batch }, (_, n) => ({
          id: `${name} ${from + n}`,
          key: `${name} sku ${(from + n) % 1000}`,
          body,
        }));
        await opened().send(queue, messages);
      }
    }),
  /** Receives and acknowledges until nothing is left. */
  handle: ({ queue, batch, callers }: QueueWork) =>
    measured(callers, async () => {
      for (;;) {
        const found = await opened().receive(queue, { max: batch, leaseMs: 60_000 });
        if (found.length === 0 && (await opened().depth(queue)).waiting === 0) return;
        await Promise.all(found.map((delivery) => opened().acknowledge(delivery)));
      }
    }),
  close: () => messaging?.close(),
});
