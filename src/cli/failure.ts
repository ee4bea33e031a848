/** Ends a command: the message says what went wrong and what to do next, in a line or two. */
export class Failure extends Error {
  readonly exitCode: 1 | 2;

  /** `exitCode` 2 is a wrong use of the command, 1 is everything else. */
  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.name = "Failure";
    this.exitCode = exitCode;
  }
}

export function wrongUse(message: string): Failure {
  return new Failure(message, 2);
}

/** What an error says, for a person. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
