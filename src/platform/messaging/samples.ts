/** Time, queues and messages for tests and benchmarks of what stands on the port. */
import type { OutgoingMessage, QueueDeclaration } from "./port.ts";
import type { Timer } from "./receivers.ts";

/** Time that passes when it is told to. */
export class VirtualTime {
  #now = 1_763_719_200_000;
  readonly #alarms = new Set<{ readonly at: number; readonly wake: () => void }>();

  readonly clock = (): number => this.#now;

  readonly timer: Timer = (ms, wake) => {
    const alarm = { at: this.#now + ms, wake };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  };

  /** Lets milliseconds pass; who was to be woken meanwhile is woken at its time, one after another. */
  pass(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#alarms].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#alarms.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = until;
  }

  get alarms(): number {
    return this.#alarms.size;
  }
}

export function queueOf(name: string, settings: Partial<QueueDeclaration> = {}): QueueDeclaration {
  return { name, deduplicationMs: 60_000, attemptsMax: 10, depthMax: 100_000, ...settings };
}

export function message(id: string, rest: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { id, body: `body of ${id}`, ...rest };
}

/** 1 to `count`. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
