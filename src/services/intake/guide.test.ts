import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const home = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(home, path), "utf8");

it("the guide shows mappings that the examples have", () => {
  const examples: Record<string, unknown>[] = globSync("examples/*/*.json", { cwd: home }).map((path) =>
    JSON.parse(read(path)),
  );
  const shown = [...read("docs/guides/import.md").matchAll(/```json\n(.*?)```/gs)].map(([, text = ""]) =>
    JSON.parse(text),
  );
  expect(shown.length).toBeGreaterThanOrEqual(6);
  const members = (value: object) => Object.entries(value).map((member) => JSON.stringify(member));
  for (const block of shown) {
    const holders = examples.filter((example) => members(block).every((member) => members(example).includes(member)));
    expect([JSON.stringify(block).slice(0, 80), holders.length]).not.toEqual([JSON.stringify(block).slice(0, 80), 0]);
  }
});
