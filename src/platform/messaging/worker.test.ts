import { expect, it, vi } from "vitest";
import { systemTimers } from "../timers/index.ts";
import { MemoryMessaging } from "./memory/index.ts";
import type { Delivery } from "./port.ts";
import { message, numbers, queueOf, VirtualTime } from "./samples.ts";
import { done, type Handled, QueueWorker, type Settled, type WorkerOptions } from "./worker.ts";

const policy = { firstDelayMs: 100, delayMsMax: 1000, attemptsMax: 3, elapsedMsMax: 60_000 };

async function working(handle: WorkerOptions["handle"], options: Partial<WorkerOptions> = {}) {
  const time = new VirtualTime();
  const messaging = new MemoryMessaging(time);
  await messaging.declareQueue(queueOf("q"));
  const settled: (readonly [string, Settled])[] = [];
  const failures: unknown[] = [];
  const workerOptions: WorkerOptions = {
    messaging,
    queue: "q",
    handle,
    policy,
    leaseMs: 5000,
    clock: time.clock,
    random: () => 0.5,
    onSettled: (delivery, how) => settled.push([delivery.id, how]),
    onFailure: (error) => failures.push(error),
    ...options,
  };
  const worker = new QueueWorker(workerOptions);
  worker.start();
  return { time, messaging, worker, workerOptions, settled, failures };
}

const always =
  (handled: Handled) =>
  async (batch: readonly Delivery[]): Promise<readonly Handled[]> =>
    batch.map(() => handled);

it("acknowledges what was handled", async () => {
  const { messaging, worker, settled } = await working(always(done));
  await messaging.send("q", [message("a"), message("b")]);
  await vi.waitFor(() =>
    expect(settled).toEqual([
      ["a", "done"],
      ["b", "done"],
    ]),
  );
  expect((await messaging.depth("q")).waiting).toBe(0);
  await worker.stop(0);
});

it("tries again what failed or threw, then makes a dead letter of it with the causes", async () => {
  const { time, messaging, worker, settled } = await working(async () => {
    throw new Error("no answer");
  });
  await messaging.send("q", [message("a")]);
  for (const attempts of numbers(2)) {
    await vi.waitFor(() => expect(settled).toHaveLength(attempts));
    time.pass(1000);
  }
  await vi.waitFor(() =>
    expect(settled).toEqual([
      ["a", "retried"],
      ["a", "retried"],
      ["a", "dead"],
    ]),
  );
  const [dead] = (await messaging.deadLetters.list({ order: "newest-first", limit: 1 })).items;
  expect(dead).toMatchObject({ messageId: "a", attempts: 3, cause: "given up after 3 attempts; the last: no answer" });
  await worker.stop(0);
});

it("lets those behind what it gives up go on where the queue says so", async () => {
  const handle: WorkerOptions["handle"] = async ([delivery]) => [
    delivery?.id === "a" ? { outcome: "retry", cause: "a defect" } : done,
  ];
  for (const [freesKeyWhenGivenUp, waiting] of [[true, 0] as const, [false, 1] as const]) {
    const options = { policy: { ...policy, attemptsMax: 1 }, freesKeyWhenGivenUp };
    const { messaging, worker, settled } = await working(handle, options);
    await messaging.send("q", [message("a", { key: "k" }), message("b", { key: "k" })]);
    await vi.waitFor(() => expect(settled).toHaveLength(2 - waiting));
    expect(await messaging.depth("q")).toMatchObject({ waiting, deadLetters: 1 });
    await worker.stop(0);
  }
});

it("makes a dead letter at once of what can't be handled, and its neighbour is done", async () => {
  const { messaging, worker, settled } = await working(
    async (batch) => batch.map(({ id }): Handled => (id === "a" ? { outcome: "dead", cause: "unreadable" } : done)),
    { batchMax: 2 },
  );
  await messaging.send("q", [message("a"), message("b")]);
  await vi.waitFor(() =>
    expect([...settled].sort()).toEqual([
      ["a", "dead"],
      ["b", "done"],
    ]),
  );
  await worker.stop(0);
});

it("waits as long as the other side asks", async () => {
  let calls = 0;
  const { time, messaging, worker, settled } = await working(async () => {
    calls += 1;
    return [calls === 1 ? { outcome: "retry", cause: "busy", retryAfterMs: 10_000 } : done];
  });
  await messaging.send("q", [message("a")]);
  await vi.waitFor(() => expect(settled).toHaveLength(1));
  time.pass(9999);
  expect(calls).toBe(1);
  time.pass(1000);
  await vi.waitFor(() => expect(calls).toBe(2));
  await worker.stop(0);
});

it("has no more under way than its concurrency", async () => {
  let [now, most] = [0, 0];
  const { messaging, worker, settled } = await working(
    async (batch) => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return batch.map(() => done);
    },
    { concurrency: 3 },
  );
  await messaging.send(
    "q",
    numbers(20).map((n) => message(`m${n}`)),
  );
  await vi.waitFor(() => expect(settled).toHaveLength(20));
  expect(most).toBe(3);
  await worker.stop(0);
});

it("fetches no more at one time than it may hold", async () => {
  const batches: number[] = [];
  const handle: WorkerOptions["handle"] = async (batch) => {
    batches.push(batch.length);
    return batch.map(() => done);
  };
  const { messaging, worker, settled } = await working(handle, { batchMax: 10, bytesMax: 600 });
  await messaging.send(
    "q",
    numbers(5).map((n) => message(`m${n}`, { body: "x".repeat(400) })),
  );
  await vi.waitFor(() => expect(settled).toHaveLength(5));
  expect(batches).toEqual([2, 2, 1]);
  await worker.stop(0);
});

it("tells when a lease ran out meanwhile, and changes nothing then", async () => {
  let started = 0;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { time, messaging, worker, settled } = await working(async () => {
    started += 1;
    await held;
    return [done];
  });
  await messaging.send("q", [message("a")]);
  await vi.waitFor(() => expect(started).toBe(1));
  time.pass(5000);
  release();
  await vi.waitFor(() =>
    expect(settled).toEqual([
      ["a", "lost"],
      ["a", "done"],
    ]),
  );
  await worker.stop(0);
});

it("lets what is under way finish when it stops, and aborts it after a while", async () => {
  let started = 0;
  const { time, messaging, worker, settled } = await working(
    async (_, signal) => {
      started += 1;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      return [{ outcome: "retry", cause: "stopped" }];
    },
    { timers: systemTimers },
  );
  await messaging.send("q", [message("a"), message("b")]);
  await vi.waitFor(() => expect(started).toBe(1));
  await worker.stop(5);
  time.pass(60_000);
  expect(settled).toEqual([["a", "retried"]]);
  expect(await messaging.depth("q")).toMatchObject({ waiting: 2 });
});

it("counts what its end cuts off as no attempt, however long it has been tried", async () => {
  let started = 0;
  const { time, messaging, worker, settled } = await working(
    async (_, signal) => {
      started += 1;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      throw new Error("the inventory is out of reach");
    },
    { timers: systemTimers, leaseMs: 600_000 },
  );
  await messaging.send("q", [message("a")]);
  await vi.waitFor(() => expect(started).toBe(1));
  time.pass(policy.elapsedMsMax + 1);
  await worker.stop(0);
  expect(settled).toEqual([["a", "retried"]]);
  expect(await messaging.depth("q")).toMatchObject({ waiting: 1, deadLetters: 0 });
  expect(await messaging.receive("q", { max: 1, leaseMs: 1 })).toMatchObject([{ attempts: 1 }]);
});

it("counts against a message neither the time without a worker nor that in which the queue failed", async () => {
  const quick = { ...systemTimers, after: (_ms: number, run: () => void) => systemTimers.after(1, run) };
  const busy = always({ outcome: "retry", cause: "busy" });
  const first = await working(busy, { policy: { ...policy, attemptsMax: 9 }, timers: quick });
  const { time, messaging, settled, failures } = first;
  await messaging.send("q", [message("a")]);
  await vi.waitFor(() => expect(settled).toHaveLength(1));
  await first.worker.stop(0);
  time.pass(policy.elapsedMsMax + 1);
  const second = new QueueWorker(first.workerOptions);
  second.start();
  await vi.waitFor(() => expect(settled).toHaveLength(2));
  await second.stop(0);

  const { receive } = messaging;
  messaging.receive = () => Promise.reject(new Error("the store is away"));
  const third = new QueueWorker(first.workerOptions);
  third.start();
  await vi.waitFor(() => expect(failures).not.toEqual([]));
  time.pass(policy.elapsedMsMax + 1);
  const before = failures.length;
  await vi.waitFor(() => expect(failures.length).toBeGreaterThan(before + 1));
  messaging.receive = receive;
  await vi.waitFor(() => expect(settled).toHaveLength(3));
  expect(settled.map(([, how]) => how)).toEqual(["retried", "retried", "retried"]);

  time.pass(policy.elapsedMsMax + 1);
  await vi.waitFor(() => expect(settled.at(-1)).toEqual(["a", "dead"]));
  await third.stop(0);
});
