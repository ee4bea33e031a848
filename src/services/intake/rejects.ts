import { type FileHandle, open } from "node:fs/promises";
import type { FileFormat } from "./domain/mapping.ts";
import type { Reject } from "./summary.ts";

/** Takes rejects in the order of their lines. `begin` comes first, with the columns of the file. */
export interface RejectsWriter {
  begin(columns: readonly string[]): void;
  write(rejects: readonly Reject[]): Promise<void>;
}

/**
 * A file of rejects in the form of the input, so that it can be put right and imported with the same mapping: of CSV, a
 * CSV whose first columns are `line` and `reason`, then the row's own; of NDJSON, a line
 * `{"line", "reason", "row"}` each. The file is made with the first reject; `close` says whether there was any.
 */
export class RejectsFile implements RejectsWriter {
  readonly path: string;
  readonly #format: FileFormat;
  #columns: readonly string[] = [];
  #file: FileHandle | undefined;

  constructor(path: string, format: FileFormat) {
    this.path = path;
    this.#format = format;
  }

  begin(columns: readonly string[]): void {
    this.#columns = columns;
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
    if (this.#format.type === "csv") await file.appendFile(this.#join(["line", "reason", ...this.#columns]));
    return file;
  }

  #csvLine({ line, row, ...why }: Reject): string {
    const fields = row.fields.length > 0 ? row.fields : [row.text ?? ""];
    return this.#join([String(line), reasonText(why), ...fields]);
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
  const text = row.text ?? "";
  return `{"line":${line},"reason":${JSON.stringify(reasonText(why))},"row":${row.problem === undefined ? text : JSON.stringify(text)}}\n`;
}

function reasonText({ reason, detail }: Pick<Reject, "reason" | "detail">): string {
  return detail === undefined ? reason : `${reason}: ${detail}`;
}
