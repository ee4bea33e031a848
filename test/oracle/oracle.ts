/**
 * What contract.md says of facts and reservations, as plainly as it can be computed: nothing is kept up to date,
 * everything is summed anew from what was told and promised. Shares no code with the product. Knows no lots.
 *
 * A pair is `location/sku`. Where the contract leaves a choice (which place serves a line), the oracle is told what was
 * chosen, and says whether it might be.
 */
export interface Ask {
  readonly sku: string;
  readonly quantity: number;
  readonly locations?: readonly string[];
  readonly sellableUntil?: string;
}
export interface Body {
  readonly lines: readonly Ask[];
  readonly ttlSeconds: number;
  readonly allowPartial: boolean;
}
export interface Chosen {
  readonly sku: string;
  readonly location: string;
  readonly quantity: number;
  readonly lineIndex: number;
}
interface Line extends Chosen {
  fulfilled: number;
  released: number;
}
export type Status = "active" | "confirmed" | "partly-fulfilled" | "fulfilled" | "released" | "expired";
export interface Kept {
  readonly print: string;
  status: Status;
  expiresAt: number | null;
  lines: Line[];
  readonly keys: Map<string, string>;
}
/** A stock fact, or what a fulfilment moved. `at` is when it took effect; `quantity` is signed for `adjusted` alone. */
export interface Told {
  readonly name: string;
  readonly type: string;
  readonly pair: string;
  readonly at: number;
  readonly quantity: number;
  readonly reference?: string;
  readonly transfer?: string;
  readonly to?: string;
  readonly sellable?: boolean;
}
export type Part = { readonly sku: string; readonly location?: string; readonly quantity: number };

const signs: Readonly<Record<string, number>> = {
  received: 1,
  returned: 1,
  arrived: 1,
  adjusted: 1,
  sold: -1,
  dispatched: -1,
  fulfilled: -1,
};

export class Oracle {
  told: Told[] = [];
  voided = new Set<string>();
  names = new Map<string, string>();
  orders = new Set<string>();
  kept = new Map<string, Kept>();
  policies = new Map<string, { safetyStock: number; backorderLimit: number }>();
  readonly places: readonly string[];

  constructor(places: readonly string[] = []) {
    this.places = places;
  }

  copy(): Oracle {
    const kept = [...this.kept].map(([id, { lines, keys, ...rest }]): [string, Kept] => [
      id,
      { ...rest, lines: lines.map((line) => ({ ...line })), keys: new Map(keys) },
    ]);
    const { told, voided, names, orders, policies } = this;
    const sets = {
      voided: new Set(voided),
      names: new Map(names),
      orders: new Set(orders),
      policies: new Map(policies),
    };
    return Object.assign(new Oracle(this.places), { told: [...told], ...sets, kept: new Map(kept) });
  }

  // Quantities

  facts(isOne: (fact: Told) => boolean): Told[] {
    return this.told.filter((fact) => !this.voided.has(fact.name) && isOne(fact));
  }

  /** The count of the greatest time (the later told of two of one time), and every movement later than it. */
  onHand(pair: string): number {
    const counts = this.facts((fact) => fact.pair === pair && fact.type === "counted");
    const count = counts.reduce<Told | undefined>((last, fact) => (last && last.at > fact.at ? last : fact), undefined);
    const later = this.facts((fact) => fact.pair === pair && (count === undefined || fact.at > count.at));
    return (count?.quantity ?? 0) + sum(later.map(({ type, quantity }) => (signs[type] ?? 0) * quantity));
  }

  unavailable(pair: string): number {
    const units = ({ type, quantity, sellable }: Told) => {
      if (type === "held-back" || (type === "returned" && sellable === false)) return quantity;
      return type === "put-back" ? -quantity : 0;
    };
    return sum(this.facts((fact) => fact.pair === pair).map(units));
  }

  /** What orders and transfers still owe: an order what was not received, a transfer all until something arrives. */
  incoming(pair: string): number {
    const [location = "", sku = ""] = pair.split("/");
    const total = (of: readonly Told[], type: string) =>
      sum(of.filter((one) => one.type === type).map(({ quantity }) => quantity));
    const owed = [...new Set(this.told.flatMap(({ reference }) => reference ?? []))].map((reference) => {
      const facts = this.facts((fact) => fact.pair === pair && fact.reference === reference);
      return Math.max(0, total(facts, "expected") - total(facts, "received"));
    });
    const underWay = [...new Set(this.told.flatMap(({ transfer }) => transfer ?? []))].map((transfer) => {
      const facts = this.facts((fact) => fact.transfer === transfer && fact.pair.endsWith(`/${sku}`));
      if (facts.some(({ type }) => type === "arrived")) return 0;
      return total(
        facts.filter(({ to }) => to === location),
        "dispatched",
      );
    });
    return sum([...owed, ...underWay]);
  }

  /** Units promised by some reservations: of carts (active) and of orders, or of one kind. */
  held(pair: string, now: number, kind?: "reserved" | "committed", ids = [...this.kept.keys()]): number {
    const counts = (status: Status | undefined) =>
      (kind !== "committed" && status === "active") ||
      (kind !== "reserved" && (status === "confirmed" || status === "partly-fulfilled"));
    const lines = ids.filter((id) => counts(this.status(id, now))).flatMap((id) => this.kept.get(id)?.lines ?? []);
    const here = lines.filter(({ location, sku }) => `${location}/${sku}` === pair);
    return sum(here.map(({ quantity, fulfilled, released }) => quantity - fulfilled - released));
  }

  available(pair: string, now: number): number {
    const { safetyStock = 0 } = this.policies.get(pair) ?? {};
    return this.onHand(pair) - this.unavailable(pair) - this.held(pair, now) - safetyStock;
  }

  /** Units that may be promised; to `own` also those that it holds already, however few are left. */
  free(pair: string, now: number, own?: string): number {
    const mine = own === undefined ? 0 : this.held(pair, now, undefined, [own]);
    const { backorderLimit = 0 } = this.policies.get(pair) ?? {};
    // Units put back before they were held back are not there twice.
    const units = this.available(pair, now) + Math.min(0, this.unavailable(pair)) + backorderLimit;
    return Math.max(0, mine, units + mine);
  }

  /** Hall's condition: whichever places are looked at, they have what only they may serve. */
  canServe(lines: readonly Ask[], now: number, own?: string): boolean {
    const sets: string[][] = [[]];
    for (const at of this.places) sets.push(...sets.map((some) => [...some, at]));
    return [...new Set(lines.map(({ sku }) => sku))].every((sku) =>
      sets.every((some) => {
        const only = lines.filter(
          (line) => line.sku === sku && (line.locations ?? this.places).every((at) => some.includes(at)),
        );
        return sum(only.map(({ quantity }) => quantity)) <= sum(some.map((at) => this.free(`${at}/${sku}`, now, own)));
      }),
    );
  }

  // Reservations

  status(id: string, now: number): Status | undefined {
    const kept = this.kept.get(id);
    return kept?.status === "active" && (kept.expiresAt ?? 0) <= now ? "expired" : kept?.status;
  }

  isOpen(id: string, now: number): boolean {
    return ["active", "confirmed", "partly-fulfilled"].includes(this.status(id, now) ?? "");
  }

  /** `ok`, or the code of the refusal. Of an acceptance the caller tells what was chosen, by `place`. */
  reserve(id: string, body: Body, now: number): string {
    const kept = this.kept.get(id);
    if (kept) return kept.print === printOf(body) ? "ok" : "idempotency-key-reused";
    if (this.canServe(body.lines, now)) return "ok";
    const any = body.lines.some(({ sku, locations = this.places }) =>
      locations.some((at) => this.free(`${at}/${sku}`, now) > 0),
    );
    return body.allowPartial && any ? "ok" : "insufficient-stock";
  }

  place(id: string, body: Body, chosen: readonly Chosen[], now: number): void {
    const expiresAt = now + body.ttlSeconds * 1000;
    this.kept.set(id, { print: printOf(body), status: "active", expiresAt, lines: [], keys: new Map() });
    this.choose(id, chosen);
  }

  choose(id: string, chosen: readonly Chosen[]): void {
    const kept = this.kept.get(id);
    if (kept) kept.lines = chosen.map((line) => ({ ...line, fulfilled: 0, released: 0 }));
  }

  extend(id: string, ttlSeconds: number, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept || status !== "active") return ended(status);
    kept.expiresAt = Math.max(kept.expiresAt ?? 0, now + ttlSeconds * 1000);
    return "ok";
  }

  /** As `reserve`: of an acceptance the caller tells what was chosen, by `choose`. */
  amend(id: string, lines: readonly Ask[], now: number): string {
    const status = this.status(id, now);
    if (status !== "active") return ended(status);
    return this.canServe(lines, now, id) ? "ok" : "insufficient-stock";
  }

  confirm(id: string, reacquire: boolean, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept || status === "confirmed" || status === "partly-fulfilled") return kept ? "ok" : "not-found";
    const again = kept.lines.map((line) => ({ ...line, locations: [line.location] }));
    if (status === "expired" && reacquire && !this.canServe(again, now)) return "insufficient-stock";
    if (status !== "active" && !(status === "expired" && reacquire)) return ended(status);
    Object.assign(kept, { status: "confirmed", expiresAt: null });
    return "ok";
  }

  release(id: string, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept) return "not-found";
    if (status === "released" || kept.lines.some(({ released }) => released > 0)) return "ok";
    if (!this.isOpen(id, now)) return ended(status);
    const isTouched = kept.lines.some(({ fulfilled }) => fulfilled > 0);
    for (const line of kept.lines) line.released = line.quantity - line.fulfilled;
    Object.assign(kept, { status: isTouched ? "fulfilled" : "released", expiresAt: null });
    return "ok";
  }

  fulfil(id: string, parts: readonly Part[] | undefined, key: string, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept) return "not-found";
    const known = kept.keys.get(key);
    if (known !== undefined) return known === JSON.stringify(parts ?? null) ? "ok" : "idempotency-key-reused";
    const isCut = kept.lines.some(({ released }) => released > 0);
    if (status === "fulfilled" && parts === undefined) return isCut ? "reservation-already-released" : "ok";
    if (!this.isOpen(id, now)) return ended(status);
    const rest = kept.lines.map((line) => ({ ...line, quantity: line.quantity - line.fulfilled }));
    const { taken, left } = this.take(kept, parts ?? rest);
    if (left.some(({ quantity }) => quantity > 0)) return "exceeds-reservation";
    if (parts !== undefined) kept.keys.set(key, JSON.stringify(parts));
    this.hand(kept, taken, `fulfilled ${this.told.length}`, now);
    return "ok";
  }

  /** What of an order matches its reservation is fulfilled, the rest is sold. */
  order(
    name: string,
    parts: readonly Required<Part>[],
    id: string | undefined,
    isFinal: boolean,
    at: number,
    now: number,
  ) {
    const kept = id !== undefined && this.isOpen(id, now) ? this.kept.get(id) : undefined;
    const { taken, left } = kept ? this.take(kept, parts) : { taken: [], left: parts };
    if (kept && taken.some((units) => units > 0)) this.hand(kept, taken, name, at);
    for (const { sku, location, quantity } of left)
      this.told.push({ name, type: "sold", pair: `${location}/${sku}`, at, quantity });
    if (id !== undefined && isFinal && this.isOpen(id, now)) this.release(id, now);
  }

  /** Spreads parts over the lines of a reservation, in their order: what each line gives, and what is left of each part. */
  private take<P extends Part>({ lines }: Kept, parts: readonly P[]): { taken: number[]; left: P[] } {
    const taken = lines.map(() => 0);
    const left = parts.map((part) => {
      let { quantity } = part;
      for (const [index, line] of lines.entries()) {
        if (line.sku !== part.sku || line.location !== (part.location ?? line.location)) continue;
        const units = Math.min(quantity, line.quantity - line.fulfilled - (taken[index] ?? 0));
        taken[index] = (taken[index] ?? 0) + units;
        quantity -= units;
      }
      return { ...part, quantity };
    });
    return { taken, left };
  }

  private hand(kept: Kept, taken: readonly number[], name: string, at: number): void {
    for (const [index, line] of kept.lines.entries()) {
      const quantity = taken[index] ?? 0;
      line.fulfilled += quantity;
      this.told.push({ name, type: "fulfilled", pair: `${line.location}/${line.sku}`, at, quantity });
    }
    const isWhole = kept.lines.every((line) => line.fulfilled === line.quantity);
    Object.assign(kept, { status: isWhole ? "fulfilled" : "partly-fulfilled", expiresAt: null });
  }
}

/** Lines that ask for the same, summed under the first one's index. */
export function summed(lines: readonly Ask[]): (Ask & { readonly index: number })[] {
  const asks = new Map<string, Ask & { index: number; quantity: number }>();
  for (const [index, { quantity, ...ask }] of lines.entries()) {
    const same = asks.get(JSON.stringify(ask));
    if (same) same.quantity += quantity;
    else asks.set(JSON.stringify(ask), { ...ask, quantity, index });
  }
  return [...asks.values()];
}

function printOf({ lines, ttlSeconds, allowPartial }: Body): string {
  return JSON.stringify([summed(lines), ttlSeconds, allowPartial]);
}

function ended(status: Status | undefined): string {
  if (status === undefined) return "not-found";
  return `reservation-already-${status === "partly-fulfilled" ? "confirmed" : status}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
