import { describe, expect, it } from "vitest";
import { accept, type Outcome, PlatformError, reject } from "../../kernel/index.ts";
import { MemoryMessaging } from "../../platform/messaging/memory/index.ts";
import { systemTimers } from "../../platform/timers/index.ts";
import type { ChangesStep, RecordedCloudEvent } from "../inventory/index.ts";
import { dispatch } from "./dispatcher.ts";
import type { Webhook } from "./domain/index.ts";
import { eventually } from "./fixture.ts";

const webhook: Webhook = {
  id: "w1",
  url: "https://one.test/",
  version: 1,
  createdAt: 0,
  updatedAt: 0,
  placedAt: 0,
  status: "active",
  secret: { generation: 1, print: "" },
  after: "start",
  formers: [],
  replays: 0,
};

function event(number: number, data: Record<string, unknown> = { sku: "milk", location: "s1" }): RecordedCloudEvent {
  return {
    specversion: "1.0",
    id: `e${number}`,
    source: "urn:larder:inventory",
    type: "larder.stock.sold.v1",
    subject: "s1/milk",
    time: "2026-11-21T00:00:00.000Z",
    datacontenttype: "application/json",
    position: String(number),
    data: { recordedAt: "2026-11-21T00:00:00.000Z", ...data },
  };
}

async function dispatching(
  depthMax: number,
  changes: (after: string | undefined) => Outcome<AsyncIterable<ChangesStep>>,
) {
  const messaging = new MemoryMessaging({ clock: Date.now });
  await messaging.declareQueue({ name: "q", deduplicationMs: 60_000, attemptsMax: 5, depthMax });
  const abort = new AbortController();
  const moved: [string, number][] = [];
  const failures: unknown[] = [];
  const ended = dispatch({
    inventory: { changes: async (after) => changes(after) },
    messaging,
    timers: { ...systemTimers, after: (_ms, run) => systemTimers.after(1, run) },
    queue: "q",
    webhook,
    after: "start",
    goOnFrom: (position) => `shared with ${position}`,
    signal: abort.signal,
    onMoved: (after, sent) => void moved.push([after, sent]),
    onFailure: (error) => void failures.push(error),
  });
  return { messaging, abort, moved, failures, ended };
}

async function* steps(...each: readonly ChangesStep[]): AsyncIterable<ChangesStep> {
  yield* each;
}

describe("a dispatcher", () => {
  it("waits while the queue is full, loses nothing, and says how far it is only when all is in the queue", async () => {
    const events = Array.from({ length: 250 }, (_, number) => event(number));
    const { messaging, moved, failures, ended } = await dispatching(100, () =>
      accept(steps({ events, position: "250", caughtUp: true })),
    );
    await eventually(async () => (await messaging.depth("q")).waiting).toBe(100);
    const got: string[] = [];
    while (got.length < 250) {
      // The last hundred has room once a hundred and fifty have left.
      if (got.length < 150) expect(moved).toEqual([]);
      const found = await messaging.receive("q", { max: 100, leaseMs: 60_000, waitMs: 1000 });
      for (const delivery of found) {
        got.push(delivery.headers["event"] ?? "");
        await messaging.acknowledge(delivery);
      }
    }
    await ended;
    expect(got).toEqual(events.map(({ id }) => id));
    expect([moved, failures]).toEqual([[["250", 250]], []]);
  });

  it("goes on after what its history shares with this one when a restore has left that history", async () => {
    const asked: unknown[] = [];
    const { moved, ended } = await dispatching(100, (after) => {
      asked.push(after);
      return after === "start"
        ? reject({ code: "position-from-another-history", detail: "left" })
        : accept(steps({ events: [event(1)], position: "1", caughtUp: true }));
    });
    await ended;
    expect(asked).toEqual(["start", "shared with start"]);
    expect(moved).toEqual([["1", 1]]);
  });

  it("goes on from where it was when reading the log fails", async () => {
    const asked: unknown[] = [];
    async function* failing(): AsyncIterable<ChangesStep> {
      yield { events: [event(1)], position: "1", caughtUp: false };
      throw new PlatformError("storage-unavailable", "the disk is gone");
    }
    const { messaging, moved, failures, ended } = await dispatching(100, (after) => {
      asked.push(after);
      return accept(after === "start" ? failing() : steps({ events: [event(2)], position: "2", caughtUp: true }));
    });
    await ended;
    expect(asked).toEqual(["start", "1"]);
    expect(moved).toEqual([
      ["1", 1],
      ["2", 1],
    ]);
    expect(failures).toHaveLength(1);
    expect((await messaging.depth("q")).waiting).toBe(2);
  });

  it("gives what is about no stock, or has a long name, a key of its own", async () => {
    const events = [
      event(1),
      { ...event(2, {}), type: "larder.item.changed.v1", subject: "milk" },
      { ...event(3, {}), type: "larder.reservation.status-changed.v1", subject: "🥛".repeat(256) },
    ];
    const { messaging, failures, ended } = await dispatching(100, () =>
      accept(steps({ events, position: "3", caughtUp: true })),
    );
    await ended;
    const found = await messaging.receive("q", { max: 10, leaseMs: 1000 });
    expect(found.map(({ key }) => key)).toEqual([
      "stock s1/milk",
      "item milk",
      expect.stringMatching(/^[0-9a-f]{64}$/),
    ]);
    expect(failures).toEqual([]);
  });
});
