/** The words that the oracle is asked and told in. A pair is `location/sku`. */
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
export interface Line extends Chosen {
  readonly fulfilled: number;
  readonly released: number;
}
export type Status = "active" | "confirmed" | "partly-fulfilled" | "fulfilled" | "released" | "expired";
export interface Kept {
  readonly print: string;
  readonly status: Status;
  readonly expiresAt: number | null;
  readonly lines: readonly Line[];
  readonly keys: Readonly<Record<string, string>>;
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
export interface Order {
  readonly lines: readonly Required<Part>[];
  readonly reservation?: string;
  readonly final: boolean;
}
export type Part = { readonly sku: string; readonly location?: string; readonly quantity: number };

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

/** The same for requests that ask for the same. */
export function printOf({ lines, ttlSeconds, allowPartial }: Body): string {
  return JSON.stringify([summed(lines), ttlSeconds, allowPartial]);
}

export function untouched(chosen: readonly Chosen[]): Kept["lines"] {
  return chosen.map((line) => ({ ...line, fulfilled: 0, released: 0 }));
}
