import { it } from "vitest";

/** Whether the server of the journeys is several processes (`split.ts`). */
export const isSplit = process.env["LARDER_JOURNEY_MODE"] === "split";

/** How many times as long a step may take: seven processes and a PostgreSQL share the machine that one has to itself. */
export const patience = isSplit ? 3 : 1;

/** `it`, for what is about one process and its folder: where processes are split it is not run, and that is said with the reason. */
export function itOfOneProcess(reason: string): (name: string, test: () => Promise<void>, ms?: number) => void {
  return (name, test, ms) => {
    if (isSplit) process.stdout.write(`NOT RUN SPLIT: ${name}: ${reason}\n`);
    (isSplit ? it.skip : it)(name, test, ms);
  };
}
