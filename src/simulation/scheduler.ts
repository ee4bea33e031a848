/** Virtual time: nothing waits, whatever is due next is done next. */
import type { Timers } from "../platform/timers/index.ts";

interface Entry {
  readonly at: number;
  /** Entries of one instant run in the order in which they were asked for. */
  readonly order: number;
  readonly run: () => void;
  isCalledOff: boolean;
}

/** A process, a client, a disk: what it asked to be called back for dies with it. */
export interface Life {
  dead: boolean;
}

export class Scheduler {
  /** Milliseconds since 1970: the time of the simulated world. */
  now: number;
  #heap: Entry[] = [];
  #orders = 0;
  /** Whether what runs was asked for by `soon`. */
  isSoon = false;

  constructor(start: number) {
    this.now = start;
  }

  /** Runs something `ms` from now; returns the way to call it off. */
  after(ms: number, run: () => void): () => void {
    const entry = { at: this.now + Math.max(0, Math.ceil(ms)), order: this.#orders, run, isCalledOff: false };
    this.#orders += 1;
    this.#push(entry);
    return () => {
      entry.isCalledOff = true;
    };
  }

  /** Timers of something that lives: once it is dead they are silent. */
  timersOf(life: Life): Timers {
    const after = (ms: number, run: () => void) =>
      this.after(ms, () => {
        if (!life.dead) run();
      });
    return {
      after,
      every: (ms, run) => {
        let callOff = () => {};
        const again = () => {
          callOff = after(ms, () => {
            again();
            run();
          });
        };
        again();
        return () => callOff();
      },
      // Some time, so that who looks again and again for something to end sees it end.
      soon: (run) =>
        void after(1, () => {
          this.isSoon = true;
          run();
          this.isSoon = false;
        }),
      elapsedMs: () => this.now,
    };
  }

  /**
   * Runs what is due up to an instant, each with all that it sets off, and then it is that instant. `look` is called
   * after each.
   */
  async run(until: number, look: () => void): Promise<void> {
    // What was asked for just now may be due before anything else.
    await settled();
    look();
    for (let turns = 0; ; turns += 1) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) break;
      if (turns > turnsMax)
        throw new Error(`more than ${turnsMax} things happen until ${until}: something never rests`);
      this.#pop();
      if (next.isCalledOff) continue;
      // After a leap of time, what was due before comes late: as in a machine that was asleep.
      this.now = Math.max(this.now, next.at);
      next.run();
      await settled();
      look();
    }
    this.now = Math.max(this.now, until);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[index] = heap[parent] as Entry;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[index] = heap[child] as Entry;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Far more than ever happens between two looks at the workload; a loop that keeps time from passing shows by it. */
const turnsMax = 100_000;

/** Resolves once every promise that can go on has done so: nothing in a simulation waits for the real world. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
