import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvariantError, limits } from "../../kernel/index.ts";
import { modelProperty } from "./messaging.model.ts";
import type { Delivery, Messaging, ReceiveOptions } from "./port.ts";
import { message, numbers, queueOf } from "./samples.ts";

/** An engine as the contract sees it. */
export interface MessagingUnderTest {
  readonly messaging: Messaging;
  /** Lets time pass: by its clock where that is an argument, else by waiting. */
  pass(ms: number): Promise<void>;
  /** Ends it as a crash does and opens what it kept. */
  reopen(): Promise<Messaging>;
  /** Whether the messages that were leased are due as soon as it is opened again, and not when their leases run out. */
  readonly releasesLeases?: boolean;
  /** Lets the next send fail so that nothing is sent. */
  failNextWrite(): void;
  /** Lets the next send be made and its answer be lost. */
  loseNextAnswer(): void;
  /** Closes it and removes what it kept. */
  remove(): Promise<void>;
}

/** What an engine may be excused from, each with the reason; its own tests say what happens instead. */
export interface MessagingSkips {
  readonly reopen?: string;
  readonly failNextWrite?: string;
  readonly loseNextAnswer?: string;
  /** Ids are known for as long as a queue asks (SQS: 5 minutes, and only with a key). */
  readonly longDeduplication?: string;
  /** A message can be delayed when it is sent (not by itself in an SQS FIFO queue). */
  readonly delayedSend?: string;
  /** A lease that ran out is refused also while nobody else has the message (JetStream, SQS take it). */
  readonly refusesRunOutLeases?: string;
  /** A queue refuses what is beyond its depth (SQS takes any number). */
  readonly backPressure?: string;
  /** A receive gives all that is due, up to its limit: what the model relies on. */
  readonly model?: string;
}

/** What every engine promises (port.ts), as tests. `open` opens one without queues. */
export function messagingContract(
  name: string,
  open: () => Promise<MessagingUnderTest>,
  skip: MessagingSkips = {},
): void {
  const unless = (reason: string | undefined) => (reason === undefined ? it : it.skip);

  describe(`the messaging contract: ${name}`, () => {
    let engine: MessagingUnderTest;
    let messaging: Messaging;
    beforeEach(async () => {
      engine = await open();
      messaging = engine.messaging;
      await messaging.declareQueue(queueOf("q"));
    });
    afterEach(() => engine.remove());

    const send = (...ids: string[]) => messaging.send("q", ids.map(keyed));
    const receive = (options: Partial<ReceiveOptions> = {}, queue = "q") =>
      messaging.receive(queue, { max: 10, leaseMs: 1000, ...options });
    /** The one message that is due. */
    const receiveOne = async (options: Partial<ReceiveOptions> = {}): Promise<Delivery> => {
      const [found, ...more] = await receive(options);
      expect(more).toEqual([]);
      if (found === undefined) throw new Error("nothing was due");
      return found;
    };
    const idsOf = (found: readonly { readonly id: string }[]) => found.map(({ id }) => id);
    const deadIds = async (queue?: string) => {
      const page = await messaging.deadLetters.list({ ...(queue && { queue }), order: "oldest-first", limit: 100 });
      return page.items.map(({ messageId }) => messageId);
    };
    const killOne = async (cause = "broken"): Promise<string> => {
      expect(await messaging.deadLetter(await receiveOne(), cause)).toBe(true);
      const newest = await messaging.deadLetters.list({ order: "newest-first", limit: 1 });
      return newest.items[0]?.id ?? "";
    };

    describe("queues", () => {
      it("are declared before they are used, and may be declared again", async () => {
        await messaging.declareQueue(queueOf("other"));
        await messaging.declareQueue(queueOf("other"));
        expect([...(await messaging.queues())].sort()).toEqual(["other", "q"]);
        await expect(messaging.send("unheard of", [message("a")])).rejects.toThrow(InvariantError);
        await expect(receive({}, "unheard of")).rejects.toThrow(InvariantError);
        await expect(messaging.subscribe("t", "unheard of")).rejects.toThrow(InvariantError);
        await expect(messaging.depth("unheard of")).rejects.toThrow(InvariantError);
        expect(await deadIds("unheard of")).toEqual([]);
      });

      it("keep what they hold apart", async () => {
        await messaging.declareQueue(queueOf("other"));
        await messaging.send("q", [message("a")]);
        await messaging.send("other", [message("a", { body: "another" })]);
        expect((await receive({}, "other")).map(({ body }) => body)).toEqual(["another"]);
        expect((await receive()).map(({ body }) => body)).toEqual(["body of a"]);
      });

      it("take other settings without losing anything", async () => {
        await send("a1", "a2");
        await messaging.declareQueue(queueOf("q", { attemptsMax: 1 }));
        await messaging.retry(await receiveOne(), 0, "once is enough");
        expect(await deadIds()).toEqual(["a1"]);
        expect((await messaging.depth("q")).waiting).toBe(1);
      });
    });

    describe("a queue that is removed", () => {
      const removed = "a removed one";
      beforeEach(async () => {
        await messaging.declareQueue(queueOf(removed));
        await messaging.subscribe("t", removed);
        await messaging.send(removed, ["a1", "a2", "b1", "c1"].map(keyed));
        const [a1, b1] = (await receive({ max: 2 }, removed)) as [Delivery, Delivery];
        await messaging.deadLetter(a1, "broken");
        await messaging.retry(b1, 500, "busy");
        await send("a1", "z1");
      });

      it("takes with it what it held, and nothing of others", async () => {
        const [dead] = (await messaging.deadLetters.list({ order: "oldest-first", limit: 1 })).items;
        await messaging.removeQueue(removed);
        await messaging.removeQueue(removed);
        expect(await messaging.queues()).toEqual(["q"]);
        await expect(messaging.send(removed, [message("x")])).rejects.toThrow(InvariantError);
        await messaging.publish("t", [message("x")]);
        expect(await deadIds()).toEqual([]);
        expect(await messaging.deadLetters.redrive(dead?.id ?? "")).toBe("unknown");
        expect(idsOf(await receive()).sort()).toEqual(["a1", "z1"]);
      });

      it("begins empty when it is declared again, and knows no id of before", async () => {
        await messaging.removeQueue(removed);
        await messaging.declareQueue(queueOf(removed));
        expect(await messaging.depth(removed)).toEqual({ waiting: 0, deadLetters: 0 });
        await messaging.publish("t", [message("x")]);
        await messaging.send(removed, ["a1", "c1"].map(keyed));
        expect(idsOf(await receive({}, removed)).sort()).toEqual(["a1", "c1"]);
      });

      it("leaves its place to others without mixing anything up", async () => {
        await messaging.declareQueue(queueOf("last"));
        await messaging.send("last", [keyed("a1")]);
        await messaging.removeQueue(removed);
        await messaging.declareQueue(queueOf("next"));
        await messaging.send("next", [message("a1", { body: "of the next" })]);
        await messaging.declareQueue(queueOf(removed));
        expect((await receive({}, "next")).map(({ body }) => body)).toEqual(["of the next"]);
        expect((await receive({}, "last")).map(({ body }) => body)).toEqual(["body of a1"]);
        expect(await receive({}, removed)).toEqual([]);
        expect(idsOf(await receive()).sort()).toEqual(["a1", "z1"]);
      });

      unless(skip.reopen)("is gone for good", async () => {
        await messaging.removeQueue(removed);
        messaging = await engine.reopen();
        expect(await messaging.queues()).toEqual(["q"]);
        await messaging.declareQueue(queueOf(removed));
        expect(await messaging.depth(removed)).toEqual({ waiting: 0, deadLetters: 0 });
        expect((await messaging.depth("q")).waiting).toBe(2);
      });

      it("lets go who waits for its messages", async () => {
        await messaging.removeQueue(removed);
        await messaging.declareQueue(queueOf(removed));
        const waiting = receive({ waitMs: 60_000 }, removed);
        const failure = expect(waiting).rejects.toThrow(InvariantError);
        await settled();
        await messaging.removeQueue(removed);
        await failure;
      });
    });

    describe("send and receive", () => {
      it("give back what was sent, whole", async () => {
        const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-é": "ü 🥛" };
        await messaging.send("q", [{ id: "id 🥛", key: "leeds/milk", body: '{"a":"\u2028 é 🥛"}', headers }]);
        const found = await receiveOne();
        expect(found).toEqual({
          queue: "q",
          id: "id 🥛",
          key: "leeds/milk",
          token: expect.any(String),
          body: '{"a":"\u2028 é 🥛"}',
          headers,
          attempts: 1,
          sentAt: expect.any(Number),
          firstAttemptAt: expect.any(Number),
          leasedUntil: found.firstAttemptAt + 1000,
        });
        expect(found.firstAttemptAt).toBeGreaterThanOrEqual(found.sentAt);
      });

      it("leave out what was not said, and take an empty body", async () => {
        await messaging.send("q", [{ id: "a", body: "" }]);
        const found = await receiveOne();
        expect(found).toMatchObject({ body: "", headers: {} });
        expect(Object.keys(found)).not.toContain("key");
      });

      it("give the oldest first, and no more than asked", async () => {
        const ids = numbers(25).map((n) => `m${String(n).padStart(2, "0")}`);
        for (const id of ids) await messaging.send("q", [message(id)]);
        const found = [...(await receive({ max: 10 })), ...(await receive({ max: 10 })), ...(await receive())];
        expect(idsOf(found)).toEqual(ids);
        expect(await receive()).toEqual([]);
      });

      it("send nothing when nothing is given", async () => {
        await messaging.send("q", []);
        expect((await messaging.depth("q")).waiting).toBe(0);
      });

      it("refuse what is beyond a limit", async () => {
        const big = message("a", { body: "é".repeat(limits.messageBytesMax / 2 + 1) });
        const many = numbers(limits.messageBatchMax + 1).map((n) => message(`m${n}`));
        for (const messages of [[big], many, [message("")], [message("a", { key: "k".repeat(257) })]]) {
          await expect(messaging.send("q", messages)).rejects.toThrow(InvariantError);
        }
        await expect(messaging.send("q", [message("a", { delayMs: 900_001 })])).rejects.toThrow(InvariantError);
        await expect(receive({ max: limits.receiveMessagesMax + 1 })).rejects.toThrow(InvariantError);
        await expect(receive({ leaseMs: 0 })).rejects.toThrow(InvariantError);
        expect(await receive()).toEqual([]);
      });

      it("take a message and a batch of the largest size", async () => {
        await messaging.send("q", [message("big", { body: "x".repeat(limits.messageBytesMax) })]);
        await messaging.send(
          "q",
          numbers(limits.messageBatchMax).map((n) => message(`m${n}`)),
        );
        expect((await messaging.depth("q")).waiting).toBe(limits.messageBatchMax + 1);
        expect((await receive({ max: 1 }))[0]?.body).toHaveLength(limits.messageBytesMax);
      });

      unless(skip.delayedSend)("show a delayed message when its time has come", async () => {
        await messaging.send("q", [message("later", { delayMs: 500 }), message("now")]);
        expect(idsOf(await receive())).toEqual(["now"]);
        await engine.pass(499);
        expect(await receive()).toEqual([]);
        await engine.pass(1);
        expect(idsOf(await receive())).toEqual(["later"]);
      });
    });

    describe("an id", () => {
      it("has one effect, however often it is sent", async () => {
        await messaging.send("q", [message("a", { key: "k" }), message("a", { key: "k", body: "other" })]);
        await messaging.send("q", [message("a", { key: "k", body: "other" })]);
        expect((await messaging.depth("q")).waiting).toBe(1);
        const found = await receiveOne();
        expect(found.body).toBe("body of a");
        await messaging.send("q", [message("a", { key: "k" })]);
        expect(await messaging.acknowledge(found)).toBe(true);
        await messaging.send("q", [message("a", { key: "k" })]);
        expect(await receive()).toEqual([]);
        expect(await messaging.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });
      });

      unless(skip.longDeduplication)("is free again after its time, unless the message is still there", async () => {
        await messaging.declareQueue(queueOf("q", { deduplicationMs: 1000 }));
        await send("a1", "b1");
        await messaging.acknowledge((await receive({ max: 1 }))[0] as Delivery);
        await engine.pass(999);
        await send("a1", "b1");
        expect((await messaging.depth("q")).waiting).toBe(1);
        await engine.pass(1);
        await send("a1", "b1");
        expect(idsOf(await receive()).sort()).toEqual(["a1", "b1"]);
      });

      it("is known while its message is a dead letter", async () => {
        await messaging.declareQueue(queueOf("q", { deduplicationMs: 0 }));
        await send("a1");
        await killOne();
        await send("a1");
        expect(await messaging.depth("q")).toMatchObject({ waiting: 0, deadLetters: 1 });
      });
    });

    describe("a full queue", () => {
      const full = unless(skip.backPressure);
      beforeEach(() => messaging.declareQueue(queueOf("q", { depthMax: 3 })));

      full("refuses the whole batch, and takes more when there is room", async () => {
        await send("a1", "b1");
        await expect(send("c1", "d1")).rejects.toMatchObject({ code: "overloaded" });
        expect((await messaging.depth("q")).waiting).toBe(2);
        await send("c1");
        await expect(send("d1")).rejects.toMatchObject({ code: "overloaded" });
        await messaging.acknowledge((await receive({ max: 1 }))[0] as Delivery);
        await send("d1");
      });

      full("takes what it has already, and counts dead letters", async () => {
        await send("a1", "b1", "c1");
        await send("c1", "a1");
        await messaging.deadLetter((await receive({ max: 1 }))[0] as Delivery, "broken");
        await expect(send("d1")).rejects.toMatchObject({ code: "overloaded" });
      });

      full("lets a publish reach none of the queues", async () => {
        await messaging.declareQueue(queueOf("wide"));
        for (const queue of ["wide", "q"]) await messaging.subscribe("t", queue);
        await send("a1", "b1", "c1");
        await expect(messaging.publish("t", [message("x")])).rejects.toMatchObject({ code: "overloaded" });
        expect((await messaging.depth("wide")).waiting).toBe(0);
      });
    });

    describe("a lease", () => {
      it("keeps the message from others until it runs out; then it comes again", async () => {
        await send("a1");
        const first = await receiveOne();
        await engine.pass(999);
        expect(await receive()).toEqual([]);
        await engine.pass(1);
        const second = await receiveOne();
        expect(second).toMatchObject({ id: "a1", attempts: 2, firstAttemptAt: first.firstAttemptAt });
        expect(second.token > first.token).toBe(true);
        expect(second.token).toHaveLength(first.token.length);
      });

      it("ends with the acknowledgement", async () => {
        await send("a1");
        const found = await receiveOne();
        expect(await messaging.acknowledge(found)).toBe(true);
        expect(await messaging.acknowledge(found)).toBe(false);
        expect(await messaging.isCurrent(found)).toBe(false);
        await engine.pass(2000);
        expect(await receive()).toEqual([]);
      });

      it("gives nothing any more once another has the message", async () => {
        await send("a1");
        const slow = await receiveOne();
        await engine.pass(1000);
        const current = await receiveOne();
        expect(await messaging.isCurrent(slow)).toBe(false);
        expect(await messaging.acknowledge(slow)).toBe(false);
        expect(await messaging.extend(slow, 5000)).toBe(false);
        expect(await messaging.retry(slow, 0, "slow")).toBe(false);
        expect(await messaging.deadLetter(slow, "slow")).toBe(false);
        expect(await messaging.isCurrent(current)).toBe(true);
        expect(await messaging.depth("q")).toMatchObject({ waiting: 1, deadLetters: 0 });
        expect(await messaging.acknowledge(current)).toBe(true);
      });

      unless(skip.refusesRunOutLeases)("gives nothing any more once it has run out", async () => {
        await send("a1");
        const slow = await receiveOne();
        await engine.pass(1000);
        expect(await messaging.isCurrent(slow)).toBe(false);
        expect(await messaging.acknowledge(slow)).toBe(false);
        expect(await messaging.extend(slow, 5000)).toBe(false);
        expect(await messaging.retry(slow, 0, "slow")).toBe(false);
        expect(await messaging.deadLetter(slow, "slow")).toBe(false);
        expect(idsOf(await receive())).toEqual(["a1"]);
      });

      it("lasts longer when it is extended", async () => {
        await send("a1");
        const found = await receiveOne();
        await engine.pass(900);
        expect(await messaging.extend(found, 1000)).toBe(true);
        await engine.pass(999);
        expect(await receive()).toEqual([]);
        expect(await messaging.isCurrent(found)).toBe(true);
        expect(await messaging.acknowledge(found)).toBe(true);
      });

      it("is of no use with a token that was never given, or for another message", async () => {
        await send("a1", "b1");
        const [a, b] = await receive();
        if (a === undefined || b === undefined) throw new Error("both were due");
        expect(await messaging.acknowledge({ ...a, token: b.token })).toBe(false);
        expect(await messaging.acknowledge({ ...a, token: "" })).toBe(false);
        expect(await messaging.acknowledge({ ...a, id: "unheard of" })).toBe(false);
        expect(await messaging.acknowledge(a)).toBe(true);
      });

      it("has a greater token than every earlier one of its key", async () => {
        await send("a1", "a2", "a3");
        const tokens: string[] = [];
        for (const turn of numbers(6)) {
          const found = await receiveOne();
          tokens.push(found.token);
          if (turn % 2 === 0) await messaging.acknowledge(found);
          else await messaging.retry(found, 0, "again");
        }
        expect(tokens).toEqual([...new Set(tokens)].sort());
        expect(tokens).toHaveLength(6);
      });
    });

    describe("the order of a key", () => {
      it("is that of sending, one message at a time, and holds up no other key", async () => {
        await send("a1", "a2", "b1", "a3", "b2");
        await messaging.send("q", [message("x"), message("y")]);
        const found = await receive();
        expect(idsOf(found)).toEqual(["a1", "b1", "x", "y"]);
        expect(await receive()).toEqual([]);
        for (const one of found) await messaging.acknowledge(one);
        expect(idsOf(await receive()).sort()).toEqual(["a2", "b2"]);
        await send("a4");
        expect(await receive()).toEqual([]);
      });

      it("waits for a message that is to be tried again", async () => {
        await send("a1", "a2", "b1", "b2");
        const [a1, b1] = await receive();
        await messaging.retry(a1 as Delivery, 700, "busy");
        await messaging.acknowledge(b1 as Delivery);
        expect(idsOf(await receive())).toEqual(["b2"]);
        await send("a3");
        await engine.pass(699);
        expect(await receive()).toEqual([]);
        await engine.pass(1);
        const again = await receiveOne();
        expect(again).toMatchObject({ id: "a1", attempts: 2 });
        await messaging.acknowledge(again);
        expect(await receiveOne()).toMatchObject({ id: "a2", attempts: 1 });
      });

      it("waits for a lease that ran out", async () => {
        await send("a1", "a2");
        await receiveOne();
        await engine.pass(1000);
        expect(await receiveOne()).toMatchObject({ id: "a1" });
      });

      unless(skip.delayedSend)("waits for one that was sent with a delay, and then for its own", async () => {
        await messaging.send("q", [
          message("a1", { key: "a", delayMs: 500 }),
          message("a2", { key: "a" }),
          message("a3", { key: "a", delayMs: 900 }),
        ]);
        expect(await receive()).toEqual([]);
        await engine.pass(500);
        await messaging.acknowledge(await receiveOne());
        await messaging.acknowledge(await receiveOne());
        expect(await receive()).toEqual([]);
        await engine.pass(400);
        expect(await receiveOne()).toMatchObject({ id: "a3" });
      });

      it("waits for a dead letter, also when more is sent, until it is redriven", async () => {
        await send("a1", "a2", "b1");
        const [a1, b1] = await receive();
        await messaging.deadLetter(a1 as Delivery, "broken");
        await messaging.acknowledge(b1 as Delivery);
        await send("a3", "b2");
        expect(idsOf(await receive())).toEqual(["b2"]);
        await engine.pass(5000);
        expect(await messaging.deadLetters.redrive(await newestDead())).toBe("done");
        const order: string[] = [];
        for (const _ of numbers(4)) {
          const [found] = await receive({ max: 1 });
          if (found === undefined) break;
          order.push(found.id);
          await messaging.acknowledge(found);
        }
        expect(order.filter((id) => id.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
      });

      it("goes on with the next when a dead letter gives up its key, for good", async () => {
        await send("a1", "a2");
        const a1 = await receiveOne();
        expect(await messaging.deadLetter(a1, "broken", { freesKey: true })).toBe(true);
        const a2 = await receiveOne();
        expect(a2).toMatchObject({ id: "a2", key: "a" });
        const id = await newestDead();
        expect((await messaging.deadLetters.read(id))?.key).toBeUndefined();
        expect(await messaging.deadLetters.redrive(id)).toBe("done");
        await send("a3");
        const again = await receiveOne();
        expect(again).toMatchObject({ id: "a1", attempts: 1 });
        expect(again.key).toBeUndefined();
        await messaging.acknowledge(a2);
        expect(await receiveOne()).toMatchObject({ id: "a3" });
      });

      it("goes on with the next when a dead letter is discarded", async () => {
        await send("a1", "a2");
        const id = await killOne();
        expect(await receive()).toEqual([]);
        expect(await messaging.deadLetters.discard(id, "of no use")).toBe("done");
        expect(await receiveOne()).toMatchObject({ id: "a2" });
      });

      const newestDead = async () =>
        (await messaging.deadLetters.list({ order: "newest-first", limit: 1 })).items[0]?.id ?? "";
    });

    describe("a receive with a bound in bytes", () => {
      it("gives no more once it is reached, at least one message, and the rest the next time", async () => {
        const bodies = [300, 400, 400, 5000, 10];
        await messaging.send(
          "q",
          bodies.map((bytes, index) => message(`m${index}`, { body: "ä".repeat(bytes / 2), delayMs: index })),
        );
        await engine.pass(200);
        const found: string[][] = [];
        for (const _ of bodies) found.push(idsOf(await receive({ bytesMax: 600, leaseMs: 60_000 })));
        expect(found).toEqual([["m0", "m1"], ["m2", "m3"], ["m4"], [], []]);
        await send("a1", "b1", "c1");
        expect(idsOf(await receive({ bytesMax: 600, max: 2 })).length).toBe(2);
      });
    });

    describe("attempts", () => {
      it("come to an end by retries", async () => {
        await messaging.declareQueue(queueOf("q", { attemptsMax: 3 }));
        await send("a1");
        for (const turn of numbers(3)) {
          const found = await receiveOne();
          expect(found.attempts).toBe(turn);
          expect(await messaging.retry(found, 0, `cause ${turn}`)).toBe(true);
        }
        expect(await receive()).toEqual([]);
        const [summary] = (await messaging.deadLetters.list({ queue: "q", order: "oldest-first", limit: 9 })).items;
        expect(summary).toMatchObject({ messageId: "a1", attempts: 3 });
        expect(summary?.cause).toContain("cause 3");
        expect((await messaging.deadLetters.read(summary?.id ?? ""))?.causes).toMatchObject([
          { attempt: 1, cause: "cause 1" },
          { attempt: 2, cause: "cause 2" },
          { attempt: 3, cause: "cause 3" },
        ]);
      });

      it("come to an end for a message that kills its handlers", async () => {
        await messaging.declareQueue(queueOf("q", { attemptsMax: 2 }));
        await send("a1", "a2", "b1");
        await messaging.acknowledge((await receive({ max: 10 }))[1] as Delivery);
        await engine.pass(1000);
        await receiveOne();
        await engine.pass(1000);
        expect(await receive()).toEqual([]);
        const [summary] = (await messaging.deadLetters.list({ order: "oldest-first", limit: 9 })).items;
        expect(summary).toMatchObject({ messageId: "a1", attempts: 2, cause: expect.stringContaining("lease") });
        const dead = await messaging.deadLetters.read(summary?.id ?? "");
        expect(dead?.causes.map(({ attempt }) => attempt)).toEqual([1, 2]);
      });

      it("are none where the message is released: it is due at once, before those behind it", async () => {
        await messaging.declareQueue(queueOf("q", { attemptsMax: 2 }));
        await send("a1", "a2");
        for (const _ of numbers(3)) {
          const found = await receiveOne();
          expect(found).toMatchObject({ id: "a1", attempts: 1 });
          expect(await messaging.release(found)).toBe(true);
          expect(await messaging.release(found)).toBe(false);
        }
        await receiveOne();
        await engine.pass(1000);
        const second = await receiveOne();
        expect(second.attempts).toBe(2);
        expect(await messaging.release(second)).toBe(true);
        const third = await receiveOne();
        expect(third.attempts).toBe(2);
        expect(third.token > second.token).toBe(true);
        await engine.pass(1000);
        expect(await messaging.release(third)).toBe(false);
        expect(await receive()).toEqual([]);
        expect(await deadIds()).toEqual(["a1"]);
      });

      it("that are spent free the key of their message where the queue says so, also after a redrive", async () => {
        await messaging.declareQueue(queueOf("q", { attemptsMax: 1, freesKeyWhenGivenUp: true }));
        await send("a1", "a2", "a3", "a4");
        await messaging.retry(await receiveOne(), 0, "broken");
        await receiveOne();
        await engine.pass(1000);
        const next = [...(await receive()), ...(await receive())];
        expect(idsOf(next)).toEqual(["a3"]);
        expect(await deadIds()).toEqual(["a1", "a2"]);
        const { items } = await messaging.deadLetters.list({ order: "oldest-first", limit: 9 });
        expect(items.map(({ key }) => key)).toEqual([undefined, undefined]);
        await messaging.declareQueue(queueOf("q", { attemptsMax: 1 }));
        expect(await messaging.deadLetters.redriveQueue("q")).toBe(2);
        expect(idsOf(await receive()).sort()).toEqual(["a1", "a2"]);
        await messaging.retry(next[0] as Delivery, 0, "broken");
        expect(await receive()).toEqual([]);
      });

      it("keep the newest causes, cut where they are long", async () => {
        await messaging.declareQueue(queueOf("q", { attemptsMax: 100 }));
        await send("a1");
        const count = limits.attemptCausesMax + 5;
        for (const turn of numbers(count)) {
          await messaging.retry(await receiveOne(), 0, `${turn} ${"x".repeat(limits.causeLengthMax)}`);
        }
        const dead = await messaging.deadLetters.read(await killOne("the end"));
        expect(dead?.causes).toHaveLength(limits.attemptCausesMax);
        expect(dead?.causes.at(-1)).toMatchObject({ attempt: count + 1, cause: "the end" });
        expect(dead?.causes.at(-2)?.cause).toHaveLength(limits.causeLengthMax);
        expect(dead?.causes.at(-2)?.cause.startsWith(`${count} x`)).toBe(true);
      });
    });

    describe("dead letters", () => {
      it("takes in what was given up elsewhere, once, with its causes, and gives it out after a redrive", async () => {
        const failure = { cause: "not JSON", attempts: 7, firstAttemptAt: 5 };
        await messaging.sendDead("q", keyed("a1"), failure);
        await messaging.sendDead("q", keyed("a1"), failure);
        await send("a1", "a2", "b1");
        expect(idsOf(await receive())).toEqual(["b1"]);
        const [dead, ...more] = (await messaging.deadLetters.list({ order: "newest-first", limit: 10 })).items;
        expect(more).toEqual([]);
        expect(dead).toMatchObject({ messageId: "a1", cause: "not JSON", attempts: 7, redrives: 0, firstAttemptAt: 5 });
        expect(await messaging.deadLetters.read(dead?.id ?? "")).toMatchObject({
          body: keyed("a1").body,
          causes: [{ attempt: 7, cause: "not JSON" }],
        });
        expect(await messaging.depth("q")).toMatchObject({ waiting: 2, deadLetters: 1 });
        expect(await messaging.deadLetters.redrive(dead?.id ?? "")).toBe("done");
        await engine.pass(1001);
        const again = await receive();
        expect(idsOf(again).sort()).toEqual(["a1", "b1"]);
        expect(again.find(({ id }) => id === "a1")).toMatchObject({ attempts: 1 });
      });

      it("are made again once one of their id has gone, where ids are known no longer than that", async () => {
        await messaging.declareQueue(queueOf("brief", { deduplicationMs: 0 }));
        const giveUp = async () => {
          await messaging.sendDead("brief", keyed("a1"), { cause: "not JSON", attempts: 1 });
          await engine.pass(5);
        };
        for (const _ of numbers(3)) await giveUp();
        const { items } = await messaging.deadLetters.list({ queue: "brief", order: "oldest-first", limit: 10 });
        expect(items).toHaveLength(1);
        // Ids whose time has passed are looked for by the way.
        await messaging.send("brief", [keyed("b1")]);
        expect(await messaging.deadLetters.discard(items[0]?.id ?? "", "of no use")).toBe("done");
        await giveUp();
        expect(await messaging.depth("brief")).toMatchObject({ deadLetters: 1 });
      });

      it("stand in the order of their key, those too that were never anything else", async () => {
        const failure = { cause: "not JSON", attempts: 1 };
        await send("a1");
        await messaging.sendDead("q", keyed("a2"), failure);
        await messaging.sendDead("q", keyed("a3"), failure);
        await send("a4");
        const [second, third] = (await messaging.deadLetters.list({ order: "oldest-first", limit: 10 })).items;
        // Its turn has not come: a1 is there, and then a2.
        expect(await messaging.deadLetters.redrive(third?.id ?? "")).toBe("done");
        const [first, ...others] = await receive();
        expect([first?.id, others]).toEqual(["a1", []]);
        expect(await messaging.acknowledge(first as Delivery)).toBe(true);
        expect(await receive()).toEqual([]);
        expect(await messaging.deadLetters.redrive(second?.id ?? "")).toBe("done");
        for (const id of ["a2", "a3", "a4"]) {
          const delivery = await receiveOne();
          expect(delivery.id).toBe(id);
          expect(await messaging.acknowledge(delivery)).toBe(true);
        }
      });

      it("tell the message, the cause, the attempts, the times and the trace", async () => {
        const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", other: "1" };
        await messaging.send("q", [message("a1", { key: "a", headers })]);
        const first = await receiveOne();
        await messaging.retry(first, 500, "busy");
        await engine.pass(500);
        const id = await killOne("no such sku");
        const summary = {
          id,
          queue: "q",
          messageId: "a1",
          key: "a",
          cause: "no such sku",
          attempts: 2,
          redrives: 0,
          sentAt: first.sentAt,
          firstAttemptAt: first.firstAttemptAt,
          deadAt: expect.any(Number),
          trace: headers.traceparent,
        };
        const listed = await messaging.deadLetters.list({ queue: "q", order: "newest-first", limit: 10 });
        expect(listed).toEqual({ items: [summary] });
        const dead = await messaging.deadLetters.read(id);
        expect(dead).toEqual({
          ...summary,
          body: "body of a1",
          headers,
          causes: [
            { attempt: 1, at: expect.any(Number), cause: "busy" },
            { attempt: 2, at: expect.any(Number), cause: "no such sku" },
          ],
        });
        expect((dead?.deadAt ?? 0) - first.firstAttemptAt).toBeGreaterThanOrEqual(500);
        expect(await messaging.depth("q")).toEqual({ waiting: 0, deadLetters: 1, oldestDeadAt: dead?.deadAt });
      });

      it("are listed page by page, oldest or newest first, of one queue or of all", async () => {
        await messaging.declareQueue(queueOf("other"));
        const all = numbers(7).map((n) => `m${n}`);
        for (const [index, id] of all.entries()) {
          const queue = index % 3 === 2 ? "other" : "q";
          await messaging.send(queue, [message(id)]);
          await messaging.deadLetter((await receive({}, queue))[0] as Delivery, `cause of ${id}`);
        }
        const listed = async (order: "oldest-first" | "newest-first", queue?: string) => {
          const ids: string[] = [];
          let cursor: string | undefined;
          do {
            const query = { order, limit: 2, ...(queue && { queue }), ...(cursor && { cursor }) };
            const page = await messaging.deadLetters.list(query);
            expect(page.items.length).toBeLessThanOrEqual(2);
            ids.push(...page.items.map(({ messageId }) => messageId));
            cursor = page.next;
          } while (cursor !== undefined);
          return ids;
        };
        expect(await listed("oldest-first")).toEqual(all);
        expect(await listed("newest-first")).toEqual([...all].reverse());
        expect(await listed("oldest-first", "q")).toEqual(["m1", "m2", "m4", "m5", "m7"]);
        expect(await listed("newest-first", "other")).toEqual(["m6", "m3"]);
      });

      it("are redriven once, with no attempts counted", async () => {
        await send("a1");
        const id = await killOne("no such sku");
        expect(await messaging.deadLetters.redrive(id)).toBe("done");
        expect(await messaging.deadLetters.redrive(id)).toBe("ended-before");
        expect(await messaging.depth("q")).toMatchObject({ waiting: 1, deadLetters: 0 });
        expect(await messaging.deadLetters.read(id)).toBeUndefined();
        expect(await messaging.deadLetters.findRecord(id)).toEqual({
          id,
          queue: "q",
          messageId: "a1",
          key: "a",
          cause: "no such sku",
          end: "redriven",
          endedAt: expect.any(Number),
        });
        const again = await receiveOne();
        expect(again).toMatchObject({ id: "a1", attempts: 1, body: "body of a1" });
        expect(await messaging.deadLetters.redrive(id)).toBe("ended-before");
        await messaging.deadLetter(again, "still none");
        expect(await messaging.deadLetters.redrive(id)).toBe("ended-before");
        expect(await messaging.deadLetters.discard(id, "old")).toBe("ended-before");
        const [dead] = (await messaging.deadLetters.list({ order: "newest-first", limit: 1 })).items;
        expect(dead).toMatchObject({ messageId: "a1", redrives: 1, attempts: 1, cause: "still none" });
        expect(dead?.id).not.toBe(id);
        const causes = (await messaging.deadLetters.read(dead?.id ?? ""))?.causes.map(({ cause }) => cause);
        expect(causes).toEqual(["no such sku", "still none"]);
      });

      it("are redriven by queue: those that are there, and twice changes nothing more", async () => {
        await messaging.declareQueue(queueOf("other"));
        for (const queue of ["q", "other"]) {
          await messaging.send(
            queue,
            numbers(5).map((n) => message(`m${n}`)),
          );
          for (const one of await receive({}, queue)) await messaging.deadLetter(one, "broken");
        }
        expect(await messaging.deadLetters.redriveQueue("q")).toBe(5);
        expect(await messaging.deadLetters.redriveQueue("q")).toBe(0);
        expect(await messaging.depth("q")).toMatchObject({ waiting: 5, deadLetters: 0 });
        expect(await messaging.depth("other")).toMatchObject({ waiting: 0, deadLetters: 5 });
        const found = await receive();
        expect(idsOf(found).sort()).toEqual(["m1", "m2", "m3", "m4", "m5"]);
        expect(await messaging.deadLetters.redriveQueue("unheard of")).toBe(0);
      });

      it("are discarded with a reason that is kept", async () => {
        await send("a1");
        const id = await killOne();
        expect(await messaging.deadLetters.discard(id, "sold out for good")).toBe("done");
        expect(await messaging.deadLetters.discard(id, "twice")).toBe("ended-before");
        expect(await messaging.deadLetters.redrive(id)).toBe("ended-before");
        expect(await messaging.deadLetters.findRecord(id)).toMatchObject({
          messageId: "a1",
          end: "discarded",
          reason: "sold out for good",
        });
        expect(await messaging.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });
        expect(await receive()).toEqual([]);
      });

      it("are unknown by ids that were never given", async () => {
        for (const id of ["", "1", "dl-9999999999999999", "dl-x", "a1", "%00"]) {
          expect(await messaging.deadLetters.redrive(id)).toBe("unknown");
          expect(await messaging.deadLetters.discard(id, "r")).toBe("unknown");
          expect(await messaging.deadLetters.read(id)).toBeUndefined();
          expect(await messaging.deadLetters.findRecord(id)).toBeUndefined();
        }
      });

      it("are counted, with the ages of the oldest", async () => {
        await send("a1");
        await engine.pass(300);
        await send("b1");
        const [a1, b1] = await receive();
        expect(await messaging.depth("q")).toEqual({ waiting: 2, deadLetters: 0, oldestSentAt: a1?.sentAt });
        await messaging.deadLetter(a1 as Delivery, "broken");
        await engine.pass(300);
        await messaging.deadLetter(b1 as Delivery, "broken");
        await send("c1");
        const [oldest] = (await messaging.deadLetters.list({ order: "oldest-first", limit: 1 })).items;
        expect(await messaging.depth("q")).toEqual({
          waiting: 1,
          deadLetters: 2,
          oldestSentAt: expect.any(Number),
          oldestDeadAt: oldest?.deadAt,
        });
      });
    });

    describe("topics", () => {
      it("reach every queue that subscribes, each by itself", async () => {
        await messaging.declareQueue(queueOf("other"));
        await messaging.declareQueue(queueOf("third"));
        for (const queue of ["q", "other", "other"]) await messaging.subscribe("t", queue);
        await messaging.publish("t", [message("a1", { key: "a" }), message("a2", { key: "a" })]);
        await messaging.publish("t", [message("a1", { key: "a" })]);
        expect(await receive({}, "third")).toEqual([]);
        const own = await receiveOne();
        expect(await messaging.acknowledge(own)).toBe(true);
        expect(idsOf(await receive())).toEqual(["a2"]);
        expect(idsOf(await receive({}, "other"))).toEqual(["a1"]);
        expect((await messaging.depth("other")).waiting).toBe(2);
      });

      it("reach nobody when nobody listens, and no longer who stopped", async () => {
        await messaging.publish("t", [message("a")]);
        await messaging.subscribe("t", "q");
        await messaging.publish("t", [message("b")]);
        await messaging.unsubscribe("t", "q");
        await messaging.unsubscribe("t", "q");
        await messaging.publish("t", [message("c")]);
        expect(idsOf(await receive())).toEqual(["b"]);
      });
    });

    describe("a waiting receiver", () => {
      /** Runs what goes on elsewhere once the receiver waits; gives what it got. */
      const whileWaiting = async (then: () => Promise<unknown>, options: Partial<ReceiveOptions> = {}) => {
        const waiting = receive({ waitMs: 20_000, ...options });
        await settled();
        await then();
        return idsOf(await waiting);
      };

      it("is woken by a send", async () => {
        expect(await whileWaiting(() => send("a1"))).toEqual(["a1"]);
      });

      it("is woken by a publish", async () => {
        await messaging.subscribe("t", "q");
        expect(await whileWaiting(() => messaging.publish("t", [message("a1")]))).toEqual(["a1"]);
      });

      it("is woken by the answer to the message before", async () => {
        await send("a1", "a2");
        const first = await receiveOne();
        expect(await whileWaiting(() => messaging.acknowledge(first))).toEqual(["a2"]);
      });

      it("is woken when a lease runs out, and when a retry is due", async () => {
        await send("a1");
        const first = await receiveOne();
        expect(await whileWaiting(() => engine.pass(1000))).toEqual(["a1"]);
        expect(await messaging.acknowledge(first)).toBe(false);
        await send("b1");
        const second = await receiveOne();
        const retried = async () => {
          await messaging.retry(second, 300, "busy");
          await settled();
          await engine.pass(300);
        };
        expect(await whileWaiting(retried)).toEqual(["b1"]);
      });

      it("is woken by a redrive and by a discard", async () => {
        await send("a1", "a2");
        const id = await killOne();
        expect(await whileWaiting(() => messaging.deadLetters.redrive(id))).toEqual(["a1"]);
        await engine.pass(1000);
        const again = await killOne();
        expect(await whileWaiting(() => messaging.deadLetters.discard(again, "of no use"))).toEqual(["a2"]);
      });

      it("goes away with nothing when its time is up, when it is told, and when all ends", async () => {
        expect(await whileWaiting(() => engine.pass(500), { waitMs: 500 })).toEqual([]);
        const abort = new AbortController();
        expect(await whileWaiting(async () => abort.abort(), { signal: abort.signal })).toEqual([]);
        expect(await receive({ waitMs: 20_000, signal: abort.signal })).toEqual([]);
        expect(await whileWaiting(() => messaging.close())).toEqual([]);
      });

      it("shares what comes with others, each message once", async () => {
        const waiting = numbers(4).map(() => receive({ max: 1, waitMs: 20_000 }));
        await settled();
        await messaging.send(
          "q",
          numbers(4).map((n) => message(`m${n}`)),
        );
        expect((await Promise.all(waiting)).flatMap(idsOf).sort()).toEqual(["m1", "m2", "m3", "m4"]);
      });
    });

    describe("faults", () => {
      unless(skip.failNextWrite)("send nothing when the disk refuses, and work again after", async () => {
        await send("a1");
        engine.failNextWrite();
        await expect(send("a2", "b1")).rejects.toMatchObject({ code: "storage-unavailable" });
        expect((await messaging.depth("q")).waiting).toBe(1);
        await send("a2", "b1");
        expect(idsOf(await receive()).sort()).toEqual(["a1", "b1"]);
        expect((await messaging.depth("q")).waiting).toBe(3);
      });

      unless(skip.loseNextAnswer)("let a send with a lost answer be repeated", async () => {
        engine.loseNextAnswer();
        await expect(send("a1")).rejects.toThrow();
        await send("a1");
        expect(idsOf(await receive())).toEqual(["a1"]);
        expect((await messaging.depth("q")).waiting).toBe(1);
      });

      it("refuse everything once closed, and finish what was asked before", async () => {
        const answer = send("a1");
        await messaging.close();
        await answer;
        await expect(send("b1")).rejects.toMatchObject({ code: "storage-unavailable" });
        await expect(receive()).rejects.toMatchObject({ code: "storage-unavailable" });
        await messaging.close();
      });

      unless(skip.reopen)("keep everything for the next time", async () => {
        await messaging.declareQueue(queueOf("other", { attemptsMax: 1 }));
        await messaging.subscribe("t", "other");
        await send("a1", "a2", "b1", "c1");
        const [a1, b1, c1] = (await receive()) as [Delivery, Delivery, Delivery];
        await messaging.deadLetter(a1, "broken");
        await messaging.retry(b1, 500, "busy");
        messaging = await engine.reopen();
        expect([...(await messaging.queues())].sort()).toEqual(["other", "q"]);
        expect(await messaging.depth("q")).toMatchObject({ waiting: 3, deadLetters: 1 });
        expect(await deadIds()).toEqual(["a1"]);
        await send("a1", "c1");
        await engine.pass(1000);
        expect(await messaging.acknowledge(c1)).toBe(false);
        const found = [...(await receive())].sort((a, b) => (a.id < b.id ? -1 : 1));
        expect(found).toMatchObject([
          { id: "b1", attempts: 2, body: "body of b1" },
          { id: "c1", attempts: 2 },
        ]);
        expect(found.every(({ token }) => [a1, b1, c1].every((before) => before.token < token))).toBe(true);
        for (const one of found) expect(await messaging.acknowledge(one)).toBe(true);
        expect(await messaging.deadLetters.redriveQueue("q")).toBe(1);
        messaging = await engine.reopen();
        expect(await deadIds()).toEqual([]);
        expect(await receiveOne()).toMatchObject({ id: "a1", attempts: 1 });
        await messaging.publish("t", [message("x")]);
        await messaging.retry((await receive({}, "other"))[0] as Delivery, 0, "only once");
        expect(await deadIds("other")).toEqual(["x"]);
      });
    });

    unless(skip.model)(
      "agrees with a model, whatever is sent, received, answered, redriven and crashed",
      () => modelProperty(open, skip.reopen === undefined),
      120_000,
    );
  });
}

/** A message whose key is the first letter of its id. */
function keyed(id: string) {
  return message(id, { key: id.slice(0, 1) });
}

/** Lets everything that is under way come to rest. */
async function settled(): Promise<void> {
  for (const _ of numbers(20)) await new Promise((resolve) => setTimeout(resolve, 1));
}
