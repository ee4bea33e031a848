/**
 * What contract.md says of facts and reservations, as plainly as it can be computed: nothing is kept up to date,
 * everything is summed anew from what was told and promised. Shares no code with the product. Knows no lots.
 *
 * Where the contract leaves a choice (which place serves a line), the oracle is told what was chosen.
 */
import type { Ask, Body, Chosen, Kept, Order, Part, Status, Told } from "./words.ts";
import { printOf, untouched } from "./words.ts";

const signs = new Map<string, number>();
for (const type of ["received", "returned", "arrived", "adjusted"]) signs.set(type, 1);
for (const type of ["sold", "dispatched", "fulfilled"]) signs.set(type, -1);

export class Oracle {
  told: Told[] = [];
  voided = new Set<string>();
  names = new Map<string, string>();
  kept = new Map<string, Kept>();
  policies = new Map<string, { safetyStock: number; backorderLimit: number }>();
  readonly places: readonly string[];

  constructor(places: readonly string[] = []) {
    this.places = places;
  }

  /** What happens to it afterwards does not happen to this one. */
  copy(): Oracle {
    const { told, voided, names, kept, policies } = this;
    const sets = { told: [...told], voided: new Set(voided), kept: new Map(kept) };
    return Object.assign(new Oracle(this.places), sets, { names: new Map(names), policies: new Map(policies) });
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
    return (count?.quantity ?? 0) + sum(later.map(({ type, quantity }) => (signs.get(type) ?? 0) * quantity));
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
    const total = (of: readonly Told[], type: string) => sum(of.map((one) => (one.type === type ? one.quantity : 0)));
    const owed = [...new Set(this.told.map(({ reference }) => reference ?? ""))].map((reference) => {
      const facts = this.facts((fact) => fact.pair === pair && fact.reference === reference);
      return Math.max(0, total(facts, "expected") - total(facts, "received"));
    });
    const underWay = [...new Set(this.told.map(({ transfer }) => transfer ?? ""))].map((transfer) => {
      const facts = this.facts((fact) => fact.transfer === transfer && fact.pair.endsWith(`/${sku}`));
      const sent = facts.filter(({ to }) => to === location);
      return facts.some(({ type }) => type === "arrived") ? 0 : total(sent, "dispatched");
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
        const isOnly = ({ sku: of, locations = this.places }: Ask) =>
          of === sku && locations.every((at) => some.includes(at));
        const units = sum(lines.filter(isOnly).map(({ quantity }) => quantity));
        return units <= sum(some.map((at) => this.free(`${at}/${sku}`, now, own)));
      }),
    );
  }

  /** `accepted`, or why not: a name counts once, an order too, unless it was voided. `tell` then says what the fact does. */
  fact(name: string, content: string, tell: () => void, order?: string): string {
    const known = this.names.get(name);
    if (known !== undefined) return known === content ? "duplicate" : "event-id-reused";
    const teller = this.names.get(`order ${order}`);
    if (teller !== undefined && !this.voided.has(teller)) return "duplicate";
    if (order !== undefined) this.names.set(`order ${order}`, name);
    this.names.set(name, content);
    tell();
    return "accepted";
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
    const isFree = ({ sku, locations = this.places }: Ask) =>
      locations.some((at) => this.free(`${at}/${sku}`, now) > 0);
    return body.allowPartial && body.lines.some(isFree) ? "ok" : "insufficient-stock";
  }

  place(id: string, body: Body, chosen: readonly Chosen[], now: number): void {
    const expiresAt = now + body.ttlSeconds * 1000;
    this.kept.set(id, { print: printOf(body), status: "active", expiresAt, lines: untouched(chosen), keys: {} });
  }

  extend(id: string, ttlSeconds: number, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept || status !== "active") return ended(status);
    return this.change(id, { expiresAt: Math.max(kept.expiresAt ?? 0, now + ttlSeconds * 1000) });
  }

  /** `chosen` is what an acceptance has chosen. */
  amend(id: string, lines: readonly Ask[], chosen: readonly Chosen[], now: number): string {
    const status = this.status(id, now);
    if (status !== "active") return ended(status);
    return this.canServe(lines, now, id) ? this.change(id, { lines: untouched(chosen) }) : "insufficient-stock";
  }

  confirm(id: string, reacquire: boolean, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept || status === "confirmed" || status === "partly-fulfilled") return kept ? "ok" : "not-found";
    const again = kept.lines.map((line) => ({ ...line, locations: [line.location] }));
    if (status === "expired" && reacquire && !this.canServe(again, now)) return "insufficient-stock";
    if (status !== "active" && !(status === "expired" && reacquire)) return ended(status);
    return this.change(id, { status: "confirmed", expiresAt: null });
  }

  release(id: string, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept) return "not-found";
    if (status === "released" || kept.lines.some(({ released }) => released > 0)) return "ok";
    if (!this.isOpen(id, now)) return ended(status);
    const isTouched = kept.lines.some(({ fulfilled }) => fulfilled > 0);
    const lines = kept.lines.map((line) => ({ ...line, released: line.quantity - line.fulfilled }));
    return this.change(id, { status: isTouched ? "fulfilled" : "released", expiresAt: null, lines });
  }

  fulfil(id: string, parts: readonly Part[] | undefined, key: string, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept) return "not-found";
    const known = kept.keys[key];
    if (known !== undefined) return known === JSON.stringify(parts ?? null) ? "ok" : "idempotency-key-reused";
    const isCut = kept.lines.some(({ released }) => released > 0);
    if (status === "fulfilled" && parts === undefined) return isCut ? "reservation-already-released" : "ok";
    if (!this.isOpen(id, now)) return ended(status);
    const rest = kept.lines.map((line) => ({ ...line, quantity: line.quantity - line.fulfilled }));
    const asked = parts ?? rest;
    const places = asked.filter(({ location }) => location !== undefined);
    const { taken, left } = this.take(kept.lines, [...places, ...asked.filter((part) => !places.includes(part))]);
    if (left.some(({ quantity }) => quantity > 0)) return "exceeds-reservation";
    if (parts !== undefined) this.change(id, { keys: { ...kept.keys, [key]: JSON.stringify(parts) } });
    return this.hand(id, kept.lines, taken, `fulfilled ${this.told.length}`, now);
  }

  /** What of an order matches its reservation is fulfilled, the rest is sold. */
  order(name: string, { lines, reservation: id, final }: Order, at: number, now: number): void {
    const kept = id !== undefined && this.isOpen(id, now) ? this.kept.get(id) : undefined;
    const { taken, left } = this.take(kept?.lines ?? [], lines);
    if (id !== undefined && kept && sum(taken) > 0) this.hand(id, kept.lines, taken, name, at);
    for (const { sku, location, quantity } of left)
      this.told.push({ name, type: "sold", pair: `${location}/${sku}`, at, quantity });
    if (id !== undefined && final && this.isOpen(id, now)) this.release(id, now);
  }

  /** Spreads parts over the lines of a reservation, in their order: what each line gives, and what is left of each part. */
  private take<P extends Part>(lines: Kept["lines"], parts: readonly P[]): { taken: number[]; left: P[] } {
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

  private hand(id: string, before: Kept["lines"], taken: readonly number[], name: string, at: number): "ok" {
    for (const [index, { location, sku }] of before.entries())
      this.told.push({ name, type: "fulfilled", pair: `${location}/${sku}`, at, quantity: taken[index] ?? 0 });
    const lines = before.map((line, index) => ({ ...line, fulfilled: line.fulfilled + (taken[index] ?? 0) }));
    const isWhole = lines.every((line) => line.fulfilled === line.quantity);
    return this.change(id, { status: isWhole ? "fulfilled" : "partly-fulfilled", expiresAt: null, lines });
  }

  private change(id: string, changes: Partial<Kept>): "ok" {
    const kept = this.kept.get(id);
    if (kept) this.kept.set(id, { ...kept, ...changes });
    return "ok";
  }
}

function ended(status: Status | undefined): string {
  return status === undefined
    ? "not-found"
    : `reservation-already-${status === "partly-fulfilled" ? "confirmed" : status}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
