import { OutcomeUnknown, PlatformError } from "../../kernel/index.ts";

const attemptsMax = 3;

/**
 * What is read may be read again: a connection of the pool that was cut off, as by a restart of the server, shows only when
 * it is used. Throws `PlatformError("storage-unavailable")` when it goes on being lost.
 */
export async function reading<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof OutcomeUnknown)) throw error;
      if (attempt === attemptsMax)
        throw new PlatformError("storage-unavailable", "the connection to PostgreSQL was lost", { cause: error });
    }
  }
}
