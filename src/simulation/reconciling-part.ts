/**
 * Reconciliation in a history: the warehouse loses what it acknowledges, drifts, forgets, and fails while it is asked; its
 * own goods move, and it tells of that late or never. Meanwhile both sides are compared, when asked and by themselves.
 */
import { hasCode } from "../kernel/index.ts";
import { type OutboundCall, OutboundError } from "../platform/outbound/index.ts";
import type { Caller, RunningInventory } from "../services/inventory/index.ts";
import { type RunningReconciliations, type RunningSync, startReconciliation } from "../services/sync/index.ts";
import type { Operation } from "./operations.ts";
import type { LogOracle } from "./oracle/log.ts";
import { ownSource, ReconciliationOracle } from "./oracle/reconciliation.ts";
import { type LoggedUnit, must, type SentFact, Violation } from "./oracle/shapes.ts";
import { isFault } from "./parts.ts";
import type { Random } from "./random.ts";
import type { Life, Scheduler } from "./scheduler.ts";
import type { Server } from "./server.ts";
import { admin } from "./shop.ts";
import { Stockroom, stockroomFaults, type Tells } from "./stockroom.ts";
import type { SimulatedStorage } from "./storage.ts";
import { isWanted, warehouseName } from "./warehouse.ts";

export const reconciliationFaultKinds = [
  "update-lost",
  ...stockroomFaults,
  "goods-untold",
  "snapshot-refused",
  "snapshot-cut",
  "snapshot-unanswered",
] as const;

export type ReconciliationFaultKind = (typeof reconciliationFaultKinds)[number];

/** Goods that only the warehouse has, and moves. */
const ownSkus = ["crate", "pallet"];
const asking = { given: 85, "snapshot-refused": 5, "snapshot-cut": 5, "snapshot-unanswered": 5 } as const;

export interface ReconcilingOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly oracle: LogOracle;
  /** Brings the oracle up to what is durable. */
  readonly look: () => void;
  readonly isCalm: () => boolean;
  readonly glance: () => number;
  readonly note: (kind: ReconciliationFaultKind) => void;
  readonly remember: (fact: SentFact) => void;
  readonly fail: (error: unknown) => void;
}

export class ReconcilingPart {
  readonly stockroom: Stockroom;
  /** By how much the server's clock may be wrong, in minutes, before figures of a time mean nothing. */
  readonly clockMinutesMax: number;
  readonly #options: ReconcilingOptions;
  readonly #oracle: ReconciliationOracle;
  readonly #settleMs: number;
  readonly #pageSize: number;
  readonly #schedule: { everyMs: number; readonly mode: "report" | "correct" };
  #asked: Life | undefined;
  #moves = 0;

  constructor(options: ReconcilingOptions) {
    const { random, oracle } = options;
    this.#options = options;
    const isAuthority = random.chance(0.5);
    const tells = random.pick<Tells>(["version", "version", "time", "nothing"]);
    this.stockroom = new Stockroom({ location: warehouseName, isAuthority, tells });
    this.#settleMs = random.pick([1000, 5000]);
    this.#oracle = new ReconciliationOracle(oracle, this.stockroom, this.#settleMs);
    this.#pageSize = random.between(1, 4);
    this.#schedule = { everyMs: random.between(20_000, 60_000), mode: random.pick(["report", "correct"]) };
    // Beyond five minutes the time of a fact counts for nothing; and a figure without a time is counted by our clock.
    this.clockMinutesMax = isAuthority && tells === "nothing" ? 0 : 4;
  }

  /** Whether a push is acknowledged and not kept. */
  loses(): boolean {
    const { random, isCalm, note } = this.#options;
    if (isCalm() || !random.chance(0.03)) return false;
    note("update-lost");
    return true;
  }

  async start(
    server: Server,
    storage: SimulatedStorage,
    inventory: RunningInventory,
    sync: RunningSync,
    randomId: () => string,
  ): Promise<RunningReconciliations> {
    const { scheduler, glance, fail } = this.#options;
    return await startReconciliation({
      storage,
      inventory: {
        availabilityOf: (pairs) => inventory.availabilityOf(pairs),
        stocks: (query) => inventory.stocks(query),
        onHandThen: (questions) => inventory.onHandThen(questions),
        location: (id, caller) => inventory.location(id, caller),
        recordFacts: (facts, caller) => this.#count(inventory, facts, caller),
      },
      pushes: sync,
      courier: { call: (call) => this.#answer(call, server.life) },
      openSecret: (_context, sealed) => sealed,
      clock: () => {
        const now = glance();
        this.#oracle.asksTime(now);
        return now;
      },
      randomId,
      timers: scheduler.timersOf(server.life),
      settleMs: this.#settleMs,
      schedule: this.#schedule,
      observer: {
        compared: () => undefined,
        failed: (what, error) => {
          if (!storage.isFault(error)) fail(new Violation(`reconciliation: ${what}: ${String(error)}`));
        },
      },
    });
  }

  /** A unit was taken in. */
  follow(unit: LoggedUnit): void {
    this.#oracle.follow(unit, this.#options.scheduler.now);
  }

  /** What goes wrong or is asked beside each step of the workload, and what the warehouse tells instead of it. */
  step(server: Server): Operation | undefined {
    const { random } = this.#options;
    if (random.chance(0.03)) this.#goWrong();
    if (random.chance(0.03)) this.#request(server, random.pick(["report", "correct"]));
    if (!this.stockroom.isAuthority || !random.chance(0.08)) return undefined;
    return { kind: "facts", items: [this.#move()], caller: admin };
  }

  /** The description of the warehouse's location. */
  describe(operation: Operation): Operation {
    if (operation.kind !== "location") return operation;
    return { ...operation, authority: this.stockroom.isAuthority ? "theirs" : "ours" };
  }

  /**
   * At rest: a schedule is kept, all that differs is found and nothing else, and once corrected nothing differs but what
   * can't be put right.
   */
  async mustHeal(server: Server, pass: (ms: number) => Promise<void>): Promise<void> {
    const { scheduler, look, random } = this.#options;
    const { reconciliations, inventory } = server;
    must(reconciliations !== undefined && inventory !== undefined, () => "the server is not up");
    const described = await inventory.location(warehouseName, admin);
    const of = described.ok ? described.value.sync?.of : undefined;
    if (of === undefined) return;
    const isHere = (location: string) => isWanted(of, location);
    const newest = [...this.#oracle.runs.values()].findLast(({ scheduled }) => scheduled)?.requestedAt ?? 0;
    must(newest > scheduler.now - 130_000, () => `no reconciliation has come by itself since ${newest}`);
    this.#schedule.everyMs = Number.POSITIVE_INFINITY;
    for (let count = random.between(2, 6); count > 0; count -= 1) this.#goWrong();
    this.stockroom.fail(random, "record-outdated");
    await pass(15_000);
    look();

    const before = this.#oracle.differences(isHere);
    await this.#mustFind("report", before, isHere, server, pass);
    await this.#mustFind("correct", before, isHere, server, pass);
    // What was sent again arrives.
    await pass(10_000);
    look();
    const left = this.#oracle.differences(isHere);
    for (const finding of left) {
      const isRight = finding.kind === "missing-here" && !this.stockroom.hasOwn(finding);
      must(isRight, () => `after it was corrected there is still ${JSON.stringify(finding)}`);
    }
    await this.#mustFind("report", left, isHere, server, pass);
    const accuracy = await reconciliations.accuracy({ limit: 10 }, admin);
    must(accuracy.ok, () => "the accuracy of locations is refused");
    for (const { location, history } of accuracy.value.items) this.#oracle.mustShowAccuracy(location, history);
    // What was recorded meanwhile is sealed too.
    await pass(12_000);
  }

  async #mustFind(
    mode: "report" | "correct",
    expected: ReturnType<ReconciliationOracle["differences"]>,
    isHere: (location: string) => boolean,
    { reconciliations }: Server,
    pass: (ms: number) => Promise<void>,
  ): Promise<void> {
    const covered = this.#oracle.covered(isHere);
    let asked: Awaited<ReturnType<RunningReconciliations["request"]>> | undefined;
    const { scheduler, fail } = this.#options;
    scheduler.after(1, () => {
      reconciliations?.request({ mode }, admin).then((answer) => {
        asked = answer;
      }, fail);
    });
    await pass(500);
    for (let waited = 0; waited < 60_000 && !this.#oracle.isAtRest(); waited += 2000) await pass(2000);
    must(asked?.ok ?? false, () => `a reconciliation is refused: ${JSON.stringify(asked)}`);
    const id = asked?.ok ? asked.value.id : "";
    const shown = await reconciliations?.reconciliation(id, admin);
    must(shown?.ok ?? false, () => `the reconciliation ${id} is not there`);
    if (shown?.ok !== true) return;
    this.#oracle.mustShow(id, shown.value);
    const { status, compared, inFlight, findings } = shown.value;
    must(
      status === "done" && compared === covered && inFlight === 0,
      () => `at rest ${id} is ${status}, and compares ${compared} of ${covered} stocks; ${inFlight} are in flight`,
    );
    const texts = (all: typeof expected) =>
      all.map(({ sku, location, kind, ours, theirs }) => JSON.stringify({ sku, location, kind, ours, theirs })).sort();
    const [found, right] = [texts(findings).join(" "), texts(expected).join(" ")];
    must(found === right, () => `${id} finds ${found || "nothing"} at rest; there is ${right || "nothing"}`);
  }

  #goWrong(): void {
    const { random, note } = this.#options;
    if (this.stockroom.isAuthority && random.chance(0.4)) {
      note("goods-untold");
      this.#move();
      return;
    }
    const what = this.stockroom.fail(random);
    if (what !== undefined) note(what);
  }

  /** Goods of the warehouse's own move; the fact says so to whoever is told. */
  #move(): SentFact {
    const { random, scheduler } = this.#options;
    const sku = random.pick(ownSkus);
    const there = this.stockroom.held.get(`${warehouseName}\u0000${sku}`)?.onHand ?? 0;
    const units = there > 2 && random.chance(0.6) ? -random.between(1, 2) : random.between(1, 9);
    const at = this.stockroom.move(sku, units, scheduler.now);
    this.#moves += 1;
    const id = `move-${this.#moves}`;
    this.#oracle.tells(id, scheduler.now);
    return {
      specversion: "1.0",
      source: ownSource,
      id,
      type: units > 0 ? "larder.stock.received.v1" : "larder.stock.sold.v1",
      time: new Date(at).toISOString(),
      data: { sku, location: warehouseName, quantity: Math.abs(units) },
    };
  }

  #request({ reconciliations }: Server, mode: "report" | "correct"): void {
    const { fail } = this.#options;
    const asked = reconciliations?.request({ mode }, admin).then(async (answer) => {
      if (!answer.ok) {
        const { code } = answer.rejection;
        must(code === "not-found" || code === "too-many-requests", () => `a reconciliation is refused: ${code}`);
      }
    });
    asked?.catch((error: unknown) => {
      const isStopping = hasCode(error, "shutting-down");
      if (!isStopping && !isFault(error)) fail(error);
    });
  }

  async #count(inventory: RunningInventory, facts: readonly unknown[], caller: Caller) {
    this.#options.look();
    for (const fact of facts as readonly SentFact[]) {
      try {
        this.#oracle.mustCount(fact as unknown as Parameters<ReconciliationOracle["mustCount"]>[0]);
      } catch (error) {
        this.#options.fail(error);
      }
      this.#options.remember(fact);
    }
    return await inventory.recordFacts(facts, caller);
  }

  /** The warehouse is asked for what it holds. */
  async #answer({ url, totalMs = 30_000 }: OutboundCall, life: Life) {
    const { scheduler, random, isCalm, note } = this.#options;
    const { after } = scheduler.timersOf(life);
    const wait = (ms: number) => new Promise<void>((resolve) => void after(ms, resolve));
    const cursor = new URL(url).searchParams.get("cursor") ?? undefined;
    await wait(random.between(1, 15));
    this.#options.look();
    if (cursor === undefined) {
      this.#asked = life;
      this.#oracle.asked(scheduler.now);
    }
    await wait(random.between(1, 15));
    const fate = isCalm() ? "given" : random.weighted(asking);
    if (fate !== "given") note(fate);
    if (fate === "snapshot-unanswered") {
      await wait(totalMs);
      throw new OutboundError("timeout");
    }
    if (fate === "snapshot-refused") return { status: 503, body: Buffer.from("busy"), isCut: false };
    const page = this.stockroom.snapshot(cursor, this.#pageSize, scheduler.now);
    const body = Buffer.from(JSON.stringify(page));
    if (fate === "snapshot-cut") return { status: 200, body: body.subarray(0, body.length >> 1), isCut: false };
    if (this.#asked === life) this.#oracle.shows(page.records, scheduler.now);
    return { status: 200, body, isCut: false };
  }
}
