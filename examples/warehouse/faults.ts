/** What may go wrong at the other side: switches that are set at the start and while it runs. */

export interface Switches {
  /** Milliseconds before an answer. */
  latencyMs: number;
  /** Share of requests answered with 500, without effect. */
  errorRate: number;
  /** Share of requests that have their effect and are never answered. */
  timeoutRate: number;
  /** Share of records that are acknowledged and not kept. */
  lostRate: number;
  /** Whether connections are cut without an answer. */
  down: boolean;
}

export const noFaults: Switches = { latencyMs: 0, errorRate: 0, timeoutRate: 0, lostRate: 0, down: false };

const latencyMsMax = 600_000;

/** The switches that a body of JSON sets, or why it can't be read. */
export function readSwitches(body: unknown): Partial<Switches> | string {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return "the body must be an object";
  for (const [name, value] of Object.entries(body)) {
    if (!(name in noFaults)) return `there is no switch ${name}; there are ${Object.keys(noFaults).join(", ")}`;
    if (name === "down" ? typeof value !== "boolean" : !isWithin(value, name === "latencyMs" ? latencyMsMax : 1))
      return name === "down" ? "down must be true or false" : `${name} is out of its range`;
  }
  return body;
}

function isWithin(value: unknown, most: number): boolean {
  return typeof value === "number" && value >= 0 && value <= most;
}

/** Numbers from 0 to below 1 that a seed decides (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
