/**
 * The digit that completes a GS1 key of any length: weights 3, 1, 3, … from the right, up to the next ten.
 *
 * Source: GS1 General Specifications, "Standard check digit calculations for GS1 data structures".
 */
export function checkDigit(digits: string): string {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const weight = (digits.length - index) % 2 === 1 ? 3 : 1;
    sum += (digits.charCodeAt(index) - 48) * weight;
  }
  return String((10 - (sum % 10)) % 10);
}

export function hasRightCheckDigit(key: string): boolean {
  return checkDigit(key.slice(0, -1)) === key.at(-1);
}
