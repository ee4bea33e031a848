import { afterAll, it } from "vitest";
import { CuttingProxy } from "../../../../test/cutting-proxy.ts";
import { execute, startPostgres } from "../../../../test/postgres.ts";
import { type MessagingUnderTest, messagingContract } from "../messaging.contract.ts";
import { expectReliable } from "../reliability.contract.ts";
import { VirtualTime } from "../samples.ts";
import { openPostgresMessaging } from "./index.ts";

const server = await startPostgres();
afterAll(() => server?.stop());

if (server !== undefined) {
  messagingContract("postgres", async (): Promise<MessagingUnderTest> => {
    const url = await server.database();
    const proxy = await CuttingProxy.start(server.port);
    const time = new VirtualTime();
    const open = () => openPostgresMessaging({ url: url.replace(`:${server.port}/`, `:${proxy.port}/`), ...time });
    let messaging = await open();
    return {
      messaging,
      pass: async (ms) => time.pass(ms),
      async reopen() {
        const left = messaging;
        proxy.cut();
        messaging = await open();
        await left.close();
        return messaging;
      },
      failNextWrite() {
        const { send } = messaging;
        messaging.send = async (queue, messages) => {
          messaging.send = send;
          await execute(url, "alter table larder.queue_message rename to elsewhere");
          await send
            .call(messaging, queue, messages)
            .finally(() => execute(url, "alter table larder.elsewhere rename to queue_message"));
        };
      },
      loseNextAnswer: () => proxy.loseNextAnswer(),
      async remove() {
        await messaging.close();
        await proxy.stop();
      },
    };
  });

  it("10,000 messages, some of them poison: each has one effect, and a redrive after the fix leaves none", async () => {
    const time = new VirtualTime();
    const messaging = await openPostgresMessaging({ url: await server.database(), ...time });
    try {
      await expectReliable(messaging, time, 10_000);
    } finally {
      await messaging.close();
    }
  }, 180_000);
}
