import { shortened } from "../../../kernel/index.ts";
import { MappingError } from "./mapping-error.ts";

/** The values of a row: the file's columns, then those of lookups, then the derived ones. */
export type Values = readonly string[];

/**
 * Where each column stands among a row's values. A column added later hides an earlier one of its name. An open set
 * takes any name for a column of the file and notes it, so that a mapping can be checked without its file.
 */
export class Columns {
  readonly #indexes = new Map<string, number>();
  readonly #noted = new Set<string>();
  readonly #isOpen: boolean;
  #count = 0;

  private constructor(names: readonly string[], isOpen: boolean) {
    this.#isOpen = isOpen;
    for (const name of names) this.add(name);
  }

  static of(names: readonly string[]): Columns {
    return new Columns(names, false);
  }

  static open(): Columns {
    return new Columns([], true);
  }

  add(name: string): void {
    this.#indexes.set(name, this.#count);
    this.#count += 1;
  }

  /** Throws `MappingError` when there is no such column; `path` says which part of the mapping names it. */
  indexOf(name: string, path: string): number {
    const index = this.#indexes.get(name);
    if (index !== undefined) return index;
    if (!this.#isOpen) {
      throw new MappingError(path, `there is no column "${name}"; there are ${listed([...this.#indexes.keys()])}`);
    }
    this.#noted.add(name);
    return 0;
  }

  /** The names asked for that an open set did not know. */
  get noted(): readonly string[] {
    return [...this.#noted];
  }
}

/** A file that is none, or has another delimiter, may have columns by the thousand, or one of a megabyte. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, namesShown).map((name) => shortened(name, 60));
  const more = names.length - shown.length;
  return more > 0 ? `${shown.join(", ")} and ${more} more` : shown.join(", ");
}

const namesShown = 20;
