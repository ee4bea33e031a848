import type { Sink } from "../../../platform/sink/index.ts";
import { Carrier, type CarrierOptions, type SinkFigures } from "./carrier.ts";

export interface SinksOptions extends CarrierOptions {
  readonly sinks: readonly Sink[];
  /** Whether everything outgoing waits for `larder resume`: so after a restore. */
  readonly isPaused: boolean;
}

export interface RunningSinks {
  figures(): readonly SinkFigures[];
  stop(): Promise<void>;
}

/**
 * Sets every sink to work. Never waits for one: a sink that is away is tried again and again, and nothing else notices.
 * Where several processes share a log, each sink is carried by the one that has its lease; two of them for a moment do
 * no harm, for sinks take nothing on top of what another has written.
 */
export function startSinks({ sinks, isPaused, ...options }: SinksOptions): RunningSinks {
  const posts = isPaused ? [] : sinks.map((sink) => new Post(sink, options));
  return {
    figures: () => posts.map((post) => post.figures()),
    async stop() {
      await Promise.all(posts.map((post) => post.stop()));
    },
  };
}

/** One sink, and who carries to it while it is this process's turn. */
class Post {
  readonly #sink: Sink;
  readonly #options: CarrierOptions;
  readonly #giveUp: () => Promise<void>;
  #carrier: Carrier | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(sink: Sink, options: CarrierOptions) {
    this.#sink = sink;
    this.#options = options;
    const { shared } = options.storage;
    const holder = { acquired: () => this.#begin(), lost: () => this.#end() };
    this.#giveUp = shared?.lease(`sink-${sink.name}`, holder) ?? (async () => undefined);
    if (shared === undefined) this.#begin();
  }

  figures(): SinkFigures {
    return this.#carrier?.figures() ?? { name: this.#sink.name, status: "elsewhere", lagEvents: 0 };
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#ended;
    await this.#giveUp();
  }

  #begin(): void {
    this.#carrier = new Carrier(this.#sink, this.#options);
    this.#carrier.start();
  }

  #end(): void {
    const ended = this.#carrier?.stop();
    this.#carrier = undefined;
    this.#ended = Promise.all([this.#ended, ended]).then(() => undefined);
  }
}
