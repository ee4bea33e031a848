import type { Sink } from "../../../platform/sink/index.ts";
import { Duty } from "../../../platform/storage/index.ts";
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
  readonly #duty: Duty;
  #carrier: Carrier | undefined;

  constructor(sink: Sink, options: CarrierOptions) {
    this.#sink = sink;
    this.#duty = new Duty(options.storage, `sink-${sink.name}`, {
      begin: async () => {
        this.#carrier = new Carrier(sink, options);
        this.#carrier.start();
      },
      end: async () => {
        await this.#carrier?.stop();
        this.#carrier = undefined;
      },
      onFailure: (error) => options.observer.failed(sink.name, error, true),
      timers: options.timers,
    });
    void this.#duty.start();
  }

  figures(): SinkFigures {
    return this.#carrier?.figures() ?? { name: this.#sink.name, status: "elsewhere", lagEvents: 0 };
  }

  async stop(): Promise<void> {
    await this.#duty.stop();
  }
}
