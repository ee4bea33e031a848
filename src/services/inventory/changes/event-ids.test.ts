import { expect, it } from "vitest";
import type { Epoch, RecordedEvent } from "../../../platform/storage/index.ts";
import { findEvent, toCloudEvent } from "./cloud-events.ts";

const unit = { command: "c", recordedAt: 0, actor: "a" };
const eventAt = (seq: number): RecordedEvent => ({
  seq,
  stream: "item-tea",
  version: 1,
  type: "ItemRegistered",
  schema: 1,
  data: {},
  unit,
});
const first: Epoch = { number: 1, id: "first", startsAfter: 0 };
const restored: readonly Epoch[] = [first, { number: 2, id: "second", startsAfter: 7 }];

it("an event keeps its id through a restore, and what came after it has another one than what was lost", () => {
  expect(toCloudEvent(eventAt(7), [first]).id).toBe("first-7");
  // It used to become second-7: whoever had seen it would have counted it again.
  expect(toCloudEvent(eventAt(7), restored).id).toBe("first-7");
  expect(toCloudEvent(eventAt(8), restored).id).toBe("second-8");
});

it("an id finds its event, and one from a history that was left finds none", async () => {
  const log = {
    epochs: restored,
    head: () => 9,
    readLog: async (after: number) => [{ meta: unit, events: [eventAt(after + 1)], claims: [], body: "" }],
  };
  expect((await findEvent(log, "first-7"))?.seq).toBe(7);
  expect((await findEvent(log, "second-8"))?.seq).toBe(8);
  for (const id of ["first-8", "second-7", "second-10", "second-", "x", "second-99999999999999999999"])
    expect(await findEvent(log, id)).toBeUndefined();
});
