import { accept, type Result, reject } from "../../../../kernel/index.ts";

/**
 * Reads a price look-up code of fresh produce: 3000 to 4999, or such a code after 9 (organically grown) or 8 (kept by
 * the federation for when the four digits run out). Rejects with the reason in words. Whether the code was assigned is
 * not looked at: the list grows every year.
 *
 * Source: International Federation for Produce Standards, PLU Codes User's Guide.
 */
export function parsePlu(text: string): Result<string, string> {
  if (/^[89]?[34]\d{3}$/.test(text)) return accept(text);
  if (!/^\d*$/.test(text)) return reject("not digits");
  if (text.length !== 4 && text.length !== 5) return reject(`length ${text.length}`);
  return reject("not 3000 to 4999, nor such a code after 8 or 9");
}
