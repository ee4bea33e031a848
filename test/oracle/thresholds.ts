/**
 * What docs/concepts/thresholds.md says of announcements, held against a log: from the balances before and after a unit
 * there is one right set of them for each stock. Shares no code with the product.
 */
interface Unit {
  readonly events: readonly { readonly stream: string; readonly type: string; readonly data: object }[];
}

const names: Readonly<Record<string, string>> = {
  StockRanLow: "low",
  StockRanOut: "out",
  StockCameBack: "back",
  StockRecovered: "recovered",
};

interface Seen {
  available: number;
  lowAt: number | null;
  /** Whether some balance has shown more than nothing. */
  hasBeen: boolean;
}

/** Where a log tells of a threshold that was not crossed, or not of one that was; a line each. */
export function mistold(units: readonly Unit[]): string[] {
  const stocks = new Map<string, Seen>();
  return units.flatMap(({ events }, index) =>
    [...new Set(events.map(({ stream }) => stream))]
      .filter((stream) => stream.startsWith("stock-"))
      .flatMap((stream) => {
        const before = stocks.get(stream) ?? { available: 0, lowAt: null, hasBeen: false };
        const here = events.filter((event) => event.stream === stream);
        const after = here.reduce(followed, before);
        stocks.set(stream, after);
        const told = here.flatMap(({ type }) => names[type] ?? []).join();
        const right = announced(before, after);
        return told === right ? [] : [`unit ${index}, ${stream}: told "${told}", right is "${right}"`];
      }),
  );
}

function followed(seen: Seen, { type, data }: Unit["events"][number]): Seen {
  const { balance = {}, lowAt = null } = data as { balance?: Record<string, number>; lowAt?: number | null };
  const { onHand = 0, unavailable = 0, reserved = 0, committed = 0, safetyStock = 0 } = balance;
  const available = onHand - unavailable - reserved - committed - safetyStock;
  return {
    available,
    lowAt: type === "PolicyApplied" ? lowAt : seen.lowAt,
    hasBeen: seen.hasBeen || available > 0,
  };
}

function announced(before: Seen, after: Seen): string {
  const low = ({ available, lowAt }: Seen) => lowAt !== null && available <= lowAt;
  if (after.available <= 0) return before.available > 0 ? "out" : "";
  if (before.available <= 0) return before.hasBeen ? "back" : "";
  if (low(after)) return low(before) ? "" : "low";
  return low(before) ? "recovered" : "";
}
