import type { ImportSummary } from "./summary.ts";

export type ImportErrorCode =
  | "no-such-file"
  | "input-damaged"
  | "server-unreachable"
  | "server-refused"
  | "lookup-unusable"
  | "too-many-items";

/** An import that can't go on. What was recorded until then stays; the same import again takes up where it ended. */
export class ImportError extends Error {
  readonly code: ImportErrorCode;
  /** How far the import came; absent when it had not begun. */
  summary?: ImportSummary;

  constructor(code: ImportErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ImportError";
    this.code = code;
  }
}
