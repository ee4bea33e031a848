import fc from "fast-check";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type AvailabilityCache, isLarderError, isStockChange, Larder, type StockQuantities } from "./index.ts";
import { fact, key, startLarder, startProxy } from "./larder.fixture.ts";

let server: Awaited<ReturnType<typeof startLarder>>;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let run = 0;

beforeAll(async () => {
  server = await startLarder();
  proxy = await startProxy(server.url);
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

const places = ["leeds", "york"];
const sku = fc.integer({ min: 0, max: 4 });
const location = fc.constantFrom(...places);
const quantity = fc.integer({ min: 1, max: 20 });

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("receive" as const), sku, location, quantity }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("sell" as const), sku, location, quantity }) },
  fc.record({ do: fc.constant("count" as const), sku, location, quantity }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant("reserve" as const), sku, location, quantity }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("confirm" as const, "release" as const), of: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("policy" as const), sku, location: fc.option(location), quantity }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("ask" as const), sku, location }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cut" as const) }) },
  fc.record({ do: fc.constant("refuse" as const), isRefusing: fc.boolean() }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Sample extends StockQuantities {
  readonly sku: string;
  readonly location: string;
  readonly version: number;
}

/** Takes the steps, and writes down every answer that the cache gives meanwhile. */
async function take(steps: readonly Step[], cache: AvailabilityCache, name: (sku: number) => string) {
  const { larder } = server;
  const samples: Sample[] = [];
  const carts: string[] = [];
  const look = () => {
    for (const place of places) {
      for (let index = 0; index < 5; index += 1) {
        if (cache.everywhere(name(index)).length === 0) continue;
        const answer = cache.availability(name(index), place);
        if (answer.known) samples.push(answer);
      }
    }
  };
  for (const [index, each] of steps.entries()) {
    const id = `${run}-${index}`;
    if (each.do === "receive")
      await larder.record([fact(id, "received", name(each.sku), each.location, each.quantity)]);
    if (each.do === "sell") await larder.record([fact(id, "sold", name(each.sku), each.location, each.quantity)]);
    if (each.do === "count") await larder.record([fact(id, "counted", name(each.sku), each.location, each.quantity)]);
    if (each.do === "reserve") {
      const lines = [{ sku: name(each.sku), location: each.location, quantity: each.quantity }];
      await larder.reserve({ id, lines }).then(() => carts.push(id), refused);
    }
    const cart = "of" in each ? carts[each.of % carts.length] : undefined;
    if (each.do === "confirm" && cart !== undefined) await larder.confirmReservation(cart).catch(refused);
    if (each.do === "release" && cart !== undefined) await larder.releaseReservation(cart).catch(refused);
    if (each.do === "policy") {
      const where = each.location === null ? {} : { location: each.location };
      await larder
        .setPolicy(name(each.sku), { ...where, safetyStock: each.quantity % 5, lowAt: each.quantity })
        .catch(refused);
    }
    if (each.do === "ask") cache.availability(name(each.sku), each.location);
    if (each.do === "cut") proxy.cut();
    if (each.do === "refuse") proxy.state.isRefusing = each.isRefusing;
    look();
  }
  proxy.state.isRefusing = false;
  return { samples, look };
}

function refused(error: unknown): void {
  if (!isLarderError(error) || error.status >= 500 || error.status === 0) throw error;
}

const figures = ({ available, onHand, unavailable, reserved, committed, safetyStock, incoming }: StockQuantities) =>
  [available, onHand, unavailable, reserved, committed, safetyStock, incoming].join();

it("the cache equals the server once it has caught up, and was never at a version that the server was not", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.boolean(), async (steps, isChosen) => {
      run += 1;
      const name = (index: number) => `run-${run}-${index}`;
      const names = Array.from({ length: 5 }, (_, index) => name(index));
      const { position: begin } = await server.larder.listItems();
      const cache = new Larder({ url: proxy.url, key }).cache(isChosen ? { skus: names } : {});
      try {
        const { samples, look } = await take(steps, cache, name);
        const { position } = await server.larder.listItems();
        const { items } = await server.larder.getAvailabilityBatch({ skus: names }, { minPosition: position });
        await vi.waitFor(
          async () => {
            await cache.warm(names);
            const rows = names.flatMap((each) => cache.everywhere(each));
            const held = rows.map(({ ageMs: _age, stale: _stale, known: _known, ...row }) => row);
            const sorted = (all: readonly { sku: string; location: string }[]) =>
              [...all].sort((a, b) => (`${a.sku}/${a.location}` < `${b.sku}/${b.location}` ? -1 : 1));
            expect(sorted(held)).toEqual(sorted(items.flatMap((item) => ("known" in item ? [] : [item]))));
          },
          { timeout: 15_000, interval: 20 },
        );
        look();

        const recorded = new Map<string, string>();
        for await (const event of server.larder.changes({ after: begin, follow: false })) {
          if (!isStockChange(event)) continue;
          const { data } = event;
          recorded.set(`${data.sku}/${data.location}/${data.version}`, figures(data.balance));
        }
        const newest = new Map<string, number>();
        for (const sample of samples) {
          const stock = `${sample.sku}/${sample.location}`;
          expect(sample.version).toBeGreaterThanOrEqual(newest.get(stock) ?? 0);
          newest.set(stock, sample.version);
          const said = sample.version === 0 ? "0,0,0,0,0,0,0" : recorded.get(`${stock}/${sample.version}`);
          expect(figures(sample)).toBe(said);
        }
      } finally {
        cache.stop();
      }
    }),
    { numRuns: 8 },
  );
}, 90_000);
