/** Units, events and claims for tests and benchmarks of what stands on the port. */
import type { AppendUnit, Claim, Tagging } from "./port.ts";

interface UnitExtras {
  readonly recordedAt?: number;
  readonly fact?: AppendUnit["meta"]["fact"];
  readonly claims?: readonly Claim[];
}

/** A unit that expects the given versions. */
export function unitOf(
  command: string,
  expected: Readonly<Record<string, number>>,
  events: AppendUnit["events"],
  { recordedAt = 1000, fact, claims = [] }: UnitExtras = {},
): AppendUnit {
  return {
    meta: { command, recordedAt, actor: "key-1", ...(fact && { fact }) },
    expected: Object.entries(expected).map(([stream, version]) => ({ stream, version })),
    events,
    claims,
  };
}

export function event(stream: string, data: object = { quantity: 1 }): AppendUnit["events"][number] {
  return { stream, type: "StockSold", schema: 1, data };
}

/** Tags a unit by what the data of its events have in `tags`. */
export const sampleTagging: Tagging = {
  version: 1,
  of: ({ events }) => [
    ...new Set(events.flatMap(({ data }) => (data as { readonly tags?: readonly string[] }).tags ?? [])),
  ],
};

/** The claim of a number, with a print of its own. */
export function claim(number: number, print = "0"): Claim {
  return { key: number.toString(16).padStart(32, "0"), print: print + number.toString(16).padStart(15, "0") };
}

/** 1 to `count`. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
