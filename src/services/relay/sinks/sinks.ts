import { limits } from "../../../kernel/index.ts";
import type { Sink } from "../../../platform/sink/index.ts";
import { Duty, type Storage } from "../../../platform/storage/index.ts";
import { Carrier, type CarrierOptions, type SinkFigures } from "./carrier.ts";

export interface SinksOptions extends CarrierOptions {
  readonly sinks: readonly Sink[];
  readonly storage: CarrierOptions["storage"] & Pick<Storage, "outgoingPaused">;
}

export interface RunningSinks {
  figures(): readonly SinkFigures[];
  stop(): Promise<void>;
}

/**
 * Sets every sink to work. Never waits for one: a sink that is away is tried again and again, and nothing else notices.
 * Where several processes share a log, each sink is carried by the one that has its lease; two of them for a moment do
 * no harm, for sinks take nothing on top of what another has written.
 *
 * While everything outgoing is paused, as after a restore, none is asked; they begin once it goes on.
 */
export function startSinks({ sinks, ...options }: SinksOptions): RunningSinks {
  const { storage, timers } = options;
  const posts = sinks.map((sink) => new Post(sink, options));
  let stopLooking: () => void = () => undefined;
  const beginUnlessPaused = () => {
    if (storage.outgoingPaused) return;
    stopLooking();
    for (const post of posts) post.start();
  };
  if (storage.outgoingPaused) stopLooking = timers.every(limits.outgoingLookMs, beginUnlessPaused);
  else beginUnlessPaused();
  return {
    figures: () => posts.map((post) => post.figures()),
    async stop() {
      stopLooking();
      await Promise.all(posts.map((post) => post.stop()));
    },
  };
}

/** One sink, and who carries to it while it is this process's turn. */
class Post {
  readonly #sink: Sink;
  readonly #duty: Duty;
  #isPaused = true;
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
  }

  start(): void {
    this.#isPaused = false;
    void this.#duty.start();
  }

  figures(): SinkFigures {
    const status = this.#isPaused ? "paused" : "elsewhere";
    return this.#carrier?.figures() ?? { name: this.#sink.name, status, lagEvents: 0 };
  }

  async stop(): Promise<void> {
    await this.#duty.stop();
  }
}
