/** The fuzzer's share of `npm run test:faults`; `npm run fuzz:nightly` has fifty times as many, from a new seed each time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { plants } from "./plants.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));

/** A process of its own: a crash, a hang or a heap that runs over is then a result, not the end of the tests. */
async function fuzz(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly said: string }> {
  const flags = ["--disable-warning=ExperimentalWarning", "--max-old-space-size=512"];
  const child = spawn(process.execPath, [...flags, main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code, said: out + err };
}

describe("20,000 inputs", () => {
  it("crash nothing, change nothing that is refused, and are all answered in time", { timeout: 300_000 }, async () => {
    const { code, said } = await fuzz(["--inputs", "20000", "--seed", "larder"]);
    console.log(said);
    expect(said).not.toContain("again:");
    expect(code).toBe(0);
  });
});

describe("the fuzzer", () => {
  it.each(Object.keys(plants))("finds %s, and says how to see it again", { timeout: 120_000 }, async (plant) => {
    const { code, said } = await fuzz(["--area", "http", "--inputs", "2000", "--seed", "larder"], {
      LARDER_FUZZ_PLANT: plant,
    });
    expect(code, said).toBe(1);
    expect(said).toMatch(
      plant === "a leak" ? /memory grew/ : /again: npm run fuzz -- --seed larder --area http --case \d+/,
    );
  });
});
