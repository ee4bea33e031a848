/**
 * One stock by the sentences of the public contract. On hand is computed anew from all facts each time something changes;
 * promises are the sum of open holds; only which lots units leave is taken from the log.
 */
import { type LoggedChange, type LoggedEvent, type LoggedHold, type LoggedLot, must } from "./shapes.ts";

export interface Totals {
  onHand: number;
  unavailable: number;
  reserved: number;
  committed: number;
  safetyStock: number;
  incoming: number;
}

/** What a fact says of this stock. */
export interface Entry {
  readonly key: string;
  readonly at: number;
  readonly units: number;
  /** Of a count: all that is there. */
  readonly counted?: number;
  readonly heldBack: number;
  readonly reference?: string;
  readonly expected: number;
  readonly received: number;
}

export interface Holding {
  expiresAt: number | null;
  lines: LoggedHold[];
}

export interface Lot {
  quantity: number;
  heldBack: number;
  expiresOn: string | null;
  cutoff: number | null;
  expired: boolean;
  /** Whether it was told that its date is near. */
  nearTold: boolean;
}

export interface Policy {
  readonly safetyStock: number;
  readonly lowAt: number | null;
  readonly expiringDays: number | null;
  readonly backorderLimit: number;
}

const never = "9999-12-31";

export class StockOracle {
  readonly location: string;
  readonly sku: string;
  version = 0;
  readonly entries: Entry[] = [];
  readonly voided = new Set<string>();
  readonly holdings = new Map<string, Holding>();
  readonly lots = new Map<string, Lot>();
  /** Units on their way here, by transfer. */
  readonly transit = new Map<string, number>();
  policy: Policy = { safetyStock: 0, lowAt: null, expiringDays: null, backorderLimit: 0 };
  /** Counts of single lots depend on which lots units left: then on hand is followed, not computed. */
  hasLotCounts = false;
  /** The sum of what the log says changed. */
  folded = 0;
  /** Whether a balance has ever shown units that could be promised. */
  hasBeenAvailable = false;
  /** The balance after each version, as text. */
  readonly balances: string[] = [];
  #onHand = 0;
  #heldBack = 0;
  #references = 0;
  reserved = 0;
  committed = 0;

  constructor(location: string, sku: string) {
    this.location = location;
    this.sku = sku;
  }

  add(entry: Entry): void {
    this.entries.push(entry);
    this.#resum();
  }

  void(key: string): void {
    this.voided.add(key);
    this.#resum();
  }

  /** The newest count by a time, and the movements between it and that time. */
  #countUntil(time: number, entries: readonly Entry[]): number {
    let basis = Number.NEGATIVE_INFINITY;
    let onHand = 0;
    for (const { key, at, counted } of entries) {
      if (counted === undefined || at < basis || at > time || this.voided.has(key)) continue;
      basis = at;
      onHand = counted;
    }
    for (const { key, at, units } of entries) {
      if (at > basis && at <= time && !this.voided.has(key)) onHand += units;
    }
    return onHand;
  }

  #resum(): void {
    const onHand = this.#countUntil(Number.POSITIVE_INFINITY, this.entries);
    let heldBack = 0;
    const references = new Map<string, { expected: number; received: number }>();
    for (const entry of this.entries) {
      if (this.voided.has(entry.key)) continue;
      heldBack += entry.heldBack;
      if (entry.reference === undefined) continue;
      const sums = references.get(entry.reference) ?? { expected: 0, received: 0 };
      sums.expected += entry.expected;
      sums.received += entry.received;
      references.set(entry.reference, sums);
    }
    this.#onHand = onHand;
    this.#heldBack = heldBack;
    this.#references = 0;
    for (const { expected, received } of references.values()) this.#references += Math.max(0, expected - received);
  }

  get onHand(): number {
    return this.hasLotCounts ? this.folded : this.#onHand;
  }

  /** By what the log has recorded, without a clock. */
  totals(): Totals {
    let unavailable = this.#heldBack;
    for (const lot of this.lots.values()) if (lot.expired) unavailable += sellable(lot);
    let incoming = this.#references;
    for (const units of this.transit.values()) incoming += units;
    const { onHand, reserved, committed } = this;
    return { onHand, unavailable, reserved, committed, safetyStock: this.policy.safetyStock, incoming };
  }

  /** As they are at `now`, whether or not what has lapsed is recorded. */
  totalsAt(now: number): Totals {
    const totals = this.totals();
    for (const { expiresAt, lines } of this.holdings.values())
      if (expiresAt !== null && expiresAt <= now) totals.reserved -= sum(lines);
    for (const lot of this.lots.values())
      if (!lot.expired && lot.cutoff !== null && lot.cutoff <= now) totals.unavailable += sellable(lot);
    return totals;
  }

  /** Units that may still be promised at `now`; to `own` also what it holds, however few are left. */
  free(now: number, own?: string): number {
    const totals = this.totalsAt(now);
    const holding = own === undefined ? undefined : this.holdings.get(own);
    const isOpen = holding !== undefined && (holding.expiresAt === null || holding.expiresAt > now);
    const held = isOpen ? sum(holding.lines) : 0;
    return Math.max(0, held, available(totals) - this.surplus(now) + this.policy.backorderLimit + held);
  }

  /** Units that were put back but not held back, nor past their date: they are on hand once, and counted as available twice. */
  surplus(now: number): number {
    let unavailable = this.totalsAt(now).unavailable;
    for (const lot of this.lots.values())
      if (lot.expired || (lot.cutoff !== null && lot.cutoff <= now))
        unavailable -= Math.max(0, lot.quantity, lot.heldBack);
    return Math.max(0, -unavailable);
  }

  hold(reservation: string, lines: readonly LoggedHold[], expiresAt: number | null): void {
    must(!this.holdings.has(reservation), () => `${reservation} holds ${this.name} twice`);
    if (lines.length === 0) return;
    this.holdings.set(reservation, { expiresAt, lines: [...lines] });
    this[expiresAt === null ? "committed" : "reserved"] += sum(lines);
  }

  drop(reservation: string): Holding {
    const holding = this.held(reservation);
    this.holdings.delete(reservation);
    this[holding.expiresAt === null ? "committed" : "reserved"] -= sum(holding.lines);
    return holding;
  }

  held(reservation: string): Holding {
    const holding = this.holdings.get(reservation);
    must(holding !== undefined, () => `${reservation} holds nothing of ${this.name}`);
    return holding;
  }

  get name(): string {
    return `${this.sku} at ${this.location}`;
  }

  get key(): string {
    return `${this.location}\u0000${this.sku}`;
  }

  /** What was on hand at a time, by all that is known now, or by some of it. */
  onHandAt(time: number, entries: readonly Entry[] = this.entries): number {
    return this.#countUntil(time, entries);
  }

  /** Adds up what an event says it changed. */
  follow(change: LoggedChange): void {
    this.folded += change.onHand ?? 0;
    for (const part of change.lots ?? []) this.#changeLot(part, change.ordered === true);
  }

  #changeLot(part: LoggedLot, ordered: boolean): void {
    const lot: Lot = this.lots.get(part.lot) ?? {
      quantity: 0,
      heldBack: 0,
      expiresOn: null,
      cutoff: null,
      expired: false,
      nearTold: false,
    };
    lot.quantity += part.quantity ?? 0;
    lot.heldBack += part.heldBack ?? 0;
    const date = part.expiresOn;
    if (date !== undefined && (ordered || (date ?? never) < (lot.expiresOn ?? never))) {
      const isNoLater = date !== null && lot.expiresOn !== null && date <= lot.expiresOn;
      lot.expired &&= isNoLater;
      lot.nearTold &&= isNoLater;
      lot.expiresOn = date;
      lot.cutoff = part.cutoff ?? null;
    }
    if (lot.quantity === 0 && lot.heldBack === 0) this.lots.delete(part.lot);
    else this.lots.set(part.lot, lot);
  }

  expireLot(name: string, now: number, quantity: number): void {
    const lot = this.lots.get(name);
    must(lot !== undefined && !lot.expired, () => `lot ${name} of ${this.name} expires, which is not there to expire`);
    must(lot.cutoff !== null && lot.cutoff <= now, () => `lot ${name} of ${this.name} expires before its date`);
    must(
      sellable(lot) === quantity,
      () => `lot ${name} of ${this.name} expires with ${quantity}, has ${sellable(lot)}`,
    );
    lot.expired = true;
  }

  /** A promise just made: every date that it asks for must be covered by units that last until then. */
  mustServe(asked: readonly LoggedHold[], now: number): void {
    const open = [...this.lots].filter(([, lot]) => !lot.expired && (lot.cutoff === null || lot.cutoff > now));
    const holds = [...this.holdings.values()]
      .filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
      .flatMap(({ lines }) => lines);
    const dateOf = (hold: LoggedHold) =>
      hold.lot === undefined ? hold.sellableUntil : (this.lots.get(hold.lot)?.expiresOn ?? never);
    const { onHand, unavailable } = this.totals();
    let [inLots, unavailableInLots] = [0, 0];
    for (const lot of this.lots.values()) {
      inLots += lot.quantity;
      unavailableInLots += lot.heldBack + (lot.expired ? sellable(lot) : 0);
    }
    const there = (lot: { quantity: number; heldBack: number } | undefined) =>
      lot === undefined ? 0 : Math.max(0, Math.min(lot.quantity, lot.quantity - lot.heldBack));
    // Where nothing has a date, what may be owed serves any date, like what is there.
    const owed = this.lots.size === 0 ? this.policy.backorderLimit : 0;
    const loose = onHand - inLots - Math.max(0, unavailable - unavailableInLots) + owed;
    for (const hold of asked) {
      const until = dateOf(hold);
      if (until === undefined) continue;
      if (hold.lot !== undefined) {
        const units = there(this.lots.get(hold.lot));
        const demand = sum(holds.filter(({ lot }) => lot === hold.lot));
        must(demand <= units, () => `${demand} of lot ${hold.lot} of ${this.name} are promised, ${units} are there`);
      }
      for (const date of new Set([until, ...open.map(([, lot]) => lot.expiresOn ?? never)])) {
        if (date > until) continue;
        const demand = sum(holds.filter((one) => (dateOf(one) ?? "") >= date));
        let units = loose;
        for (const [, lot] of open) if ((lot.expiresOn ?? never) >= date) units += there(lot);
        must(demand <= units, () => `${demand} of ${this.name} are promised until ${date}, ${units} last so long`);
      }
    }
  }

  /** Compares the balance that an event says with what it is. */
  mustBalance(event: LoggedEvent): void {
    const totals = this.totals();
    const said = {
      onHand: 0,
      unavailable: 0,
      reserved: 0,
      committed: 0,
      safetyStock: 0,
      incoming: 0,
      ...event.data.balance,
    };
    const is = balanceText(totals);
    must(balanceText(said) === is, () => `${event.type} says that ${this.name} is ${balanceText(said)}; it is ${is}`);
    must(
      this.folded === totals.onHand,
      () => `the changes of ${this.name} sum to ${this.folded} on hand; by its facts it is ${totals.onHand}`,
    );
    must(Object.values(totals).every(Number.isInteger), () => `${this.name} has a broken unit: ${is}`);
    this.balances[event.v] = is;
    this.hasBeenAvailable ||= available(totals) > 0;
  }
}

export function available(totals: Totals): number {
  return totals.onHand - totals.unavailable - totals.reserved - totals.committed - totals.safetyStock;
}

export function balanceText(totals: Totals): string {
  const { onHand, unavailable, reserved, committed, safetyStock, incoming } = totals;
  return `${onHand} on hand, ${unavailable} unavailable, ${reserved} reserved, ${committed} committed, ${safetyStock} safe, ${incoming} incoming`;
}

export function sellable({ quantity, heldBack }: { readonly quantity: number; readonly heldBack: number }): number {
  return Math.max(0, quantity - heldBack);
}

export function sum(parts: readonly { readonly quantity: number }[]): number {
  return parts.reduce((total, { quantity }) => total + quantity, 0);
}
