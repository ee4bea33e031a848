import type { DatabaseSync, StatementSync } from "node:sqlite";
import { invariant } from "../../../kernel/index.ts";
import type { QueueDeclaration } from "../port.ts";

/** Places of one queue: more messages than it will ever see. */
const placesOfQueue = 2 ** 40;

/** A queue as it stands in memory. */
export interface QueueRow {
  readonly number: number;
  settings: QueueDeclaration;
  /** The place of the next message. */
  next: number;
  waiting: number;
  dead: number;
}

/** The queues with their counts, kept in memory and written once for each transaction that changed them. */
export class QueueList {
  readonly #database: DatabaseSync;
  readonly #byName = new Map<string, QueueRow>();
  readonly #byNumber = new Map<number, QueueRow>();
  readonly #changed = new Set<QueueRow>();
  readonly #update: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#update = database.prepare("UPDATE queue SET settings = ?, next = ?, waiting = ?, dead = ? WHERE number = ?");
    this.reload();
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** Throws `InvariantError` for one that was not declared. */
  get(name: string): QueueRow {
    const found = this.#byName.get(name);
    invariant(found !== undefined, `the queue ${name} was not declared`);
    return found;
  }

  /** As `get`, or undefined: for what outsiders ask for. */
  find(name: string): QueueRow | undefined {
    return this.#byName.get(name);
  }

  nameOf(number: number): string {
    return this.#byNumber.get(number)?.settings.name ?? "";
  }

  declare(settings: QueueDeclaration): void {
    const found = this.#byName.get(settings.name);
    if (found !== undefined) {
      found.settings = settings;
      this.changed(found);
      return;
    }
    const number = this.#freeNumber();
    const row = { number, settings, next: number * placesOfQueue, waiting: 0, dead: 0 };
    this.#database.prepare("INSERT INTO queue VALUES (?, ?, '', 0, 0, 0)").run(number, settings.name);
    this.#add(row);
    this.changed(row);
  }

  /** The caller has removed all that belongs to the queue's number, which the next queue may get. */
  remove(row: QueueRow): void {
    this.#database.prepare("DELETE FROM queue WHERE number = ?").run(row.number);
    this.#changed.delete(row);
    this.#byName.delete(row.settings.name);
    this.#byNumber.delete(row.number);
  }

  changed(row: QueueRow): void {
    this.#changed.add(row);
  }

  /** Writes what has changed, within the caller's transaction. */
  flush(): void {
    for (const { number, settings, next, waiting, dead } of this.#changed) {
      this.#update.run(JSON.stringify(settings), next, waiting, dead, number);
    }
    this.#changed.clear();
  }

  /** Reads all again: after a transaction that came to nothing. */
  reload(): void {
    this.#changed.clear();
    this.#byName.clear();
    this.#byNumber.clear();
    for (const row of this.#database.prepare("SELECT * FROM queue ORDER BY number").all()) {
      const { number, next, waiting, dead } = row;
      const settings: QueueDeclaration = JSON.parse(String(row["settings"]));
      this.#add({
        number: Number(number),
        settings,
        next: Number(next),
        waiting: Number(waiting),
        dead: Number(dead),
      });
    }
  }

  /** The least one: places have room for no more numbers than there may be queues. */
  #freeNumber(): number {
    let number = 1;
    while (this.#byNumber.has(number)) number += 1;
    return number;
  }

  #add(row: QueueRow): void {
    this.#byName.set(row.settings.name, row);
    this.#byNumber.set(row.number, row);
  }
}

/** The places of a queue: from the first up to, not including, the second. */
export function placesOf({ number }: QueueRow): readonly [number, number] {
  return [number * placesOfQueue, (number + 1) * placesOfQueue];
}
