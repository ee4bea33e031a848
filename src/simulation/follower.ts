/** A client of the change feed, which goes on where it was after each crash of the server. */
import type { LogOracle } from "./oracle/log.ts";
import { must } from "./oracle/shapes.ts";
import { balanceText, type Totals } from "./oracle/stock.ts";
import type { Server } from "./server.ts";
import { admin } from "./shop.ts";

interface FeedEvent {
  readonly id: string;
  readonly data: {
    readonly sku?: string;
    readonly location?: string;
    readonly version?: number;
    readonly balance?: Totals;
  };
}

export class ChangeFollower {
  readonly #oracle: LogOracle;
  readonly #look: () => void;
  #position: string | undefined;
  /** Public events seen. */
  #seen = 0;

  /** `look` brings the oracle up to what is durable. */
  constructor(oracle: LogOracle, look: () => void) {
    this.#oracle = oracle;
    this.#look = look;
  }

  /** Follows until the server ends, or the store can't be read. Every event must come once, in the log's order, and as it was recorded. */
  async follow(server: Server): Promise<void> {
    const { signal } = new AbortController();
    const feed = await server.inventory?.changes(this.#position, {}, admin, { signal, heartbeatMs: 600_000 });
    if (feed === undefined) return;
    must(feed.ok, () => "the feed refuses a position that it has given");
    for await (const step of feed.value) {
      if (server.life.dead) return;
      this.#look();
      for (const event of step.events) this.#take(event as unknown as FeedEvent);
      this.#position = step.position;
    }
  }

  mustBeDone(): void {
    const { length } = this.#oracle.publicEvents;
    must(this.#seen === length, () => `the feed has shown ${this.#seen} of ${length} events`);
  }

  #take({ id, data }: FeedEvent): void {
    const seq = Number(id.slice(id.lastIndexOf("-") + 1));
    const next = this.#oracle.publicEvents[this.#seen];
    must(seq === next, () => `the feed shows event ${seq} where ${next} comes next`);
    this.#seen += 1;
    const { sku, location, version, balance } = data;
    if (sku === undefined || location === undefined || version === undefined || balance === undefined) return;
    const is = this.#oracle.stock(location, sku)?.balances[version];
    must(
      is === balanceText(balance),
      () => `the feed shows ${sku} at ${location} as ${balanceText(balance)}; it was ${is}`,
    );
  }
}
