/**
 * Holds all that one other side has against ours, page by page, in two looks. What can't be compared keeps nothing else
 * from being: it is counted apart.
 */
import { type Instant, limits } from "../../../kernel/index.ts";
import {
  countableAt,
  type Finding,
  findingOf,
  judge,
  type OurFigures,
  type Pair,
  type PassedOver,
  pairKey,
  type Suspicion,
  stands,
  type TheirRecord,
  type Uncomparable,
} from "../domain/reconciliation/index.ts";

/** A stock of ours that the other side is to have, as it is now. */
export type OurStock = Pair & Pick<OurFigures, "onHand" | "version">;

/** A page of what they hold. */
export interface TheirPage {
  readonly records: readonly TheirRecord[];
  /** Records of what can't be ours, by its name; names that are too long are cut. */
  readonly impossible: readonly Uncomparable[];
  readonly next?: string;
}

/** What we should say to a record, and can't. */
export interface Unreadable {
  readonly unreadable: string;
}

/** Ours for a record of theirs; undefined where we have none. */
export type Ours = OurFigures | Unreadable | undefined;

/** Both sides of one comparison. */
export interface Sides {
  /** A page of what they hold; the first one without a cursor. */
  readTheirs(cursor: string | undefined): Promise<TheirPage>;
  /** Ours for each record, with the figure for its basis (`basisOf`). */
  readOurs(records: readonly TheirRecord[]): Promise<readonly Ours[]>;
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
  /** What was not compared. */
  readonly passedOver: readonly PassedOver[];
}

export async function compare(sides: Sides): Promise<Comparison> {
  const { seen, suspicions, impossible, unreadable } = await firstLook(sides);
  const isAnySuspect = suspicions.size > 0;
  if (isAnySuspect) await sides.settle();
  const second = isAnySuspect ? await secondLook(sides, suspicions) : { found: [], unreadable: [] };
  const unread = [...unreadable, ...second.unreadable];
  const inFlight = suspicions.size - second.found.length - second.unreadable.length;
  const passedOver = [...impossible, ...passed("unreadable-here", unread.length, unread[0])];
  return { compared: seen - unread.length - inFlight, inFlight, found: second.found, passedOver };
}

function passed(reason: PassedOver["reason"], count: number, first: Uncomparable | undefined): readonly PassedOver[] {
  return first === undefined ? [] : [{ reason, count, first }];
}

type Suspicions = ReadonlyMap<string, Suspicion & Pair>;

interface FirstLook {
  /** Stocks that either side has, with those that are unreadable here. */
  readonly seen: number;
  readonly suspicions: Suspicions;
  readonly impossible: readonly PassedOver[];
  readonly unreadable: readonly Uncomparable[];
}

async function firstLook(sides: Sides): Promise<FirstLook> {
  const seen = new Set<string>();
  const suspicions = new Map<string, Suspicion & Pair>();
  const unreadable = new Map<string, Uncomparable>();
  const impossible = { count: 0, first: undefined as Uncomparable | undefined };
  const note = ({ sku, location }: Pair, theirs: TheirRecord | undefined, ours: Ours) => {
    const key = pairKey({ sku, location });
    seen.add(key);
    // A pair that comes twice, because it was moved while pages were read, counts as it came last.
    suspicions.delete(key);
    unreadable.delete(key);
    if (isUnreadable(ours)) {
      unreadable.set(key, { sku, location, problem: ours.unreadable });
      return;
    }
    const kind = judge({ theirs, ours });
    if (kind !== undefined) suspicions.set(key, { sku, location, kind, theirs, ours });
  };
  for await (const page of theirPages(sides)) {
    impossible.first ??= page.impossible[0];
    impossible.count += page.impossible.length;
    const ours = await sides.readOurs(page.records);
    for (const [index, theirs] of page.records.entries()) note(theirs, theirs, ours[index]);
  }
  for await (const stocks of sides.listOurs())
    for (const stock of stocks) if (!seen.has(pairKey(stock))) note(stock, undefined, stock);
  return {
    seen: seen.size,
    suspicions,
    impossible: passed("impossible-name", impossible.count, impossible.first),
    unreadable: [...unreadable.values()],
  };
}

function isUnreadable(ours: Ours): ours is Unreadable {
  return ours !== undefined && "unreadable" in ours;
}

function versionOf(ours: Ours): number | undefined {
  return ours === undefined || isUnreadable(ours) ? undefined : ours.version;
}

interface SecondLookResult {
  readonly found: readonly Found[];
  readonly unreadable: readonly Uncomparable[];
}

async function secondLook(sides: Sides, suspicions: Suspicions): Promise<SecondLookResult> {
  const all = [...suspicions.values()];
  const before = await inBatches(sides, all, async (batch) => {
    const ours = await sides.readOurs(batch.map(bare));
    // After the versions: what was acknowledged by now must be in what they say from now on.
    return batch.map((pair, index) => ({ version: versionOf(ours[index]), pending: sides.isPending(pair) }));
  });
  const firstAskedAt = sides.now();
  const again = await readAgain(sides, suspicions);
  // Facts that tell of what they had done by then are given time to come.
  await sides.settle();
  const unreadable: Uncomparable[] = [];
  const judged = await inBatches(sides, [...all.entries()], async (batch) => {
    const told = batch.map(([, suspicion]) => again.get(pairKey(suspicion)));
    const ours = await sides.readOurs(batch.map(([, suspicion], index) => told[index]?.theirs ?? bare(suspicion)));
    return batch.map(([place, suspicion], index) => {
      const own = ours[index];
      // What they ask for may have changed meanwhile.
      if (!sides.covers(suspicion)) return undefined;
      if (isUnreadable(own)) {
        const { sku, location } = suspicion;
        unreadable.push({ sku, location, problem: own.unreadable });
        return undefined;
      }
      const look = {
        theirs: told[index]?.theirs,
        ours: own,
        before: before[place] ?? { version: undefined, pending: true },
        pendingAfter: sides.isPending(suspicion),
        isTheirOwn: sides.isTheirOwn(suspicion.location),
      };
      if (!stands(suspicion, look)) return undefined;
      const finding = findingOf(suspicion.kind, look, suspicion);
      const askedAt = told[index]?.askedAt ?? firstAskedAt;
      return { finding, countableAt: countableAt(suspicion, look, askedAt, sides.now()) };
    });
  });
  return { found: judged.filter((found) => found !== undefined), unreadable };
}

/** What they say now of the stocks that differed, and when they were asked. */
async function readAgain(
  sides: Sides,
  suspicions: Suspicions,
): Promise<ReadonlyMap<string, { readonly theirs: TheirRecord; readonly askedAt: Instant }>> {
  const again = new Map<string, { readonly theirs: TheirRecord; readonly askedAt: Instant }>();
  let askedAt = sides.now();
  for await (const { records } of theirPages(sides)) {
    for (const theirs of records) if (suspicions.has(pairKey(theirs))) again.set(pairKey(theirs), { theirs, askedAt });
    askedAt = sides.now();
  }
  return again;
}

async function* theirPages(sides: Sides): AsyncGenerator<Omit<TheirPage, "next">> {
  const isCovered = (pair: Pair) => sides.covers(pair);
  let cursor: string | undefined;
  do {
    const { records, impossible, next } = await sides.readTheirs(cursor);
    yield { records: records.filter(isCovered), impossible: impossible.filter(isCovered) };
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
