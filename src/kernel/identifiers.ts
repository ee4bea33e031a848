import { limits } from "./limits.ts";

/**
 * Why a text can't be an identifier, or undefined when it can: 1 to `lengthMax` characters of Unicode in its stored form,
 * no control characters or lone surrogates, no white space at either end.
 */
export function identifierProblem(text: string, lengthMax: number = limits.identifierLengthMax): string | undefined {
  if (text.length === 0) return "is empty";
  // Printable ASCII without outer spaces, the common case, needs no closer look.
  if (text.length <= lengthMax && /^[!-~](?:[ -~]*[!-~])?$/.test(text)) return undefined;
  if (isLongerThan(normalise(text), lengthMax)) return `is longer than ${lengthMax} characters`;
  if (/\p{Cc}/u.test(text)) return "holds a control character";
  if (/\p{Cs}/u.test(text)) return "holds half of a surrogate pair";
  if (text.trim() !== text) return "begins or ends with white space";
  return undefined;
}

/** Whether a text has more characters (code points) than so many. */
export function isLongerThan(text: string, lengthMax: number): boolean {
  return text.length > lengthMax && (text.length > 2 * lengthMax || [...text].length > lengthMax);
}

/** The first characters of a text, at most so many UTF-16 units, and no half of a surrogate pair at the end. */
export function beginningOf(text: string, lengthMax: number): string {
  const beginning = text.slice(0, lengthMax);
  return beginning.length < text.length && /[\ud800-\udbff]$/.test(beginning) ? beginning.slice(0, -1) : beginning;
}

/** A text that is only shown or noted, of at most so many UTF-16 units, with the mark that says that it goes on. */
export function shortened(text: string, lengthMax: number): string {
  return text.length > lengthMax ? `${beginningOf(text, lengthMax - 1)}…` : text;
}

/** The one form of an identifier that is stored and compared: Unicode normalisation form C. */
export function normalise(text: string): string {
  return /^[ -~]*$/.test(text) ? text : text.normalize("NFC");
}
