/** The parts of Larder that take what others have made, each with a fuzzer of its own. */
import type { Random } from "./random.ts";

/** Runs one input. `label` names what was tried, for the counts; `show` gives it so that a person can read it. */
export interface Step {
  readonly show: () => string;
  readonly run: () => Promise<void>;
}

/** One case: a fresh start, then inputs that may build on each other. */
export interface Case {
  next(random: Random): Step;
  /** Gives what is wrong at the end, a sentence each. */
  close(): Promise<readonly string[]>;
}

export interface Area {
  readonly name: string;
  /** Its share of all inputs. */
  readonly share: number;
  readonly inputsPerCase: number;
  open(index: number, counts: Counts): Promise<Case>;
  /** What a whole run should have reached and has not, a sentence each. */
  missing(counts: Counts): readonly string[];
}

/** How often things were reached, by name. */
export class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, this.of(name) + 1);
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** All whose name begins so, in the order of their names. */
  list(prefix = ""): readonly (readonly [name: string, count: number])[] {
    return [...this.#counts].filter(([name]) => name.startsWith(prefix)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}
