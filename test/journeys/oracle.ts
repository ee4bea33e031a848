/**
 * What the stock must be, by the sentences of the public contract. Shares no code with the product: on hand is
 * computed anew from all facts each time, promises from all open holds.
 */
export interface OracleFact {
  readonly id: string;
  readonly kind: "movement" | "count";
  readonly units: number;
  readonly time: number;
}

interface Hold {
  readonly reservation: string;
  units: number;
  expiresAt: number | null;
}

export class Oracle {
  readonly facts = new Map<string, OracleFact[]>();
  readonly holds = new Map<string, Hold[]>();
  readonly voided = new Set<string>();

  onHand(pair: string): number {
    const facts = (this.facts.get(pair) ?? []).filter(({ id }) => !this.voided.has(id));
    // Of counts, the one with the greatest time; of two of one time, the one received later.
    let count: OracleFact | undefined;
    for (const fact of facts)
      if (fact.kind === "count" && (count === undefined || fact.time >= count.time)) count = fact;
    let units = count?.units ?? 0;
    for (const fact of facts)
      if (fact.kind === "movement" && (count === undefined || fact.time > count.time)) units += fact.units;
    return units;
  }

  reserved(pair: string): number {
    return sum((this.holds.get(pair) ?? []).filter(({ expiresAt }) => expiresAt !== null));
  }

  committed(pair: string): number {
    return sum((this.holds.get(pair) ?? []).filter(({ expiresAt }) => expiresAt === null));
  }

  /** Available units at an instant, with holds whose time has come counted out. */
  available(pair: string, now: number): number {
    const open = (this.holds.get(pair) ?? []).filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
    return this.onHand(pair) - sum(open);
  }

  addFact(pair: string, fact: OracleFact): void {
    this.facts.set(pair, [...(this.facts.get(pair) ?? []), fact]);
  }

  hold(pair: string, reservation: string, units: number, expiresAt: number | null): void {
    const holds = this.holds.get(pair) ?? [];
    if (holds.some((hold) => hold.reservation === reservation)) throw new Error(`${reservation} holds ${pair} twice`);
    this.holds.set(pair, [...holds, { reservation, units, expiresAt }]);
  }

  held(pair: string, reservation: string): Hold {
    const hold = (this.holds.get(pair) ?? []).find((one) => one.reservation === reservation);
    if (hold === undefined) throw new Error(`${reservation} holds nothing of ${pair}`);
    return hold;
  }

  drop(pair: string, reservation: string): void {
    this.held(pair, reservation);
    this.holds.set(
      pair,
      (this.holds.get(pair) ?? []).filter((hold) => hold.reservation !== reservation),
    );
  }
}

function sum(holds: readonly Hold[]): number {
  return holds.reduce((total, { units }) => total + units, 0);
}
