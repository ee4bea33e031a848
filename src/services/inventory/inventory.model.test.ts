/**
 * The inventory's published interface against an oracle of the contract: commands of every kind in sequence, and several
 * at once, interleaved with the store's answers as fast-check's scheduler likes. What was answered, and what is to be
 * seen afterwards, must be what some order of them explains.
 */
import { setTimeout as wait } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Oracle } from "../../../test/oracle/oracle.ts";
import { mistold } from "../../../test/oracle/thresholds.ts";
import type { AppendUnit } from "../../platform/storage/index.ts";
import { MemoryStorage } from "../../platform/storage/memory/index.ts";
import { type Opened, openInventory } from "./fixture.ts";
import { ask, expected, expectedPicture, picture, type Seen } from "./model.fixture.ts";
import { type Asked, type Pool, places, pool, type Step, skus, start, steps } from "./model.steps.fixture.ts";
import { inventoryTagging } from "./reservations/lists.ts";
import { verifyLog } from "./verification/index.ts";

/** `LARDER_TEST_RUNS=20` makes twenty times as many runs as usual. */
const more = Number(process.env["LARDER_TEST_RUNS"] ?? 1);

/** Codes of answers, over all tests. */
const reached = new Set<string>();

/** Types of events in the log, over all tests. */
const recorded = new Set<string>();

interface Model {
  /** Every state that explains what was seen so far: mostly one. */
  oracles: Oracle[];
  readonly pool: Pool;
}
interface Real extends Opened {
  readonly storage: RacingStorage;
  readonly scheduler: fc.Scheduler | undefined;
  readonly sweeps: boolean;
}

/** The store's work takes its turn among all that is under way. */
class RacingStorage extends MemoryStorage {
  scheduler: fc.Scheduler | undefined;

  constructor() {
    super({ tagging: inventoryTagging });
  }

  override async append(units: readonly AppendUnit[]) {
    await this.#turn("append");
    try {
      return await super.append(units);
    } finally {
      await this.#turn("appended");
    }
  }

  override async readStream(...range: Parameters<MemoryStorage["readStream"]>) {
    await this.#turn("read");
    return super.readStream(...range);
  }

  async #turn(name: string): Promise<void> {
    await this.scheduler?.schedule(Promise.resolve(), name);
  }
}

type Fault = "fail" | "lose-answer" | undefined;

/** Some steps at once. */
class Burst implements fc.AsyncCommand<Model, Real> {
  readonly asked: readonly Asked[];
  readonly fault: Fault;

  constructor(asked: readonly Asked[], fault: Fault) {
    this.asked = asked;
    this.fault = fault;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, { inventory, storage, clock, scheduler, sweeps }: Real): Promise<void> {
    const before = clock.now;
    const all = this.asked.map((one): Step => {
      if (one.do !== "edge") return one;
      const end = model.oracles[0]?.kept.get(one.id)?.expiresAt ?? before;
      return { do: "wait", ms: Math.max(0, end + one.offset - before) };
    });
    if (this.fault === "fail") storage.failNextAppend();
    if (this.fault === "lose-answer") storage.loseNextAnswer();
    const seen = await answers(all, (one) => ask(inventory, model.pool, one, clock), scheduler, storage);
    for (const { code } of seen) reached.add(code);
    if (sweeps && this.asked.some((one) => one.do === "edge")) await wait(3);
    const after = await picture(inventory);
    model.oracles = explanations(model, all, seen, before, after);
  }

  toString(): string {
    return `${this.asked.map((one) => JSON.stringify(one)).join(" with ")}${this.fault ? `, then ${this.fault}` : ""}`;
  }
}

async function answers(
  all: readonly Step[],
  asking: (step: Step) => Promise<Seen>,
  scheduler: fc.Scheduler | undefined,
  storage: RacingStorage,
): Promise<readonly Seen[]> {
  if (scheduler === undefined) return Promise.all(all.map(asking));
  storage.scheduler = scheduler;
  const calls = all.map((one) => scheduler.schedule(Promise.resolve(), one.do).then(() => asking(one)));
  const seen = await scheduler.waitFor(Promise.all(calls));
  storage.scheduler = undefined;
  return seen;
}

/** Every state in which some order of the steps, from some state before, gives what was seen. */
function explanations(
  model: Model,
  all: readonly Step[],
  seen: readonly Seen[],
  from: number,
  after: object,
): Oracle[] {
  const found = new Map<string, Oracle>();
  let closest: readonly unknown[] = [];
  for (const before of model.oracles)
    for (const order of orders(all.map((_, index) => index))) {
      const oracle = before.copy();
      const clock = { now: from };
      const told = order.map((index) => {
        const should = expected(oracle, model.pool, all[index] as Step, seen[index] as Seen, clock);
        return { index, should };
      });
      const should = told.toSorted((a, b) => a.index - b.index).map((one) => one.should);
      const answers = [...should, expectedPicture(oracle, clock.now)];
      if (isSame(answers, [...seen, after])) found.set(keyOf(oracle), oracle);
      else if (closest.length === 0) closest = answers;
    }
  if (found.size === 0) expect([...seen, after], "no order explains it; the first order would give").toEqual(closest);
  return [...found.values()];
}

/** The same for oracles that will say the same from now on. */
function keyOf({ told, voided, names, kept, policies }: Oracle): string {
  return JSON.stringify([told, ...[voided, names, kept, policies].map((all) => [...all])]);
}

/** Members that are undefined are none. */
function isSame(one: unknown, other: unknown): boolean {
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
  return isDeepStrictEqual(plain(one), plain(other));
}

function* orders(items: readonly number[]): Generator<readonly number[]> {
  if (items.length === 0) yield [];
  for (const item of items) for (const rest of orders(items.filter((one) => one !== item))) yield [item, ...rest];
}

async function follow(
  known: Pool,
  bursts: Iterable<fc.AsyncCommand<Model, Real>>,
  options: { scheduler?: fc.Scheduler; sweepEveryMs?: number },
) {
  const storage = new RacingStorage();
  const sweepEveryMs = options.sweepEveryMs ?? 1_000_000;
  const opened = await openInventory({ storage, clock: { now: start }, sweepEveryMs, cachedStatesMax: 4 });
  const model: Model = { oracles: [new Oracle(places)], pool: known };
  const real: Real = { ...opened, storage, scheduler: undefined, sweeps: sweepEveryMs === 1 };
  try {
    for (const name of skus)
      for (const place of places) {
        const facts = [
          {
            name: `opening-${place}-${name}`,
            type: "stock.received",
            offset: undefined,
            data: { sku: name, location: place, quantity: 3 },
          },
        ];
        const opening = { ...model, pool: { ...known, facts } };
        await new Burst([{ do: "fact", fact: 0 }], undefined).run(opening, real);
        model.oracles = opening.oracles;
      }
    await fc.asyncModelRun(() => ({ model, real: { ...real, scheduler: options.scheduler } }), bursts);
    const { findings } = await verifyLog(storage);
    expect(findings).toEqual([]);
    const log = await storage.readLog(0, Number.MAX_SAFE_INTEGER);
    expect(mistold(log)).toEqual([]);
    for (const { type } of log.flatMap(({ events }) => events)) recorded.add(type);
  } finally {
    await opened.inventory.stop();
  }
}

const one = steps.map((asked) => new Burst([asked], undefined));
const fault = fc.constantFrom<Fault[]>(undefined, undefined, undefined, "fail", "lose-answer");
const several = fc
  .tuple(fc.array(steps, { minLength: 1, maxLength: 4 }), fault)
  .map(([all, wrong]) => new Burst(all, wrong));

describe("the inventory against the contract", () => {
  it.each([
    [1_000_000, 200],
    [1, 60],
  ])(
    "answers and is as it says, whoever records what has lapsed (every %i ms)",
    async (sweepEveryMs, numRuns) => {
      await fc.assert(
        fc.asyncProperty(pool, fc.commands([one], { maxCommands: 40, size: "max" }), (known, commands) =>
          follow(known, commands, { sweepEveryMs }),
        ),
        { numRuns: numRuns * more },
      );
    },
    120_000 * more,
  );

  it(
    "answers racing calls as if one after another, also when appends fail or their answers are lost",
    async () => {
      await fc.assert(
        fc.asyncProperty(
          pool,
          fc.commands([several], { maxCommands: 15, size: "max" }),
          fc.scheduler(),
          (known, commands, scheduler) => follow(known, commands, { scheduler }),
        ),
        { numRuns: 100 * more },
      );
    },
    120_000 * more,
  );

  it("reaches every kind of answer", () => {
    const ended = ["confirmed", "expired", "fulfilled", "released"].map((status) => `reservation-already-${status}`);
    const refusals = ["insufficient-stock", "not-found", "exceeds-reservation", "idempotency-key-reused", ...ended];
    const ofFacts = ["accepted", "duplicate", "event-id-reused", "storage-unavailable"];
    expect([...reached].sort()).toEqual(["ok", ...refusals, ...ofFacts].sort());
    for (const type of ["StockRanLow", "StockRanOut", "StockCameBack", "StockRecovered"])
      expect(recorded).toContain(type);
  });
});
