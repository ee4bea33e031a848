import { createRequire } from "node:module";
import { type DestinationStream, type LevelWithSilent, type Logger, pino } from "pino";

export type { Logger };

export interface LoggerOptions {
  readonly level: LevelWithSilent;
  /** `auto` is pretty on a terminal and JSON everywhere else. */
  readonly format: "auto" | "json" | "pretty";
  /** Where lines go: standard error, so that standard output is left for answers. */
  readonly to?: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** Members of log records whose values are never written, wherever a record may carry them. */
const secretMembers = ["authorization", "cookie", "key", "secret", "password", "token", "adminKey", "access_token"];
const parents = ["", "*.", "headers.", "req.", "req.headers.", "request.headers.", "res.headers.", "err.", "*.*."];

/** API keys, and bearer tokens in running text: `lk_` with 43 characters of base64url, or what follows "Bearer". */
const secretTexts = /\blk_[\w-]{20,}|\b(Bearer\s+)[\w.~+/=-]{8,}/gi;
const mask = "[redacted]";

/**
 * The log: a line of JSON for each record, or readable lines on a terminal. Times are RFC 3339, levels are words.
 * Secrets are masked twice: members by their name, and anything that looks like a key in any text, because a key may
 * stand in a message that nobody foresaw.
 */
export function createLogger(options: LoggerOptions): Logger {
  const to = options.to ?? process.stderr;
  const isPretty = options.format === "pretty" || (options.format === "auto" && to.isTTY === true);
  const colorize = to.isTTY === true && !process.env["NO_COLOR"];
  const format = isPretty ? prettyFormat(colorize) : (line: string) => line;
  const stream: DestinationStream = { write: (line) => void to.write(format(line)) };
  return pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: parents.flatMap((parent) => secretMembers.map((member) => parent + member)), censor: mask },
      hooks: { streamWrite: withoutSecrets },
    },
    stream,
  );
}

/** Loaded where somebody looks on, and nowhere else. */
function prettyFormat(colorize: boolean): (line: string) => string {
  const { prettyFactory }: typeof import("pino-pretty") = createRequire(import.meta.url)("pino-pretty");
  return prettyFactory({ colorize, ignore: "pid" });
}

/** A logger that writes nothing, for tests and for library use. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}

function withoutSecrets(line: string): string {
  return line.replace(secretTexts, (_match, bearer: string | undefined) => (bearer ?? "") + mask);
}
