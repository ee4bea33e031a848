import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { referencePages } from "../scripts/reference.ts";

describe("reference pages", () => {
  it.each(Object.entries(referencePages()))("%s is in step with the code", (path, text) => {
    const written = readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
    expect(written, "run `node bin/larder.js --tool scripts/reference.ts`").toBe(text);
  });
});
