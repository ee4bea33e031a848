/** Several processes on the queues of one database: here several engines, each with connections of its own. */
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CuttingProxy } from "../../../../test/cutting-proxy.ts";
import { execute, startPostgres, type TestPostgres } from "../../../../test/postgres.ts";
import { InvariantError } from "../../../kernel/index.ts";
import type { Delivery, Messaging } from "../port.ts";
import { message, numbers, queueOf } from "../samples.ts";
import { openPostgresMessaging } from "./index.ts";

const server = await startPostgres({ ownServer: true });
afterAll(() => server?.stop());

describe.skipIf(server === undefined)("queues of several processes", () => {
  const { database, kill, start, port } = methodsOf(server);
  let url: string;
  let processes: Messaging[];
  const open = async (options: Partial<Parameters<typeof openPostgresMessaging>[0]> = {}) => {
    const opened = await openPostgresMessaging({ url, ...options });
    processes.push(opened);
    return opened;
  };
  beforeEach(async () => {
    url = await database();
    processes = [];
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await Promise.all(processes.map((one) => one.close()));
  });

  it("are made by whoever comes first, when several start together", async () => {
    const all = await Promise.all([open(), open(), open()]);
    await Promise.all(all.map((one) => one.declareQueue(queueOf("q"))));
    expect(await all[1]?.queues()).toEqual(["q"]);
  });

  it("give no message to two holders, and keep the order of a key, whoever sends and receives", async () => {
    const [a, b, c] = await Promise.all([open(), open(), open()]);
    await a.declareQueue(queueOf("q"));
    const [count, keys] = [1500, 40];
    const book = new Book();
    const sender = async (messaging: Messaging, name: string) => {
      for (let from = 0; from < count; from += 25) {
        const batch = numbers(25).map((n) => message(`${name}/${from + n}`, { key: `key ${(from + n) % keys}` }));
        await messaging.send("q", batch);
      }
    };
    const work = async (messaging: Messaging, max: number) => {
      while (book.done.size < 2 * count) {
        const found = await messaging.receive("q", { max, leaseMs: 60_000, waitMs: 200 });
        for (const delivery of found) book.begin(delivery);
        if (found.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
        for (const delivery of found) book.end(delivery);
        const held = await Promise.all(found.map((delivery) => messaging.acknowledge(delivery)));
        expect(held).toEqual(found.map(() => true));
      }
    };
    await Promise.all([sender(a, "a"), sender(b, "b"), work(a, 7), work(b, 10), work(c, 3), work(c, 100)]);
    expect(book.done.size).toBe(2 * count);
    expect(book.twice).toEqual([]);
    expect(book.together).toEqual([]);
    expect(book.outOfOrder).toEqual([]);
    expect(await b.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });
  });

  it("give the message of a process that is paused to another, and refuse the first one's answer", async () => {
    const [paused, other] = await Promise.all([open(), open()]);
    await paused.declareQueue(queueOf("q"));
    await paused.send("q", [message("a1", { key: "a" }), message("a2", { key: "a" })]);
    const [first] = (await paused.receive("q", { max: 10, leaseMs: 300 })) as [Delivery];
    const [second] = (await other.receive("q", { max: 10, leaseMs: 60_000, waitMs: 5000 })) as [Delivery];
    expect(second).toMatchObject({ id: "a1", attempts: 2 });
    expect(second.token > first.token).toBe(true);
    expect(await paused.isCurrent(first)).toBe(false);
    expect(await paused.acknowledge(first)).toBe(false);
    expect(await paused.retry(first, 0, "slow")).toBe(false);
    expect(await paused.deadLetter(first, "slow")).toBe(false);
    expect(await paused.extend(first, 60_000)).toBe(false);
    expect(await paused.receive("q", { max: 10, leaseMs: 1000 })).toEqual([]);
    expect(await other.acknowledge(second)).toBe(true);
    expect(await paused.receive("q", { max: 10, leaseMs: 1000 })).toMatchObject([{ id: "a2" }]);
  });

  it("judge leases by the server's hour, not by that of a process whose clock is off", async () => {
    const [a, b] = await Promise.all([open(), open()]);
    await a.declareQueue(queueOf("q"));
    await a.send("q", [message("a1", { delayMs: 0 }), message("later", { delayMs: 60_000 })]);
    const [held] = (await a.receive("q", { max: 1, leaseMs: 60_000 })) as [Delivery];
    const now = Date.now;
    vi.spyOn(Date, "now").mockImplementation(() => now() + 600_000);
    expect(await b.receive("q", { max: 10, leaseMs: 60_000 })).toEqual([]);
    await b.send("q", [message("b1")]);
    expect(await a.receive("q", { max: 10, leaseMs: 60_000 })).toMatchObject([{ id: "b1" }]);
    expect(await a.isCurrent(held)).toBe(true);
  });

  it("wake who waits elsewhere, at once", async () => {
    const [a, b] = await Promise.all([open(), open({ pollMs: 60_000 })]);
    await a.declareQueue(queueOf("q"));
    await a.declareQueue(queueOf("other"));
    for (const turn of numbers(5)) {
      const waiting = b.receive("q", { max: 1, leaseMs: 1000, waitMs: 20_000 });
      await new Promise((resolve) => setTimeout(resolve, 200));
      const begun = performance.now();
      await a.send("q", [message(`m${turn}`)]);
      const [found] = (await waiting) as [Delivery];
      expect(performance.now() - begun).toBeLessThan(2000);
      await b.acknowledge(found);
    }
    const removed = b.receive("other", { max: 1, leaseMs: 1000, waitMs: 20_000 });
    const failure = expect(removed).rejects.toThrow(InvariantError);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await a.removeQueue("other");
    await failure;
  });

  it("find what came while notifications were not heard", async () => {
    const proxy = await CuttingProxy.start(port);
    const [a, b] = await Promise.all([open(), open({ url: url.replace(`:${port}/`, `:${proxy.port}/`), pollMs: 300 })]);
    await a.declareQueue(queueOf("q"));
    const waiting = b.receive("q", { max: 1, leaseMs: 1000, waitMs: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const listening =
      "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' and datname = current_database()";
    await execute(url, listening);
    await a.send("q", [message("m")]);
    expect(await waiting).toMatchObject([{ id: "m" }]);
    await b.close();
    await proxy.stop();
  });

  it("take no more than a queue may hold, whoever sends", async () => {
    const all = await Promise.all([open(), open(), open()]);
    await all[0]?.declareQueue(queueOf("q", { depthMax: 50 }));
    const outcomes = await Promise.allSettled(
      numbers(120).map((n) => all[n % 3]?.send("q", [message(`m${n}`, { key: `${n % 5}` })])),
    );
    const sent = outcomes.filter(({ status }) => status === "fulfilled").length;
    const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    expect(sent).toBe(50);
    for (const reason of refused) expect(reason).toMatchObject({ code: "overloaded" });
    expect(await all[1]?.depth("q")).toMatchObject({ waiting: 50 });
  });

  it("never wait for one another in a circle, whatever goes to several queues at once", async () => {
    const all = await Promise.all([open(), open()]);
    const queues = numbers(6).map((n) => `q${n}`);
    for (const queue of queues) await all[0]?.declareQueue(queueOf(queue));
    for (const [index, queue] of queues.entries()) await all[0]?.subscribe(index % 2 === 0 ? "even" : "odd", queue);
    for (const queue of queues) await all[0]?.subscribe("all", queue);
    await Promise.all(
      numbers(400).map(async (n) => {
        const one = all[n % 2] as Messaging;
        const queue = queues[(n * 7) % queues.length] as string;
        if (n % 4 === 0) await one.publish("all", [message(`all ${n}`, { key: "k" })]);
        else if (n % 4 === 1) await one.publish(n % 8 === 1 ? "odd" : "even", [message(`some ${n}`)]);
        else if (n % 4 === 2) await one.send(queue, [message(`one ${n}`, { key: `${n % 3}` })]);
        else
          for (const found of await one.receive(queue, { max: 5, leaseMs: 60_000 })) {
            if (n % 3 === 0) await one.deadLetter(found, "broken");
            else await one.acknowledge(found);
          }
        if (n % 50 === 0) await one.deadLetters.redriveQueue(queue);
      }),
    );
    const depths = await Promise.all(queues.map((queue) => (all[0] as Messaging).depth(queue)));
    for (const { waiting, deadLetters } of depths) expect(waiting + deadLetters).toBeGreaterThan(0);
  });

  it("lose nothing that was sent when the server is killed, and give no token twice", async () => {
    const [a, b] = await Promise.all([open(), open()]);
    await a.declareQueue(queueOf("q", { attemptsMax: 1000, deduplicationMs: 3_600_000 }));
    const book = new Book();
    const tokens = new Set<string>();
    const sent = new Set<string>();
    let isOver = false;
    const sender = async (messaging: Messaging, name: string) => {
      for (let n = 1; !isOver; ) {
        const batch = numbers(5).map((step) => message(`${name}/${n + step}`, { key: `${name} ${(n + step) % 8}` }));
        try {
          await messaging.send("q", batch);
          for (const { id } of batch) sent.add(id);
          n += 5;
        } catch {
          // Sent again: its ids make that safe.
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const work = async (messaging: Messaging) => {
      for (let quiet = 0; !isOver || quiet < 3; ) {
        try {
          const found = await messaging.receive("q", { max: 20, leaseMs: 400, waitMs: 200 });
          quiet = isOver && found.length === 0 ? quiet + 1 : 0;
          for (const delivery of found) {
            expect(tokens.has(delivery.token)).toBe(false);
            tokens.add(delivery.token);
            book.done.add(delivery.id);
          }
          await Promise.all(found.map((delivery) => messaging.acknowledge(delivery)));
        } catch {
          quiet = 0;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const working = [sender(a, "a"), sender(b, "b"), work(a), work(b)];
    for (const _ of numbers(3)) {
      await new Promise((resolve) => setTimeout(resolve, 700));
      await kill();
      await start();
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    isOver = true;
    await Promise.all(working);
    expect(sent.size).toBeGreaterThan(100);
    expect([...sent].filter((id) => !book.done.has(id))).toEqual([]);
    expect(await a.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });
  }, 60_000);
});

/** What handlers saw: messages of one key must neither meet nor overtake one another. */
class Book {
  readonly done = new Set<string>();
  readonly twice: string[] = [];
  readonly together: string[] = [];
  readonly outOfOrder: string[] = [];
  readonly #busy = new Set<string>();
  readonly #last = new Map<string, number>();

  begin({ id, key = "" }: Delivery): void {
    if (this.done.has(id)) this.twice.push(id);
    if (this.#busy.has(key)) this.together.push(id);
    this.#busy.add(key);
    const [sender = "", n = 0] = id.split("/");
    const before = this.#last.get(`${sender} ${key}`) ?? 0;
    if (before > Number(n)) this.outOfOrder.push(id);
    this.#last.set(`${sender} ${key}`, Number(n));
  }

  end({ id, key = "" }: Delivery): void {
    this.done.add(id);
    this.#busy.delete(key);
  }
}

function methodsOf(server: TestPostgres | undefined) {
  const missing = () => Promise.reject(new Error("there is no server"));
  return {
    database: () => server?.database() ?? missing(),
    kill: () => server?.kill() ?? missing(),
    start: () => server?.start() ?? missing(),
    port: server?.port ?? 0,
  };
}
