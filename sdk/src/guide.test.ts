import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isLarderError, isStockChange, Larder } from "./index.ts";
import { key as apiKey, startLarder } from "./larder.fixture.ts";

let started: Awaited<ReturnType<typeof startLarder>>;
beforeAll(async () => {
  started = await startLarder();
});
afterAll(() => started.stop());

// What stands between these lines is what the pages show.
describe("the code of the guide runs", () => {
  it("records, reserves, follows", async () => {
    const environment = { LARDER_URL: started.url, LARDER_KEY: apiKey };
    const lines: string[] = [];
    const console = { log: (line: unknown) => void lines.push(String(line)) };

    const larder = new Larder({
      url: environment.LARDER_URL,
      key: environment.LARDER_KEY,
      source: "/tills/4",
    });

    const receipt = await larder.record([
      {
        id: "receipt-4711",
        type: "larder.stock.received.v1",
        data: { sku: "milk-1l", location: "leeds", quantity: 24 },
      },
      { id: "receipt-4712", type: "larder.stock.sold.v1", data: { sku: "milk-1l", location: "leeds", quantity: 2 } },
    ]);
    for (const { id, code, detail } of receipt.rejected) console.log(`${id}: ${code}: ${detail}`);

    const cart = await larder.reserve({ lines: [{ sku: "milk-1l", quantity: 4, location: "leeds" }] });
    await larder.confirmReservation(cart.id);

    try {
      await larder.reserve({ lines: [{ sku: "milk-1l", quantity: 100, location: "leeds" }] });
    } catch (error) {
      if (!isLarderError(error, "insufficient-stock")) throw error;
      for (const { sku, available } of error.problem.lines) console.log(`only ${available} of ${sku} are left`);
    }

    for await (const reservation of larder.allReservations({ status: "confirmed" })) console.log(reservation.id);

    let position = receipt.position; // kept wherever your program keeps its state
    for await (const event of larder.changes({ after: position, locations: ["leeds"] })) {
      if (isStockChange(event)) console.log(`${event.data.sku}: ${event.data.balance.available} available`);
      position = event.position;
      if (lines.length === 4) break;
    }

    const cache = larder.cache({ staleAfterMs: 5000 });

    await cache.warm(["milk-1l"]); // or let the first question of each sku fetch it
    const milk = cache.availability("milk-1l", "leeds");
    if (milk.known) console.log(`${milk.available}, as of ${Math.round(milk.ageMs)} ms ago, stale: ${milk.stale}`);
    else console.log(milk.reason); // "pending", "no-such-sku"

    const bread = await cache.availabilityWithin(100, "bread-500g", "leeds");

    cache.stop();

    expect(lines.at(-1)).toMatch(/^18, as of \d+ ms ago, stale: false$/);
    expect(bread.known).toBe(false);
    expect(lines.slice(0, 3)).toEqual(["only 18 of milk-1l are left", cart.id, "milk-1l: 18 available"]);
  });
});

it.each(["docs/guides/sdk.md", "sdk/README.md"])("%s shows nothing but that", (page) => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const flat = (text: string) => text.replaceAll(/\s/g, "").replaceAll(/,(?=[\])}])/g, "");
  const code = flat(read("sdk/src/guide.test.ts")).replaceAll("environment.", "process.env.");
  const blocks = [...read(page).matchAll(/```ts\n(.*?)```/gs)].map(([, block = ""]) => block);
  expect(blocks.length).toBeGreaterThan(0);
  for (const block of blocks) {
    for (const part of block.split("\n\n")) {
      // Readers import the package, the test its sources.
      if (!part.startsWith("import ")) expect(code).toContain(flat(part));
    }
  }
});
