import { PlatformError } from "../../kernel/index.ts";

/** What a server says of a statement that it refused, or of a connection that it ends. */
interface ServerError extends Error {
  readonly severity: string;
  readonly code: string;
}

/**
 * What an error of a statement that was sent means for its caller: `PlatformError("storage-unavailable")` where the server
 * has refused it, so that nothing of it was done; anything else, a connection that was lost above all, leaves that
 * unknown.
 */
export function faultOf(error: unknown): Error {
  if (error instanceof PlatformError) return error;
  if (!isServerError(error)) {
    const reason = error instanceof Error ? error.message : String(error);
    return new Error(`the connection to PostgreSQL was lost, and with it the answer: ${reason}`, { cause: error });
  }
  // FATAL and PANIC end the connection: the transaction may have been committed just before.
  if (error.severity !== "ERROR")
    return new Error(`PostgreSQL ended the connection, and with it the answer: ${error.message}`, { cause: error });
  return new PlatformError("storage-unavailable", `PostgreSQL refused: ${error.message} (${error.code})`, {
    cause: error,
  });
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
  return !isServerError(error) || error.severity !== "ERROR";
}

function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && "severity" in error && typeof error.severity === "string";
}
