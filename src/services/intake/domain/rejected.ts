/** How a rejects file holds the rows that were turned down, so that the mapping that made it takes them again. */
import { parseOccurrence } from "./occurrences.ts";

/** The columns that stand before those of a row. Hardly any file of anyone else begins with them. */
export const rejectedColumns = ["rejected line", "rejected reason"] as const;
/** The third of them where rows of one id count on (`Row.occurrence`). */
export const occurrenceColumn = "rejected occurrence";

/** How many columns of its own a table begins with; 0 when it is no rejects file. */
export function rejectedWidth(header: readonly string[]): number {
  const names = header.map((name) => name.trim());
  if (!rejectedColumns.every((name, index) => names[index] === name)) return 0;
  return names[rejectedColumns.length] === occurrenceColumn ? rejectedColumns.length + 1 : rejectedColumns.length;
}

/** What stands under `occurrenceColumn`; nothing where that can't be read. */
export function occurrenceIn(text: string | undefined): { readonly occurrence?: string } {
  return text !== undefined && parseOccurrence(text) !== undefined ? { occurrence: text.trim() } : {};
}

/** A line of NDJSON in a rejects file. What was a JSON object stands in it as it stood; a line that was none, as a text. */
export function rejectedLine(
  line: number,
  reason: string,
  row: { readonly text: string; readonly isObject: boolean; readonly occurrence?: string },
): string {
  const occurrence = row.occurrence === undefined ? "" : `"occurrence":${JSON.stringify(row.occurrence)},`;
  return `{"line":${line},"reason":${JSON.stringify(reason)},${occurrence}"row":${row.isObject ? row.text : JSON.stringify(row.text)}}\n`;
}

/** Whether a line of JSON has the members that `rejectedLine` writes. */
export function isRejectedLine(line: object): line is { readonly row: unknown } {
  return /^line reason (?:occurrence )?row$/.test(Object.keys(line).join(" "));
}

export interface RejectedRow {
  readonly text: string;
  readonly occurrence?: string;
}

/**
 * The row of a line that `rejectedLine` wrote, as it stood; of one that was written anew since, in the form that JSON has
 * then. Undefined for any other line.
 */
export function rowOfRejectedLine(line: object, text: string): RejectedRow | undefined {
  if (!isRejectedLine(line)) return undefined;
  const { row, occurrence } = line as { readonly row: unknown; readonly occurrence?: unknown };
  const given = occurrenceIn(occurrence === undefined ? undefined : String(occurrence));
  if (typeof row === "string") return { text: row, ...given };
  if (typeof row !== "object" || row === null || Array.isArray(row)) return undefined;
  return { text: asWritten.exec(text)?.[1] ?? JSON.stringify(row), ...given };
}

const asWritten = /^\{"line":\d+,"reason":"(?:[^"\\]|\\.)*",(?:"occurrence":(?:\d+|"[^"\\]*"),)?"row":(\{.*\})\}$/s;
