import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../../../kernel/index.ts";
import { MappingError } from "./mapping-error.ts";
import { compilePattern } from "./pattern.ts";

const fits = (pattern: string, text: string) => compilePattern(pattern, "p")(text);

const atom = fc.constantFrom(
  "a",
  "b",
  ".",
  "\\d",
  "[a-c]",
  "[^a]",
  "\\.",
  "\\u{1f600}",
  "\\ud83d\\ude00",
  "\\p{L}",
  "[\\]b]",
  "\\x61",
  "^",
  "$",
  "(?:)",
  "",
);
const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    atom,
    fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => a + b),
    fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `(?:${a}|${b})`),
    fc
      .tuple(
        tie("pattern"),
        fc.constantFrom("*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "+?"),
        fc.constantFrom("(?:", "(", "(?<x>"),
      )
      .map(([a, times, open]) => (open === "(?<x>" && a.includes("(?<x>") ? `(${a})${times}` : `${open}${a})${times}`)),
  ),
}));
const text = fc
  .array(fc.constantFrom("a", "b", "c", "1", ".", "]", "\n", "é", "😀", "\ud83d"), { maxLength: 8 })
  .map((parts) => parts.join(""));

describe("a pattern", () => {
  it("fits what JavaScript's fits", () => {
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 5 }), (source, texts) => {
        let theirs: RegExp;
        try {
          theirs = new RegExp(`^(?:${source})$`, "u");
        } catch {
          return;
        }
        const ours = compilePattern(source, "p");
        for (const each of texts) expect(ours(each), `${source} on ${JSON.stringify(each)}`).toBe(theirs.test(each));
      }),
      { numRuns: 5000 },
    );
  });

  it.each(["(a+)+", "(a*)*", "(a|a)*", "(a|aa)+", "a*a*a*a*a*a*b", "(.*)*x", "([a-z]+)*\\d", "(a?){30}a{30}b"])(
    "ends soon, whatever the text: %s",
    (source) => {
      const began = process.cpuUsage();
      expect(fits(source, `${"a".repeat(20_000)}!`)).toBe(false);
      expect(process.cpuUsage(began).user / 1000).toBeLessThan(2000);
    },
  );

  it.each(["(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", "(a)\\1", "(?<x>a)\\k<x>", "\\bmilk\\b", "\\Ba"])(
    "that could not is refused: %s",
    (source) => {
      expect(() => fits(source, "")).toThrow(MappingError);
    },
  );

  it.each([
    ["["],
    ["a**"],
    ["(?<x>a"],
    ["\\"],
    ["a{1,99999}"],
    ["x".repeat(limits.importPatternCharsMax + 1)],
    ["((a{50}){50}){50}"],
  ])("that is none, or too much, is refused: %s", (source) => {
    expect(() => fits(source, "")).toThrow(MappingError);
  });
});
