import { AvailabilityCache, type CacheOptions } from "./availability-cache.ts";
import { type ChangesOptions, followChanges, isHeartbeat } from "./changes.ts";
import { type FactInput, recordAll } from "./facts.ts";
import { type FactsReceipt, Operations, type RecordedCloudEvent } from "./operations.ts";
import { type CallOptions, type LarderOptions, Transport } from "./transport.ts";

export interface ClientOptions extends LarderOptions {
  /** The CloudEvents source of facts that name none, as `/tills/4`. */
  readonly source?: string | undefined;
}

/**
 * A client of one Larder. Every operation of its API is a method, named by its `operationId`. Methods reject with
 * `LarderError`; what is safe to repeat is tried again before that, and what needs an `Idempotency-Key` gets one.
 */
export class Larder extends Operations {
  readonly #source: string | undefined;

  constructor({ source, ...options }: ClientOptions) {
    super(new Transport(options));
    this.#source = source;
  }

  /**
   * Records any number of facts, in batches of up to 1,000, in their order. Resolves with the sum of the receipts when
   * all are durable; look into `rejected`, for a bad fact spoils no other. Facts without an `id` get a random one: give
   * yours, such as the receipt's number, to be safe when the whole call is made again.
   */
  record(facts: Iterable<FactInput> | AsyncIterable<FactInput>, options: CallOptions = {}): Promise<FactsReceipt> {
    const to = { method: "POST", path: "/v1/events", answer: "json", isRepeatable: true } as const;
    const bodyType = "application/cloudevents-batch+json";
    return recordAll(facts, this.#source, (body) => this.transport.call({ ...to, body, bodyType }, options));
  }

  /**
   * Every recorded event from a position on, once, in order per sku and location; past the present unless `follow` is
   * false. Comes back by itself after a lost connection. Keep the `position` of the last event that you have dealt with,
   * and hand it back as `after`. Rejects with `position-from-another-history` after a restore.
   */
  async *changes(options: ChangesOptions = {}): AsyncGenerator<RecordedCloudEvent, void> {
    for await (const said of followChanges(this.transport, options)) if (!isHeartbeat(said)) yield said;
  }

  /** Availability from memory, kept up by the change feed until its `stop`. One for a process is enough. */
  cache(options: CacheOptions = {}): AvailabilityCache {
    return new AvailabilityCache(this.transport, options);
  }
}
