/** The port said once more, as simply as can be: lists of what was sent and what became of it. Shares no code with engines. */
import fc from "fast-check";
import { expect } from "vitest";
import type { MessagingUnderTest } from "./messaging.contract.ts";
import type { Delivery, Messaging, OutgoingMessage } from "./port.ts";
import { message, numbers, queueOf } from "./samples.ts";

const attemptsMax = 4;
const leaseMs = 1000;

type Step =
  | { readonly do: "send"; readonly ids: readonly number[]; readonly delayMs: number }
  | { readonly do: "sendDead"; readonly id: number }
  | { readonly do: "receive"; readonly max: number }
  | {
      readonly do: "answer";
      readonly which: number;
      readonly with: "acknowledge" | "retry" | "release" | "deadLetter" | "freeKey" | "extend";
    }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "redrive" | "discard"; readonly which: number }
  | { readonly do: "redriveQueue" | "crash" };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      ids: fc.array(fc.nat(40), { minLength: 1, maxLength: 6 }),
      delayMs: fc.constantFrom(0, 0, 0, 300),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sendDead" as const), id: fc.nat(40) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("receive" as const), max: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("answer" as const),
      which: fc.nat(1000),
      with: fc.constantFrom(
        "acknowledge",
        "acknowledge",
        "retry",
        "retry",
        "release",
        "deadLetter",
        "freeKey",
        "extend",
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 299, 500, 1000) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("redrive" as const, "discard" as const), which: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("redriveQueue" as const, "crash" as const) }) },
);

export async function modelProperty(open: () => Promise<MessagingUnderTest>, canCrash: boolean): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 20, maxLength: 120, size: "max" }), async (history) => {
      const engine = await open();
      try {
        await new Comparison(engine, canCrash).run(history);
      } finally {
        await engine.remove();
      }
    }),
    // A failure is made smaller for at most a minute.
    { numRuns: 25, interruptAfterTimeLimit: 60_000 },
  );
}

interface Known {
  readonly id: string;
  /** Undefined: in no order. */
  key: string | undefined;
  state: "waiting" | "leased" | "dead" | "acknowledged" | "discarded";
  /** When it may be given out, or its lease ends. */
  due: number;
  attempts: number;
  delivery: Delivery | undefined;
}

class Comparison {
  readonly #engine: MessagingUnderTest;
  readonly #canCrash: boolean;
  #messaging: Messaging;
  /** All that was ever sent, in order. */
  readonly #sent: Known[] = [];
  /** All that was ever given out. */
  readonly #given: Delivery[] = [];
  readonly #ended: string[] = [];
  /** The model's own time: milliseconds since the beginning. */
  #now = 0;

  constructor(engine: MessagingUnderTest, canCrash: boolean) {
    this.#engine = engine;
    this.#canCrash = canCrash;
    this.#messaging = engine.messaging;
  }

  async run(history: readonly Step[]): Promise<void> {
    await this.#messaging.declareQueue(queueOf("q", { attemptsMax, deduplicationMs: 3_600_000 }));
    for (const step of history) {
      await this.#take(step);
      await this.#compareDepth();
    }
    await this.#drain();
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case "send":
        return this.#send(step.ids, step.delayMs);
      case "sendDead":
        return this.#sendDead(step.id);
      case "receive":
        await this.#receive(step.max);
        return;
      case "answer":
        return this.#answer(step.which, step.with);
      case "pass":
        return this.#pass(step.ms);
      case "redrive":
      case "discard":
        return this.#endDeadLetter(step.do, step.which);
      case "redriveQueue": {
        const dead = this.#in("dead");
        expect(await this.#messaging.deadLetters.redriveQueue("q")).toBe(dead.length);
        for (const one of dead) this.#revive(one);
        return;
      }
      case "crash":
        return this.#crash();
    }
  }

  async #crash(): Promise<void> {
    if (!this.#canCrash) return;
    this.#messaging = await this.#engine.reopen();
    if (!this.#engine.releasesLeases) return;
    for (const one of this.#in("leased")) one.due = Math.min(one.due, this.#now);
  }

  async #send(ids: readonly number[], delayMs: number): Promise<void> {
    const messages = ids.map((n) => messageOf(n, delayMs));
    await this.#messaging.send("q", messages);
    for (const { id, key } of messages) this.#learn(id, key, "waiting", this.#now + delayMs);
  }

  async #sendDead(n: number): Promise<void> {
    const { id, key } = messageOf(n, 0);
    await this.#messaging.sendDead("q", messageOf(n, 0), { cause: "given up elsewhere", attempts: 3 });
    this.#learn(id, key, "dead", this.#now);
  }

  #learn(id: string, key: string | undefined, state: Known["state"], due: number): void {
    if (this.#sent.some((known) => known.id === id)) return;
    this.#sent.push({ id, key, state, due, attempts: 0, delivery: undefined });
  }

  async #receive(max: number): Promise<readonly Delivery[]> {
    // Those that have had all their attempts become dead letters by being looked for; which ones are looked at when
    // there are more than `max` is the engine's affair, so the model asks what happened and judges it.
    const due = this.#due();
    const found = await this.#messaging.receive("q", { max, leaseMs });
    const deadNow = new Set((await this.#deadLetters()).map(({ messageId }) => messageId));
    for (const one of due) {
      if (!deadNow.has(one.id)) continue;
      expect(one.attempts, `${one.id} died of its attempts`).toBe(attemptsMax);
      one.state = "dead";
    }
    const receivable = due.filter(({ state, attempts }) => state !== "dead" && attempts < attemptsMax);
    expect(found.length).toBe(Math.min(max, receivable.length));
    const oldest = [...receivable].sort((a, b) => a.due - b.due).slice(0, max);
    expect(found.map(({ id }) => this.#get(id).due)).toEqual(oldest.map((one) => one.due));
    for (const delivery of found) {
      const one = this.#get(delivery.id);
      expect(receivable, `${one.id} was shown out of turn`).toContain(one);
      one.attempts += 1;
      expect(delivery).toMatchObject({ attempts: one.attempts, body: `body of ${one.id}`, queue: "q" });
      const earlier = this.#given.filter(({ id }) => id === one.id || (one.key && this.#get(id).key === one.key));
      for (const { token } of earlier) expect(delivery.token > token).toBe(true);
      this.#given.push(delivery);
      Object.assign(one, { state: "leased", due: this.#now + leaseMs, delivery });
    }
    return found;
  }

  async #answer(which: number, how: Extract<Step, { do: "answer" }>["with"]): Promise<void> {
    const delivery = this.#given[this.#given.length - 1 - (which % Math.max(1, Math.min(12, this.#given.length)))];
    if (delivery === undefined) return;
    const one = this.#get(delivery.id);
    const holds = one.state === "leased" && one.delivery === delivery && one.due > this.#now;
    expect(await this.#messaging.isCurrent(delivery)).toBe(holds);
    const answers = {
      acknowledge: () => this.#messaging.acknowledge(delivery),
      retry: () => this.#messaging.retry(delivery, 300, "busy"),
      release: () => this.#messaging.release(delivery),
      deadLetter: () => this.#messaging.deadLetter(delivery, "broken"),
      freeKey: () => this.#messaging.deadLetter(delivery, "broken", { freesKey: true }),
      extend: () => this.#messaging.extend(delivery, 700),
    };
    expect(await answers[how]()).toBe(holds);
    if (!holds) return;
    if (how === "extend") one.due = this.#now + 700;
    else if (how === "acknowledge") one.state = "acknowledged";
    else if (how === "release") Object.assign(one, { state: "waiting", due: this.#now, attempts: one.attempts - 1 });
    else if (how === "freeKey") Object.assign(one, { state: "dead", key: undefined });
    else if (how === "deadLetter" || one.attempts >= attemptsMax) one.state = "dead";
    else Object.assign(one, { state: "waiting", due: this.#now + 300 });
  }

  async #pass(ms: number): Promise<void> {
    await this.#engine.pass(ms);
    this.#now += ms;
  }

  async #endDeadLetter(how: "redrive" | "discard", which: number): Promise<void> {
    const { deadLetters } = this.#messaging;
    const dead = await this.#deadLetters();
    const chosen = dead[which % Math.max(1, dead.length)];
    if (chosen === undefined) return;
    const end = () => (how === "redrive" ? deadLetters.redrive(chosen.id) : deadLetters.discard(chosen.id, "no use"));
    expect(await end()).toBe("done");
    expect(await end()).toBe("ended-before");
    for (const id of this.#ended) expect(await deadLetters.redrive(id)).toBe("ended-before");
    this.#ended.push(chosen.id);
    const one = this.#get(chosen.messageId);
    if (how === "redrive") this.#revive(one);
    else one.state = "discarded";
  }

  async #compareDepth(): Promise<void> {
    const dead = this.#in("dead");
    const { waiting, deadLetters } = await this.#messaging.depth("q");
    expect({ waiting, deadLetters }).toEqual({
      waiting: this.#in("waiting").length + this.#in("leased").length,
      deadLetters: dead.length,
    });
    const listed = (await this.#deadLetters()).map(({ messageId }) => messageId);
    expect(listed.sort()).toEqual(dead.map(({ id }) => id).sort());
  }

  /** Handles what is left: then each message has ended once, and those of a key in their order. */
  async #drain(): Promise<void> {
    await this.#messaging.deadLetters.redriveQueue("q");
    for (const one of this.#in("dead")) this.#revive(one);
    const order: string[] = [];
    for (const _ of numbers(200)) {
      if (this.#in("waiting").length + this.#in("leased").length + this.#in("dead").length === 0) break;
      for (const delivery of await this.#receive(5)) {
        expect(await this.#messaging.acknowledge(delivery)).toBe(true);
        const one = this.#get(delivery.id);
        one.state = "acknowledged";
        order.push(one.id);
      }
      await this.#messaging.deadLetters.redriveQueue("q");
      for (const one of this.#in("dead")) this.#revive(one);
      await this.#pass(500);
    }
    expect(this.#sent.filter(({ state }) => state !== "acknowledged" && state !== "discarded")).toEqual([]);
    expect(await this.#messaging.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });
    expect(new Set(order).size).toBe(order.length);
    for (const key of keys) {
      const ids = (list: readonly string[]) => list.filter((id) => this.#get(id).key === key);
      const sentOrder = this.#sent.map(({ id }) => id).filter((id) => order.includes(id));
      expect(ids(order)).toEqual(ids(sentOrder));
    }
  }

  /** What may be given out now: without a key, or the first of its key that has not ended. */
  #due(): Known[] {
    return this.#sent.filter((one, index) => {
      if (one.state !== "waiting" && one.state !== "leased") return false;
      const isBlocked = this.#sent
        .slice(0, index)
        .some(({ key, state }) => key === one.key && state !== "acknowledged" && state !== "discarded");
      return one.due <= this.#now && !(one.key !== undefined && isBlocked);
    });
  }

  async #deadLetters() {
    return [...(await this.#messaging.deadLetters.list({ queue: "q", order: "oldest-first", limit: 1000 })).items];
  }

  #in(state: Known["state"]): Known[] {
    return this.#sent.filter((one) => one.state === state);
  }

  #get(id: string): Known {
    const found = this.#sent.find((one) => one.id === id);
    if (found === undefined) throw new Error(`${id} was given, but never sent`);
    return found;
  }

  #revive(one: Known): void {
    Object.assign(one, { state: "waiting", due: this.#now, attempts: 0, delivery: undefined });
  }
}

const keys = ["a", "b", "c"];

function messageOf(n: number, delayMs: number): OutgoingMessage {
  const key = keyOf(n);
  return message(`m${n}`, { delayMs, ...(key !== undefined && { key }) });
}

function keyOf(n: number): string | undefined {
  return n % 4 === 3 ? undefined : keys[n % 4];
}
