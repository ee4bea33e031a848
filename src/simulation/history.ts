/**
 * One history: a server, its disk, its clients and the network between, for so many steps of a seed. First everything
 * may go wrong and nothing may be wrong (safety); then nothing goes wrong any more, and everything must come to its end
 * (liveness).
 */
import { createHash } from "node:crypto";
import { bodyOf, Disk } from "./disk.ts";
import { drawMixture, type FaultKind, fatesOf, type Mixture, type Upheaval } from "./faults.ts";
import { ChangeFollower } from "./follower.ts";
import { mustFold } from "./full-fold.ts";
import { type Answer, factsIn, isFinal, type Operation } from "./operations.ts";
import { answerText, answerUnseen, mustBeRightReceipt, rightAnswer } from "./oracle/judge.ts";
import { factKey, LogOracle, type OpenRequest } from "./oracle/log.ts";
import { must, type SentFact, Violation } from "./oracle/shapes.ts";
import { balanceText, type Totals } from "./oracle/stock.ts";
import { type Random, seededRandom } from "./random.ts";
import { Scheduler, settled } from "./scheduler.ts";
import { drawSetup, isStorageFault, Server, type ServerEnvironment } from "./server.ts";
import { admin, day, drawScale, hour, Workload, wrongPositions } from "./workload.ts";

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

/** A client's operation: repeated until it is answered, or its client has vanished. */
interface Pending {
  readonly operation: Operation;
  readonly hasVanished: boolean;
  isAnswered: boolean;
}

/** One arrival of a request at a server. */
interface Attempt {
  readonly operation: Operation;
  readonly server: Server;
  /** Where the log was. */
  readonly head: number;
  /** The answers that were right at some moment since. */
  readonly right: Set<string>;
  /** Whether it waits for an answer; one that got none that says something may still have its effect. */
  isWaiting: boolean;
  /** Whether the answer is plain from the request alone. */
  readonly isSettled: boolean;
}

const start = Date.UTC(2026, 2, 1, 12);
const stepsBetweenFolds = 100;

export async function runHistory(seed: number, steps: number): Promise<HistoryResult> {
  const world = new World(seed);
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
  readonly #network: Random;
  readonly #scheduler = new Scheduler(start);
  readonly #disk = new Disk();
  readonly #oracle: LogOracle;
  readonly #workload: Workload;
  readonly #mixture: Mixture;
  readonly #environment: ServerEnvironment;
  readonly #facts = new Map<string, SentFact[]>();
  readonly #attempts = new Set<Attempt>();
  readonly #pending = new Set<Pending>();
  readonly #followers: ChangeFollower[] = [];
  readonly #hasFollower: boolean;
  readonly #trace = createHash("sha256");
  readonly #faultCounts: Record<string, number> = {};
  readonly #answerCounts: Record<string, number> = {};
  #server: Server;
  #servers = 0;
  #units = 0;
  #lines = 0;
  #clockOffset = 0;
  #isCalm = false;
  #partitionedUntil = 0;
  #outOfReachUntil = 0;
  #violation: Violation | undefined;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#network = this.#random.fork();
    this.#hasFollower = this.#random.chance(0.4);
    this.#mixture = drawMixture(this.#random.fork());
    this.#oracle = new LogOracle({
      facts: (key) => this.#facts.get(key) ?? [],
      open: (actor, kind, suits) => this.#openRequest(actor, kind, suits),
    });
    this.#workload = new Workload(this.#random.fork(), drawScale(this.#random), this.#oracle);
    const weather = {
      calm: () => this.#isCalm,
      outOfReach: () => this.#scheduler.now < this.#outOfReachUntil,
    };
    this.#environment = {
      scheduler: this.#scheduler,
      disk: this.#disk,
      setup: drawSetup(this.#random),
      fates: fatesOf(
        this.#random.fork(),
        this.#mixture,
        weather,
        (kind) => this.#note(kind),
        () => this.#crash(),
      ),
      clock: (server) => this.#readClock(server),
      fail: (violation) => {
        this.#violation ??= violation;
      },
    };
    this.#server = new Server("s0", this.#environment);
  }

  result(failure: { readonly step: number; readonly problem: string } | undefined): HistoryResult {
    return {
      seed: this.#seed,
      steps: this.step,
      units: this.#units,
      events: this.#oracle.head,
      hash: this.#trace.digest("hex").slice(0, 16),
      faults: this.#faultCounts,
      answers: this.#answerCounts,
      eventTypes: [...this.#oracle.types],
      ...(failure !== undefined && { failure }),
    };
  }

  async run(steps: number): Promise<void> {
    this.#startServer();
    for (this.step = 1; this.step <= steps; this.step += 1) {
      if (this.#random.chance(this.#mixture.upheaval)) this.#upheave(this.#random.weighted(this.#mixture.upheavals));
      else this.#newOperation();
      await this.#pass(this.#random.chance(0.9) ? this.#random.between(0, 30) : this.#random.between(0, 1500));
      if (this.step % stepsBetweenFolds === 0) await this.#fold();
    }
    this.step = steps;
    await this.#comeToRest();
    await this.#fold();
    await this.#mustHaveConverged();
  }

  /** Lets time pass, and all that is due happen. */
  async #pass(ms: number): Promise<void> {
    await this.#scheduler.run(this.#scheduler.now + ms, () => this.#look());
    this.#look();
  }

  /** What became durable is held against the oracle at once. */
  #look(): void {
    if (this.#violation !== undefined) throw this.#violation;
    const { durable } = this.#disk;
    while (this.#lines < durable.length) {
      const body = bodyOf(durable[this.#lines] ?? "");
      if (body === undefined) return; // torn: cut off at the next start
      this.#lines += 1;
      this.#units += 1;
      this.#tell(body);
      const { at } = this.#oracle.unit(body);
      for (const attempt of this.#attempts) this.#weigh(attempt, at);
    }
  }

  #note(kind: FaultKind): void {
    this.#faultCounts[kind] = (this.#faultCounts[kind] ?? 0) + 1;
    this.#tell(kind);
  }

  #tell(what: string): void {
    this.#trace.update(`${this.#scheduler.now} ${what}\n`);
  }

  // The server

  #startServer(): void {
    this.#servers += 1;
    const server = new Server(`s${this.#servers}`, this.#environment);
    this.#server = server;
    this.#lines = Math.min(this.#lines, this.#disk.durable.length);
    void server.start().then(() => {
      if (server !== this.#server) return;
      if (server.state === "down") this.#scheduler.after(500, () => this.#startAgain(server));
      else this.#scheduler.after(this.#network.between(0, 3000), () => this.#follow(server));
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
    if (log === "torn") this.#note("torn-write");
    if (log === "part") this.#note("part-written");
    if (log === "whole") this.#note("written-unacknowledged");
    if (derived === "behind") this.#note("derived-behind");
    if (derived === "lost") this.#note("derived-lost");
    this.#look();
    this.#forgetAttempts(server);
    this.#scheduler.after(this.#random.between(0, 3000), () => this.#startAgain(server));
  }

  async #stopServer(): Promise<void> {
    const server = this.#server;
    if (server.state !== "up") return;
    this.#note("restart");
    await server.stop();
    if (server !== this.#server) return;
    this.#look();
    this.#forgetAttempts(server);
    this.#startAgain(server);
  }

  #forgetAttempts(server: Server): void {
    for (const attempt of this.#attempts) if (attempt.server === server) this.#attempts.delete(attempt);
  }

  #readClock(server: Server): number {
    const clock = this.#scheduler.now + this.#clockOffset;
    this.#look();
    // Only the ledger asks for the time soon after something was asked of it: by that time it then decides.
    if (!this.#scheduler.isSoon) return clock;
    server.decidesAt = Math.max(server.decidesAt, clock, this.#oracle.recordedAt);
    for (const attempt of this.#attempts) if (attempt.server === server) this.#weigh(attempt, server.decidesAt);
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
        void this.#stopServer().catch((error: unknown) =>
          this.#environment.fail(new Violation(`a stop fails: ${String(error)}`)),
        );
        return;
      case "leap":
        this.#note("leap");
        this.#scheduler.now += random.pick([
          random.between(1000, 60_000),
          random.between(60_000, hour),
          random.between(hour, 2 * day),
        ]);
        return;
      case "clock":
        this.#clockOffset = random.between(-600_000, 600_000);
        this.#note(this.#clockOffset < 0 ? "clock-back" : "clock-ahead");
        return;
      case "partition":
        this.#note("partition");
        this.#partitionedUntil = now + random.between(100, 20_000);
        return;
      case "store":
        this.#note("store-out-of-reach");
        this.#outOfReachUntil = now + random.between(10, 5000);
    }
  }

  // Clients and the network

  #newOperation(): void {
    const operation = this.#workload.next(this.#scheduler.now);
    const hasVanished = this.#network.chance(this.#mixture.vanishing);
    if (hasVanished) this.#note("client-vanished");
    for (const fact of factsIn(operation)) this.#remember(fact);
    const pending: Pending = { operation, hasVanished, isAnswered: false };
    this.#pending.add(pending);
    this.#send(pending);
  }

  #remember(fact: SentFact): void {
    const key = factKey(fact);
    const known = this.#facts.get(key);
    if (known === undefined) this.#facts.set(key, [fact]);
    else if (!known.includes(fact)) known.push(fact);
  }

  #send(pending: Pending): void {
    const { operation } = pending;
    const network = this.#network;
    const delay = () => {
      if (this.#isCalm || !network.chance(this.#mixture.delayed)) return network.between(0, 5);
      if (operation.kind === "facts" && network.chance(0.1)) {
        this.#note("request-delayed-for-hours");
        return network.between(0, 2 * day);
      }
      this.#note("request-delayed");
      return network.between(5, 5000);
    };
    if (!this.#isCalm && network.chance(this.#mixture.duplicated)) {
      this.#note("request-duplicated");
      this.#scheduler.after(delay(), () => this.#arrive(pending));
    }
    if (!this.#isCalm && network.chance(this.#mixture.lost)) this.#note("request-lost");
    else this.#scheduler.after(delay(), () => this.#arrive(pending));
    if (pending.hasVanished) {
      this.#pending.delete(pending);
      return;
    }
    this.#scheduler.after(network.between(1000, 8000), () => {
      if (!pending.isAnswered) this.#send(pending);
    });
  }

  #arrive(pending: Pending): void {
    const server = this.#server;
    if (!this.#isCalm && this.#scheduler.now < this.#partitionedUntil) return;
    if (server.state !== "up" && server.state !== "stopping") {
      this.#note("refused-connection");
      return;
    }
    const unseen = answerUnseen(pending.operation);
    const attempt: Attempt = {
      operation: pending.operation,
      server,
      head: this.#oracle.head,
      right: new Set(),
      isWaiting: true,
      isSettled: unseen !== undefined,
    };
    this.#attempts.add(attempt);
    if (unseen !== undefined) attempt.right.add(unseen);
    void server.handle(pending.operation).then((answer) => {
      if (server.life.dead) return;
      try {
        this.#answered(attempt, answer);
      } catch (error) {
        this.#environment.fail(error instanceof Violation ? error : new Violation(String((error as Error).stack)));
        return;
      }
      this.#deliver(pending, answer);
    });
  }

  #deliver(pending: Pending, answer: Answer): void {
    const network = this.#network;
    if (!this.#isCalm && (network.chance(this.#mixture.lost) || this.#scheduler.now < this.#partitionedUntil)) {
      this.#note("answer-lost");
      return;
    }
    const isDelayed = !this.#isCalm && network.chance(this.#mixture.delayed);
    if (isDelayed) this.#note("answer-delayed");
    this.#scheduler.after(isDelayed ? network.between(10, 5000) : network.between(0, 3), () => {
      if (!isFinal(answer)) return;
      pending.isAnswered = true;
      this.#pending.delete(pending);
    });
  }

  // Judging

  /** `now` is the time by which a decision goes at this moment. */
  #weigh(attempt: Attempt, now: number): void {
    if (!attempt.isWaiting || attempt.isSettled) return;
    const text = rightAnswer(this.#oracle, attempt.operation, now);
    if (text !== undefined) attempt.right.add(text);
  }

  #answered(attempt: Attempt, answer: Answer): void {
    const { operation } = attempt;
    this.#look();
    attempt.isWaiting = false;
    // Who was told that it is not known what became of it may see the effect later.
    if (isFinal(answer)) this.#attempts.delete(attempt);
    this.#answerCounts[answer.code] = (this.#answerCounts[answer.code] ?? 0) + 1;
    this.#tell(`${operation.kind} ${answer.code}`);
    must(answer.defect === undefined, () => `${operation.kind} throws ${String((answer.defect as Error)?.stack)}`);
    if (!isFinal(answer)) return;
    switch (operation.kind) {
      case "facts":
        mustBeRightReceipt(this.#oracle, operation, answer.value ?? {}, attempt.head, (item) =>
          this.#workload.flawsOf(item),
        );
        this.#workload.lastPosition = (answer.value as { readonly position: string }).position;
        this.#countRejections(answer);
        return;
      case "availability":
        this.#mustBeRead(answer, operation.minPosition);
        return;
      case "list":
      case "policy":
      case "location":
        must(answer.code === "ok", () => `${operation.kind} is refused: ${answer.code}`);
        return;
      case "item":
        must(
          answer.code === "ok" || answer.code === "gtin-in-use",
          () => `${operation.kind} is refused: ${answer.code}`,
        );
        return;
      default: {
        const text = answerText(operation, answer);
        must(
          attempt.right.has(text),
          () =>
            `${JSON.stringify(operation)} is answered by\n  ${text}\nright would be\n  ${[...attempt.right].join("\n  ") || "to change something first"}`,
        );
      }
    }
  }

  #countRejections({ value }: Answer): void {
    for (const { code } of (value as { rejected: readonly { code: string }[] }).rejected)
      this.#answerCounts[code] = (this.#answerCounts[code] ?? 0) + 1;
  }

  /** The read side shows each stock as it was after the version that it names, never one that the log does not have. */
  #mustBeRead({ code, value }: Answer, minPosition?: string): void {
    const wrong = Object.values(wrongPositions).find((position) => position.minPosition === minPosition);
    if (wrong !== undefined && code === wrong.code) return;
    must(code === "ok" && wrong === undefined, () => `availability is refused: ${code}`);
    const { items } = value as {
      items: readonly (Totals & { sku: string; location: string; version: number; known?: false })[];
    };
    for (const item of items) {
      if (item.known === false) continue;
      const stock = this.#oracle.stock(item.location, item.sku);
      const is = stock?.balances[item.version];
      must(
        is === balanceText(item),
        () =>
          `the read side shows ${item.sku} at ${item.location} in version ${item.version} as ${balanceText(item)}; it was ${is}`,
      );
      must(stock?.version === item.version, () => `the read side is behind what was acknowledged of ${item.sku}`);
    }
  }

  #openRequest(actor: string, kind: string, suits: (request: OpenRequest) => boolean): OpenRequest | undefined {
    for (const { operation } of this.#attempts) {
      if (operation.kind !== kind || operation.caller.id !== actor) continue;
      if (suits(operation as OpenRequest)) return operation as OpenRequest;
    }
    return undefined;
  }

  #follow(server: Server): void {
    if (server.state !== "up") return;
    if (!this.#hasFollower) return;
    const follower = this.#followers[0] ?? new ChangeFollower(this.#oracle, () => this.#look());
    this.#followers[0] = follower;
    void follower.follow(server).catch((error: unknown) => {
      if (isStorageFault(error)) this.#scheduler.after(1000, () => this.#follow(server));
      else this.#environment.fail(error instanceof Violation ? error : new Violation(String((error as Error).stack)));
    });
  }

  // The whole log

  async #fold(): Promise<void> {
    this.#look();
    await mustFold(this.#disk, this.#oracle);
  }

  /** Faults stop; whoever asked is answered; time goes on past every date. */
  async #comeToRest(): Promise<void> {
    this.#isCalm = true;
    this.#clockOffset = 0;
    this.#partitionedUntil = 0;
    this.#outOfReachUntil = 0;
    for (let round = 0; round < 40 && this.#pending.size > 0; round += 1) {
      if (round % 8 === 7) this.#scheduler.now += 2 * day;
      await this.#pass(8500);
    }
    must(this.#pending.size === 0, () => {
      const open = [...this.#pending].map(({ operation }) => JSON.stringify(operation)).slice(0, 3);
      return `${this.#pending.size} clients get no answer, though nothing goes wrong any more: ${open.join("; ")}`;
    });
    // Past all that may lapse, and past what has been told late, twice or to nobody.
    for (let leap = 0; leap < 4; leap += 1) {
      this.#scheduler.now += 2 * day;
      await this.#pass(130_000);
    }
  }

  async #mustHaveConverged(): Promise<void> {
    const oracle = this.#oracle;
    const { now } = this.#scheduler;
    const server = this.#server;
    must(server.state === "up", () => `the server is ${server.state}, though nothing goes wrong any more`);
    const { inventory } = server;
    if (inventory === undefined) return;
    must(inventory.problems().length === 0, () => inventory.problems().join(" "));
    for (const reservation of oracle.reservations.values())
      must(
        reservation.statusAt(now) === reservation.status,
        () => `nothing records that ${reservation.id} has expired`,
      );
    for (const stock of oracle.stocks.values()) {
      for (const [name, lot] of stock.lots)
        must(
          lot.expired || lot.cutoff === null || lot.cutoff > now,
          () => `nothing records that lot ${name} of ${stock.name} has expired`,
        );
      for (const { expiresAt } of stock.holdings.values())
        must(expiresAt === null || expiresAt > now, () => `nothing records what has lapsed of ${stock.name}`);
    }
    for (const stock of oracle.stocks.values())
      must(oracle.goesByItsPolicy(stock), () => `${stock.name} does not go by the policy that was set for it`);
    must(oracle.lastSealTo >= oracle.lastUnsealed, () => `sealed up to ${oracle.lastSealTo} of ${oracle.lastUnsealed}`);
    const skus = [...oracle.bySku.keys()];
    if (skus.length > 0)
      this.#mustBeRead({ code: "ok", value: await read(inventory.availability(skus, undefined, admin)) });
    const { items } = (await read(inventory.availability(skus, undefined, admin))) as { items: readonly object[] };
    must(
      items.length === oracle.stocks.size,
      () => `the read side knows ${items.length} of ${oracle.stocks.size} stocks`,
    );
    for (const reservation of oracle.reservations.values()) {
      const { items: found } = (await read(
        inventory.reservations({ reference: reservation.reference, limit: 10 }, admin),
      )) as { items: readonly { id: string; status: string }[] };
      must(
        found.length === 1 && found[0]?.id === reservation.id && found[0].status === reservation.status,
        () => `the list shows ${JSON.stringify(found)} for ${reservation.id}, which is ${reservation.status}`,
      );
    }
    for (const follower of this.#followers) follower.mustBeDone();
    await this.#mustStartTheSame(skus);
  }

  /** A new server on what is durable knows what the old one knew. */
  async #mustStartTheSame(skus: readonly string[]): Promise<void> {
    void this.#stopServer();
    await this.#pass(2000);
    const { inventory } = this.#server;
    must(inventory !== undefined, () => "the server does not start again");
    for (const sku of skus) this.#newStockRead(sku);
    await this.#pass(1000);
    must(this.#pending.size === 0, () => "a server that was started again does not answer");
    await settled();
  }

  #newStockRead(sku: string): void {
    const pending: Pending = {
      operation: { kind: "stock", sku, caller: admin },
      hasVanished: false,
      isAnswered: false,
    };
    this.#pending.add(pending);
    this.#arrive(pending);
  }
}

async function read(outcome: Promise<{ readonly ok: boolean; readonly value?: object }>): Promise<object> {
  const { ok, value } = await outcome;
  must(ok && value !== undefined, () => "a read of the read side is refused");
  return value;
}
