import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decimalText, timesPowerOfTen } from "../domain/epcis/decimal.ts";

describe("decimals", () => {
  it.each([
    ["26.0", "26"],
    ["2.50", "2.5"],
    ["0200", "200"],
    ["+.5", "0.5"],
    ["5.", "5"],
    ["-0.0", "0"],
    ["1e-7", "0.0000001"],
    ["1.25E+3", "1250"],
    ["-3.10", "-3.1"],
  ])("%s is %s", (text, decimal) => {
    expect(decimalText(text)).toBe(decimal);
  });

  it.each(["", ".", "e5", "1,5", "0x10", "NaN", "Infinity", "1e999", "1 000", "9".repeat(42)])("%j is none", (text) => {
    expect(decimalText(text)).toBeUndefined();
  });

  it("times powers of ten are those of whole numbers", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(8), fc.integer({ min: -8, max: 8 }), (whole, places, power) => {
        const [sign, digits] = [whole < 0 ? "-" : "", String(Math.abs(whole)).padStart(places + 1, "0")];
        const text = `${sign}${digits.slice(0, digits.length - places)}.${digits.slice(digits.length - places)}`;
        const scaled = BigInt(whole) * 10n ** BigInt(power + 8);
        const shifted = timesPowerOfTen(decimalText(text) ?? "", power + 8 + places);
        expect(shifted).toBe(String(scaled));
        // And back again.
        expect(timesPowerOfTen(shifted, -(power + 8 + places))).toBe(decimalText(text));
      }),
    );
  });
});
