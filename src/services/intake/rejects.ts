import { type FileHandle, open } from "node:fs/promises";
import type { FileFormat } from "./domain/mapping.ts";
import { occurrenceColumn, rejectedColumns, rejectedLine } from "./domain/rejected.ts";
import type { Row } from "./domain/rows.ts";
import type { Reject } from "./summary.ts";

/**
 * Takes rejects in the order of their lines. `begin` comes first, with the columns of the file, and whether the rows of one id
 * are told apart by which of them each is.
 */
export interface RejectsWriter {
  begin(columns: readonly string[], hasOccurrences?: boolean): void;
  write(rejects: readonly Reject[]): Promise<void>;
}

/**
 * A file of rejects in the form of the input, so that it can be put right and imported with the same mapping: of CSV, a
 * CSV with a header, whose first columns are `rejected line` and `rejected reason` (and `rejected occurrence`, see
 * `Row.occurrence`), then the row's own; of NDJSON, a line `{"line", "reason", "row"}` each. What reads tables knows both
 * again, also where the mapping itself says what the columns are. In UTF-8, with a byte order mark where the mapping names
 * another encoding. The file is made with the first reject; `close` says whether there was any.
 */
export class RejectsFile implements RejectsWriter {
  readonly path: string;
  readonly #format: FileFormat;
  #columns: readonly string[] = [];
  #hasOccurrences = false;
  #file: FileHandle | undefined;

  constructor(path: string, format: FileFormat) {
    this.path = path;
    this.#format = format;
  }

  begin(columns: readonly string[], hasOccurrences = false): void {
    this.#columns = columns;
    this.#hasOccurrences = hasOccurrences;
  }

  async write(rejects: readonly Reject[]): Promise<void> {
    if (rejects.length === 0) return;
    const lines = rejects.map((reject) => (this.#format.type === "csv" ? this.#csvLine(reject) : jsonLine(reject)));
    this.#file ??= await this.#create();
    await this.#file.appendFile(lines.join(""));
  }

  async close(): Promise<boolean> {
    await this.#file?.close();
    return this.#file !== undefined;
  }

  async #create(): Promise<FileHandle> {
    const file = await open(this.path, "w");
    const { type, encoding = "utf-8" } = this.#format;
    if (encoding !== "utf-8") await file.appendFile(byteOrderMark);
    const own = [...rejectedColumns, ...(this.#hasOccurrences ? [occurrenceColumn] : [])];
    if (type === "csv") await file.appendFile(this.#join([...own, ...this.#columns]));
    return file;
  }

  #csvLine({ line, row, ...why }: Reject): string {
    const fields = row.fields.length > 0 ? row.fields : [row.text ?? ""];
    const occurrence = this.#hasOccurrences ? [occurrenceOf(row) ?? ""] : [];
    return this.#join([String(line), reasonText(why), ...occurrence, ...fields]);
  }

  #join(fields: readonly string[]): string {
    const delimiter = this.#format.delimiter ?? ",";
    const quoted = fields.map((field) =>
      field.includes('"') || field.includes("\n") || field.includes("\r") || field.includes(delimiter)
        ? `"${field.replaceAll('"', '""')}"`
        : field,
    );
    return `${quoted.join(delimiter)}\n`;
  }
}

function jsonLine({ line, row, ...why }: Reject): string {
  const { text = "", problem } = row;
  const occurrence = occurrenceOf(row);
  const isObject = problem === undefined;
  return rejectedLine(line, reasonText(why), { text, isObject, ...(occurrence !== undefined && { occurrence }) });
}

function occurrenceOf({ occurrence }: Row): string | undefined {
  return typeof occurrence === "function" ? occurrence() : occurrence;
}

const byteOrderMark = "\ufeff";

function reasonText({ reason, detail }: Pick<Reject, "reason" | "detail">): string {
  return detail === undefined ? reason : `${reason}: ${detail}`;
}
