import { limits } from "../../../kernel/index.ts";

/** One row of a file as a reader found it: its fields in the order of the file's columns, or why it can't be read. */
export interface Row {
  /** The line it begins on, counted from 1 as an editor does. */
  readonly line: number;
  readonly fields: readonly string[];
  /** The row as it stands in the file; CSV readers leave it out when `fields` says everything. */
  readonly text?: string;
  /** Why the row can't be read; `fields` is empty then. */
  readonly problem?: string;
  /**
   * Which it was of the rows of which id, in the file that it was turned down in (`occurrences.ts`); said by a rejects file. To be
   * made when it is written: most rows are not turned down.
   */
  readonly occurrence?: string | (() => string);
}

/** A line is over `limits.importRowCharsMax`: the file is hardly what the mapping takes it for. */
export class LineTooLong extends Error {
  readonly line: number;

  constructor(line: number) {
    super(`line ${line} is longer than ${limits.importRowCharsMax} characters`);
    this.name = "LineTooLong";
    this.line = line;
  }
}

/**
 * Turns text, in pieces of any size, into rows. The same text gives the same rows however it is cut. `push` with
 * `isLast` ends the text and must come last.
 */
export interface RowReader {
  push(text: string, isLast: boolean): Row[];
}

export const notUtf8 = "holds bytes that are not UTF-8";

/** What a decoder leaves where bytes made no character. */
export const replacementCharacter = "\ufffd";
