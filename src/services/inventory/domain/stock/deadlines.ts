import type { Instant } from "../../../../kernel/index.ts";

/**
 * When holds lapse: a binary heap of (instant, reservation) in which entries that no longer hold are left until their
 * time has come or they outnumber the others. `isCurrent` says which do.
 */
export class Deadlines {
  #times: Instant[] = [];
  #ids: string[] = [];

  get size(): number {
    return this.#times.length;
  }

  push(time: Instant, id: string): void {
    let index = this.#times.push(time) - 1;
    this.#ids.push(id);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#time(parent) <= this.#time(index)) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** The reservations whose time has come, earliest first among equals in no particular order. */
  due(now: Instant, isCurrent: (id: string, time: Instant) => boolean): string[] {
    while (this.#time(0) <= now && !isCurrent(this.#id(0), this.#time(0))) this.#pop();
    if (this.#time(0) > now) return [];
    const found: { id: string; time: Instant }[] = [];
    const open = [0];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (index >= this.#times.length || this.#time(index) > now) continue;
      const id = this.#id(index);
      const time = this.#time(index);
      if (isCurrent(id, time)) found.push({ id, time });
      open.push(2 * index + 1, 2 * index + 2);
    }
    found.sort((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1));
    return [...new Set(found.map(({ id }) => id))];
  }

  /** Drops what no longer holds once it is more than half. */
  tidy(currentCount: number, isCurrent: (id: string, time: Instant) => boolean): void {
    if (this.#times.length <= 2 * currentCount + 64) return;
    const kept = this.#times.flatMap((time, index) =>
      isCurrent(this.#id(index), time) ? [{ time, id: this.#id(index) }] : [],
    );
    this.#times = [];
    this.#ids = [];
    for (const { time, id } of kept) this.push(time, id);
  }

  #pop(): void {
    const [time, id] = [this.#times.pop(), this.#ids.pop()];
    const { length } = this.#times;
    if (time === undefined || id === undefined || length === 0) return;
    this.#times[0] = time;
    this.#ids[0] = id;
    for (let index = 0; ; ) {
      const left = 2 * index + 1;
      const next = this.#time(left + 1) < this.#time(left) ? left + 1 : left;
      if (this.#time(index) <= this.#time(next)) return;
      this.#swap(index, next);
      index = next;
    }
  }

  #time(index: number): Instant {
    return this.#times[index] ?? Number.POSITIVE_INFINITY;
  }

  #id(index: number): string {
    return this.#ids[index] ?? "";
  }

  #swap(a: number, b: number): void {
    const [time, id] = [this.#time(a), this.#id(a)];
    this.#times[a] = this.#time(b);
    this.#ids[a] = this.#id(b);
    this.#times[b] = time;
    this.#ids[b] = id;
  }
}
