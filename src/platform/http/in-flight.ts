import { limits, type Rejection } from "../../kernel/index.ts";

/**
 * Counts what is being answered, so that one caller can't take every place: a cap for each credential and one for all.
 * `enter` gives the rejection when there is no place; who entered leaves once.
 */
export class InFlight {
  readonly #counts = new Map<string, number>();
  readonly #perCredentialMax: number;
  readonly #totalMax: number;
  #total = 0;

  constructor(perCredentialMax: number = limits.credentialInFlightMax, totalMax: number = limits.inFlightMax) {
    this.#perCredentialMax = perCredentialMax;
    this.#totalMax = totalMax;
  }

  get total(): number {
    return this.#total;
  }

  enter(credentialId: string): Rejection | undefined {
    const count = this.#counts.get(credentialId) ?? 0;
    if (count >= this.#perCredentialMax)
      return {
        code: "too-many-requests",
        detail: `This credential has ${count} requests open; wait for some of them.`,
      };
    if (this.#total >= this.#totalMax)
      return { code: "overloaded", detail: "Too many requests are being answered at once." };
    this.#counts.set(credentialId, count + 1);
    this.#total += 1;
    return undefined;
  }

  leave(credentialId: string): void {
    const count = this.#counts.get(credentialId) ?? 0;
    if (count > 1) this.#counts.set(credentialId, count - 1);
    else this.#counts.delete(credentialId);
    this.#total -= 1;
  }
}
