import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { fact } from "../fixture.ts";
import { FactReader } from "./fact-reader.ts";
import { parseFact } from "./parse.ts";
import { readItem } from "./read-items.ts";

let reader: FactReader;
afterEach(() => reader.close());

const facts = Array.from({ length: 200 }, (_, index) =>
  fact("stock.received", { sku: `sku-${index}`, location: "shop", quantity: index + 1, lot: "crème" }),
);
const batch = Buffer.from(JSON.stringify(facts));

/** Asks until the thread takes a batch: the first are read in the ordinary way, while it starts. */
async function readSoon(json: Uint8Array) {
  for (;;) {
    const items = await reader.read(json);
    if (items !== undefined) return items;
    await wait(5);
  }
}

describe("a reader of facts", () => {
  it("reads large batches on its thread, as they are read here", async () => {
    reader = new FactReader();
    expect(await reader.read(batch)).toBeUndefined();
    const items = await readSoon(batch);
    expect(items.map((item) => readItem(item))).toEqual(facts.map((item) => parseFact(item)));
  });

  it("leaves short batches, and those that are none, to the ordinary way", async () => {
    reader = new FactReader();
    await readSoon(batch);
    expect(await reader.read(Buffer.from(JSON.stringify(facts.slice(0, 20))))).toBeUndefined();
    expect(await reader.read(batch.subarray(0, -1))).toBeUndefined();
    expect(await reader.read(batch)).toHaveLength(200);
  });

  it("takes no more than its thread has time for", async () => {
    reader = new FactReader();
    await readSoon(batch);
    const answers = await Promise.all(Array.from({ length: 6 }, () => reader.read(batch)));
    expect(answers.filter((items) => items === undefined)).toHaveLength(4);
  });

  it("leaves a batch to the ordinary way when its thread ends over it", async () => {
    reader = new FactReader(new URL("./dying-thread.fixture.ts", import.meta.url));
    for (let asked = 0; asked < 40; asked += 1) {
      expect(await reader.read(batch)).toBeUndefined();
      await wait(25);
    }
  });

  it("takes nothing once it is closed", async () => {
    reader = new FactReader();
    await readSoon(batch);
    const last = reader.read(batch);
    await reader.close();
    expect(await last).toBeUndefined();
    expect(await reader.read(batch)).toBeUndefined();
  });
});
