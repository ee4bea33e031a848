import { Redis } from "ioredis";
import { limits } from "../../../kernel/index.ts";
import { type Sink, type SinkEvent, SinkMoved, type SinkSession, type SinkStock } from "../port.ts";
import { type RedisKeys, redisKeys } from "./keys.ts";
import { stockFields, writeStocks } from "./script.ts";

export interface RedisSinkOptions {
  /** As `redis://user:password@host:6379/0`; `rediss:` with TLS. */
  readonly url: string;
  /** What the names of all keys begin with. */
  readonly prefix: string;
  readonly randomId: () => string;
}

/**
 * Availability in Redis, for readers in any language: a hash for each stock, a set of locations for each sku, and the
 * position up to which they are (docs/reference/redis-keys.md). One server, or one with replicas; not Redis Cluster.
 */
export class RedisSink implements Sink {
  readonly name = "redis";
  readonly #options: RedisSinkOptions;

  constructor(options: RedisSinkOptions) {
    this.#options = options;
  }

  async open(): Promise<SinkSession> {
    const { url, prefix, randomId } = this.#options;
    const redis = new Redis(url, {
      lazyConnect: true,
      connectionName: "larder",
      connectTimeout: limits.sinkCallMs,
      commandTimeout: limits.sinkCallMs,
      // A connection that broke is not trusted: another one looks first how far Redis is.
      retryStrategy: null,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      // It asks for INFO, which a user may not have; a Redis that is loading refuses the first command as well.
      enableReadyCheck: false,
    });
    let fault: Error | undefined;
    redis.on("error", (error: Error) => {
      fault = error;
    });
    try {
      await redis.connect();
      const keys = redisKeys(prefix);
      return new RedisSession(redis, keys, await redis.get(keys.position), randomId);
    } catch (error) {
      redis.disconnect();
      throw fault ?? error;
    }
  }
}

/** What stands in the position's key while Redis is filled; no position begins like that. */
const fillingMark = "filling-";

class RedisSession implements SinkSession {
  readonly position: string | undefined;
  readonly filling: SinkSession["filling"];
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #randomId: () => string;
  /** What the position's key held when this session last wrote it; empty for no key. */
  #expected: string;

  constructor(redis: Redis, keys: RedisKeys, held: string | null, randomId: () => string) {
    this.#redis = redis;
    this.#keys = keys;
    this.#randomId = randomId;
    this.#expected = held ?? "";
    this.position = held === null || held.startsWith(fillingMark) ? undefined : held;
    this.filling = { from: "stocks", fill: (stocks, position) => this.#fill(stocks, position) };
  }

  async write(events: readonly SinkEvent[], position: string): Promise<void> {
    // Of several changes of one stock only the last is worth a write.
    const newest = new Map<string, SinkStock>();
    for (const { stock } of events) if (stock !== undefined) newest.set(this.#keyOf(stock), stock);
    await this.#put([...newest.values()], position);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }

  async #fill(stocks: AsyncIterable<readonly SinkStock[]>, position: string): Promise<void> {
    // Whoever filled it until now is stopped by its next write, and readers see that what they read is not whole.
    const mark = fillingMark + this.#randomId();
    await this.#redis.set(this.#keys.position, mark);
    this.#expected = mark;
    for (const pattern of this.#keys.patterns) await this.#clear(pattern);
    for await (const some of stocks) await this.#put(some, mark);
    await this.#put([], position);
  }

  async #clear(pattern: string): Promise<void> {
    for await (const keys of this.#redis.scanStream({ match: pattern, count: limits.redisStocksPerCall }))
      if (keys.length > 0) await this.#redis.unlink(...(keys as string[]));
  }

  /** The position moves with the last of several calls, when all before it have been answered. */
  async #put(stocks: readonly SinkStock[], position: string): Promise<void> {
    for (let at = 0; ; at += limits.redisStocksPerCall) {
      const end = at + limits.redisStocksPerCall;
      const isLast = end >= stocks.length;
      await this.#call(stocks.slice(at, end), isLast ? position : this.#expected);
      if (isLast) return;
    }
  }

  async #call(stocks: readonly SinkStock[], next: string): Promise<void> {
    const { position, channel, locations } = this.#keys;
    const keys = [position, ...stocks.flatMap((stock) => [this.#keyOf(stock), locations(stock.sku)])];
    const values = stocks.flatMap((stock) => stockFields.map((field) => stock[field]));
    const written = await this.#redis.eval(writeStocks, keys.length, ...keys, this.#expected, next, channel, ...values);
    if (written === -1)
      throw new SinkMoved("its position is not where it was left: Redis was emptied, went back, or others write to it");
    this.#expected = next;
  }

  #keyOf({ location, sku }: SinkStock): string {
    return this.#keys.stock(location, sku);
  }
}
