import { type Sink, type SinkEvent, SinkMoved, type SinkSession, type SinkStock } from "../port.ts";

/** What another system would hold, in memory: for tests of what carries to sinks. It keeps events, or stocks. */
export class MemorySink implements Sink {
  readonly name: string;
  readonly #holds: "events" | "stocks";
  readonly #keepMs: number | undefined;
  events: SinkEvent[] = [];
  stocks = new Map<string, SinkStock>();
  position: string | undefined;
  /** Set, every call throws it. */
  fault: Error | undefined;
  /** Times it was opened. */
  opened = 0;

  constructor(holds: "events" | "stocks", { name = "memory", keepMs }: { name?: string; keepMs?: number } = {}) {
    this.#holds = holds;
    this.#keepMs = keepMs;
    this.name = name;
  }

  /** Loses everything. */
  wipe(): void {
    this.events = [];
    this.stocks.clear();
    this.position = undefined;
  }

  /** Loses the newest events, as a server that had acknowledged them before they were on its disk. */
  lose(count: number): void {
    this.events.splice(Math.max(0, this.events.length - count));
    this.position = this.events.at(-1)?.position;
  }

  async open(): Promise<SinkSession> {
    if (this.fault !== undefined) throw this.fault;
    this.opened += 1;
    return new MemorySession(this, this.#holds, this.#keepMs);
  }
}

class MemorySession implements SinkSession {
  readonly #sink: MemorySink;
  readonly position: string | undefined;
  readonly filling: SinkSession["filling"];
  #expected: string | undefined;

  constructor(sink: MemorySink, holds: "events" | "stocks", keepMs: number | undefined) {
    this.#sink = sink;
    this.position = sink.position;
    this.#expected = sink.position;
    this.filling =
      holds === "events"
        ? { from: "events", keepMs }
        : { from: "stocks", fill: (stocks, position) => this.#fill(stocks, position) };
  }

  async write(events: readonly SinkEvent[], position: string): Promise<void> {
    this.#check();
    if (this.filling.from === "events") {
      this.#sink.events.push(...events);
      this.#sink.position = events.at(-1)?.position ?? this.#sink.position;
    } else {
      for (const { stock } of events) if (stock !== undefined) this.#put(stock);
      this.#sink.position = position;
    }
    this.#expected = this.#sink.position;
  }

  async close(): Promise<void> {}

  async #fill(stocks: AsyncIterable<readonly SinkStock[]>, position: string): Promise<void> {
    this.#sink.wipe();
    this.#expected = undefined;
    for await (const some of stocks) {
      this.#check();
      for (const stock of some) this.#put(stock);
    }
    this.#sink.position = position;
    this.#expected = position;
  }

  #put(stock: SinkStock): void {
    const key = JSON.stringify([stock.location, stock.sku]);
    if ((this.#sink.stocks.get(key)?.version ?? 0) < stock.version) this.#sink.stocks.set(key, stock);
  }

  #check(): void {
    if (this.#sink.fault !== undefined) throw this.#sink.fault;
    if (this.#sink.position !== this.#expected) throw new SinkMoved("it does not stand where it was left");
  }
}
