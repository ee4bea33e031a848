/** How an order chooses its locations when a line does not name them. */
export type StrategyName = "priority" | "fewest-splits" | "most-stock" | "nearest" | "earliest-expiry";

/** Degrees on the WGS 84 ellipsoid, north and east positive. */
export interface Position {
  readonly lat: number;
  readonly lon: number;
}

/**
 * What one location can still promise of one sku, in whole units of at least 0. There is at most one supply per
 * (sku, location).
 *
 * The capacities are nested limits on what a plan newly promises there: all of it is at most `capacity`; and for every
 * entry of `dated`, what must be sellable until its `from` or later is at most the entry's capacity.
 */
export interface Supply {
  readonly sku: string;
  readonly location: string;
  /** Units that may be promised at all. */
  readonly capacity: number;
  /**
   * For dates in ascending order: units that may be promised to asks that must be sellable until that date or later.
   * An ask for a date between two entries is held to the later one. Empty when no lot has a date: every unit then
   * serves any date. Otherwise the last entry is `endOfDates`, and says what undated stock alone can serve.
   */
  readonly dated: readonly { readonly from: string; readonly capacity: number }[];
  /**
   * Lots that an ask may name: units left in it, and its date (`from`; undefined for an undated lot, which serves any
   * date). What is asked of a lot counts against `dated` like an ask that must be sellable until the lot's date.
   */
  readonly lots: readonly { readonly lot: string; readonly from: string | undefined; readonly capacity: number }[];
}

/** The date of the entry of `Supply.dated` that only undated stock can serve. */
export const endOfDates = "9999-12-31";

/** A location as sourcing sees it. */
export interface Place {
  readonly location: string;
  /** Lower is first. */
  readonly priority: number;
  readonly position?: Position;
}

/** What one line of an order asks for. Lines are numbered by the caller, each number once. */
export interface Demand {
  readonly line: number;
  readonly sku: string;
  /** Units, at least 1. */
  readonly quantity: number;
  /** The only locations that may serve the line, in this order whatever the strategy; absent: any location may. */
  readonly locations?: readonly string[];
  /** The date until which every unit must be sellable. */
  readonly sellableUntil?: string;
  /** The lot that every unit must come from. */
  readonly lot?: string;
}

export interface PlanRequest {
  readonly demands: readonly Demand[];
  /** Supplies of other skus are passed over. */
  readonly supplies: readonly Supply[];
  /** A location without an entry has priority 100 and no position. */
  readonly places: readonly Place[];
  readonly strategy: StrategyName;
  /** Where the order goes to; `nearest` needs it. */
  readonly near?: Position;
  /** Whether lines may get less than they ask for. */
  readonly allowPartial: boolean;
}

/** Units of a line that one location is to serve, at least 1; a line has at most one allocation per location. */
export interface Allocation {
  readonly line: number;
  readonly sku: string;
  readonly location: string;
  readonly quantity: number;
  /** Why this location, in words for whoever runs the shop. */
  readonly because: string;
}

/** A line that can't be served whole. */
export interface Shortage {
  readonly line: number;
  readonly sku: string;
  /** Set when the line names exactly one location. */
  readonly location?: string;
  readonly requested: number;
  /** What its permitted locations can give it beside the lines before it; less than `requested`. */
  readonly available: number;
}

export interface Plan {
  /** By line, then in the order in which the line's locations were chosen. Empty when the order is refused. */
  readonly allocations: readonly Allocation[];
  /** By line. Without `allowPartial` the order is refused when there is one; the order less these lines could be served. */
  readonly short: readonly Shortage[];
  /** Sentences that hold for the whole plan. */
  readonly notes: readonly string[];
}
