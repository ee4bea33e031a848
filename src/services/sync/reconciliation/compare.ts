/** Holds all that one other side has against ours, page by page, in two looks. */
import { type Instant, limits } from "../../../kernel/index.ts";
import {
  countableAt,
  type Finding,
  findingOf,
  judge,
  type OurFigures,
  type Pair,
  pairKey,
  type Suspicion,
  stands,
  type TheirRecord,
} from "../domain/reconciliation/index.ts";

/** A stock of ours that the other side is to have, as it is now. */
export type OurStock = Pair & Pick<OurFigures, "onHand" | "version">;

/** Both sides of one comparison. */
export interface Sides {
  /** A page of what they hold; the first one without a cursor. */
  readTheirs(cursor: string | undefined): Promise<{ readonly records: readonly TheirRecord[]; readonly next?: string }>;
  /** Ours for each record, with the figure for its basis (`basisOf`); undefined where we have no record. */
  readOurs(records: readonly TheirRecord[]): Promise<readonly (OurFigures | undefined)[]>;
  /** All that the other side is to have, in batches. */
  listOurs(): AsyncIterable<readonly OurStock[]>;
  /** Whether something of this stock waits to be sent to them, or is under way. */
  isPending(pair: Pair): boolean;
  /** Whether the other side is to have this stock, by now; what else it holds is no concern of ours. */
  covers(pair: Pair): boolean;
  /** Whether their figures of a location are their own, and win. */
  isTheirOwn(location: string): boolean;
  /** Lets others have their turn. */
  pause(): Promise<void>;
  /** Lets pass the time in which changes under way arrive. */
  settle(): Promise<void>;
  now(): Instant;
}

/** A finding, and the time for which their figure may be counted here. */
export interface Found {
  readonly finding: Finding;
  readonly countableAt: Instant | undefined;
}

export interface Comparison {
  /** Stocks that were compared, without those whose changes were under way. */
  readonly compared: number;
  readonly inFlight: number;
  readonly found: readonly Found[];
}

export async function compare(sides: Sides): Promise<Comparison> {
  const { seen, suspicions } = await firstLook(sides);
  if (suspicions.size === 0) return { compared: seen, inFlight: 0, found: [] };
  await sides.settle();
  const found = await secondLook(sides, suspicions);
  const inFlight = suspicions.size - found.length;
  return { compared: seen - inFlight, inFlight, found };
}

type Suspicions = ReadonlyMap<string, Suspicion & Pair>;

async function firstLook(sides: Sides): Promise<{ readonly seen: number; readonly suspicions: Suspicions }> {
  const seen = new Set<string>();
  const suspicions = new Map<string, Suspicion & Pair>();
  const note = ({ sku, location }: Pair, look: Pick<Suspicion, "theirs" | "ours">) => {
    const kind = judge(look);
    // A pair that comes twice, because it was moved while pages were read, counts as it came last.
    const key = pairKey({ sku, location });
    if (kind === undefined) suspicions.delete(key);
    else suspicions.set(key, { sku, location, kind, ...look });
    seen.add(key);
  };
  for await (const records of theirPages(sides)) {
    const ours = await sides.readOurs(records);
    for (const [index, theirs] of records.entries()) note(theirs, { theirs, ours: ours[index] });
  }
  for await (const stocks of sides.listOurs())
    for (const stock of stocks) if (!seen.has(pairKey(stock))) note(stock, { theirs: undefined, ours: stock });
  return { seen: seen.size, suspicions };
}

async function secondLook(sides: Sides, suspicions: Suspicions): Promise<Found[]> {
  const all = [...suspicions.values()];
  const before = await inBatches(sides, all, async (batch) => {
    const ours = await sides.readOurs(batch.map(bare));
    // After the versions: what was acknowledged by now must be in what they say from now on.
    return batch.map((pair, index) => ({ version: ours[index]?.version, pending: sides.isPending(pair) }));
  });
  const firstAskedAt = sides.now();
  const again = await readAgain(sides, suspicions);
  // Facts that tell of what they had done by then are given time to come.
  await sides.settle();
  const judged = await inBatches(sides, [...all.entries()], async (batch) => {
    const told = batch.map(([, suspicion]) => again.get(pairKey(suspicion)));
    const ours = await sides.readOurs(batch.map(([, suspicion], index) => told[index]?.theirs ?? bare(suspicion)));
    return batch.map(([place, suspicion], index) => {
      const look = {
        theirs: told[index]?.theirs,
        ours: ours[index],
        before: before[place] ?? { version: undefined, pending: true },
        pendingAfter: sides.isPending(suspicion),
        isTheirOwn: sides.isTheirOwn(suspicion.location),
      };
      // What they ask for may have changed meanwhile.
      if (!sides.covers(suspicion) || !stands(suspicion, look)) return undefined;
      const finding = findingOf(suspicion.kind, look, suspicion);
      const askedAt = told[index]?.askedAt ?? firstAskedAt;
      return { finding, countableAt: countableAt(suspicion, look, askedAt, sides.now()) };
    });
  });
  return judged.filter((found) => found !== undefined);
}

/** What they say now of the stocks that differed, and when they were asked. */
async function readAgain(
  sides: Sides,
  suspicions: Suspicions,
): Promise<ReadonlyMap<string, { readonly theirs: TheirRecord; readonly askedAt: Instant }>> {
  const again = new Map<string, { readonly theirs: TheirRecord; readonly askedAt: Instant }>();
  let askedAt = sides.now();
  for await (const records of theirPages(sides)) {
    for (const theirs of records) if (suspicions.has(pairKey(theirs))) again.set(pairKey(theirs), { theirs, askedAt });
    askedAt = sides.now();
  }
  return again;
}

async function* theirPages(sides: Sides): AsyncGenerator<readonly TheirRecord[]> {
  let cursor: string | undefined;
  do {
    const { records, next } = await sides.readTheirs(cursor);
    yield records.filter((record) => sides.covers(record));
    cursor = next;
  } while (cursor !== undefined);
}

/** A record that names nothing, for stocks of which only ours as it is now is wanted. */
function bare({ sku, location }: Pair): TheirRecord {
  return { sku, location, onHand: 0 };
}

/** Works through many, so many at a time, between which others get their turn. */
async function inBatches<T, R>(
  sides: Sides,
  items: readonly T[],
  work: (batch: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += limits.reconciliationStep) {
    results.push(...(await work(items.slice(start, start + limits.reconciliationStep))));
    await sides.pause();
  }
  return results;
}
