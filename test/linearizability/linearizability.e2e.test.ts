import { describe, expect, it } from "vitest";
import { campaign } from "./campaign.ts";

describe("reservations over HTTP", () => {
  it("answer as if one after another, whatever is lost, killed or late", async () => {
    const seed = Number(process.env["LARDER_TEST_SEED"] ?? 20_261_126);
    const printed: string[] = [];
    const print = (line: string) => printed.push(line);
    const findings = await campaign({ seed, waves: 10, enough: 18, histories: 6, print });
    const { accepted, undecided, wrong, corrupted } = findings;
    console.log(`linearizability: ${JSON.stringify(findings)}\n${printed.join("\n")}`);
    expect({ wrong, undecided }, printed.join("\n")).toEqual({ wrong: 0, undecided: 0 });
    expect(accepted, `histories that count:\n${printed.join("\n")}`).toBeGreaterThanOrEqual(18);
    expect(corrupted.missed, "wrong histories that were taken for right").toEqual([]);
    expect(corrupted.rejected).toBeGreaterThanOrEqual(40);
    // Some are too wide to be looked through; with many of those this would prove nothing.
    expect(corrupted.undecided).toBeLessThanOrEqual(corrupted.rejected / 10);
  }, 300_000);
});
