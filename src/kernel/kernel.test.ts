import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  beginningOf,
  fingerprint,
  fnv1a,
  formatInstant,
  identifierProblem,
  isDate,
  limits,
  normalise,
  parseInstant,
} from "./index.ts";

const instants = fc.integer({ min: Date.parse("0001-01-01T00:00:00Z"), max: Date.parse("9999-12-31T23:59:59.999Z") });

describe("instants", () => {
  it("are written as JavaScript's own dates are", () => {
    fc.assert(
      fc.property(instants, (instant) => {
        expect(formatInstant(instant)).toBe(new Date(instant).toISOString());
      }),
    );
  });

  it("are read back, with any offset and precision", () => {
    const offsets = fc.integer({ min: -1439, max: 1439 });
    fc.assert(
      fc.property(instants, offsets, fc.boolean(), (instant, offset, isShort) => {
        const whole = isShort ? Math.floor(instant / 1000) * 1000 : instant;
        const utc = new Date(whole).toISOString();
        expect(parseInstant(isShort ? utc.replace(".000Z", "Z") : utc)).toBe(whole);
        const local = new Date(whole + offset * 60_000);
        if (local.getUTCFullYear() < 1 || local.getUTCFullYear() > 9999) return;
        const pad = (value: number) => String(value).padStart(2, "0");
        const zone = `${offset < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
        expect(parseInstant(local.toISOString().replace("Z", zone))).toBe(whole);
      }),
    );
  });

  it("are none when a part is out of range or the form is another", () => {
    const wrong = [
      "2026-02-30T00:00:00Z",
      "2026-13-01T00:00:00Z",
      "2026-01-01T24:00:00Z",
      "2026-01-01T00:60:00Z",
      "2026-01-01",
      "2026-01-01T00:00:00",
      "now",
      "",
      "2026-01-01T00:00:0xZ",
      "2026-01-01T00:00:00+24:00",
      "0000-01-01T00:00:00+01:00",
      "9999-12-31T23:59:59-00:01",
    ];
    for (const text of wrong) expect(parseInstant(text), text).toBeUndefined();
    expect(parseInstant("2016-12-31T23:59:60Z")).toBe(Date.parse("2017-01-01T00:00:00Z"));
    expect(parseInstant("2026-01-01T00:00:00.1239999Z")).toBe(Date.parse("2026-01-01T00:00:00.123Z"));
  });

  it("are written as the last one of the year 9999, and the first of the year 0, when they lie beyond", () => {
    expect(formatInstant(Date.parse("9999-12-31T23:59:59.999Z") + 1)).toBe("9999-12-31T23:59:59.999Z");
    expect(formatInstant(Date.parse("9999-12-31T23:59:59.999Z"))).toBe("9999-12-31T23:59:59.999Z");
    expect(formatInstant(Date.parse("0000-01-01T00:00:00.000Z") - 1)).toBe("0000-01-01T00:00:00.000Z");
  });

  it("know the calendar", () => {
    expect(isDate("2024-02-29")).toBe(true);
    expect(isDate("2023-02-29")).toBe(false);
    expect(isDate("1900-02-29")).toBe(false);
    expect(isDate("2000-02-29")).toBe(true);
    expect(isDate("2026-1-1")).toBe(false);
  });
});

describe("identifiers", () => {
  it("hold any Unicode but control characters and outer white space", () => {
    for (const text of ["a", "café", "牛乳", "a b", "85123A", "🥛", "a/b%c"])
      expect(identifierProblem(text, 10), text).toBeUndefined();
    for (const text of ["", " a", "a ", "a\u0000b", "a\u0085b", "\u00a0a", "\ud800", "a".repeat(11)]) {
      expect(identifierProblem(text, 10), JSON.stringify(text)).toBeDefined();
    }
    expect(identifierProblem("🥛".repeat(limits.skuLengthMax), limits.skuLengthMax)).toBeUndefined();
  });

  it("have one form", () => expect(normalise("cafe\u0301")).toBe("caf\u00e9"));
});

describe("digests that stored data depends on", () => {
  it("stay what they are", () => {
    expect([fnv1a(""), fnv1a("a"), fnv1a("foobar")]).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
    expect([fingerprint(""), fingerprint("a"), fingerprint("milk")]).toMatchInlineSnapshot(`
      [
        "9fb5a9daab3e7c0b",
        "a7cbbf112a681819",
        "9e036a0880aac7ec",
      ]
    `);
  });

  it("tell texts apart", () => {
    const seen = new Set(
      Array.from({ length: 200_000 }, (_, index) => fingerprint(`{"sku":"milk","quantity":${index}}`)),
    );
    expect(seen.size).toBe(200_000);
  });
});

it("cuts a text and leaves no half of a surrogate pair", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat(12), (text, lengthMax) => {
      const beginning = beginningOf(text, lengthMax);
      expect(text.startsWith(beginning)).toBe(true);
      expect(beginning.isWellFormed()).toBe(true);
      expect(beginning.length).toBeGreaterThanOrEqual(Math.min(text.length, lengthMax - 1));
      expect(beginning.length).toBeLessThanOrEqual(lengthMax);
    }),
  );
  expect(beginningOf("ab😀", 3)).toBe("ab");
  expect(beginningOf("ab\ud83d", 3)).toBe("ab\ud83d");
});
