/** What a warehouse's own system holds: figures that it was told, its own of its own goods, and what goes wrong in it. */
import type { PushedRecord } from "../services/sync/index.ts";
import type { Random } from "./random.ts";

export interface Pair {
  readonly location: string;
  readonly sku: string;
}

export interface Held extends Pair {
  onHand: number;
  /** The highest version that was pushed. */
  version: number;
  /** Whether goods moved since, so that the figure is not that of the version. */
  isOwn: boolean;
  /** What it held before. */
  former?: Pick<Held, "onHand" | "version">;
}

export interface SnapshotRecord extends Pair {
  readonly onHand: number;
  readonly version?: number;
  /** RFC 3339. */
  readonly asOf?: string;
}

/** What its snapshots say of a figure: the best that it knows, when it was true, or nothing. */
export type Tells = "version" | "time" | "nothing";

export const stockroomFaults = ["figure-drifted", "record-lost", "record-outdated", "record-unheard-of"] as const;
type StockroomFault = (typeof stockroomFaults)[number];
const faultWeights = { "figure-drifted": 4, "record-lost": 3, "record-outdated": 4, "record-unheard-of": 1 } as const;

export class Stockroom {
  readonly location: string;
  /** Whether its figures of its own location are its own, and not what it is told. */
  readonly isAuthority: boolean;
  readonly tells: Tells;
  readonly held = new Map<string, Held>();
  /** Where something went wrong, and from which version on a push puts it right. */
  readonly wrong = new Map<string, number>();
  /** Of its own goods: what was there from which time on. */
  readonly figures = new Map<string, { readonly at: number; readonly onHand: number }[]>();
  #lastSnapshotAt = 0;

  constructor({ location, isAuthority, tells }: Pick<Stockroom, "location" | "isAuthority" | "tells">) {
    this.location = location;
    this.isAuthority = isAuthority;
    this.tells = tells;
  }

  hasOwn({ location }: Pair): boolean {
    return this.isAuthority && location === this.location;
  }

  /** Keeps the highest version of a stock; of its own goods it goes on to know better. */
  take({ location, sku, onHand, version }: PushedRecord, now: number): void {
    const key = keyOf({ location, sku });
    const known = this.held.get(key);
    if (known === undefined) {
      this.held.set(key, { location, sku, onHand, version, isOwn: false });
      if (this.hasOwn({ location, sku })) this.#note(key, now, onHand);
    } else if (version >= known.version) {
      if (!known.isOwn && version > known.version) known.former = { onHand: known.onHand, version: known.version };
      known.version = version;
      if (!this.hasOwn(known)) Object.assign(known, { onHand, isOwn: false });
    }
    if (version >= (this.wrong.get(key) ?? Number.POSITIVE_INFINITY)) this.wrong.delete(key);
  }

  /** Goods of its own move. Returns when: after every snapshot that does not show it. */
  move(sku: string, units: number, now: number): number {
    const pair = { location: this.location, sku };
    const key = keyOf(pair);
    const at = Math.max(now, this.#lastSnapshotAt + 1);
    const known = this.held.get(key) ?? { ...pair, onHand: 0, version: 0, isOwn: true };
    known.onHand += units;
    known.isOwn = true;
    this.held.set(key, known);
    this.#note(key, at, known.onHand);
    return at;
  }

  /** What was there of its own goods at a time. */
  figureAt(pair: Pair, time: number): number | undefined {
    return this.figures.get(keyOf(pair))?.findLast(({ at }) => at <= time)?.onHand;
  }

  /** Acknowledges what it does not keep. */
  lose(record: PushedRecord): void {
    this.#spoil(keyOf(record), record.version);
  }

  /** Something goes wrong with what it holds, one of several things unless it is said which. Returns what; undefined for nothing. */
  fail(random: Random, what: StockroomFault = random.weighted(faultWeights)): StockroomFault | undefined {
    if (what === "record-unheard-of") {
      const pair = { location: "leeds", sku: `ghost ${random.between(1, 3)}` };
      this.held.set(keyOf(pair), { ...pair, onHand: random.between(1, 9), version: 0, isOwn: true });
      this.#spoil(keyOf(pair), Number.POSITIVE_INFINITY);
      return what;
    }
    const copies = [...this.held.values()].filter(
      (held) => !this.hasOwn(held) && held.version > 0 && (what !== "record-outdated" || held.former !== undefined),
    );
    if (copies.length === 0) return undefined;
    const held = random.pick(copies);
    const key = keyOf(held);
    this.#spoil(key, held.version);
    if (what === "record-lost") this.held.delete(key);
    else if (what === "record-outdated") Object.assign(held, held.former);
    else {
      held.onHand += random.pick([-2, 1, 5]);
      held.isOwn = random.chance(0.5);
    }
    return what;
  }

  /** So many records of a snapshot, by key, after the one that a cursor names. */
  snapshot(cursor: string | undefined, limit: number, now: number): { records: SnapshotRecord[]; next?: string } {
    this.#lastSnapshotAt = Math.max(this.#lastSnapshotAt, now);
    const keys = [...this.held.keys()].filter((key) => key > (cursor ?? "")).sort();
    const page = keys.slice(0, limit);
    const records = page.map((key) => this.#told(this.held.get(key) as Held, now));
    const last = page.at(-1);
    return { records, ...(keys.length > limit && last !== undefined && { next: last }) };
  }

  #told(held: Held, now: number): SnapshotRecord {
    const { location, sku, onHand, version, isOwn } = held;
    const record = { location, sku, onHand };
    if (this.tells === "nothing") return record;
    const knowsVersion = this.tells === "version" && !isOwn && !this.hasOwn(held);
    return knowsVersion ? { ...record, version } : { ...record, asOf: new Date(now).toISOString() };
  }

  #note(key: string, at: number, onHand: number): void {
    const known = this.figures.get(key);
    if (known === undefined) this.figures.set(key, [{ at, onHand }]);
    else known.push({ at, onHand });
  }

  #spoil(key: string, version: number): void {
    this.wrong.set(key, Math.max(version, this.wrong.get(key) ?? 0));
  }
}

export function keyOf({ location, sku }: Pair): string {
  return `${location}\u0000${sku}`;
}
