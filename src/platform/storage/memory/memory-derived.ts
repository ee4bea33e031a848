import type { DerivedChanges, DerivedDocument, DerivedStore, Sequence } from "../port.ts";

interface Shelf {
  checkpoint: Sequence;
  readonly documents: Map<string, DerivedDocument>;
  /** The ids in order, made when they are asked for and forgotten when one comes or goes. */
  ordered: readonly string[] | undefined;
}

/** The derived store in memory. */
export class MemoryDerivedStore implements DerivedStore {
  readonly #shelves = new Map<string, Shelf>();

  checkpoint(consumer: string): Sequence {
    return this.#shelves.get(consumer)?.checkpoint ?? 0;
  }

  commit(changes: readonly DerivedChanges[]): void {
    for (const { consumer, checkpoint, put, remove } of changes) {
      const shelf = this.#shelf(consumer);
      shelf.checkpoint = checkpoint;
      for (const id of remove) {
        if (shelf.documents.delete(id)) shelf.ordered = undefined;
      }
      for (const document of put) {
        if (!shelf.documents.has(document.id)) shelf.ordered = undefined;
        shelf.documents.set(document.id, document);
      }
    }
  }

  get(consumer: string, id: string): DerivedDocument | undefined {
    return this.#shelves.get(consumer)?.documents.get(id);
  }

  scan(consumer: string, after: string, limit: number): readonly DerivedDocument[] {
    const shelf = this.#shelf(consumer);
    const ids = orderedIds(shelf);
    const start = firstIndex(ids, (id) => compareText(id, after) > 0);
    return ids.slice(start, start + limit).flatMap((id) => shelf.documents.get(id) ?? []);
  }

  reset(consumer: string): void {
    this.#shelves.delete(consumer);
  }

  #shelf(consumer: string): Shelf {
    const known = this.#shelves.get(consumer);
    if (known !== undefined) return known;
    const shelf: Shelf = { checkpoint: 0, documents: new Map(), ordered: undefined };
    this.#shelves.set(consumer, shelf);
    return shelf;
  }
}

function orderedIds(shelf: Shelf): readonly string[] {
  shelf.ordered ??= [...shelf.documents.keys()].sort(compareText);
  return shelf.ordered;
}

/** The order of code points, which is that of UTF-8 bytes and so of every other engine; `<` compares UTF-16 units. */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left === right) continue;
    const [isLeftHigh, isRightHigh] = [isSurrogate(left), isSurrogate(right)];
    if (isLeftHigh !== isRightHigh) return isLeftHigh ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

function firstIndex(sorted: readonly string[], isBeyond: (id: string) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBeyond(sorted[middle] ?? "")) high = middle;
    else low = middle + 1;
  }
  return low;
}
