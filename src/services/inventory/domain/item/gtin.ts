import { accept, type Result, reject } from "../../../../kernel/index.ts";

/**
 * Reads a GTIN-8, -12, -13 or -14 as the 14 digits under which it is kept, zeros in front, so that a barcode is one
 * key however many digits the scanner sends. The check digit must be right; whether the number was ever issued is not
 * looked at, nor whether its prefix is for use within one company. Rejects with the reason in words.
 *
 * Source: GS1 General Specifications, "Standard check digit calculations for GS1 data structures".
 */
export function gtin14(text: string): Result<string, string> {
  if (!/^\d*$/.test(text)) return reject("not digits");
  if (!hasGtinForm(text)) return reject(`length ${text.length}`);
  const expected = checkDigit(text.slice(0, -1));
  return text.at(-1) === expected ? accept(text.padStart(14, "0")) : reject(`check digit should be ${expected}`);
}

/** Whether a text is as many digits as a GTIN, so that only the check digit can be wrong with it. */
export function hasGtinForm(text: string): boolean {
  return /^(\d{8}|\d{12,14})$/.test(text);
}

/** The digit that completes a GS1 key of any length: weights 3, 1, 3, … from the right, up to the next ten. */
export function checkDigit(digits: string): string {
  let sum = 0;
  for (const [index, digit] of [...digits].reverse().entries()) sum += Number(digit) * (index % 2 === 0 ? 3 : 1);
  return String((10 - (sum % 10)) % 10);
}
