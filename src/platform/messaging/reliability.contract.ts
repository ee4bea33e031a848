/** What a queue's users rely on, told by a shop that handles its messages: the same for every engine. */
import { expect } from "vitest";
import type { Delivery, Messaging, OutgoingMessage } from "./port.ts";
import { decideRetry } from "./retry.ts";
import { message, numbers, queueOf, type VirtualTime } from "./samples.ts";

export const timesMax = 5;
const leaseMs = 1000;
const policy = { firstDelayMs: 200, delayMsMax: 2000, attemptsMax: 8, elapsedMsMax: 3_600_000 };

/** Each of `count` messages is sent and delivered 1 to `timesMax` times, 1 % of them poison. */
export async function expectReliable(messaging: Messaging, time: VirtualTime, count: number): Promise<void> {
  const random = seeded(20_261_121);
  await messaging.declareQueue(queueOf("q", { deduplicationMs: 3_600_000, attemptsMax: 20 }));
  const shop = new Shop(messaging, time, random);
  const ids = numbers(count);
  const poison = ids.filter(isPoison).map(nameOf).sort();
  const behindPoison = ids.filter((n) => isPoison(n - 1)).map(nameOf);

  for (let from = 0; from < count; from += 500) {
    const batch = ids.slice(from, from + 500).flatMap((n) => numbers(timesOf(n)).map(() => asMessage(n)));
    // Each is sent several times, but the first time in its turn, so that the order of a key is known.
    for (let at = 0; at < batch.length; at += 1000) await messaging.send("q", batch.slice(at, at + 1000));
    await messaging.send("q", ids.slice(Math.max(0, from - 300), from).map(asMessage));
    await shop.work();
  }
  await shop.workUntilQuiet();

  expect((await deadLetters(messaging)).map(({ messageId }) => messageId).sort()).toEqual(poison);
  expect(shop.effects.size).toBe(count - poison.length - behindPoison.length);
  expect(await messaging.depth("q")).toMatchObject({ waiting: behindPoison.length, deadLetters: poison.length });

  shop.isFixed = true;
  const before = await deadLetters(messaging);
  expect(await messaging.deadLetters.redriveQueue("q")).toBe(poison.length);
  expect(await messaging.deadLetters.redriveQueue("q")).toBe(0);
  await shop.workUntilQuiet();
  expect(await messaging.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });
  for (const { id } of before) expect(await messaging.deadLetters.redrive(id)).toBe("ended-before");
  expect(await messaging.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });

  expect([...shop.effects].sort()).toEqual(ids.map(nameOf).sort());
  expect(shop.outOfOrder).toEqual([]);
  expect(shop.deliveries).toBeGreaterThan(count * 2);
  expect(shop.lateAnswers).toEqual({ asked: expect.any(Number), accepted: 0, written: 0 });
  expect(shop.lateAnswers.asked).toBeGreaterThan(count);
}

/** What handles the messages: its effects are kept by their ids, and written under the fence of the token. */
class Shop {
  readonly effects = new Set<string>();
  readonly outOfOrder: string[] = [];
  readonly lateAnswers = { asked: 0, accepted: 0, written: 0 };
  deliveries = 0;
  isFixed = false;
  readonly #messaging: Messaging;
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #fences = new Map<string, string>();
  readonly #lastOfKey = new Map<string, number>();
  readonly #forgotten = new Map<string, number>();
  #slow: Delivery[] = [];

  constructor(messaging: Messaging, time: VirtualTime, random: () => number) {
    this.#messaging = messaging;
    this.#time = time;
    this.#random = random;
  }

  async workUntilQuiet(): Promise<void> {
    for (let quiet = 0; quiet < 5; ) quiet = (await this.work()) === 0 ? quiet + 1 : 0;
  }

  /** Handles all that is due, and lets the leases of what it forgot to answer run out. */
  async work(): Promise<number> {
    let handled = 0;
    const slow = this.#slow;
    this.#slow = [];
    for (;;) {
      const found = await this.#messaging.receive("q", { max: 100, leaseMs });
      if (found.length === 0) break;
      handled += found.length;
      await Promise.all(found.map((one) => this.#handle(one)));
    }
    await Promise.all(slow.map((one) => this.#answerLate(one)));
    this.#time.pass(leaseMs);
    return handled;
  }

  async #handle(delivery: Delivery): Promise<void> {
    this.deliveries += 1;
    const n = Number(delivery.id.slice(1));
    if (isPoison(n) && !this.isFixed) {
      const decision = decideRetry(policy, delivery, this.#time.clock(), this.#random);
      const cause = "no such sku";
      if (decision.action === "give-up") expect(await this.#messaging.deadLetter(delivery, cause)).toBe(true);
      else expect(await this.#messaging.retry(delivery, decision.delayMs, cause)).toBe(true);
      return;
    }
    this.#write(delivery);
    const forgotten = this.#forgotten.get(delivery.id) ?? 0;
    if (forgotten < timesOf(n) - 1) {
      this.#forgotten.set(delivery.id, forgotten + 1);
      this.#slow.push(delivery);
      return;
    }
    expect(await this.#messaging.acknowledge(delivery)).toBe(true);
  }

  /** A handler that comes to itself after another one has had the message. */
  async #answerLate(delivery: Delivery): Promise<void> {
    this.lateAnswers.asked += 1;
    if (await this.#messaging.acknowledge(delivery)) this.lateAnswers.accepted += 1;
    if (this.#write(delivery)) this.lateAnswers.written += 1;
  }

  /** Whether it was let in. The effect is by the message's id, so that it is made once. */
  #write({ id, key = id, token }: Delivery): boolean {
    if ((this.#fences.get(key) ?? "") > token) return false;
    this.#fences.set(key, token);
    if (this.effects.has(id)) return true;
    this.effects.add(id);
    const n = Number(id.slice(1));
    if ((this.#lastOfKey.get(key) ?? 0) > n) this.outOfOrder.push(id);
    this.#lastOfKey.set(key, n);
    return true;
  }
}

function isPoison(n: number): boolean {
  return n % 100 === 50;
}

/** How often a message is sent, and delivered. */
function timesOf(n: number): number {
  return 1 + ((n * 7919) % timesMax);
}

function nameOf(n: number): string {
  return `m${n}`;
}

/** A tenth is in no order, a poison message has one behind it, and the others are of 200 keys. */
function asMessage(n: number): OutgoingMessage {
  if (isPoison(n) || isPoison(n - 1)) return message(nameOf(n), { key: `poison ${Math.floor(n / 100)}` });
  return message(nameOf(n), n % 10 === 0 ? {} : { key: `sku ${n % 200}` });
}

async function deadLetters(messaging: Messaging) {
  return (await messaging.deadLetters.list({ queue: "q", order: "oldest-first", limit: 1000 })).items;
}

/** A generator of numbers from 0 up to 1 (mulberry32), so that every run is the same. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
