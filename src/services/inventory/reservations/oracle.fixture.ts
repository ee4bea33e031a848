/**
 * What contract.md says of reservations, as plainly as it can be computed: nothing is kept up to date, everything is
 * summed anew from what was accepted. Shares no code with the inventory. Undated stock only; two places.
 */
export const places = ["x", "y"] as const;

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

export interface Line {
  readonly sku: string;
  readonly location: string;
  readonly quantity: number;
  readonly lineIndex: number;
  fulfilled: number;
  released: number;
}

export interface Kept {
  readonly print: string;
  status: "active" | "confirmed" | "partly-fulfilled" | "fulfilled" | "released" | "expired";
  expiresAt: number | null;
  lines: Line[];
  readonly keys: Map<string, string>;
}

/** Lines that ask for the same, summed under the first one's index. */
export function summed(lines: readonly Ask[]): (Ask & { readonly index: number })[] {
  const asks: (Ask & { index: number; quantity: number })[] = [];
  for (const [index, line] of lines.entries()) {
    const { quantity: _quantity, ...ask } = line;
    const same = asks.find(({ quantity: _q, index: _i, ...known }) => JSON.stringify(known) === JSON.stringify(ask));
    if (same) same.quantity += line.quantity;
    else asks.push({ ...ask, quantity: line.quantity, index });
  }
  return asks;
}

export class Oracle {
  readonly onHand = new Map<string, number>();
  readonly kept = new Map<string, Kept>();
  readonly #orders = new Set<string>();

  status(id: string, now: number): Kept["status"] | undefined {
    const kept = this.kept.get(id);
    return kept?.status === "active" && (kept.expiresAt ?? 0) <= now ? "expired" : kept?.status;
  }

  isOpen(id: string, now: number): boolean {
    return ["active", "confirmed", "partly-fulfilled"].includes(this.status(id, now) ?? "");
  }

  held(location: string, sku: string, now: number, ids = [...this.kept.keys()]): number {
    return ids
      .filter((id) => this.isOpen(id, now))
      .flatMap((id) => this.kept.get(id)?.lines ?? [])
      .filter((line) => line.location === location && line.sku === sku)
      .reduce((sum, line) => sum + line.quantity - line.fulfilled - line.released, 0);
  }

  /** Units that may be promised; to `own` also those that it holds already, however few are left. */
  free(location: string, sku: string, now: number, own?: string): number {
    const others = [...this.kept.keys()].filter((id) => id !== own);
    const units = (this.onHand.get(`${location}/${sku}`) ?? 0) - this.held(location, sku, now, others);
    return Math.max(0, units, own === undefined ? 0 : this.held(location, sku, now, [own]));
  }

  /** Hall's condition: whichever places are looked at, they have what only they may serve. */
  canServe(lines: readonly Ask[], now: number, own?: string): boolean {
    for (const sku of new Set(lines.map((line) => line.sku))) {
      for (const some of [["x"], ["y"], ["x", "y"]]) {
        const only = lines.filter(
          (line) => line.sku === sku && (line.locations ?? places).every((at) => some.includes(at)),
        );
        const asked = only.reduce((sum, line) => sum + line.quantity, 0);
        if (asked > some.reduce((sum, at) => sum + this.free(at, sku, now, own), 0)) return false;
      }
    }
    return true;
  }

  reserve(id: string, body: Body, now: number): string {
    const kept = this.kept.get(id);
    if (kept) return kept.print === printOf(body) ? "ok" : "idempotency-key-reused";
    if (this.canServe(body.lines, now)) return "ok";
    const any = body.lines.some(({ sku, locations = places }) => locations.some((at) => this.free(at, sku, now) > 0));
    return body.allowPartial && any ? "ok" : "insufficient-stock";
  }

  place(id: string, body: Body, lines: readonly Omit<Line, "fulfilled" | "released">[], now: number): void {
    this.kept.set(id, {
      print: printOf(body),
      status: "active",
      expiresAt: now + body.ttlSeconds * 1000,
      lines: lines.map((line) => ({ ...line, fulfilled: 0, released: 0 })),
      keys: new Map(),
    });
  }

  extend(id: string, ttlSeconds: number, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept || status !== "active") return ended(status);
    kept.expiresAt = Math.max(kept.expiresAt ?? 0, now + ttlSeconds * 1000);
    return "ok";
  }

  amend(id: string, lines: readonly Ask[], now: number): string {
    const status = this.status(id, now);
    if (status !== "active") return ended(status);
    return this.canServe(lines, now, id) ? "ok" : "insufficient-stock";
  }

  confirm(id: string, reacquire: boolean, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept || status === undefined) return "not-found";
    if (status === "confirmed" || status === "partly-fulfilled") return "ok";
    if (status === "expired" && reacquire) {
      if (
        !this.canServe(
          kept.lines.map((line) => ({ ...line, locations: [line.location] })),
          now,
        )
      )
        return "insufficient-stock";
    } else if (status !== "active") return ended(status);
    kept.status = "confirmed";
    kept.expiresAt = null;
    return "ok";
  }

  release(id: string, now: number): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept) return "not-found";
    if (status === "released" || kept.lines.some(({ released }) => released > 0)) return "ok";
    if (!this.isOpen(id, now)) return ended(status);
    kept.status = kept.lines.some(({ fulfilled }) => fulfilled > 0) ? "fulfilled" : "released";
    for (const line of kept.lines) line.released = line.quantity - line.fulfilled;
    kept.expiresAt = null;
    return "ok";
  }

  fulfil(
    id: string,
    lines: readonly { sku: string; location?: string; quantity: number }[] | undefined,
    key: string,
    now: number,
  ): string {
    const kept = this.kept.get(id);
    const status = this.status(id, now);
    if (!kept) return "not-found";
    const known = kept.keys.get(key);
    if (known !== undefined) return known === JSON.stringify(lines ?? null) ? "ok" : "idempotency-key-reused";
    if (!this.isOpen(id, now)) {
      if (status !== "fulfilled" || lines !== undefined) return ended(status);
      return kept.lines.some(({ released }) => released > 0) ? "reservation-already-released" : "ok";
    }
    const taken = this.take(
      kept,
      lines ?? kept.lines.map((line) => ({ ...line, quantity: line.quantity - line.fulfilled })),
    );
    if (taken === undefined) return "exceeds-reservation";
    if (lines !== undefined) kept.keys.set(key, JSON.stringify(lines));
    this.hand(kept, taken);
    return "ok";
  }

  order(
    order: string,
    lines: readonly { sku: string; location: string; quantity: number }[],
    now: number,
    id?: string,
    final = false,
  ): string {
    if (this.#orders.has(order)) return "duplicate";
    this.#orders.add(order);
    const kept = id !== undefined && this.isOpen(id, now) ? this.kept.get(id) : undefined;
    const asked = new Map<string, number>();
    for (const { sku, location, quantity } of lines)
      asked.set(`${location}/${sku}`, (asked.get(`${location}/${sku}`) ?? 0) + quantity);
    for (const [pair, quantity] of asked) this.onHand.set(pair, (this.onHand.get(pair) ?? 0) - quantity);
    const taken = (kept?.lines ?? []).map((line) => {
      const pair = `${line.location}/${line.sku}`;
      const units = Math.min(asked.get(pair) ?? 0, line.quantity - line.fulfilled);
      asked.set(pair, (asked.get(pair) ?? 0) - units);
      this.onHand.set(pair, (this.onHand.get(pair) ?? 0) + units); // `hand` takes them off again
      return units;
    });
    if (kept && taken.some((units) => units > 0)) this.hand(kept, taken);
    if (id !== undefined && final && this.isOpen(id, now)) this.release(id, now);
    return "accepted";
  }

  private take(
    kept: Kept,
    lines: readonly { sku: string; location?: string; quantity: number }[],
  ): number[] | undefined {
    const taken = kept.lines.map(() => 0);
    for (const { sku, location, quantity } of lines) {
      let left = quantity;
      for (const [index, line] of kept.lines.entries()) {
        if (line.sku !== sku || (location !== undefined && line.location !== location)) continue;
        const units = Math.min(left, line.quantity - line.fulfilled - (taken[index] ?? 0));
        taken[index] = (taken[index] ?? 0) + units;
        left -= units;
      }
      if (left > 0) return undefined;
    }
    return taken;
  }

  private hand(kept: Kept, taken: readonly number[]): void {
    for (const [index, line] of kept.lines.entries()) {
      const pair = `${line.location}/${line.sku}`;
      line.fulfilled += taken[index] ?? 0;
      this.onHand.set(pair, (this.onHand.get(pair) ?? 0) - (taken[index] ?? 0));
    }
    kept.expiresAt = null;
    kept.status = kept.lines.every((line) => line.fulfilled === line.quantity) ? "fulfilled" : "partly-fulfilled";
  }
}

function printOf({ lines, ttlSeconds, allowPartial }: Body): string {
  return JSON.stringify([summed(lines), ttlSeconds, allowPartial]);
}

function ended(status: Kept["status"] | undefined): string {
  if (status === undefined) return "not-found";
  return `reservation-already-${status === "partly-fulfilled" ? "confirmed" : status}`;
}
