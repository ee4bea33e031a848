import { styleText } from "node:util";

/** Where a command writes, and what it may assume of the reader. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A line of the answer, on standard output. */
  out(line: string): void;
  /** Something about the work and not its result, on standard error. */
  note(line: string): void;
  /** Text without an end of line of its own, on standard output. */
  raw(text: string): void;
  /** Whether a person reads standard output, and standard error, as they are written. */
  readonly isTerminal: { readonly out: boolean; readonly err: boolean };
  /** The text in a style; plain where nobody sees colours, or does not want them (NO_COLOR). */
  paint(style: Style, text: string): string;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export function processIo(): Io {
  // A reader that has had enough (`larder tail | head`) is no failure of ours.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  return {
    env: process.env,
    out: (line) => void process.stdout.write(`${line}\n`),
    raw: (text) => void process.stdout.write(text),
    note: (line) => void process.stderr.write(`${line}\n`),
    isTerminal: { out: process.stdout.isTTY === true, err: process.stderr.isTTY === true },
    paint: (style, text) => styleText(style, text, { stream: process.stdout }),
  };
}
