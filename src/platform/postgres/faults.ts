import { OutcomeUnknown, PlatformError } from "../../kernel/index.ts";

/** What a server says of a statement that it refused, or of a connection that it ends. */
interface ServerError extends Error {
  readonly severity: string;
  readonly code: string;
}

/**
 * What an error of a statement that was sent means for its caller: `PlatformError("storage-unavailable")` where the server
 * has refused it, so that nothing of it was done; `OutcomeUnknown` for anything else, a connection that was lost above all.
 */
export function faultOf(error: unknown): Error {
  if (error instanceof PlatformError) return error;
  if (!isServerError(error)) {
    const reason = error instanceof Error ? error.message : String(error);
    return new OutcomeUnknown(`the connection to PostgreSQL was lost, and with it the answer: ${reason}`, {
      cause: error,
    });
  }
  // What ends the connection may come when the transaction has just been committed.
  if (!isRefusal(error))
    return new OutcomeUnknown(`PostgreSQL ended the connection, and with it the answer: ${error.message}`, {
      cause: error,
    });
  return new PlatformError("storage-unavailable", `PostgreSQL refused: ${error.message} (${error.code})`, {
    cause: error,
  });
}

/** The SQLSTATE by which the server refused; undefined for anything else that was thrown. */
export function sqlStateOf(error: unknown): string | undefined {
  const { cause } = error instanceof PlatformError ? error : {};
  return isServerError(cause) ? cause.code : undefined;
}

/** Before anything was sent: nothing was done. */
export function unreachable(where: string, error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const reason = error instanceof Error ? error.message || String((error as { code?: string }).code) : String(error);
  return new PlatformError("storage-unavailable", `PostgreSQL at ${where} can't be reached: ${reason}`, {
    cause: error,
  });
}

/** Whether a connection is of no use after an error. */
export function endsConnection(error: unknown): boolean {
  return !isServerError(error) || !isRefusal(error);
}

/** By its class where the word is not English: `lc_messages` translates it. */
function isRefusal({ severity, code }: ServerError): boolean {
  return severity === "ERROR" || !(endingWords.has(severity) || endingCodes.test(code));
}

const endingWords = new Set(["FATAL", "PANIC"]);
/** Of connections (08), of operators' orders and time-outs that end a session, and what may be either. */
const endingCodes = /^(?:08|57P|25P0[34]|53300|58|F0|XX)/;

function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && "severity" in error && typeof error.severity === "string";
}
