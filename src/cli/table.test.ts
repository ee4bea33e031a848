import { expect, it } from "vitest";
import { table } from "./table.ts";

it("makes columns as wide as their longest text, however many rows there are", () => {
  const rows = Array.from({ length: 200_000 }, (_, index) => ({ sku: `sku-${index}`, units: index }));
  const lines = table(rows, [
    { title: "Sku", of: ({ sku }) => sku },
    { title: "Units", of: ({ units }) => units },
  ]);
  expect(lines[0]).toBe("Sku          Units");
  expect(lines[1]).toBe("sku-0            0");
  expect(lines.at(-1)).toBe("sku-199999  199999");
});
