import { expect, it } from "vitest";
import { messagingContract } from "../messaging.contract.ts";
import { message, queueOf, VirtualTime } from "../samples.ts";
import { MemoryMessaging } from "./index.ts";

messagingContract(
  "memory",
  async () => {
    const time = new VirtualTime();
    const messaging = new MemoryMessaging(time);
    return {
      messaging,
      pass: async (ms) => time.pass(ms),
      reopen: () => Promise.reject(new Error("memory is not reopened")),
      failNextWrite: () => messaging.failNextWrite(),
      loseNextAnswer: () => messaging.loseNextAnswer(),
      remove: () => messaging.close(),
    };
  },
  { reopen: "memory keeps nothing" },
);

it("keeps nothing for the next one", async () => {
  const first = new MemoryMessaging(new VirtualTime());
  await first.declareQueue(queueOf("q"));
  await first.send("q", [message("a")]);
  await first.close();
  expect(await new MemoryMessaging(new VirtualTime()).queues()).toEqual([]);
});

it("leaves no timer behind", async () => {
  const time = new VirtualTime();
  const messaging = new MemoryMessaging(time);
  await messaging.declareQueue(queueOf("q"));
  const waiting = messaging.receive("q", { max: 1, leaseMs: 1000, waitMs: 1000 });
  for (let turn = 0; turn < 20 && time.alarms === 0; turn += 1) await Promise.resolve();
  expect(time.alarms).toBe(1);
  await messaging.send("q", [message("a")]);
  expect(await waiting).toHaveLength(1);
  expect(time.alarms).toBe(0);
});
