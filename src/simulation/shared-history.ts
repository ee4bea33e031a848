/**
 * One history of several processes that decide on one log: the inventory in each of them, a store on a machine of its own,
 * clients that reach any of them. Processes die and come back, the store loses power, answers and notices get lost.
 * The oracle reads what is durable, as in the histories of one process (`history.ts`).
 */
import {
  inventoryTagging,
  type RunningInventory,
  silentObserver,
  startInventory,
} from "../services/inventory/index.ts";
import { mustHaveConverged } from "./converged.ts";
import { Disk, JournalledDerivedStore, unitIn } from "./disk.ts";
import { commonFaultKinds, drawMixture, fatesOf, type Mixture } from "./faults.ts";
import { mustFold } from "./full-fold.ts";
import type { HistoryResult } from "./history.ts";
import { Network } from "./network.ts";
import { type Answer, codesOf, factsIn, type Operation, perform } from "./operations.ts";
import { LogOracle } from "./oracle/log.ts";
import { must, Violation } from "./oracle/shapes.ts";
import { type Random, seededRandom } from "./random.ts";
import { Requests } from "./requests.ts";
import { type Life, Scheduler } from "./scheduler.ts";
import { drawSetup, isStorageFault, type Setup } from "./server.ts";
import { SharedStore, SharedView } from "./shared-store.ts";
import { drawScale } from "./shop.ts";
import type { Fates } from "./storage.ts";
import { Trace } from "./trace.ts";
import { Workload } from "./workload.ts";

/** Every kind of fault of these histories. */
export const sharedFaultKinds = [...commonFaultKinds, "store-lost-power", "derived-kept", "clock"] as const;

const start = Date.UTC(2026, 2, 1, 12);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const stepsBetweenFolds = 100;

export async function runSharedHistory(seed: number, steps: number): Promise<HistoryResult> {
  const world = new SharedWorld(seed);
  try {
    await world.run(steps);
  } catch (error) {
    const problem = error instanceof Violation ? error.message : String((error as Error).stack);
    return world.result({ step: world.step, problem });
  }
  return world.result(undefined);
}

/** One of the processes, in one of its lives. */
class Member {
  readonly life: Life = { dead: false };
  /** The latest time by which the ledger has decided, and that anybody has asked for. */
  decidesAt = 0;
  askedAt = 0;
  inventory: RunningInventory | undefined;
  readonly view: SharedView;
  readonly place: number;

  constructor(place: number, view: SharedView, life: Life) {
    this.place = place;
    this.view = view;
    this.life = life;
  }

  end(): void {
    this.life.dead = true;
    this.inventory = undefined;
    this.view.depart();
  }
}

class SharedWorld {
  step = 0;
  readonly #seed: number;
  readonly #random: Random;
  readonly #scheduler = new Scheduler(start);
  readonly #disk = new Disk({ readsOnce: true });
  readonly #requests = new Requests({ readsMayLag: true });
  readonly #oracle = new LogOracle(this.#requests);
  readonly #workload: Workload;
  readonly #mixture: Mixture;
  readonly #network: Network;
  readonly #setup: Setup;
  readonly #store: SharedStore;
  readonly #fatesRandom: Random;
  /** By their places; undefined while one is down. */
  readonly #members: (Member | undefined)[];
  readonly #derived: JournalledDerivedStore[];
  readonly #trace = new Trace();
  readonly #faults: Record<string, number> = {};
  readonly #answers: Record<string, number> = {};
  #starts = 0;
  #seen = 0;
  #clockOffset = 0;
  #isCalm = false;
  #outOfReachUntil = 0;
  #failure: unknown;

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.#seed = seed;
    this.#random = random;
    this.#mixture = drawMixture(random.fork());
    this.#workload = new Workload(random.fork(), drawScale(random), this.#oracle);
    this.#setup = drawSetup(random);
    this.#fatesRandom = random.fork();
    const clock = () => this.#scheduler.now + this.#clockOffset;
    this.#store = new SharedStore(this.#disk, this.#scheduler, random.fork(), inventoryTagging, clock);
    const processes = random.between(2, 3);
    this.#members = Array.from({ length: processes }, () => undefined);
    this.#derived = Array.from({ length: processes }, () => new JournalledDerivedStore());
    this.#network = new Network({
      scheduler: this.#scheduler,
      random: random.fork(),
      mixture: this.#mixture,
      note: (kind) => this.#note(kind),
      handle: (operation, answered) => this.#handle(operation, answered),
    });
  }

  result(failure: HistoryResult["failure"]): HistoryResult {
    return {
      seed: this.#seed,
      steps: this.step,
      units: this.#seen,
      events: this.#oracle.head,
      hash: this.#trace.digest(),
      faults: this.#faults,
      answers: this.#answers,
      eventTypes: [...this.#oracle.types],
      ...(failure !== undefined && { failure }),
    };
  }

  async run(steps: number): Promise<void> {
    for (const place of this.#members.keys()) this.#start(place);
    for (this.step = 1; this.step <= steps; this.step += 1) {
      if (this.#random.chance(this.#mixture.upheaval)) this.#upheave();
      else this.#ask(this.#workload.next(this.#scheduler.now));
      await this.#pass(this.#random.chance(0.9) ? this.#random.between(0, 30) : this.#random.between(0, 1500));
      if (this.step % stepsBetweenFolds === 0) await mustFold(this.#disk, this.#oracle);
    }
    this.step = steps;
    await this.#comeToRest();
    await mustFold(this.#disk, this.#oracle);
    for (const [place, member] of this.#members.entries()) {
      must(member?.inventory !== undefined, () => `process ${place} is down, though nothing goes wrong any more`);
      if (member?.inventory !== undefined) await mustHaveConverged(this.#oracle, member.inventory, this.#scheduler.now);
    }
    this.#disk.mustBeUnchanged();
  }

  async #pass(ms: number): Promise<void> {
    await this.#scheduler.run(this.#scheduler.now + ms, () => {
      this.#look();
      if (this.#failure !== undefined) throw this.#failure;
    });
  }

  /** What became durable is held against the oracle at once. */
  #look(): void {
    const { durable } = this.#disk;
    while (this.#seen < durable.length && this.#failure === undefined) {
      const written = unitIn(durable[this.#seen] ?? "");
      if (written === undefined) return; // torn: cut off when the store is there again
      this.#seen += 1;
      this.#trace.tell(this.#scheduler.now, written.body);
      this.#try(() => {
        const { at } = this.#oracle.unit(written.body, written.decidedAt);
        this.#requests.weigh(this.#oracle, at);
      });
    }
  }

  #try(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #note(what: string): void {
    this.#faults[what] = (this.#faults[what] ?? 0) + 1;
    this.#trace.tell(this.#scheduler.now, what);
  }

  // Requests

  #ask(operation: Operation): void {
    for (const fact of factsIn(operation)) this.#requests.remember(fact, false);
    this.#network.ask(operation);
  }

  #handle(operation: Operation, answered: (answer: Answer) => void): void {
    const member = this.#random.pick(this.#members);
    if (member?.inventory === undefined) {
      this.#note("refused-connection");
      return;
    }
    const attempt = this.#requests.begin(operation, member, this.#oracle.head);
    void perform(member.inventory, operation).then((answer) => {
      if (member.life.dead) return;
      this.#look();
      for (const code of codesOf(answer)) this.#answers[code] = (this.#answers[code] ?? 0) + 1;
      this.#trace.tell(this.#scheduler.now, `${operation.kind} ${answer.code}`);
      this.#try(() => this.#requests.judge(this.#oracle, attempt, answer, this.#workload));
      answered(answer);
    });
  }

  // Processes

  #start(place: number): void {
    this.#starts += 1;
    const name = `p${this.#starts}`;
    const life: Life = { dead: false };
    const timers = this.#scheduler.timersOf(life);
    let member: Member | undefined;
    const fates: Fates = fatesOf(
      this.#fatesRandom,
      this.#mixture,
      { calm: () => this.#isCalm, outOfReach: () => this.#scheduler.now < this.#outOfReachUntil },
      (kind) => this.#note(kind),
      () => member !== undefined && this.#crash(member),
    );
    const derived = this.#derived[place] ?? new JournalledDerivedStore();
    member = new Member(place, new SharedView(this.#store, derived, timers, fates, life), life);
    this.#members[place] = member;
    const here = member;
    let ids = 0;
    startInventory({
      storage: here.view,
      clock: () => this.#readClock(here),
      randomId: () => {
        ids += 1;
        return `${name}.${ids}`;
      },
      timers,
      observer: {
        ...silentObserver,
        consumerFailed: (consumer, error) => {
          this.#failure ??= new Violation(`the consumer ${consumer} failed: ${String(error)}`);
        },
        upkeepFailed: (work, error) => {
          // What could not be done while the store was out of reach is tried again.
          if (work !== "seals" && work !== "housekeeping")
            this.#failure ??= new Violation(`${work} failed: ${String(error)}`);
        },
      },
      ...this.#setup,
    }).then(
      (inventory) => {
        if (!life.dead) here.inventory = inventory;
      },
      (error: unknown) => {
        if (life.dead) return;
        if (!isStorageFault(error)) this.#failure ??= new Violation(`a process does not start: ${String(error)}`);
        this.#end(here, 500);
      },
    );
  }

  #crash(member: Member): void {
    if (member.life.dead) return;
    this.#note("crash");
    const fate = this.#random.pick(["kept", "behind", "lost"] as const);
    this.#note(`derived-${fate}`);
    this.#derived[member.place] = (this.#derived[member.place] ?? new JournalledDerivedStore()).after(
      fate,
      this.#random,
    );
    this.#end(member, this.#random.between(0, 3000));
  }

  /** What it had under way may still come to the store. */
  #end(member: Member, startsAgainMs: number): void {
    member.end();
    this.#forgetLater(member);
    this.#scheduler.after(startsAgainMs, () => {
      if (this.#members[member.place] === member) this.#start(member.place);
    });
  }

  #forgetLater(member: Member): void {
    this.#scheduler.after(1000, () => {
      if (member.view.isAwaited) this.#forgetLater(member);
      else this.#requests.forget(member);
    });
  }

  #readClock(member: Member): number {
    const clock = this.#scheduler.now + this.#clockOffset;
    this.#look();
    const now = Math.max(clock, member.view.lastRecordedAt());
    // The ledger asks soon after something was asked of it, or once it has a turn, and never goes back; others ask too.
    const isLedger = this.#scheduler.isSoon;
    member.askedAt = Math.max(member.askedAt, now);
    if (isLedger) member.decidesAt = Math.max(member.decidesAt, now);
    const times = isLedger ? [member.decidesAt] : [now, Math.max(member.decidesAt, now), member.askedAt];
    for (const at of new Set([...times, member.askedAt]))
      this.#try(() => this.#requests.weigh(this.#oracle, at, member));
    return clock;
  }

  #upheave(): void {
    const random = this.#random;
    const { now } = this.#scheduler;
    const what = random.weighted(this.#mixture.upheavals);
    const member = random.pick(this.#members);
    switch (what) {
      case "crash":
        if (random.chance(0.3)) this.#losePower();
        else if (member !== undefined) this.#crash(member);
        return;
      case "restart":
        if (member?.inventory !== undefined) this.#stop(member, member.inventory);
        return;
      case "leap": {
        this.#note("leap");
        const longest = random.pick([minute, hour, 2 * day]);
        this.#scheduler.now += random.between(longest / 60, longest);
        return;
      }
      case "clock":
        // The store's, by which all of them decide.
        this.#clockOffset = random.between(-10 * minute, 10 * minute);
        this.#note("clock");
        return;
      case "partition":
        this.#note("partition");
        this.#network.partitionedUntil = now + random.between(100, 20_000);
        return;
      case "store":
        this.#note("store-out-of-reach");
        this.#outOfReachUntil = now + random.between(10, 5000);
    }
  }

  #losePower(): void {
    this.#note("store-lost-power");
    this.#look();
    this.#disk.crash(this.#random);
    this.#look();
    this.#store.restart();
  }

  #stop(member: Member, inventory: RunningInventory): void {
    this.#note("restart");
    const stopped = async () => {
      await inventory.stop();
      await member.view.close();
      if (!member.life.dead) this.#end(member, 100);
    };
    stopped().catch((error: unknown) => {
      this.#failure ??= error;
    });
  }

  // The end

  async #comeToRest(): Promise<void> {
    this.#isCalm = true;
    this.#network.isCalm = true;
    this.#clockOffset = 0;
    for (let round = 0; round < 40 && this.#network.waiting.length > 0; round += 1) {
      if (round % 8 === 7) this.#scheduler.now += 2 * day;
      await this.#pass(8500);
    }
    const { waiting } = this.#network;
    must(waiting.length === 0, () => `clients get no answer in the end: ${JSON.stringify(waiting[0])}`);
    for (let leap = 0; leap < 4; leap += 1) {
      this.#scheduler.now += 2 * day;
      await this.#pass(2 * minute + 10_000);
    }
  }
}
