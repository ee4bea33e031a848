/**
 * The versions of the streams that are in use, at most `max` of them. Two generations: what is asked for moves to the
 * younger one, and when that is full the older one is forgotten. So each step costs the same, and no clock is needed.
 */
export class RecentVersions {
  readonly #generationMax: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  constructor(max: number) {
    this.#generationMax = Math.ceil(max / 2);
  }

  get(stream: string): number | undefined {
    const young = this.#young.get(stream);
    if (young !== undefined) return young;
    const old = this.#old.get(stream);
    if (old !== undefined) this.set(stream, old);
    return old;
  }

  set(stream: string, version: number): void {
    this.#young.set(stream, version);
    if (this.#young.size < this.#generationMax) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
