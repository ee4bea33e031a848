import type { Row } from "./domain/rows.ts";

/** A row, or what was made of it, that was turned down: by a rule of the mapping, for itself, or by the server. */
export interface Reject {
  readonly line: number;
  readonly by: "rule" | "row" | "server";
  /** Stable, to count by: a rule's words, or a code. */
  readonly reason: string;
  readonly detail?: string;
  readonly row: Row;
}

export interface Tally {
  readonly reason: string;
  readonly count: number;
}

/** How an import went, or how far it came. */
export interface ImportSummary {
  readonly rows: number;
  /** Facts or items made of them. */
  readonly made: number;
  readonly accepted: number;
  /** Known to the server already, with the same content. */
  readonly duplicates: number;
  /** Rows left out because an earlier row of the file has their id; of items, rows merged into an earlier one. */
  readonly repeated: number;
  readonly ignored: readonly Tally[];
  readonly rejected: readonly (Tally & { readonly by: Reject["by"] })[];
  readonly rejectedCount: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** Of the server's log, after the last batch. */
  readonly position?: string;
  /** False when the import was stopped before the end of the file. */
  readonly isComplete: boolean;
}

/** Counts what happens to rows. */
export class Tallies {
  rows = 0;
  made = 0;
  accepted = 0;
  duplicates = 0;
  repeated = 0;
  position: string | undefined;
  readonly #ignored = new Map<string, number>();
  readonly #rejected = new Map<string, Tally & { readonly by: Reject["by"] }>();

  ignore(reason: string): void {
    this.#ignored.set(reason, (this.#ignored.get(reason) ?? 0) + 1);
  }

  reject({ by, reason }: Reject): void {
    const key = `${by} ${reason}`;
    this.#rejected.set(key, { by, reason, count: (this.#rejected.get(key)?.count ?? 0) + 1 });
  }

  summary(seconds: number, isComplete: boolean): ImportSummary {
    const rejected = [...this.#rejected.values()].sort((a, b) => b.count - a.count);
    return {
      rows: this.rows,
      made: this.made,
      accepted: this.accepted,
      duplicates: this.duplicates,
      repeated: this.repeated,
      ignored: [...this.#ignored].map(([reason, count]) => ({ reason, count })),
      rejected,
      rejectedCount: rejected.reduce((sum, { count }) => sum + count, 0),
      seconds,
      rowsPerSecond: seconds > 0 ? Math.round(this.rows / seconds) : 0,
      ...(this.position !== undefined && { position: this.position }),
      isComplete,
    };
  }
}
