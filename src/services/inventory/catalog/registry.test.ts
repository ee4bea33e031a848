import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { Registry } from "./registry.ts";

afterEach(() => vi.restoreAllMocks());

function add(registry: Registry<object>, ids: readonly string[]): void {
  registry.load(ids.map((id) => ({ id, body: "{}" })));
}

it("pages ids in their order, whenever they came, and only those that are wanted", () => {
  const id = fc.string({ maxLength: 3, unit: fc.constantFrom("a", "b", "é", "\u{1f34e}") });
  const step = fc.record({ add: fc.array(id), after: fc.option(id, { nil: undefined }), limit: fc.nat(5), not: id });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const registry = new Registry<object>("item");
      const known = new Set<string>();
      for (const { add: added, after, limit, not } of steps) {
        add(registry, added);
        for (const one of added) known.add(one);
        const right = [...known].sort().filter((one) => (after === undefined || one > after) && one !== not);
        expect(registry.page(after, limit, (one) => one !== not)).toEqual(right.slice(0, limit));
      }
    }),
  );
});

it("sorts ids when some have come, and not for each page", () => {
  const registry = new Registry<object>("item");
  add(
    registry,
    Array.from({ length: 1000 }, (_, index) => `sku-${999 - index}`),
  );
  const sort = vi.spyOn(Array.prototype, "sort");
  const page = (after?: string) => registry.page(after, 10, () => true);
  for (let count = 0, after: string | undefined; count < 100; count += 1) after = page(after).at(-1);
  expect(sort).toHaveBeenCalledTimes(1);
  add(registry, ["sku-0"]);
  page();
  expect(sort).toHaveBeenCalledTimes(1);
  add(registry, ["a"]);
  expect([page()[0], page()[1]]).toEqual(["a", "sku-0"]);
  expect(sort).toHaveBeenCalledTimes(2);
});
