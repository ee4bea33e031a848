/**
 * Two processes that decide on one log, with everything they do in any order: what they append adds up, and whatever they
 * answer was true at some moment between question and answer.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Interruption,
  SharedMemoryLog,
  type SharedMemoryStorage,
} from "../../../platform/storage/memory/index.ts";
import { Ledger, type LedgerObserver, SnapshotWriter, streamOf } from "./index.ts";
import { command, milk, receive, received, take } from "./ledger.fixture.ts";

interface Asked {
  readonly process: 0 | 1;
  readonly sku: "milk" | "tea";
  readonly kind: "receive" | "take" | "look" | "move";
  readonly quantity: number;
}

const asked = fc.record<Asked>({
  process: fc.constantFrom(0, 1),
  sku: fc.constantFrom("milk", "milk", "tea"),
  kind: fc.constantFrom("receive", "take", "take", "take", "look", "move"),
  quantity: fc.integer({ min: 1, max: 4 }),
});

const skus = ["milk", "tea"] as const;

describe("two ledgers on one log", () => {
  it("never take more than is there, and answer what was true", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(asked, { minLength: 2, maxLength: 14 }), async (scheduler, all) => {
        const board = new SharedMemoryLog();
        const step = async () => void (await scheduler.schedule(Promise.resolve()));
        const ledgers = [0, 1].map((number) => ledgerOn(board.open({ interrupt: step }), number, step));
        const answers = all.map(async (one) => {
          await step();
          const from = board.log.head();
          const answer = await ask(ledgers[one.process] as Ledger, one);
          return { ...one, from, to: board.log.head(), answer };
        });
        await scheduler.waitFor(Promise.all(answers));
        const history = onHandByPosition(board);
        for (const { sku, from, to, answer, kind, quantity } of await Promise.all(answers)) {
          const seen = history[sku].slice(from, to + 1);
          if (kind === "look") expect(seen).toContain(answer);
          else if (answer === "refused" && kind === "take") expect(Math.min(...seen)).toBeLessThan(quantity);
          else if (answer === "refused") expect(Math.min(...seen)).toBeLessThan(1);
        }
        for (const sku of skus) expect(Math.min(...history[sku])).toBeGreaterThanOrEqual(0);
        const taken = (await Promise.all(answers)).filter(({ answer }) => answer === "taken");
        expect(unitsOf(board, "StockSold")).toBe(taken.reduce((sum, { quantity }) => sum + quantity, 0));
      }),
      { numRuns: 300 },
    );
  });

  it("let none starve, however busy the other is", async () => {
    const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
    const { busy, quiet, again } = pair(
      // Before each append of the quiet one the busy one is quicker, if it may.
      async (step) => void (step === "before-append" && (await Promise.race([busy.submit(receive(1)), pause()]))),
    );
    for (let n = 0; n < 5; n += 1) expect((await quiet.submit(receive(1))).value).toBe("received");
    // The second time nobody else appends, and those who have lost once go on taking turns.
    expect(again()).toBe(1);
  });

  it("look at nothing that others have changed before they were asked, also beside an append of their own", async () => {
    const { busy, quiet } = pair();
    await quiet.submit(receive(5));
    await busy.submit(take(5));
    const [looked] = await Promise.all([quiet.submit(look("milk")), quiet.submit(receive(1, "tea"))]);
    expect(looked.value).toBe(0);
  });

  it("append nothing that was decided on what others have changed", async () => {
    const { busy, quiet } = pair();
    await quiet.submit(receive(5));
    const isThere = command((transaction) => {
      if (transaction.stock("shop", "milk").onHand === 0) return "refused" as const;
      transaction.stock("shop", "tea");
      transaction.emitStock("shop", "tea", [received(1, transaction.now)]);
      return "received" as const;
    });
    expect((await quiet.submit(isThere)).value).toBe("received");
    await busy.submit(take(5));
    expect((await quiet.submit(isThere)).value).toBe("refused");
  });

  it("end, though others append to a stock that was changed in the same round and whose history is asked for", async () => {
    let quicker = async () => undefined as unknown;
    const { busy, quiet } = pair(async (step) => {
      const once = quicker;
      if (step !== "before-read") return;
      quicker = async () => undefined;
      await once();
    });
    await quiet.submit(receive(1));
    quicker = () => busy.submit(receive(2));
    const asked = command((transaction) => transaction.history("shop", "milk").length);
    const [received, length] = await Promise.all([quiet.submit(receive(4)), quiet.submit(asked)]);
    expect([received.value, length.value]).toEqual(["received", 3]);
  });

  it("append nothing under a name that was free when they looked, nor a fact that was voided meanwhile", async () => {
    const key = "a".repeat(32);
    const voids = command((transaction) => {
      if (transaction.claimed(key) !== undefined) return "known" as const;
      transaction.emit(streamOf.void(key), [{ type: "VoidNoted", data: {} }]);
      return "awaits" as const;
    });
    const fact = command((transaction) => {
      if (transaction.mayBeVoided(key)) return "voided" as const;
      transaction.stock("shop", "milk");
      transaction.emitStock("shop", "milk", [received(1, transaction.now)]);
      transaction.claim({ key, print: "0".repeat(16) });
      return "recorded" as const;
    });
    for (const [slow, quick, outcome] of [
      [voids, fact, "known"],
      [fact, voids, "voided"],
    ] as const) {
      let quicker = async () => void (await busy.submit(quick));
      const { busy, quiet } = pair(async (step) => {
        const once = quicker;
        if (step !== "before-append") return;
        quicker = async () => undefined;
        await once();
      });
      expect((await quiet.submit<string>(slow)).value).toBe(outcome);
    }
  });

  it("come to an end when others append what a decision reads of a stream that its round has changed", async () => {
    let reads = Number.NEGATIVE_INFINITY;
    const { busy, quiet } = pair(async (step) => {
      if (step !== "before-read") return;
      reads += 1;
      if (reads === 1) await busy.submit(receive(7));
      if (reads > 20) throw new Error("it reads again and again");
    });
    const told = command((transaction) => transaction.history("shop", "milk").length);
    await quiet.submit(receive(1));
    reads = 0;
    const [received, length] = await Promise.all([quiet.submit(receive(1)), quiet.submit(told)]);
    expect([received.value, length.value]).toEqual(["received", 3]);
  });

  it("take back what a decision on something old has changed of a state before it broke off", async () => {
    const { busy, quiet } = pair();
    const hold = command((transaction) => {
      if (transaction.stock("shop", "tea").onHand > 0) return "known" as const;
      const holds = [{ line: 0, quantity: 2 }];
      transaction.emitStock("shop", "milk", [
        { type: "StockReserved", data: { reservation: "cart", expiresAt: 5000, holds } },
      ]);
      transaction.emitStock("shop", "tea", [received(1, transaction.now)]);
      return "held" as const;
    });
    await busy.submit(receive(5));
    await quiet.submit(look("tea"));
    expect((await busy.submit(hold)).value).toBe("held");
    // It knows the tea of before and reads the milk of now, of which that cart holds some: a second hold can't be added.
    expect((await quiet.submit(hold)).value).toBe("known");
    const reserved = command((transaction) => transaction.stock("shop", "milk").reserved, { looks: true });
    expect((await quiet.submit(reserved)).value).toBe(2);
  });

  it("know of a stock that others begin what the log says of it, and not the policy that it was looked at by", async () => {
    let reads = 0;
    const { busy, quiet } = pair(async (step) => {
      if (step === "before-read") reads += 1;
      // The stock has been read, and its policy is not yet.
      if (reads !== 2) return;
      reads += 1;
      await busy.submit(receive(1));
      await busy.submit(command((transaction) => transaction.emit(streamOf.policy("milk"), [policySet])));
    });
    const policySet = { type: "PolicySet", data: { safetyStock: 2 } } as const;
    const safe = command((transaction) => transaction.stock("shop", "milk").safetyStock, { looks: true });
    expect((await quiet.submit(safe)).value).toBe(0);
  });

  it("offer no state for a snapshot that is not that of the log", async () => {
    const seen: unknown[] = [];
    const { busy, quiet } = pair(async (step) => {
      if (step !== "before-append") return;
      // The other one's event takes the version that is decided here.
      if (seen.length === 0) await busy.submit(receive(7));
      seen.push(quiet.peek(milk, 2));
    });
    await busy.submit(receive(1));
    await quiet.submit(receive(1));
    expect(seen).toEqual([undefined, undefined]);
    await new Promise(setImmediate);
    expect(quiet.peek(milk, 3)).toMatchObject({ onHand: 9 });
  });

  it("keep what they know up to date by what others append, without reading it again", async () => {
    let reads = 0;
    const { busy, quiet, again } = pair(async (step) => {
      if (step === "before-read") reads += 1;
    });
    for (const ledger of [busy, quiet]) await ledger.submit(receive(1));
    for (const ledger of [busy, quiet]) await ledger.submit(look("milk"));
    reads = 0;
    for (let n = 0; n < 5; n += 1) {
      await busy.submit(receive(1));
      // Decided, found out of date by what others have appended, and decided again on top of that.
      const before = again();
      expect((await quiet.submit(look("milk"))).value).toBe(n + 3);
      expect(again()).toBe(before + 1);
    }
    expect(reads).toBe(10);
    expect((await quiet.submit(take(7))).value).toBe("taken");
    expect(reads).toBe(10);
  });
});

/** Two ledgers; what happens between the steps of the quiet one's store is for the test to say. */
function pair(interrupt: Interruption = async () => undefined) {
  const board = new SharedMemoryLog();
  let commands = 0;
  const voided = new Set<string>();
  const busy = ledgerOn(board.open(), 0);
  const storage = board.open({ interrupt });
  storage.subscribe((units) => {
    for (const { events } of units)
      for (const { stream } of events) if (stream.startsWith("void-")) voided.add(stream.slice(5));
  });
  const decidedAgain = (count: number) => {
    commands += count;
  };
  const quiet = ledgerOn(storage, 1, undefined, { decidedAgain }, voided);
  return { busy, quiet, again: () => commands };
}

function look(sku: string) {
  return command((transaction) => transaction.stock("shop", sku).onHand, { looks: true });
}

function ledgerOn(
  storage: SharedMemoryStorage,
  number: number,
  step?: () => Promise<void>,
  observe: LedgerObserver = {},
  voided: ReadonlySet<string> = new Set(),
): Ledger {
  return new Ledger({
    storage,
    clock: () => 1000,
    processId: `p${number}`,
    snapshots: new SnapshotWriter(() => undefined),
    locationsOf: () => [],
    isVoided: (key) => voided.has(key),
    observe,
    ...(step && { soon: (run) => void step().then(run) }),
  });
}

async function ask(ledger: Ledger, { kind, sku, quantity }: Asked): Promise<string | number> {
  if (kind === "receive") return (await ledger.submit(receive(quantity, sku))).value;
  if (kind === "take") return (await ledger.submit(take(quantity, sku))).value;
  if (kind === "move") return (await ledger.submit(exchange(sku))).value;
  return (await ledger.submit(look(sku))).value;
}

/** Gives a unit away if there is one, and gets one of the other kind for it: one decision over two stocks. */
function exchange(sku: "milk" | "tea") {
  return command((transaction) => {
    const other = sku === "milk" ? "tea" : "milk";
    if (transaction.stock("shop", sku).onHand < 1) return "refused" as const;
    for (const [name, change] of [
      [sku, -1],
      [other, 1],
    ] as const) {
      transaction.stock("shop", name);
      const data = { at: transaction.now, fact: { delta: change, reason: "exchange" }, change: { onHand: change } };
      transaction.emitStock("shop", name, [{ type: "StockAdjusted", data }]);
    }
    return "moved" as const;
  });
}

/** What the log comes to after each of its events, by adding its changes up. */
function onHandByPosition(board: SharedMemoryLog): Record<(typeof skus)[number], number[]> {
  const history = { milk: [0], tea: [0] };
  for (const { events } of board.log.readLog(0, Number.MAX_SAFE_INTEGER)) {
    for (const { stream, data } of events) {
      for (const sku of skus) {
        const change = stream === streamOf.stock("shop", sku) ? changeOf(data) : 0;
        history[sku].push((history[sku].at(-1) ?? 0) + change);
      }
    }
    // A unit is seen whole or not at all.
    for (const sku of skus) history[sku].fill(history[sku].at(-1) ?? 0, history[sku].length - events.length + 1);
  }
  return history;
}

function unitsOf(board: SharedMemoryLog, type: string): number {
  const events = board.log.readLog(0, Number.MAX_SAFE_INTEGER).flatMap((unit) => unit.events);
  return events.filter((event) => event.type === type).reduce((sum, { data }) => sum - changeOf(data), 0);
}

function changeOf(data: object): number {
  return (data as { readonly change?: { readonly onHand?: number } }).change?.onHand ?? 0;
}
