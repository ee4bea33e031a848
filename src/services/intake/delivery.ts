import { limits } from "../../kernel/index.ts";
import type { Row } from "./domain/rows.ts";
import type { RejectsWriter } from "./rejects.ts";
import type { Refusal } from "./sinks.ts";
import type { Reject, Tallies } from "./summary.ts";

export interface Receipt {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly Refusal[];
  readonly position?: string;
}

interface Batch<T> {
  readonly made: T[];
  /** The rows each thing of `made` comes from. */
  readonly origins: (readonly Row[])[];
  /** Rows turned down meanwhile. */
  readonly rejects: Reject[];
}

/**
 * Sends what rows make, in batches of `limits.batchItemsMax` with a few under way, and tallies the answers in the order
 * of the batches, so that rejects are written in the order of their lines.
 */
export class Delivery<T> {
  readonly #send: (made: readonly T[]) => Promise<Receipt>;
  readonly #tallies: Tallies;
  readonly #rejects: RejectsWriter | undefined;
  readonly #underWay: Promise<void>[] = [];
  #batch: Batch<T> = { made: [], origins: [], rejects: [] };
  #settled: Promise<void> = Promise.resolve();

  constructor(send: (made: readonly T[]) => Promise<Receipt>, tallies: Tallies, rejects: RejectsWriter | undefined) {
    this.#send = send;
    this.#tallies = tallies;
    this.#rejects = rejects;
  }

  add(made: T, origins: readonly Row[]): void {
    this.#batch.made.push(made);
    this.#batch.origins.push(origins);
  }

  reject(reject: Reject): void {
    this.#batch.rejects.push(reject);
  }

  /** Whether `dispatch` must come before more is added than a row can make. */
  get isFull(): boolean {
    const { made, rejects } = this.#batch;
    return made.length + factsOfRowMax > limits.batchItemsMax || rejects.length >= limits.batchItemsMax;
  }

  /** Sends what was added; waits while too many batches are under way. Throws what made an earlier batch fail. */
  async dispatch(): Promise<void> {
    while (this.#underWay.length >= limits.importBatchesInFlight) await this.#underWay.shift();
    const batch = this.#batch;
    this.#batch = { made: [], origins: [], rejects: [] };
    const receipt = batch.made.length > 0 ? this.#send(batch.made) : Promise.resolve(nothing);
    const settled = Promise.all([receipt, this.#settled]).then(([answer]) => this.#settle(batch, answer));
    // Heard of at the next dispatch; unheard until then it would count as unhandled.
    settled.catch(() => undefined);
    this.#settled = settled;
    this.#underWay.push(settled);
  }

  /** Sends the rest and waits for every answer; sends no more once an earlier batch has failed, and throws what made it. */
  async finish(): Promise<void> {
    // A short batch could pass the long ones before it.
    await this.#settled;
    await this.dispatch();
    await this.#settled;
  }

  /** Waits until nothing is under way any more, whatever came of it. */
  async settle(): Promise<void> {
    await Promise.allSettled([this.#settled]);
  }

  async #settle({ origins, rejects }: Batch<T>, receipt: Receipt): Promise<void> {
    this.#tallies.accepted += receipt.accepted;
    this.#tallies.duplicates += receipt.duplicates;
    this.#tallies.position = receipt.position ?? this.#tallies.position;
    const refused = receipt.rejected.flatMap(({ index, code, detail }) =>
      (origins[index] ?? []).map((row): Reject => ({ line: row.line, by: "server", reason: code, detail, row })),
    );
    const all = [...rejects, ...refused].sort((a, b) => a.line - b.line);
    for (const reject of all) this.#tallies.reject(reject);
    await this.#rejects?.write(oncePerRow(all));
  }
}

/** A row of which several facts were refused stands in the file once, else importing that would count it twice. */
function oncePerRow(rejects: readonly Reject[]): readonly Reject[] {
  return [...Map.groupBy(rejects, ({ row }) => row).values()].flatMap(([first, ...others]) => {
    if (first === undefined || others.length === 0) return first ?? [];
    const details = [first.detail ?? "", ...others.map(({ reason, detail = "" }) => `${reason}: ${detail}`)];
    return { ...first, detail: [...new Set(details)].join("; ") };
  });
}

const factsOfRowMax = 10;
const nothing: Receipt = { accepted: 0, duplicates: 0, rejected: [] };
