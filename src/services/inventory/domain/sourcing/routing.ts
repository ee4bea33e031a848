import { invariant } from "../../../../kernel/index.ts";
import { Drain } from "./drain.ts";
import { FlowNetwork } from "./flow-network.ts";
import type { Line } from "./order.ts";
import { type Entry, entryOf } from "./reach.ts";
import type { Supply } from "./types.ts";

/** What one line gets. */
export interface Route {
  /** Units from each option, by its index; nothing from those past the end. */
  readonly taken: readonly number[];
  /** The most that the line can get beside the lines before it, whether or not it was left out. */
  readonly units: number;
}

/**
 * What becomes of a line that can't be served whole: it keeps what it can get, or it is left out so that the lines
 * after it are judged without it.
 */
export type WhenShort = "keep" | "leave-out";

/** Serves a line whose sku no other line asks for: all that it can take from the first option, then from the next. */
export function routeAlone({ demand, options }: Line): Route {
  const taken: number[] = [];
  let missing = demand.quantity;
  for (const option of options) {
    if (missing === 0) break;
    const units = Math.min(missing, option.reach);
    taken.push(units);
    missing -= units;
  }
  return { taken, units: demand.quantity - missing };
}

/**
 * Shares the supplies of one sku between lines that compete for them.
 *
 * The network leads from each line over its options into the drains of the supplies (`Drain`), and so into one sink.
 * Lines are served one after the other. Each takes what its options have left in its own order; when that is not
 * enough, earlier lines are moved to other options of theirs as far as that helps. They never get less by it, so each
 * line gets the most that it can beside those before it, and the total is the greatest there is.
 */
export class SharedRouting {
  readonly #network = new FlowNetwork();
  readonly #sink = this.#network.addNode();
  readonly #exits = new Map<string, number>();
  readonly #streams: readonly Stream[];

  /** The options of each line in the order in which it is to use them. */
  constructor(lines: readonly Line[]) {
    const drains = this.#addDrains(lines);
    this.#streams = lines.map((line) => this.#addStream(line, drains));
  }

  /** Serves every line, one after the other. */
  route(whenShort: WhenShort): readonly Route[] {
    this.#network.reset();
    const units = this.#streams.map((stream) => {
      const missing = this.#serve(stream);
      if (missing > 0 && whenShort === "leave-out") this.#withdraw(stream);
      return stream.quantity - missing;
    });
    // Read at the end: a later line may have moved an earlier one.
    return this.#streams.map(({ paths }, index) => ({
      taken: paths.map((path) => this.#network.flow(path[0])),
      units: units[index] ?? 0,
    }));
  }

  /**
   * The most units that all lines together can get from the locations that are open, and by index the lines that hold
   * it there: what those get is all that the open locations can give them together, and the others get all they ask.
   */
  most(isOpen: (location: string) => boolean): { readonly units: number; readonly bound: readonly number[] } {
    this.#network.reset();
    for (const [location, exit] of this.#exits) if (!isOpen(location)) this.#network.close(exit);
    let units = 0;
    for (const stream of this.#streams) units += stream.quantity - this.#serve(stream);
    const hasRoom = this.#network.leadsTo(this.#sink);
    return { units, bound: [...this.#streams.keys()].filter((index) => !hasRoom(this.#streams[index]?.node ?? 0)) };
  }

  /** Gives a line what it can get, and answers what it still misses. */
  #serve({ node, quantity, paths }: Stream): number {
    let missing = quantity;
    for (const path of paths) missing -= this.#network.push(path, missing);
    return missing - this.#network.augment(node, this.#sink, missing);
  }

  #withdraw({ paths }: Stream): void {
    for (const path of paths) this.#network.pull(path, this.#network.flow(path[0]));
  }

  #addDrains(lines: readonly Line[]): ReadonlyMap<Supply, Drain> {
    const entries = new Map<Supply, Entry[]>();
    for (const { demand, options } of lines) {
      for (const { supply } of options) {
        const entry = entryOf(demand, supply);
        const known = entries.get(supply);
        if (entry === undefined) continue;
        if (known === undefined) entries.set(supply, [entry]);
        else known.push(entry);
      }
    }
    const drains = new Map<Supply, Drain>();
    for (const [supply, ofSupply] of entries) {
      const drain = new Drain(this.#network, this.#sink, supply, ofSupply);
      drains.set(supply, drain);
      this.#exits.set(supply.location, drain.exit);
    }
    return drains;
  }

  #addStream({ demand, options }: Line, drains: ReadonlyMap<Supply, Drain>): Stream {
    const node = this.#network.addNode();
    const paths = options.map(({ supply }): Path => {
      const entry = entryOf(demand, supply);
      const drain = drains.get(supply);
      invariant(entry !== undefined && drain !== undefined, "an option can serve its line");
      const intake = drain.intake(entry);
      return [this.#network.addEdge(node, intake.node, demand.quantity), ...intake.path];
    });
    return { node, quantity: demand.quantity, paths };
  }
}

/** The edges from a line to the sink; the first one's flow is what the line takes on this path. */
type Path = readonly [number, ...number[]];

/** A line in the network, with a path for each of its options. */
interface Stream {
  readonly node: number;
  readonly quantity: number;
  readonly paths: readonly Path[];
}
