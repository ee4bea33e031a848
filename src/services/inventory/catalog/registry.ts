import type { Consumer } from "../../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedUnit } from "../../../platform/storage/index.ts";
import { familyOf } from "../ledger/families.ts";
import { idOf } from "../ledger/index.ts";

/**
 * The states of all streams of one kind, in memory by id: items, locations, policies. For kinds that are few and read
 * often.
 */
export class Registry<S> implements Consumer {
  readonly name: string;
  readonly #prefix: string;
  readonly #states = new Map<string, S>();
  readonly #dirty = new Set<string>();

  constructor(kind: string) {
    this.name = `registry-${kind}`;
    this.#prefix = `${kind}-`;
  }

  get(id: string): S | undefined {
    return this.#states.get(id);
  }

  states(): IterableIterator<S> {
    return this.#states.values();
  }

  /** Ids after a given one, in their order. */
  page(after: string | undefined, limit: number): string[] {
    const ids = [...this.#states.keys()].sort();
    const start = after === undefined ? 0 : ids.findIndex((id) => id > after);
    return start < 0 ? [] : ids.slice(start, start + limit);
  }

  load(documents: Iterable<DerivedDocument>): void {
    for (const { id, body } of documents) this.#states.set(id, JSON.parse(body) as S);
  }

  apply(unit: RecordedUnit): void {
    for (const event of unit.events) {
      if (!event.stream.startsWith(this.#prefix)) continue;
      const id = idOf(event.stream);
      const family = familyOf(event.stream);
      // The registry of a kind only ever sees states of that kind.
      this.#states.set(id, family.evolve(this.#states.get(id) ?? family.empty(), event, unit.meta) as S);
      this.#dirty.add(id);
    }
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const put = [...this.#dirty].map((id) => ({ id, body: JSON.stringify(this.#states.get(id)) }));
    this.#dirty.clear();
    return { put, remove: [] };
  }
}
