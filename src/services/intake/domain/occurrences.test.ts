import { expect, it } from "vitest";
import { Occurrences } from "./occurrences.ts";

it("counts every text by itself, also after it has grown many times", () => {
  const occurrences = new Occurrences();
  for (let round = 1; round <= 3; round += 1) {
    for (let index = 0; index < 50_000; index += 1) {
      const count = occurrences.note(`row-${index}`);
      if (count !== round) expect(`row-${index}: ${count}`).toBe(`row-${index}: ${round}`);
    }
  }
});
