/**
 * Whether a reconciliation finds what is wrong between the two sides, and nothing else: by what the other side knows of
 * itself, and by the log. Holds its corrections and its figures against the contract too.
 */
import type { LogOracle } from "./log.ts";
import { type LoggedUnit, must } from "./shapes.ts";
import type { Entry, StockOracle } from "./stock.ts";

interface Pair {
  readonly location: string;
  readonly sku: string;
}

/** A record as the other side has shown it. */
export interface ShownRecord extends Pair {
  readonly onHand: number;
  readonly version?: number;
  readonly asOf?: string;
}

/** What the other side knows of itself. */
export interface OtherSide {
  readonly held: ReadonlyMap<
    string,
    Pair & { readonly onHand: number; readonly version: number; readonly isOwn: boolean }
  >;
  /** Keys of what went wrong and was not put right. */
  readonly wrong: ReadonlyMap<string, number>;
  readonly tells: "version" | "time" | "nothing";
  hasOwn(pair: Pair): boolean;
  figureAt(pair: Pair, time: number): number | undefined;
}

/** One reading of all that the other side holds. */
interface Look {
  readonly startedAt: number;
  endedAt: number;
  readonly records: Map<string, ShownRecord>;
  /** What was wrong at any moment of it. */
  readonly wrong: Set<string>;
  /** The earliest time that the server's clock has shown since. */
  clock: number;
  /** Ours when it began: the version of each stock, and how many entries it had. */
  readonly ours: ReadonlyMap<string, { readonly version: number; readonly entries: number }>;
}

interface Run {
  readonly mode: string;
  readonly scheduled: boolean;
  readonly requestedAt: number;
  readonly results: Result[];
  isEnded: boolean;
}

export interface Finding extends Pair {
  readonly kind: string;
  readonly ours: number | null;
  readonly theirs: number | null;
  readonly action: string;
}

interface Result {
  readonly location: string;
  readonly startedAt: number;
  readonly cause?: string;
  readonly compared: number;
  readonly inFlight: number;
  readonly found: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly actions: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

/** A reconciliation as clients see it. */
export interface ShownRun {
  readonly status: string;
  readonly compared: number;
  readonly matched: number;
  readonly inFlight: number;
  readonly accuracy: number;
  readonly findings: readonly Finding[];
}

/** A fact of the other side's own goods: when it was told, and when it was recorded here. */
interface OwnFact {
  readonly toldAt: number;
  arrivedAt: number;
}

export class ReconciliationOracle {
  readonly runs = new Map<string, Run>();
  readonly #oracle: LogOracle;
  readonly #other: OtherSide;
  /** Milliseconds in which what is under way may arrive. */
  readonly #settleMs: number;
  readonly #facts = new Map<string, OwnFact>();
  /** The newest first. A result may be of an earlier one: an append lands late. */
  #looks: readonly Look[] = [];

  constructor(oracle: LogOracle, other: OtherSide, settleMs: number) {
    this.#oracle = oracle;
    this.#other = other;
    this.#settleMs = settleMs;
  }

  /** Whether every run that was begun has ended. */
  isAtRest(): boolean {
    return [...this.runs.values()].every(({ isEnded }) => isEnded);
  }

  /** The other side tells a fact of its own goods. */
  tells(id: string, now: number): void {
    this.#facts.set(id, { toldAt: now, arrivedAt: Number.POSITIVE_INFINITY });
  }

  /** The other side is asked for its first page. */
  asked(now: number): void {
    const stocks = [...this.#oracle.stocks.values()];
    const look = {
      startedAt: now,
      endedAt: now,
      records: new Map(),
      wrong: new Set(this.#other.wrong.keys()),
      clock: Number.POSITIVE_INFINITY,
      ours: new Map(stocks.map(({ key, version, entries }) => [key, { version, entries: entries.length }])),
    };
    this.#looks = [look, ...this.#looks].slice(0, looksKept);
  }

  /** The other side gives a page. */
  shows(records: readonly ShownRecord[], now: number): void {
    const [look] = this.#looks;
    if (look === undefined) return;
    look.endedAt = now;
    look.clock = Number.POSITIVE_INFINITY;
    for (const key of this.#other.wrong.keys()) look.wrong.add(key);
    for (const record of records) look.records.set(keyOf(record), record);
  }

  /** Whoever compares looks at the server's clock. */
  asksTime(clock: number): void {
    const [look] = this.#looks;
    if (look !== undefined) look.clock = Math.min(look.clock, clock);
  }

  /** A unit was recorded, and taken in by the oracle of the log. */
  follow({ events, by, fact }: LoggedUnit, now: number): void {
    const own = this.#facts.get(fact?.id ?? "");
    if (own !== undefined && fact?.source === ownSource) own.arrivedAt = now;
    for (const { stream, type, data } of events) {
      if (!stream.startsWith(streamPrefix)) continue;
      const id = stream.slice(streamPrefix.length);
      if (type === "ReconciliationRequested") {
        const { mode, scheduled } = data as unknown as Run;
        this.runs.set(id, { mode, scheduled, requestedAt: now, results: [], isEnded: false });
        continue;
      }
      const run = this.runs.get(id);
      must(run !== undefined && !run.isEnded, () => `${type} of ${id}, which is not under way`);
      must(by === "system:reconciliation", () => `${by} records ${type}`);
      if (type === "ReconciliationEnded") {
        must(run.results.length > 0, () => `the reconciliation ${id} ends with no result`);
        run.isEnded = true;
      } else {
        const result = data as unknown as Result;
        run.results.push(result);
        this.#mustBeRight(id, run, result);
      }
    }
  }

  /** A figure of theirs is to be counted here: it must be the one of that time, and of goods that are theirs. */
  mustCount(fact: {
    readonly data: Pair & { readonly quantity: number; readonly asOf: string; readonly reference: string };
  }): void {
    const { quantity, asOf, reference, ...pair } = fact.data;
    const name = `${pair.sku} at ${pair.location}`;
    must(this.#other.hasOwn(pair), () => `${name} is counted by figures of others, where ours win`);
    must(this.runs.get(reference)?.mode === "correct", () => `${name} is counted, and nobody asked for corrections`);
    const was = this.#other.figureAt(pair, Date.parse(asOf));
    must(was === quantity, () => `${quantity} of ${name} are counted as of ${asOf}, when ${was} were there`);
  }

  /** What clients are shown of a run is the sum of its results. */
  mustShow(id: string, shown: ShownRun): void {
    const run = this.runs.get(id);
    must(run !== undefined, () => `the reconciliation ${id} is shown, which nobody began`);
    const isFailed = run.results.some(({ cause }) => cause !== undefined);
    const status = run.isEnded ? (isFailed ? "failed" : "done") : run.results.length > 0 ? "running" : "waiting";
    const sum = (of: "compared" | "inFlight" | "found") => run.results.reduce((total, result) => total + result[of], 0);
    const [compared, inFlight, found] = [sum("compared"), sum("inFlight"), sum("found")];
    const accuracy = compared === 0 ? 1 : (compared - found) / compared;
    const is = [status, compared, compared - found, inFlight, accuracy, found].join(" ");
    const { matched, findings } = shown;
    const says = [shown.status, shown.compared, matched, shown.inFlight, shown.accuracy, findings.length].join(" ");
    must(says === is, () => `the reconciliation ${id} is shown as ${says}; it is ${is}`);
  }

  /** How well a location agreed over time: one point for each result. */
  mustShowAccuracy(
    location: string,
    history: readonly { readonly compared: number; readonly findings: number; readonly accuracy: number }[],
  ): void {
    const results = [...this.runs.values()].flatMap(({ results }) => results);
    const is = results
      .filter((result) => result.cause === undefined && result.location === location)
      .map(({ compared, found }) => `${compared} ${found} ${compared === 0 ? 1 : (compared - found) / compared}`);
    const says = history.map(({ compared, findings, accuracy }) => `${compared} ${findings} ${accuracy}`);
    must(says.join() === is.join(), () => `the accuracy of ${location} is shown as ${says}; it is ${is}`);
  }

  /** At rest: all that differs between the two sides, as a report must find it. */
  differences(isWanted: (location: string) => boolean): readonly Finding[] {
    const found: Finding[] = [];
    for (const stock of this.#oracle.stocks.values()) {
      if (!isWanted(stock.location)) continue;
      const held = this.#other.held.get(stock.key);
      const { location, sku, version } = stock;
      const now = stock.onHand;
      const add = (kind: string, ours: number) =>
        found.push({ location, sku, kind, ours, theirs: held?.onHand ?? null, action: "none" });
      if (held === undefined) {
        if (now !== 0) add("missing-there", now);
      } else if (this.#other.tells === "version" && !held.isOwn && !this.#other.hasOwn(held)) {
        const then = onHandIn(stock, held.version);
        if (then !== held.onHand) add("drift", then ?? 0);
        else if (held.version < version) add("late", now);
      } else if (held.onHand !== now) add("drift", now);
    }
    for (const [key, { location, sku, onHand }] of this.#other.held) {
      if (!isWanted(location) || this.#oracle.stocks.has(key) || onHand === 0) continue;
      found.push({ location, sku, kind: "missing-here", ours: null, theirs: onHand, action: "none" });
    }
    return found;
  }

  /** Stocks that one of the sides has. */
  covered(isWanted: (location: string) => boolean): number {
    const keys = new Set<string>();
    for (const { key, location } of this.#oracle.stocks.values()) if (isWanted(location)) keys.add(key);
    for (const [key, { location }] of this.#other.held) if (isWanted(location)) keys.add(key);
    return keys.size;
  }

  #mustBeRight(id: string, { mode }: Run, result: Result): void {
    const { compared, inFlight, found, kinds, actions, findings, cause } = result;
    const total = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((sum, n) => sum + n, 0);
    must(
      total(kinds) === found && total(actions) === found && findings.length === found && found <= compared,
      () => `${id} says it found ${found} of ${compared}: ${JSON.stringify({ kinds, actions, findings })}`,
    );
    must(cause === undefined || compared + found === 0, () => `${id} could not compare, and found ${found}`);
    const most = this.covered(() => true);
    must(compared + inFlight <= most, () => `${id} compared ${compared} and ${inFlight} stocks of ${most}`);
    if (findings.length === 0) return;
    must(this.#looks.length > 0, () => `${id} finds something without having asked`);
    const violations = this.#looks.map((look) =>
      violationOf(() => {
        for (const finding of findings) this.#mustBeReal(id, finding, mode, look);
      }),
    );
    if (violations.every((violation) => violation !== undefined)) throw violations[0];
  }

  #mustBeReal(id: string, finding: Finding, mode: string, look: Look): void {
    const { kind, ours, theirs } = finding;
    const key = keyOf(finding);
    const [record, stock] = [look.records.get(key), this.#oracle.stocks.get(key)];
    const says = () => `${id} finds ${JSON.stringify(finding)}; they have shown ${JSON.stringify(record)}`;
    must(theirs === (record?.onHand ?? null), () => `${says()}: that is another figure`);
    const isOwn = this.#other.hasOwn(finding);
    const since = look.ours.get(key) ?? { version: 0, entries: 0 };
    const wentWrong = look.wrong.has(key);
    const figures = stock?.balances.flatMap((_, version) => (version < since.version ? [] : onHandIn(stock, version)));
    switch (kind) {
      case "missing-there":
        must(record === undefined && stock !== undefined, () => `${says()}: they have a record, or we have none`);
        must(figures?.includes(ours ?? Number.NaN) ?? false, () => `${says()}: ours was ${figures}`);
        must(wentWrong, () => `${says()}: it was on its way to them`);
        break;
      case "late": {
        const then = stock && onHandIn(stock, record?.version ?? -1);
        must(
          record?.version !== undefined && record.version < since.version && then === record.onHand,
          () => `${says()}: that is no old figure of ours, which was at version ${since.version}`,
        );
        must(figures?.includes(ours ?? Number.NaN) ?? false, () => `${says()}: ours was ${figures}`);
        must(wentWrong, () => `${says()}: it was on its way to them`);
        break;
      }
      case "missing-here":
        must(record !== undefined && ours === null, () => `${says()}: they have none`);
        must(stock === undefined || isOwn, () => `${says()}: we have it`);
        // What was counted, or told of later times, came after it was found missing.
        if (stock?.entries.some(({ key, at }) => key.startsWith(`${ownSource}\u0000`) && at <= look.endedAt))
          must(this.#isAnySlow(stock, look), () => `${says()}: it was on its way to us`);
        break;
      default:
        must(kind === "drift" && record !== undefined && stock !== undefined, () => `${says()}: one side has none`);
        if (record.version !== undefined && record.version <= stock.version)
          must(
            ours === onHandIn(stock, record.version) && ours !== theirs && wentWrong,
            () => `${says()}: ours was ${onHandIn(stock, record.version ?? 0)}; nothing went wrong: ${!wentWrong}`,
          );
        else if (isOwn) this.#mustDiffer(id, finding, stock, look, record);
        else {
          const then = this.#figuresAt(stock, since.entries, Date.parse(record.asOf ?? ""));
          // What a count of one lot has changed can't be computed (`StockOracle.hasLotCounts`).
          must(
            stock.hasLotCounts || [...then, ...(figures ?? [])].includes(ours ?? Number.NaN),
            () => `${says()}: ours was ${then}`,
          );
          must(wentWrong, () => `${says()}: nothing went wrong with it`);
        }
    }
    this.#mustAct(finding, mode, isOwn, record?.asOf !== undefined && Date.parse(record.asOf) > look.clock, says);
  }

  /** Ours at a time, as it was known from so many entries on. */
  #figuresAt(stock: StockOracle, entries: number, time: number, but = ""): number[] {
    const known = stock.entries.filter(({ key }, index) => index < entries || but === "" || !key.startsWith(but));
    const figures: number[] = [];
    for (let count = Math.min(entries, known.length); count <= known.length; count += 1)
      figures.push(stock.onHandAt(time, known.slice(0, count)));
    return figures;
  }

  /** Their own goods: the figures differ by more than by facts that were still on their way. */
  #mustDiffer(id: string, finding: Finding, stock: StockOracle, look: Look, record: ShownRecord): void {
    if (stock.hasLotCounts) return;
    const entries = look.ours.get(stock.key)?.entries ?? 0;
    const times = record.asOf === undefined ? [look.startedAt, look.endedAt] : [Date.parse(record.asOf)];
    const figures = times.map((time) => this.#figuresAt(stock, entries, time, countsOf(id)));
    const says = () => `${id} finds ${JSON.stringify(finding)} as of ${record.asOf ?? "now"}; ours was ${figures}`;
    if (record.asOf !== undefined) must(figures.flat().includes(finding.ours ?? Number.NaN), says);
    const isEqual = figures.every((known) => known.at(-1) === record.onHand);
    must(!isEqual || this.#isAnySlow(stock, look), () => `${says()}: the difference was on its way to us`);
  }

  /** Whether a fact of what they had done by then took longer than what is under way may take. */
  #isAnySlow(stock: StockOracle, { endedAt }: Look): boolean {
    return stock.entries.some(({ key, at }: Entry) => {
      const fact = this.#facts.get(key.slice(ownSource.length + 1));
      return fact !== undefined && at <= endedAt && fact.arrivedAt > fact.toldAt + this.#settleMs;
    });
  }

  /** `isToCome`: by the server's clock the figure is one of a time that has not come yet. */
  #mustAct(finding: Finding, mode: string, isOwn: boolean, isToCome: boolean, says: () => string): void {
    const { kind, theirs, action } = finding;
    const corrected: Readonly<Record<string, string>> = {
      late: "sent-again",
      "missing-there": "sent-again",
      drift: isOwn ? "counted" : "sent-again",
      "missing-here": isOwn ? "counted" : "none",
    };
    const right = mode === "report" ? "none" : corrected[kind];
    // Nothing is counted when no time is known for the figure, or one to come, or when it is none that can be counted.
    const mayRest = right === "counted" && (this.#other.tells === "nothing" || isToCome || (theirs ?? 0) < 0);
    must(action === right || (mayRest && action === "none"), () => `${says()}: it should be ${right}`);
  }
}

/** The source of facts that the other side tells of its own goods. */
/** As many as there may be between an append and its landing. */
const looksKept = 4;

function violationOf(check: () => void): unknown {
  try {
    check();
    return undefined;
  } catch (violation) {
    return violation;
  }
}

export const ownSource = "depot-wms";
const streamPrefix = "reconciliation-";

/** What the names of the facts begin with that a run records: its counts. */
function countsOf(run: string): string {
  return `urn:larder:reconciliation\u0000${run}/`;
}

function keyOf({ location, sku }: Pair): string {
  return `${location}\u0000${sku}`;
}

function onHandIn(stock: StockOracle, version: number): number | undefined {
  if (version === 0) return 0;
  const [onHand] = stock.balances[version]?.match(/-?\d+/) ?? [];
  return onHand === undefined ? undefined : Number(onHand);
}
