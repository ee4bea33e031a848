import { createHash } from "node:crypto";

/** Characters that are hashed in one go: a call for each line would cost more than the hashing. */
const atOnce = 65_536;

/** A digest of all that happens in a history, in its order. */
export class Trace {
  readonly #hash = createHash("sha256");
  #lines = "";

  tell(now: number, what: string): void {
    this.#lines += `${now} ${what}\n`;
    if (this.#lines.length >= atOnce) this.#flush();
  }

  /** To be asked for once, at the end. */
  digest(): string {
    this.#flush();
    return this.#hash.digest("hex").slice(0, 16);
  }

  #flush(): void {
    this.#hash.update(this.#lines);
    this.#lines = "";
  }
}
