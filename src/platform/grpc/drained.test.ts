import { EventEmitter, getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { drained } from "./drained.ts";

it("waits for a reader or for the end, and leaves no listener behind however often it waits", async () => {
  const stream = new EventEmitter();
  const ending = new AbortController();
  const left = () => stream.listenerCount("drain") + getEventListeners(ending.signal, "abort").length;
  for (let times = 0; times < 20; times += 1) {
    const waiting = drained(stream, ending.signal);
    stream.emit("drain");
    await waiting;
  }
  expect(left()).toBe(0);
  const cutOff = drained(stream, ending.signal);
  ending.abort();
  await cutOff;
  await drained(stream, ending.signal);
  expect(left()).toBe(0);
});
