/**
 * One history: a server, its disk, its clients and the network between, for so many steps of a seed. First everything
 * may go wrong and nothing may be wrong (safety); then nothing goes wrong any more, and everything must come to its end
 * (liveness).
 */
import { ColdPart } from "./cold-part.ts";
import { mustHaveConverged } from "./converged.ts";
import { Disk, unitIn } from "./disk.ts";
import { drawMixture, type FaultKind, fatesOf, type Mixture, queueFatesOf, type Upheaval } from "./faults.ts";
import { ChangeFollower } from "./follower.ts";
import { mustFold } from "./full-fold.ts";
import { Network } from "./network.ts";
import { type Answer, codesOf, factsIn, isFinal, type Operation } from "./operations.ts";
import { DeliveryOracle } from "./oracle/deliveries.ts";
import { LogOracle } from "./oracle/log.ts";
import { factsOf, QueuedFactsOracle } from "./oracle/queued-facts.ts";
import { type LoggedUnit, must, Violation } from "./oracle/shapes.ts";
import { factsQueue, QueuedFacts } from "./queued-facts.ts";
import { QueuesDisk } from "./queues.ts";
import { type Random, seededRandom } from "./random.ts";
import { ReconcilingPart } from "./reconciling-part.ts";
import { Requests } from "./requests.ts";
import { Scheduler } from "./scheduler.ts";
import { drawSetup, isStorageFault, Server, type ServerEnvironment } from "./server.ts";
import { admin, drawScale, unknownGtin } from "./shop.ts";
import { Stockroom } from "./stockroom.ts";
import { Subscribers } from "./subscribers.ts";
import { Trace } from "./trace.ts";
import { Warehouse, warehouseName, warehouseRoutes } from "./warehouse.ts";
import { Workload } from "./workload.ts";

export interface HistoryResult {
  readonly seed: number;
  readonly steps: number;
  readonly units: number;
  readonly events: number;
  /** Digest of all that happened, in its order. */
  readonly hash: string;
  readonly faults: Readonly<Record<string, number>>;
  readonly answers: Readonly<Record<string, number>>;
  readonly eventTypes: readonly string[];
  readonly failure?: { readonly step: number; readonly problem: string };
}

const start = Date.UTC(2026, 2, 1, 12);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const stepsBetweenFolds = 100;

/** What is only in some histories, as it costs more: a share of all has it, or those that are asked to. */
export const parts = ["cold", "webhooks", "queue", "reconciliation"] as const;
export type Part = (typeof parts)[number];
const share: Readonly<Record<Part, number>> = { cold: 0.07, webhooks: 0.08, queue: 0.2, reconciliation: 0.12 };

export async function runHistory(seed: number, steps: number, wanted: readonly Part[] = []): Promise<HistoryResult> {
  const world = new World(seed, wanted);
  try {
    await world.run(steps);
  } catch (error) {
    return world.result({
      step: world.step,
      problem: error instanceof Violation ? error.message : String((error as Error).stack),
    });
  }
  return world.result(undefined);
}

class World {
  step = 0;
  readonly #seed: number;
  readonly #random: Random;
  readonly #scheduler = new Scheduler(start);
  readonly #disk = new Disk({ readsOnce: true });
  readonly #requests = new Requests();
  readonly #oracle = new LogOracle(this.#requests);
  readonly #workload: Workload;
  readonly #mixture: Mixture;
  readonly #network: Network;
  readonly #environment: ServerEnvironment;
  readonly #follower: ChangeFollower | undefined;
  readonly #warehouse: Warehouse | undefined;
  readonly #deliveries: DeliveryOracle;
  readonly #subscribers: Subscribers | undefined;
  readonly #queuedOracle: QueuedFactsOracle;
  readonly #queuedFacts: QueuedFacts | undefined;
  readonly #queues: QueuesDisk;
  readonly #cold: ColdPart | undefined;
  readonly #reconciling: ReconcilingPart | undefined;
  readonly #trace = new Trace();
  readonly #faultCounts: Record<string, number> = {};
  readonly #answerCounts: Record<string, number> = {};
  #server: Server;
  #servers = 0;
  /** Lines of the disk that the oracle has seen. */
  #seen = 0;
  #clockOffset = 0;
  #isCalm = false;
  #outOfReachUntil = 0;
  #failure: unknown;

  constructor(seed: number, wanted: readonly Part[]) {
    const random = seededRandom(seed);
    this.#seed = seed;
    this.#random = random;
    this.#mixture = drawMixture(random.fork());
    this.#workload = new Workload(random.fork(), drawScale(random), this.#oracle);
    this.#follower = random.chance(0.5) ? new ChangeFollower(this.#oracle, () => this.#look()) : undefined;
    const { scheduler, mixture, disk } = { scheduler: this.#scheduler, mixture: this.#mixture, disk: this.#disk };
    const note = (kind: FaultKind) => this.#note(kind);
    const weather = { calm: () => this.#isCalm, outOfReach: () => scheduler.now < this.#outOfReachUntil };
    const others = random.fork();
    const fail = (error: unknown) => this.#fail(error);
    const look = () => this.#look();
    const glance = () => scheduler.now + this.#clockOffset;
    const has = (part: Part) => others.chance(share[part]) || wanted.includes(part);
    this.#cold = has("cold")
      ? new ColdPart({
          scheduler,
          random: others.fork(),
          disk,
          oracle: this.#oracle,
          look,
          isCalm: weather.calm,
          glance,
          note,
          fail,
        })
      : undefined;
    const isWarehouse = others.chance(0.4);
    this.#reconciling = has("reconciliation")
      ? new ReconcilingPart({
          scheduler,
          random: others.fork(),
          oracle: this.#oracle,
          look,
          isCalm: weather.calm,
          glance,
          note,
          remember: (fact) => this.#requests.remember(fact, false),
          fail,
        })
      : undefined;
    this.#warehouse =
      isWarehouse || this.#reconciling !== undefined
        ? new Warehouse({
            scheduler,
            random: others.fork(),
            oracle: this.#oracle,
            look,
            isCalm: weather.calm,
            note,
            fail,
            stockroom:
              this.#reconciling?.stockroom ??
              new Stockroom({ location: warehouseName, isAuthority: false, tells: "version" }),
            loses: () => this.#reconciling?.loses() ?? false,
          })
        : undefined;
    const { shop } = this.#workload;
    this.#queues = new QueuesDisk(glance, (queue, { body, headers = {} }, now) => {
      if (queue === factsQueue) this.#receive(body, headers, now);
    });
    this.#deliveries = new DeliveryOracle(this.#oracle);
    this.#subscribers = has("webhooks")
      ? new Subscribers({
          scheduler,
          random: others.fork(),
          oracle: this.#deliveries,
          look,
          isCalm: weather.calm,
          note,
          fail,
          skus: shop.skus,
          locations: shop.locations,
        })
      : undefined;
    this.#queuedOracle = new QueuedFactsOracle(this.#oracle, (fact) => this.#workload.flawsOf(fact));
    shop.hasQueue = has("queue");
    this.#queuedFacts = shop.hasQueue
      ? new QueuedFacts({ random: others.fork(), oracle: this.#queuedOracle, fail })
      : undefined;
    this.#environment = {
      warehouse: this.#warehouse,
      cold: this.#cold,
      reconciling: this.#reconciling,
      queues: this.#queues,
      queueFates: queueFatesOf(others.fork(), mixture, weather, note, () => this.#crashSoon()),
      queuedFacts: this.#queuedFacts,
      parts: [this.#subscribers, this.#queuedFacts].filter((part) => part !== undefined),
      random: others,
      glance,
      scheduler,
      disk,
      setup: drawSetup(random),
      fates: {
        ...fatesOf(random.fork(), mixture, weather, note, () => this.#crash()),
        ...(this.#cold && { cold: this.#cold.fates }),
      },
      clock: (server) => this.#readClock(server),
      fail,
    };
    this.#network = new Network({
      scheduler,
      random: random.fork(),
      mixture,
      note,
      handle: (operation, answered) => this.#handle(operation, answered),
    });
    this.#server = new Server("s0", this.#environment);
  }

  result(failure: { readonly step: number; readonly problem: string } | undefined): HistoryResult {
    return {
      seed: this.#seed,
      steps: this.step,
      units: this.#seen,
      events: this.#oracle.head,
      hash: this.#trace.digest(),
      faults: this.#faultCounts,
      answers: this.#answerCounts,
      eventTypes: [...this.#oracle.types],
      ...(failure !== undefined && { failure }),
    };
  }

  async run(steps: number): Promise<void> {
    const random = this.#random;
    this.#startServer();
    for (this.step = 1; this.step <= steps; this.step += 1) {
      if (random.chance(this.#mixture.upheaval)) this.#upheave(random.weighted(this.#mixture.upheavals));
      else this.#ask(this.#route() ?? this.#beside() ?? this.#workload.next(this.#scheduler.now));
      this.#subscribers?.tend(this.step);
      this.#queuedFacts?.tend();
      await this.#pass(random.chance(0.9) ? random.between(0, 30) : random.between(0, 1500));
      await this.#cold?.mustHoldAll();
      if (this.step % stepsBetweenFolds === 0) await mustFold(this.#disk, this.#oracle);
    }
    this.step = steps;
    await this.#comeToRest();
    await this.#putRight();
    await mustFold(this.#disk, this.#oracle);
    await this.#reconciling?.mustHeal(this.#server, (ms) => this.#pass(ms));
    const { state, inventory } = this.#server;
    must(state === "up" && inventory !== undefined, () => `the server is ${state}, though nothing goes wrong any more`);
    await mustHaveConverged(this.#oracle, inventory, this.#scheduler.now);
    const lacks = await this.#warehouse?.lacks(this.#oracle, inventory);
    must(lacks === undefined, () => lacks ?? "");
    this.#follower?.mustBeDone();
    await this.#mustStartTheSame();
    if (this.#server.messaging !== undefined) await this.#subscribers?.mustBeDone(this.#server.messaging);
    await this.#cold?.mustBeWhole(this.#server, (ms) => this.#pass(ms));
    this.#disk.mustBeUnchanged();
  }

  /** Lets time pass, and all that is due happen. */
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
      if (written === undefined) return; // torn: cut off at the next start
      this.#seen += 1;
      this.#tell(written.body);
      this.#try(() => {
        this.#cold?.coming(written.body, JSON.parse(written.body) as LoggedUnit);
        const unit = this.#oracle.unit(written.body, written.decidedAt);
        this.#reconciling?.follow(unit);
        if (this.#subscribers !== undefined) this.#deliveries.unit(unit, this.#oracle.head, this.#scheduler.now);
        this.#requests.weigh(this.#oracle, unit.at);
      });
    }
  }

  /** What is found inside of the product's own calls must not be caught by it. */
  #try(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
  }

  #note(kind: FaultKind): void {
    this.#faultCounts[kind] = (this.#faultCounts[kind] ?? 0) + 1;
    this.#tell(kind);
  }

  #tell(what: string): void {
    this.#trace.tell(this.#scheduler.now, what);
  }

  // Requests

  #ask(operation: Operation): void {
    const isQueued = operation.kind === "facts" && operation.isQueued === true;
    for (const fact of factsIn(operation)) this.#requests.remember(fact, isQueued);
    if (isQueued) for (const item of operation.items) this.#queuedOracle.ask(item, operation.caller.id);
    this.#network.ask(operation);
  }

  /** The queue has taken facts; a header says when they were received, if that was before. */
  #receive(body: string, headers: Readonly<Record<string, string>>, now: number): void {
    const receivedAt = headers["larder-received-at"];
    for (const fact of factsOf(body) ?? [])
      this.#requests.receive(fact, receivedAt === undefined ? now : Date.parse(receivedAt));
  }

  /** Now and then the warehouse asks for other changes than before, or for none. */
  #route(): Operation | undefined {
    if (this.#warehouse === undefined || (this.step > 3 && !this.#random.chance(0.01))) return undefined;
    const pushed = this.step > 3 && this.#random.chance(0.2) ? undefined : this.#random.pick(warehouseRoutes);
    const location = { kind: "location", id: warehouseName, priority: 9, timeZone: "UTC" } as const;
    const operation: Operation = { ...location, ...(pushed && { pushed }), caller: admin };
    return this.#reconciling?.describe(operation) ?? operation;
  }

  /** What the parts of a history have to ask instead of its workload. */
  #beside(): Operation | undefined {
    return this.#cold?.step(this.#server) ?? this.#reconciling?.step(this.#server);
  }

  #handle(operation: Operation, answered: (answer: Answer) => void): void {
    const server = this.#server;
    if (server.state !== "up" && server.state !== "stopping") {
      this.#note("refused-connection");
      return;
    }
    const attempt = this.#requests.begin(operation, server, this.#oracle.head);
    void server.handle(operation).then((answer) => {
      if (server.life.dead) return;
      this.#look();
      this.#count(operation, answer);
      this.#try(() => {
        this.#requests.judge(this.#oracle, attempt, answer, this.#workload);
        if (operation.kind === "facts" && operation.isQueued === true && isFinal(answer))
          this.#queuedFacts?.mustBeTaken(operation, answer);
      });
      answered(answer);
    });
  }

  #count({ kind }: Operation, answer: Answer): void {
    this.#tell(`${kind} ${answer.code}`);
    for (const code of codesOf(answer)) this.#answerCounts[code] = (this.#answerCounts[code] ?? 0) + 1;
  }

  #follow(server: Server): void {
    if (server.state !== "up") return;
    this.#follower?.follow(server).catch((error: unknown) => {
      if (isStorageFault(error)) this.#scheduler.after(1000, () => this.#follow(server));
      else this.#fail(error);
    });
  }

  // The server

  #startServer(): void {
    this.#servers += 1;
    const server = new Server(`s${this.#servers}`, this.#environment);
    this.#server = server;
    const followsAfterMs = this.#random.between(0, 3000);
    void server.start().then(() => {
      if (server !== this.#server) return;
      if (server.state === "down") this.#scheduler.after(500, () => this.#startAgain(server));
      else this.#scheduler.after(followsAfterMs, () => this.#follow(server));
    });
  }

  #startAgain(after: Server): void {
    if (this.#server === after && after.state === "down") this.#startServer();
  }

  /** Power fails: in the middle of whatever is going on. */
  #crash(): void {
    const server = this.#server;
    if (server.state === "down") return;
    server.end();
    this.#look();
    const { log, derived } = this.#disk.crash(this.#random);
    this.#note("crash");
    if (this.#queues.crash(this.#random) === "answers-lost") this.#note("queue-answers-forgotten");
    if (log === "torn") this.#note("torn-write");
    if (log === "part") this.#note("part-written");
    if (log === "whole") this.#note("written-unacknowledged");
    if (derived !== "kept") this.#deliveries.mayForget();
    if (derived === "behind") this.#note("derived-behind");
    if (derived === "lost") this.#note("derived-lost");
    this.#look();
    this.#requests.forget(server);
    this.#scheduler.after(this.#random.between(0, 3000), () => this.#startAgain(server));
  }

  /** Not in the middle of what else is done at this instant: no power fails between two steps of one turn. */
  #crashSoon(): void {
    const server = this.#server;
    this.#scheduler.after(0, () => {
      if (server === this.#server) this.#crash();
    });
  }

  async #stopServer(): Promise<void> {
    const server = this.#server;
    if (server.state !== "up") return;
    await server.stop();
    if (server !== this.#server) return;
    this.#look();
    this.#requests.forget(server);
    this.#startAgain(server);
  }

  #readClock(server: Server): number {
    const clock = this.#scheduler.now + this.#clockOffset;
    // Only the ledger asks for the time soon after something was asked of it: by that time it then decides.
    if (!this.#scheduler.isSoon) return clock;
    this.#look();
    server.decidesAt = Math.max(server.decidesAt, clock, this.#oracle.recordedAt);
    this.#try(() => this.#requests.weigh(this.#oracle, server.decidesAt, server));
    return clock;
  }

  #upheave(what: Upheaval): void {
    const random = this.#random;
    const { now } = this.#scheduler;
    switch (what) {
      case "crash":
        this.#crash();
        return;
      case "restart":
        if (this.#server.state === "up") this.#note("restart");
        this.#stopServer().catch((error: unknown) => this.#fail(error));
        return;
      case "leap": {
        this.#note("leap");
        const longest = random.pick([minute, hour, 2 * day]);
        this.#scheduler.now += random.between(longest / 60, longest);
        return;
      }
      case "clock": {
        const most = (this.#reconciling?.clockMinutesMax ?? 10) * minute;
        this.#clockOffset = random.between(-most, most);
        this.#note(this.#clockOffset < 0 ? "clock-back" : "clock-ahead");
        return;
      }
      case "partition":
        this.#note("partition");
        this.#network.partitionedUntil = now + random.between(100, 20_000);
        return;
      case "store":
        this.#note("store-out-of-reach");
        this.#outOfReachUntil = now + random.between(10, 5000);
    }
  }

  // The end

  /** Faults stop; whoever asked is answered; time goes on past every date. */
  async #comeToRest(): Promise<void> {
    this.#isCalm = true;
    this.#network.isCalm = true;
    this.#clockOffset = 0;
    for (let round = 0; round < 40 && this.#network.waiting.length > 0; round += 1) {
      if (round % 8 === 7) this.#scheduler.now += 2 * day;
      await this.#pass(8500);
    }
    const { waiting } = this.#network;
    must(
      waiting.length === 0,
      () =>
        `${waiting.length} clients get no answer, though nothing goes wrong any more: ${JSON.stringify(waiting[0])}`,
    );
    // Past all that may lapse, and past what has been told late, twice or to nobody.
    for (let leap = 0; leap < 4; leap += 1) {
      await this.#warehouse?.redrive();
      this.#scheduler.now += 2 * day;
      await this.#pass(2 * minute + 10_000);
    }
  }

  /** What failed is looked after: dead letters are sent again, to receivers that refuse no more, and with every item known. */
  async #putRight(): Promise<void> {
    const { messaging } = this.#server;
    if (messaging === undefined) return;
    await this.#subscribers?.mustRest(messaging);
    await this.#queuedFacts?.mustRest(messaging, false);
    await this.#finish(this.#subscribers?.mend());
    if (this.#queuedFacts === undefined) return;
    const body = { name: "came late", unit: "each", gtins: [unknownGtin] } as const;
    this.#ask({ kind: "item", sku: "late", body, caller: admin });
    await this.#pass(1000);
    for (const _time of ["first", "second"]) {
      const { size } = this.#oracle.facts;
      await this.#finish(this.#queuedFacts.redrive());
      await this.#queuedFacts.mustRest(messaging, true);
      const isEffective = _time === "second" && this.#oracle.facts.size > size;
      must(!isEffective, () => "dead letters that were sent again for the second time have an effect");
    }
  }

  /** Lets something be done that takes a while. */
  async #finish(work: Promise<unknown> | undefined): Promise<void> {
    let isDone = work === undefined;
    work?.then(
      () => {
        isDone = true;
      },
      (error: unknown) => this.#fail(error),
    );
    await this.#pass(12_000);
    must(isDone, () => "what is put right takes for ever");
  }

  /** A new server on what is durable knows what the old one knew. */
  async #mustStartTheSame(): Promise<void> {
    this.#stopServer().catch((error: unknown) => this.#fail(error));
    await this.#pass(2000);
    must(this.#server.state === "up", () => "the server does not start again");
    for (const sku of this.#oracle.bySku.keys()) this.#ask({ kind: "stock", sku, caller: admin });
    await this.#pass(1000);
    must(this.#network.waiting.length === 0, () => "a server that was started again does not answer");
  }
}
