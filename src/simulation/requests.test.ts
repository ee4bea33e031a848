import { expect, it } from "vitest";
import type { SentFact } from "./oracle/shapes.ts";
import { Requests } from "./requests.ts";

it("a fact counts as of its receipt by the queue, or as of now where the same words were told at once too", () => {
  const told = (quantity: number): SentFact => ({
    specversion: "1.0",
    source: "till",
    id: "fact-1",
    type: "larder.stock.sold.v1",
    data: { sku: "milk", location: "leeds", quantity },
  });
  const requests = new Requests();
  const queued = told(3);
  requests.remember(queued, true);
  requests.receive(told(3), 5000);
  requests.remember(told(4), false);
  expect(requests.receipts(queued, 6000)).toEqual([5000]);
  requests.remember(told(3), false);
  expect(requests.receipts(queued, 6000)).toEqual([6000, 5000]);
});
