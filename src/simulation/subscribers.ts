/**
 * Those who have events sent to them: who make webhooks, change and end them, and their receivers, which refuse, answer late
 * or never, are down for a while, or want nothing any more. Each event that was chosen must reach them, or be a dead letter.
 */

import type { Credential } from "../platform/auth/index.ts";
import type { Messaging } from "../platform/messaging/index.ts";
import { type OutboundAnswer, type OutboundCall, OutboundError } from "../platform/outbound/index.ts";
import { pause } from "../platform/timers/index.ts";
import { type RunningRelay, silentObserver, startRelay } from "../services/relay/index.ts";
import type { FaultKind } from "./faults.ts";
import type { Delivering, DeliveryOracle } from "./oracle/deliveries.ts";
import { must, Violation } from "./oracle/shapes.ts";
import { isFault, type Part, type Process } from "./parts.ts";
import type { Random } from "./random.ts";
import type { Life, Scheduler } from "./scheduler.ts";

export interface SubscribersOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly oracle: DeliveryOracle;
  /** Brings the oracle up to what is durable. */
  readonly look: () => void;
  readonly isCalm: () => boolean;
  readonly note: (kind: FaultKind) => void;
  readonly fail: (error: unknown) => void;
  readonly skus: readonly string[];
  readonly locations: readonly string[];
}

const attemptsMax = 4;
const policy = { firstDelayMs: 500, delayMsMax: 20_000, attemptsMax, elapsedMsMax: 3_600_000 };
const hooksMax = 2;

const owner: Credential = { id: "ops", name: "ops", scopes: new Set(["admin"]), ownReservations: false };
const limitedOwner: Credential = {
  id: "kiosk",
  name: "kiosk",
  scopes: new Set(["sync:admin"]),
  ownReservations: false,
  locations: new Set(["leeds"]),
};

/** The relay of a process, and the process's clock. */
interface Running {
  readonly relay: RunningRelay;
  readonly life: Life;
  readonly clock: () => number;
}

/** What an address does with what it is sent. */
interface Receiver {
  readonly isBroken: boolean;
  isGone: boolean;
  downUntil: number;
}

export class Subscribers implements Part {
  readonly #options: SubscribersOptions;
  readonly #serverKey: Uint8Array;
  readonly #receivers = new Map<string, Receiver>();
  /** Positions that were told with events. */
  readonly #positions: string[] = [];
  #running: Running | undefined;
  #lastNow: number;
  /** At the very end nothing refuses any more. */
  #isMended = false;

  constructor(options: SubscribersOptions) {
    this.#options = options;
    this.#serverKey = bytes(options.random, 32);
    this.#lastNow = options.scheduler.now;
  }

  async start(process: Process) {
    const { random, fail, oracle } = this.#options;
    const { life, storage, messaging, inventory, timers, clock, commitEveryMs } = process;
    const relay = await startRelay({
      storage,
      messaging,
      inventory,
      outbound: { problemOf: () => undefined, call: (call) => this.#take(call, process) },
      policy,
      serverKey: () => this.#serverKey,
      clock,
      random: (count) => bytes(random, count),
      observer: {
        ...silentObserver,
        failed: (what, error) => {
          if (!isFault(error)) fail(new Violation(`relay: ${what}: ${String(error)}`));
        },
      },
      timers,
      commitEveryMs,
    });
    if (!life.dead) {
      oracle.settleAll();
      this.#running = { relay, life, clock };
    }
    return relay;
  }

  /** A step of those who have webhooks. */
  tend(step: number): void {
    const { scheduler, random, oracle, fail } = this.#options;
    // No step takes that long.
    if (scheduler.now - this.#lastNow > 2000) oracle.leapt(scheduler.now);
    this.#lastNow = scheduler.now;
    const running = this.#running;
    if (running === undefined || running.life.dead) return;
    if (!random.chance(step < 20 ? 0.3 : 0.03)) return;
    this.#act(running).catch((error: unknown) => {
      if (!isFault(error)) fail(error);
    });
  }

  async #act({ relay, clock }: Running): Promise<void> {
    const { random, oracle, look } = this.#options;
    look();
    const live = oracle.live();
    const [hook] = live.length === 0 ? [] : [random.pick(live)];
    if (hook === undefined || (live.length < hooksMax && random.chance(0.3))) return await this.#create(relay);
    const { id } = hook;
    const what = random.weighted({ change: 3, pause: 2, enable: 6, rotate: 2, replay: 2, remove: 1 });
    switch (what) {
      case "change": {
        const request = this.#request(hook.limitedTo);
        oracle.ask(request.url);
        if (this.#isDone(await relay.update(id, request, owner))) oracle.settle(id);
        return;
      }
      case "pause":
        this.#isDone(await relay.pause(id, owner));
        return;
      case "enable":
        this.#isDone(await relay.enable(id, owner));
        return;
      case "rotate": {
        oracle.rotate(id, clock());
        const rotated = await relay.rotateSecret(id, owner);
        look();
        if (rotated.ok) oracle.learn(id, rotated.value.secret);
        return;
      }
      case "replay": {
        const after = random.pick(this.#positions);
        if (after !== undefined) this.#isDone(await relay.replay(id, after, owner));
        return;
      }
      case "remove":
        this.#isDone(await relay.remove(id, owner));
    }
  }

  async #create(relay: RunningRelay): Promise<void> {
    const { random, oracle, look } = this.#options;
    const by = random.chance(0.2) ? limitedOwner : owner;
    const request = this.#request(by === limitedOwner ? ["leeds"] : undefined);
    oracle.ask(request.url);
    const created = await relay.create(request, by);
    look();
    // Someone else may have ended it before it was answered.
    if (this.#isDone(created) && created.ok) oracle.learn(created.value.id, created.value.secret);
  }

  /** Where it is sent, and which events; each time another address. */
  #request(limitedTo: readonly string[] | undefined) {
    const { random, skus, locations } = this.#options;
    const url = `https://receiver-${this.#receivers.size + 1}.example/hook`;
    this.#receivers.set(url, { isBroken: random.chance(0.1), isGone: false, downUntil: 0 });
    const places = limitedTo ?? locations;
    return {
      url,
      ...(random.chance(0.3) && { types: some(random, chosenTypes) }),
      ...(random.chance(0.4) && { skus: some(random, skus) }),
      ...(random.chance(0.3) && { locations: some(random, places) }),
    };
  }

  /** Someone else may have ended it meanwhile. */
  #isDone(outcome: { readonly ok: boolean; readonly rejection?: { readonly code: string } }): boolean {
    this.#options.look();
    const code = outcome.rejection?.code ?? "ok";
    must(["ok", "not-found", "version-conflict"].includes(code), () => `a webhook is not changed: ${code}`);
    return outcome.ok;
  }

  // Receivers

  async #take(call: OutboundCall, { life, timers, clock }: Process): Promise<OutboundAnswer> {
    const { scheduler, random, oracle, look, fail, note } = this.#options;
    look();
    let delivering: Delivering;
    try {
      delivering = oracle.attempt(call, clock(), scheduler.now);
    } catch (error) {
      fail(error);
      return answer(500);
    }
    const receiver = this.#receivers.get(call.url);
    const { fate, ms, status } = this.#fate(receiver);
    if (fate !== "taken") note(fate);
    this.#remember(call.body ?? "");
    const signal = call.signal ?? new AbortController().signal;
    if (fate === "taken" || fate === "delivery-unanswered" || fate === "delivery-slow") {
      if (ms < answerMsMax && ms > 0) await pause(ms, signal, timers);
      if (!signal.aborted) oracle.held(delivering);
    }
    if (fate === "delivery-late") {
      // It arrives all the same, after whoever sent it has given up.
      scheduler.after(answerMsMax + random.between(0, 5000), () => oracle.held(delivering));
    }
    if (status === undefined) await pause(answerMsMax, signal, timers);
    if (life.dead) return await new Promise<never>(() => {});
    if (signal.aborted) throw new OutboundError("aborted");
    if (status === undefined) throw new OutboundError("timeout");
    oracle.answered(delivering, status, clock());
    return answer(status);
  }

  #fate(receiver: Receiver | undefined): { fate: FaultKind | "taken"; ms: number; status: number | undefined } {
    const { scheduler, random, isCalm } = this.#options;
    const { now } = scheduler;
    const refused = random.pick([500, 503, 429, 302, 404]);
    if (this.#isMended || receiver === undefined) return { fate: "taken", ms: 0, status: 204 };
    if (receiver.isGone) return { fate: "delivery-gone", ms: 0, status: 410 };
    if (receiver.isBroken) return { fate: "delivery-refused", ms: 0, status: refused };
    if (isCalm()) return { fate: "taken", ms: 0, status: 204 };
    if (random.chance(0.003)) receiver.isGone = true;
    if (random.chance(0.02)) receiver.downUntil = now + random.between(1000, 120_000);
    if (now < receiver.downUntil) return { fate: "delivery-refused", ms: 0, status: refused };
    const fate = random.weighted(fates);
    switch (fate) {
      case "taken":
        return { fate, ms: random.chance(0.7) ? 0 : random.between(1, 300), status: random.pick([200, 202, 204]) };
      case "delivery-slow":
        return { fate, ms: random.between(1000, answerMsMax - 1), status: 200 };
      case "delivery-refused":
        return { fate, ms: 0, status: refused };
      default:
        return { fate, ms: 0, status: undefined };
    }
  }

  #remember(body: string): void {
    const { position } = JSON.parse(body) as { readonly position: string };
    if (this.#positions.length >= 40) this.#positions.shift();
    this.#positions.push(position);
  }

  // The end

  /** Once nothing else goes wrong: what was not delivered is a dead letter, waits behind one, or nobody wants it. */
  async mustRest(messaging: Messaging): Promise<void> {
    const { oracle, look } = this.#options;
    look();
    for (const hook of oracle.live()) {
      const { id, status, owed } = hook;
      const dead = status === "active" ? await deadOf(messaging, id) : [];
      const blocked = new Set(dead.map(({ seq }) => oracle.keyOf(seq)));
      for (const { event } of status === "active" ? owed.values() : [])
        must(blocked.has(event.key), () => `${id} has not got event ${event.seq}, and no dead letter says why`);
      for (const { seq, cause, attempts } of dead) {
        const isTried =
          cause.startsWith(`given up after ${attempts} attempts`) &&
          (attempts >= attemptsMax || cause.includes("no more time"));
        must(isTried, () => `event ${seq} is given up for ${id} after ${attempts} attempts: ${cause}`);
      }
      const isGone = status === "active" && this.#receivers.get(hook.url)?.isGone === true && hook.goneAt !== undefined;
      must(!isGone, () => `${id} goes on after a 410`);
    }
  }

  /** Whoever looks after them sets all to work again, and receivers refuse no more. */
  async mend(): Promise<void> {
    this.#isMended = true;
    for (const { id } of this.#options.oracle.live()) await this.#running?.relay.enable(id, owner);
  }

  /** In the end each has all that it chose, and nothing is left of those that are no more. */
  async mustBeDone(messaging: Messaging): Promise<void> {
    const { oracle, look } = this.#options;
    look();
    const live = oracle.live();
    for (const { id, owed } of live) {
      const [seq] = owed.keys();
      must(seq === undefined, () => `the webhook ${id} never gets event ${seq}`);
      const outcome = await this.#running?.relay.read(id, owner);
      must(outcome?.ok === true, () => `the webhook ${id} can't be read`);
      const { status, waiting, deadLetters, failingSince } = outcome.value;
      const shown = JSON.stringify([status, waiting, deadLetters, failingSince]);
      must(shown === '["active",0,0,null]', () => `the webhook ${id}, which has got all, is shown as ${shown}`);
    }
    const queues = (await messaging.queues()).filter((queue) => queue.startsWith("webhook-"));
    must(queues.length === live.length, () => `${live.length} webhooks have the queues ${queues.join(", ")}`);
  }
}

/** Milliseconds after which the server no longer waits for an answer. */
const answerMsMax = 30_000;

const fates = {
  taken: 80,
  "delivery-refused": 8,
  "delivery-slow": 3,
  "delivery-lost": 3,
  "delivery-unanswered": 3,
  "delivery-late": 3,
} as const;

const chosenTypes = [
  "larder.stock.received.v1",
  "larder.stock.sold.v1",
  "larder.order.completed.v1",
  "larder.reservation.status-changed.v1",
  "larder.reservation.reserved.v1",
  "larder.stock.low.v1",
  "larder.stock.out.v1",
  "larder.policy.set.v1",
  "larder.transfer.dispatched.v1",
];

function some(random: Random, of: readonly string[]): string[] {
  const chosen = of.filter(() => random.chance(0.5));
  return chosen.length > 0 ? chosen : of.slice(0, 1);
}

function answer(status: number): OutboundAnswer {
  return { status, headers: {}, body: Buffer.alloc(0), isCut: false, tookMs: 0 };
}

function bytes(random: Random, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => random.between(0, 255));
}

async function deadOf(messaging: Messaging, id: string) {
  const queue = `webhook-${id}`;
  if (!(await messaging.queues()).includes(queue)) return [];
  const { items } = await messaging.deadLetters.list({ queue, order: "oldest-first", limit: 500 });
  const read = await Promise.all(items.map((item) => messaging.deadLetters.read(item.id)));
  return read.flatMap((letter) => {
    if (letter === undefined) return [];
    const event = letter.headers["event"] ?? "";
    return [{ seq: Number(event.slice(event.lastIndexOf("-") + 1)), cause: letter.cause, attempts: letter.attempts }];
  });
}
