import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { redisKeys } from "./keys.ts";
import { stockFields } from "./script.ts";

const page = readFileSync(new URL("../../../../docs/reference/redis-keys.md", import.meta.url), "utf8");

/** What stands in backticks in the first column of the table whose head begins so. */
function firstColumn(head: string): string[] {
  const [, table = ""] = page.split(`\n| ${head} |`);
  const rows = table.split("\n\n")[0]?.split("\n") ?? [];
  return rows.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
}

describe("docs/reference/redis-keys.md", () => {
  it("names every key, and every member of a stock, as they are written", () => {
    const keys = redisKeys("larder:");
    expect(firstColumn("key")).toEqual([
      keys.stock("{location}", "{sku}"),
      keys.locations("{sku}"),
      keys.position,
      keys.channel,
    ]);
    expect(firstColumn("member").sort()).toEqual([...stockFields].sort());
  });

  it("tells how odd names are written", () => {
    expect(page).toContain(`\`${redisKeys("larder:").stock("a:b", "c:d")}\``);
  });
});
