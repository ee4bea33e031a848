/**
 * A decimal in its one written form: no exponent, no plus sign, no zeros that say nothing. Undefined when the text is none,
 * or one of more than 40 digits, which no quantity has.
 */
export function decimalText(text: string): string | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  if (whole === "" && fraction === "") return undefined;
  const shifted = shift(whole, fraction, Number(exponent));
  if (shifted.length > 41) return undefined;
  return sign === "-" && shifted !== "0" ? `-${shifted}` : shifted;
}

/** A decimal times a power of ten. */
export function timesPowerOfTen(decimal: string, power: number): string {
  const isNegative = decimal.startsWith("-");
  const [whole = "", fraction = ""] = decimal.replace("-", "").split(".");
  const shifted = shift(whole, fraction, power);
  return isNegative && shifted !== "0" ? `-${shifted}` : shifted;
}

function shift(whole: string, fraction: string, power: number): string {
  const digits = whole + fraction;
  const point = whole.length + power;
  const padded = point < 0 ? "0".repeat(-point) + digits : digits.padEnd(point, "0");
  const before = padded.slice(0, Math.max(point, 0)).replace(/^0+/, "");
  const after = padded.slice(Math.max(point, 0)).replace(/0+$/, "");
  return `${before === "" ? "0" : before}${after === "" ? "" : `.${after}`}`;
}
