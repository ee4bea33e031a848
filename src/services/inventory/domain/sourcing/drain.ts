import { invariant } from "../../../../kernel/index.ts";
import type { FlowNetwork } from "./flow-network.ts";
import { type Entry, narrowest } from "./reach.ts";
import type { Supply } from "./types.ts";

/** Where units enter a drain, and the edges that they take from there to the sink. */
export interface Intake {
  readonly node: number;
  readonly path: readonly number[];
}

/**
 * The nested limits of one supply as part of a network:
 *
 *     (lot ─▶) limit of a date ─▶ … ─▶ limit of the earliest date ─▶ limit of the whole supply ─▶ sink
 *
 * Only depths at which something enters have a node; the limits between two of them act as one, the narrowest.
 */
export class Drain {
  /** The edge into the sink. */
  readonly exit: number;
  readonly #network: FlowNetwork;
  readonly #supply: Supply;
  readonly #byDepth = new Map<number, Intake>();
  readonly #byLot = new Map<number, Intake>();

  /** `entries` are all that will ever be asked for. */
  constructor(network: FlowNetwork, sink: number, supply: Supply, entries: readonly Entry[]) {
    this.#network = network;
    this.#supply = supply;
    const bottom = network.addNode();
    this.exit = network.addEdge(bottom, sink, supply.capacity);
    let below: Intake = { node: bottom, path: [this.exit] };
    this.#byDepth.set(0, below);
    let reached = 0;
    for (const depth of new Set(entries.map((entry) => entry.depth).toSorted((a, b) => a - b))) {
      if (depth === 0) continue;
      below = this.#above(below, narrowest(supply, reached, depth));
      this.#byDepth.set(depth, below);
      reached = depth;
    }
  }

  intake(entry: Entry): Intake {
    const ofDate = this.#byDepth.get(entry.depth);
    invariant(ofDate !== undefined, "the drain was built for every entry");
    if (entry.lot === undefined) return ofDate;
    const known = this.#byLot.get(entry.lot);
    if (known !== undefined) return known;
    const ofLot = this.#above(ofDate, this.#supply.lots[entry.lot]?.capacity ?? 0);
    this.#byLot.set(entry.lot, ofLot);
    return ofLot;
  }

  #above(below: Intake, capacity: number): Intake {
    const node = this.#network.addNode();
    return { node, path: [this.#network.addEdge(node, below.node, capacity), ...below.path] };
  }
}
