import { expect, it } from "vitest";
import { counted } from "./words.ts";

it("counts one thing and many", () => {
  expect([0, 1, 2].map((count) => counted(count, "event"))).toEqual(["0 events", "1 event", "2 events"]);
  expect([1, 3].map((count) => counted(count, "message waits", "messages wait"))).toEqual([
    "1 message waits",
    "3 messages wait",
  ]);
});
