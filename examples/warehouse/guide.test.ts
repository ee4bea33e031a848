import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

it("the guide shows code that stands in the example", () => {
  const read = (path: string) => readFileSync(join(import.meta.dirname, path), "utf8");
  const code = ["stock.ts", "server.ts", "signature.ts"].map(read).join("\n");
  const shown = [...read("../../docs/guides/warehouses.md").matchAll(/```ts\n(.*?)```/gs)].map(([, text = ""]) => text);
  expect(shown.length).toBeGreaterThanOrEqual(4);
  for (const block of shown) expect(code).toContain(block);
});
