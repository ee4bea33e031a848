import type { RecordedEvent, Storage } from "../../../platform/storage/index.ts";
import { kindOf } from "../ledger/index.ts";
import { type Pair, pairsIn } from "./cloud-events.ts";

/** Reservations of which it is kept what they are of: their steps mostly come soon after one another. */
const keptMax = 10_000;

/** What a reservation is of, as its events up to a version say: from which version on, the pairs. */
interface Known {
  readonly upTo: number;
  readonly since: readonly (readonly [version: number, pairs: readonly Pair[]])[];
}

/**
 * The (sku, location) pairs that events are about: for filters, and for who may see them. Of a reservation only the steps that
 * placed or amended it name them, so for the others those before have to be known, or looked up.
 */
export class EventPairs {
  readonly #storage: Pick<Storage, "readStream">;
  readonly #known = new Map<string, Known>();

  constructor(storage: Pick<Storage, "readStream">) {
    this.#storage = storage;
  }

  of(event: RecordedEvent): readonly Pair[] | Promise<readonly Pair[]> {
    if (kindOf(event.stream) !== "reservation") return pairsIn(event);
    const known = this.#known.get(event.stream);
    // Events that are passed over here leave a gap, after which nothing is certain.
    if (known === undefined ? event.version === 1 : event.version === known.upTo + 1) this.#keep([event], known);
    return this.#pairsAt(event) ?? this.#find(event);
  }

  async #find(event: RecordedEvent): Promise<readonly Pair[]> {
    this.#keep(await this.#storage.readStream(event.stream, 0, event.version), undefined);
    return this.#pairsAt(event) ?? [];
  }

  #pairsAt({ stream, version }: RecordedEvent): readonly Pair[] | undefined {
    const known = this.#known.get(stream);
    if (known === undefined || known.upTo < version) return undefined;
    return known.since.findLast(([from]) => from <= version)?.[1] ?? [];
  }

  #keep(events: readonly RecordedEvent[], before: Known | undefined): void {
    const last = events.at(-1);
    if (last === undefined) return;
    const named = events.flatMap((event) => {
      const pairs = pairsIn(event);
      return pairs.length > 0 ? ([[event.version, pairs]] as const) : [];
    });
    // The newest at the end: the oldest go first.
    this.#known.delete(last.stream);
    this.#known.set(last.stream, { upTo: last.version, since: [...(before?.since ?? []), ...named] });
    if (this.#known.size > keptMax)
      for (const oldest of [...this.#known.keys()].slice(0, keptMax / 10)) this.#known.delete(oldest);
  }
}
