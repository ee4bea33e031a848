import type { Instant } from "../../kernel/index.ts";
import { encodeArguments } from "./encoding.ts";
import type { MethodSpec } from "./methods.ts";

type AnyArgs = readonly unknown[];

/**
 * The attempts of one call, and what of it may be told (docs/adr/0031-calls-with-a-deadline.md). One whose outcome nobody
 * knows is *open* up to its deadline: until then it may be carried out, and prove wrong what another one was answered.
 */
export class Attempts {
  readonly #spec: MethodSpec<AnyArgs>;
  readonly #args: AnyArgs;
  readonly #storeClock: (() => Instant) | undefined;
  #asked: AnyArgs;
  /** The deadline of the last one; never where there is no clock to judge it by. */
  #deadline: Instant = Number.POSITIVE_INFINITY;
  /** The last deadline of those of unknown outcome; undefined when there is none. */
  #openUntil: Instant | undefined;
  /** When the next one may be carried out at the earliest. */
  #from: Instant | undefined;

  constructor(spec: MethodSpec<AnyArgs>, args: AnyArgs, storeClock: (() => Instant) | undefined) {
    this.#spec = spec;
    this.#args = args;
    this.#asked = args;
    this.#storeClock = storeClock;
  }

  /** Waits until the next one may be carried out; false at once when that will not be by `until` (`performance.now`). */
  async mayGoOn(until: number): Promise<boolean> {
    for (;;) {
      const waitMs = this.#from === undefined ? 0 : this.#from - (this.#storeClock?.() ?? Number.NEGATIVE_INFINITY);
      if (waitMs <= 0) return true;
      if (performance.now() + waitMs >= until) return false;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /**
   * The arguments of the next one, for whose answer there are `leftMs`. Half of that is for carrying it out, so that the
   * other half is there to find out what became of it.
   */
  next(leftMs: number): Uint8Array {
    const { within } = this.#spec;
    if (within === undefined || this.#storeClock === undefined) return encodeArguments(this.#asked);
    this.#deadline = Math.ceil(this.#storeClock() + leftMs / 2);
    const from = this.#from;
    return encodeArguments(within(this.#asked, { before: this.#deadline, ...(from !== undefined && { from }) }));
  }

  /** Whether the last one was asked while an earlier one was open. */
  get isOpen(): boolean {
    return this.#openUntil !== undefined && this.#from === undefined;
  }

  /** Whether an answer to the last one may be told; else the call is to be made again, when no earlier one is open. */
  mayTell(answer: unknown): boolean {
    if (!this.isOpen || this.#spec.isFirm?.(answer as never)) return true;
    this.#from = this.#openUntil;
    return false;
  }

  /** Nobody knows what became of the last one. */
  lost(): void {
    this.#asked = this.#spec.repeated?.(...this.#args) ?? this.#args;
    if (this.#spec.within === undefined) return;
    this.#openUntil = Math.max(this.#openUntil ?? 0, this.#deadline);
    // Where no answer is firm, none would be told before.
    this.#from = this.#spec.isFirm === undefined ? this.#openUntil : undefined;
  }
}
