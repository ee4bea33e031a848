import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTooDeep, jsonFaultOffset, lineAndColumn } from "./json.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const json = fc.json({ maxDepth: 4 });
/** JSON with something cut out and something put in: mostly broken, sometimes not. */
const mutated = fc
  .tuple(
    json,
    fc.nat(),
    fc.nat(4),
    fc.constantFrom("", ",", "}", "]", '"', "\\", "0", "-", "e", " ", "\n", "\u0001", "tru", "::"),
  )
  .map(([text, at, cut, put]) => {
    const start = at % (text.length + 1);
    return text.slice(0, start) + put + text.slice(start + cut);
  });

describe("where a text stops being JSON", () => {
  it.each([
    ["", 0],
    ["  ", 2],
    ["{", 1],
    ['{"a"}', 4],
    ['{"a":1,}', 7],
    ["[1,]", 3],
    ["[1 2]", 3],
    ["[01]", 1],
    ["nul", 0],
    ['"a\\x"', 2],
    ['"a\nb"', 2],
    ['{"a":1} x', 8],
    ["[}", 1],
    ["]", 0],
  ])("%j: at %i", (text, offset) => {
    expect(isJson(text)).toBe(false);
    expect(jsonFaultOffset(text)).toBe(offset);
  });

  it("is somewhere exactly when JSON.parse refuses it", () => {
    fc.assert(
      fc.property(fc.oneof(json, mutated, fc.string()), (text) => {
        const offset = jsonFaultOffset(text);
        expect(offset === undefined).toBe(isJson(text));
        if (offset !== undefined) expect(offset).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 2000 },
    );
  });

  it("is after a beginning that can still become JSON", () => {
    fc.assert(
      fc.property(mutated, (text) => {
        const offset = jsonFaultOffset(text) ?? 0;
        // What stands before the fault breaks, by itself, only at its end, or in its last token.
        const again = jsonFaultOffset(text.slice(0, offset));
        if (again === undefined) return;
        expect(text.slice(again, offset)).toMatch(/^[\w.+-]*$|^$/);
      }),
      { numRuns: 2000 },
    );
  });

  it("takes linear time for a megabyte that breaks at its end", () => {
    const long = `{"a":"${"x\\n".repeat(300_000)}`;
    expect(jsonFaultOffset(long)).toBe(long.length);
    expect(jsonFaultOffset("[".repeat(1_000_000))).toBe(1_000_000);
  });

  it("is told by line and column, from 1", () => {
    expect(lineAndColumn('{\n  "a": x\n}', 9)).toBe("line 2, column 8");
    expect(lineAndColumn("", 0)).toBe("line 1, column 1");
  });
});

describe("depth", () => {
  const nested = (depth: number, pad: string) => `${"[".repeat(depth)}${JSON.stringify(pad)}${"]".repeat(depth)}`;
  const pad = '[{"\\"'.repeat(1000);

  it("counts brackets outside texts only", () => {
    expect(isTooDeep(nested(64, pad), 64)).toBe(false);
    expect(isTooDeep(nested(65, pad), 64)).toBe(true);
    expect(isTooDeep(JSON.stringify(Array.from({ length: 5000 }, () => ({ a: [] }))), 64)).toBe(false);
  });

  it("lets short texts pass, which can't hurt", () => {
    expect(isTooDeep("[".repeat(4096), 64)).toBe(false);
  });
});
