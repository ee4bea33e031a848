import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
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
    expect(await reader.read(Buffer.from(batch.toString().replace("è", "\\u00e8")))).toBeUndefined();
    expect(await reader.read(batch)).toHaveLength(200);
  });

  it("takes no more than its thread has time for, and reads what it takes in the order in which it came", async () => {
    reader = new FactReader();
    await readSoon(batch);
    const done: number[] = [];
    const sizes = Array.from({ length: 20 }, (_, index) => 200 - index);
    const answers = await Promise.all(
      sizes.map(async (size) => {
        const items = await reader.read(Buffer.from(JSON.stringify(facts.slice(0, size))));
        if (items !== undefined) done.push(items.length);
        return items;
      }),
    );
    expect(answers.filter((items) => items === undefined)).toHaveLength(4);
    expect(done).toEqual(sizes.slice(0, 16));
  });

  it("leaves a batch to the ordinary way when its thread ends over it, and starts another after a while", async () => {
    const folder = mkdtempSync(join(tmpdir(), "larder-reader-"));
    const lives = join(folder, "lives");
    writeFileSync(lives, "");
    const failures: unknown[] = [];
    vi.stubEnv("LARDER_TEST_LIVES", lives);
    const thread = new URL("./dying-thread.fixture.ts", import.meta.url);
    reader = new FactReader({ thread, restartMs: 20, onFailure: (error) => failures.push(error) });
    // Two lives end over a batch; the third reads.
    expect(await readSoon(batch)).toEqual([]);
    expect(readFileSync(lives, "utf8")).toBe("xxx");
    expect(failures.map(String)).toEqual(["Error: it ended with 1", "Error: it ended with 1"]);
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it("tells why its thread can't start, and reads nothing", async () => {
    const failures: unknown[] = [];
    reader = new FactReader({
      thread: new URL("./no-such-thread.ts", import.meta.url),
      onFailure: (error) => failures.push(error),
    });
    expect(await reader.read(batch)).toBeUndefined();
    await expect.poll(() => failures.length).toBe(1);
    expect(String(failures[0])).toContain("no-such-thread");
    expect(await reader.read(batch)).toBeUndefined();
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
