import { expect, it } from "vitest";
import { limits } from "../../kernel/index.ts";
import type { Batch } from "./domain/backlog.ts";
import { Receiver } from "./receiver.ts";

const policy = { firstDelayMs: 10, delayMsMax: 100, attemptsMax: 10, elapsedMsMax: 1e9 };
const failed = { kind: "failed", cause: "the connection was refused" } as const;

/** One that lacks some stocks, and counts as down from the instant that is given with it. */
function receiverThatIsDown(): { readonly receiver: Receiver; readonly probeAt: number } {
  const settings = { url: "https://wms.example", of: "all", batchSize: 10 } as const;
  const receiver = new Receiver("leeds", settings, { capacity: () => 100, policy, random: () => 0.5 });
  for (const sku of ["milk", "tea"])
    receiver.backlog.changed({ key: `stock-york/${sku}`, location: "york", sku }, 1, 0);
  for (let now = 1000; receiver.circuit === "closed"; now += 1000) {
    const batch = receiver.begin(now);
    receiver.pushes = 0;
    if (batch !== undefined) receiver.failed(batch, { begunAt: now, verdict: failed }, now);
  }
  return { receiver, probeAt: receiver.nextPushAt(0) ?? Number.NaN };
}

it("is probed again, and not at once, when a probe was called off", () => {
  const { receiver, probeAt } = receiverThatIsDown();
  for (const now of [probeAt, probeAt + 10 * limits.syncReadAgainMs]) {
    const probe = receiver.begin(now) as Batch;
    expect([receiver.circuit, receiver.nextPushAt(now)]).toEqual(["half-open", undefined]);
    receiver.calledOff(probe, now);
    expect([receiver.circuit, receiver.nextPushAt(now)]).toEqual(["open", now + limits.syncReadAgainMs]);
  }
});

it("begins nothing while all that it lacks is under way", () => {
  const { receiver, probeAt } = receiverThatIsDown();
  const probe = receiver.begin(probeAt) as Batch;
  receiver.nothingSent([]);
  expect(probe.length).toBeGreaterThan(0);
  while (receiver.begin(probeAt) !== undefined) receiver.nothingSent([]);
  expect(receiver.circuit).toBe("open");
});
