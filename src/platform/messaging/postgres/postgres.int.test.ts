import { afterAll, expect, it } from "vitest";
import { CuttingProxy } from "../../../../test/cutting-proxy.ts";
import { execute, startPostgres } from "../../../../test/postgres.ts";
import { Postgres } from "../../postgres/index.ts";
import { type MessagingUnderTest, messagingContract } from "../messaging.contract.ts";
import { expectReliable } from "../reliability.contract.ts";
import { message, queueOf, VirtualTime } from "../samples.ts";
import { openPostgresMessaging } from "./index.ts";
import { statements } from "./statements.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What its tables must always come to, whatever was asked. */
async function expectSound(url: string): Promise<void> {
  const postgres = new Postgres({ url, name: "a test" });
  const unsound = await postgres.query(`
    select 'a turn before the first' as what, t.queue, t.place from larder.queue_turn t
      join larder.queue q on q.number = t.queue where t.due < q.first_due
    union all
    select 'a turn without its message', t.queue, t.place from larder.queue_turn t
      where not exists (select 1 from larder.queue_message m where m.queue = t.queue and m.place = t.place)
    union all
    select 'neither a turn, nor dead, nor behind another', m.queue, m.place from larder.queue_message m
      where not exists (select 1 from larder.queue_turn t where t.queue = m.queue and t.place = m.place)
        and not exists (select 1 from larder.queue_dead d where d.queue = m.queue and d.place = m.place)
        and not exists (select 1 from larder.queue_message x
          where x.queue = m.queue and x.key = m.key and x.place < m.place)
    union all
    select 'a turn behind another', t.queue, t.place from larder.queue_turn t
      join larder.queue_message m on m.queue = t.queue and m.place = t.place
      where exists (select 1 from larder.queue_message x
        where x.queue = m.queue and x.key = m.key and x.place < m.place)
    union all
    select 'unknown', m.queue, m.place from larder.queue_message m
      where not exists (select 1 from larder.queue_known k
        where k.queue = m.queue and k.id = m.id and k.place = m.place)
    union all
    select 'miscounted', q.number, q.waiting from larder.queue q
      where q.waiting + q.dead <> (select count(*) from larder.queue_message m where m.queue = q.number)
        or q.dead <> (select count(*) from larder.queue_dead d where d.queue = q.number)`);
  await postgres.close();
  expect(unsound).toEqual([]);
}

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
      // As a statement is named in its calls: with a zero behind it. Notices and waits of the engine's own go on.
      loseNextAnswer: () => proxy.loseNextAnswer(`${statements.send.name}\0`),
      async remove() {
        await messaging.close();
        await proxy.stop();
        await expectSound(url);
      },
    };
  });

  it("looks again at once for what fell due while the answer was under way", async () => {
    const proxy = await CuttingProxy.start(server.port);
    const time = new VirtualTime();
    const url = (await server.database()).replace(`:${server.port}/`, `:${proxy.port}/`);
    const messaging = await openPostgresMessaging({ url, ...time });
    try {
      await messaging.declareQueue(queueOf("q"));
      await messaging.send("q", [message("late", { delayMs: 1000 })]);
      await pause(300); // until nobody is woken any more by what was sent
      proxy.delay(100);
      const waiting = messaging.receive("q", { max: 1, leaseMs: 1000, waitMs: 20_000 });
      await pause(20); // the server has been asked by the hour before
      time.pass(1000);
      expect((await waiting).map(({ id }) => id)).toEqual(["late"]);
    } finally {
      await messaging.close();
      await proxy.stop();
    }
  }, 20_000);

  it("reads again what was lost on the way, and says of what changes something that nobody knows", async () => {
    const proxy = await CuttingProxy.start(server.port);
    const url = (await server.database()).replace(`:${server.port}/`, `:${proxy.port}/`);
    const messaging = await openPostgresMessaging({ url });
    const { deadLetters } = messaging;
    const losing = async <T>({ name }: { readonly name: string }, ask: () => Promise<T>): Promise<T> => {
      proxy.loseNextAnswer(`${name}\0`);
      return await ask();
    };
    try {
      await messaging.declareQueue(queueOf("q"));
      await messaging.sendDead("q", message("bad"), { cause: "it is bad", attempts: 1 });
      expect(await losing(statements.queues, () => messaging.queues())).toEqual(["q"]);
      expect(await losing(statements.depth, () => messaging.depth("q"))).toMatchObject({ deadLetters: 1 });
      const list = () => deadLetters.list({ order: "oldest-first", limit: 10 });
      const [dead] = (await losing(statements.deadOldest, list)).items;
      const id = dead?.id ?? "";
      expect(await losing(statements.deadOne, () => deadLetters.read(id))).toMatchObject({ messageId: "bad" });
      expect(await losing(statements.record, () => deadLetters.findRecord(id))).toBeUndefined();
      const unknown = { name: "OutcomeUnknown" };
      await expect(losing(statements.endDead, () => deadLetters.redrive(id))).rejects.toMatchObject(unknown);
      expect(await deadLetters.redrive(id)).toBe("ended-before");
      const send = () => messaging.send("q", [message("good")]);
      await expect(losing(statements.send, send)).rejects.toMatchObject(unknown);
      await send();
      expect(await messaging.depth("q")).toMatchObject({ waiting: 2, deadLetters: 0 });
    } finally {
      await messaging.close();
      await proxy.stop();
    }
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
