import { describe, expect, it } from "vitest";
import { limits, PlatformError } from "../../../kernel/index.ts";
import type { AppendUnit } from "../../../platform/storage/index.ts";
import type { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { numbers, unitOf } from "../../../platform/storage/samples.ts";
import { caller, fact, openInventory, withTurns } from "../fixture.ts";
import { type Command, streamOf } from "./index.ts";
import { command, milk, open, read, receive, received, take } from "./ledger.fixture.ts";

async function codes(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((outcome) =>
    outcome.status === "fulfilled"
      ? (outcome.value as { value: unknown }).value
      : outcome.reason instanceof PlatformError
        ? outcome.reason.code
        : (outcome.reason as Error).message,
  );
}

function countAppends(storage: MemoryStorage): number[] {
  const sizes: number[] = [];
  const append = storage.append.bind(storage);
  storage.append = (units: readonly AppendUnit[]) => {
    sizes.push(units.length);
    return append(units);
  };
  return sizes;
}

const claim = { key: "0".repeat(32), print: "1".repeat(16) };

/** Takes a name once, as a fact does; the second time it is a duplicate. */
const claimOnce = command(
  (transaction) => {
    if (transaction.claimed(claim.key) !== undefined) return "duplicate";
    transaction.claim(claim);
    transaction.stock("shop", "milk");
    transaction.emitStock("shop", "milk", [received(1, transaction.now)]);
    return "accepted";
  },
  { claims: [claim.key] },
);

describe("group commit", () => {
  it("appends all that wait in one go, each decided on top of those before it", async () => {
    const { storage, ledger } = open();
    const appends = countAppends(storage);
    const answers = await codes([ledger.submit(receive(2)), ...[1, 1, 1].map((units) => ledger.submit(take(units)))]);
    expect(answers).toEqual(["received", "taken", "taken", "refused"]);
    expect(appends).toEqual([3]);
  });

  describe("with a large batch", () => {
    const refuse = (error: unknown): never => {
      throw error;
    };
    const batch = [...Array.from({ length: 599 }, () => receive(1)), take(10_000)];
    const look = command((transaction) => transaction.stock("shop", "milk").onHand, { actor: "buyer" });

    it("decides it in one go when it is alone", async () => {
      const { storage, ledger } = open();
      const appends = countAppends(storage);
      expect((await ledger.submitAll(batch, refuse)).values.at(-1)).toBe("refused");
      const seal = { ...receive(1, "sealed"), actor: "system:seals" };
      await Promise.all([ledger.submitAll(batch, refuse), ledger.submit(seal)]);
      expect(appends).toEqual([599, 600]);
    });

    it("decides it in steps while others ask, who pass it", async () => {
      const { storage, ledger } = open();
      const appends = countAppends(storage);
      const large = ledger.submitAll(batch, refuse);
      const other = await ledger.submit(look);
      expect([other.value, appends]).toEqual([0, [128]]);
      // In its own order all the same: the last one finds what came before it.
      expect((await large).values.at(-1)).toBe("refused");
      expect(appends.splice(0)).toEqual([128, 128, 128, 128, 87]);
      // For a while, since who has asked will ask again.
      await ledger.submitAll(batch, refuse);
      expect(appends).toEqual([128, 128, 128, 128, 87]);
      for (let rounds = 0; rounds < limits.roundsAlone; rounds += 1)
        await ledger.submit({ ...look, actor: "system:look" });
      appends.length = 0;
      await ledger.submitAll(batch, refuse);
      expect(appends).toEqual([599]);
    });

    it("keeps the order of what one actor asks for by batches, short ones too", async () => {
      const { ledger } = open();
      const of = (actor: string): readonly Command<unknown>[] => [
        { ...receive(1), actor },
        { ...look, actor },
      ];
      const large = ledger.submitAll(batch, refuse);
      const own = ledger.submitAll(of("test"), refuse);
      const others = ledger.submitAll(of("other"), refuse);
      expect((await others).values).toEqual(["received", 1]);
      await large;
      expect((await own).values).toEqual(["received", 601]);
      expect((await ledger.submitAll(of("test"), refuse)).values).toEqual(["received", 602]);
    });

    it("turns others away only for what waits beside it", async () => {
      const { ledger } = open();
      const batches = Array.from({ length: limits.ledgerQueueMax / 1000 }, () =>
        ledger.submitAll(
          Array.from({ length: 1000 }, () => ({ ...look, actor: "test" })),
          refuse,
        ),
      );
      await expect(ledger.submitAll(batch, refuse)).rejects.toMatchObject({ code: "overloaded" });
      expect((await ledger.submit(look)).value).toBe(0);
      expect(await Promise.all(batches)).toHaveLength(limits.ledgerQueueMax / 1000);
    });
  });

  it("lets others have their turn while it reads many states", async () => {
    const { storage, ledger } = open();
    const streams = Array.from({ length: 100 }, (_, index) => streamOf.stock("shop", `sku ${index}`));
    const readStream = storage.readStream.bind(storage);
    let reads = 0;
    storage.readStream = (...args) => {
      reads += 1;
      return readStream(...args);
    };
    const seen: number[] = [];
    const look = () => {
      seen.push(reads);
      if (reads < streams.length) setImmediate(look);
    };
    setImmediate(look);
    const { value } = await ledger.submit(command(() => reads, { streams }));
    expect(value).toBe(streams.length);
    expect(Math.max(...seen.map((count, index) => count - (seen[index - 1] ?? 0)))).toBeLessThan(30);
  });

  it("lets others have their turn while it reads a long history", async () => {
    const { storage, ledger, clock } = open();
    const facts = numbers(9000).map(() => ({ stream: milk, schema: 1, ...received(1, clock.now) }));
    await storage.append([unitOf("c1", { [milk]: 0 }, facts)]);
    const told = ledger.submit(
      command((transaction) => [transaction.stock("shop", "milk").onHand, transaction.history("shop", "milk").length]),
    );
    const { value, turns } = await withTurns(told);
    expect(value.value).toEqual([9000, 9000]);
    expect(turns).toBeGreaterThan(3);
  });

  it("answers nobody before the append is durable, not even those who only looked", async () => {
    const { storage, ledger } = open();
    await ledger.submit(receive(1));
    const letGo = storage.holdNextAppend();
    const answered: unknown[] = [];
    const all = [take(1), take(1), read].map((one) =>
      ledger.submit<unknown>(one).then(({ value }) => answered.push(value)),
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(answered).toEqual([]);
    letGo();
    await Promise.all(all);
    expect(answered).toEqual(["taken", "refused", 0]);
  });

  it("says how far the log holds what an answer rests on", async () => {
    const { storage, ledger } = open();
    const [first, look] = await Promise.all([ledger.submit(receive(5)), ledger.submit(read)]);
    expect([first.seq, look.seq, storage.head()]).toEqual([1, 1, 1]);
  });
});

describe("an append that fails with nothing written", () => {
  it("tells nobody of success, drops what it had decided, and goes on; who only looks sees what was there before", async () => {
    const { storage, ledger } = open();
    await ledger.submit(receive(2));
    storage.failNextAppend();
    const unknown = streamOf.reservation("other");
    const elsewhere = command((transaction) => transaction.version(unknown));
    const answers = await codes([take(1), take(1), read, elsewhere].map((one) => ledger.submit<unknown>(one)));
    expect(answers).toEqual(["storage-unavailable", "storage-unavailable", 2, 0]);
    expect((await ledger.submit(read)).value).toBe(2);
    expect((await ledger.submit(take(1))).value).toBe("taken");
    expect(storage.head()).toBe(2);
  });

  it("does not keep anyone from looking, however many writes fail", async () => {
    const { storage, ledger } = open();
    await ledger.submit(receive(5));
    storage.append = () => Promise.reject(new PlatformError("storage-unavailable", "the disk is full"));
    const all = Array.from({ length: 30 }, (_, index) => ledger.submit<unknown>(index % 2 === 0 ? take(1) : read));
    for (const one of all) one.catch(() => undefined);
    // Someone goes on writing while the reads are decided again.
    for (let round = 0; round < 10; round += 1) {
      const two = [ledger.submit<unknown>(take(1)), ledger.submit<unknown>(read)];
      for (const one of two) one.catch(() => undefined);
      all.push(...two);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answers = await codes(all);
    expect(new Set(answers.filter((_, index) => index % 2 === 0))).toEqual(new Set(["storage-unavailable"]));
    expect(new Set(answers.filter((_, index) => index % 2 === 1))).toEqual(new Set([5]));
  });

  it("tells nobody that a fact is a duplicate of one that was not recorded", async () => {
    const { storage, ledger } = open();
    storage.failNextAppend();
    expect(await codes([ledger.submit(claimOnce), ledger.submit(claimOnce)])).toEqual([
      "storage-unavailable",
      "storage-unavailable",
    ]);
    expect(await codes([ledger.submit(claimOnce), ledger.submit(claimOnce)])).toEqual(["accepted", "duplicate"]);
  });

  it("is seen through the whole inventory as a failure of both", async () => {
    const { storage, inventory } = await openInventory();
    const same = fact("stock.received", { sku: "milk", location: "shop", quantity: 3 });
    storage.failNextAppend();
    await expect(inventory.recordFacts([same, same], caller)).rejects.toMatchObject({ code: "storage-unavailable" });
    expect(await inventory.recordFacts([same, same], caller)).toMatchObject({ accepted: 1, duplicates: 1 });
    await inventory.stop();
  });
});

describe("an append whose answer is lost", () => {
  it("is looked up, so that each command takes effect once", async () => {
    const again: number[] = [];
    const { storage, ledger } = open({ observe: { decidedAgain: (commands) => again.push(commands) } });
    await ledger.submit(receive(3));
    storage.loseNextAnswer();
    const answers = await codes([take(2), take(2), read].map((one) => ledger.submit<unknown>(one)));
    expect(answers).toEqual(["taken", "refused", 1]);
    expect(again).toEqual([1]);
    expect(storage.head()).toBe(2);
  });

  it("is seen when the store comes to know of it only later, though its states were read again meanwhile", async () => {
    const { storage, ledger } = open();
    await ledger.submit(receive(5));
    const append = storage.append.bind(storage);
    let held: readonly AppendUnit[] = [];
    storage.append = async (units) => {
      if (held.length > 0) throw new PlatformError("storage-unavailable", "the disk fails");
      held = units;
      throw new Error("the outcome is unknown");
    };
    expect(await codes([ledger.submit(take(1))])).toEqual(["storage-unavailable"]);
    expect((await ledger.submit(read)).value).toBe(5);
    storage.append = append;
    await storage.append(held);
    expect((await ledger.submit(read)).value).toBe(4);
    expect(await codes([ledger.submit(take(5)), ledger.submit(take(4))])).toEqual(["refused", "taken"]);
  });

  it("is decided again where it had not been written", async () => {
    const { storage, ledger } = open();
    const append = storage.append.bind(storage);
    storage.append = async () => {
      storage.append = append;
      throw new Error("the connection broke before anything was sent");
    };
    expect(await codes([ledger.submit(receive(2)), ledger.submit(take(1))])).toEqual(["received", "taken"]);
    expect(storage.head()).toBe(2);
  });

  it("tells nobody of it when it can't be looked up either; who only looks sees what the log has", async () => {
    const { storage, ledger } = open();
    storage.loseNextAnswer();
    const findCommands = storage.findCommands.bind(storage);
    storage.findCommands = async () => {
      storage.findCommands = findCommands;
      throw new Error("still broken");
    };
    expect(await codes([ledger.submit<unknown>(receive(2)), ledger.submit<unknown>(read)])).toEqual([
      "storage-unavailable",
      2,
    ]);
    expect((await ledger.submit(read)).value).toBe(2);
  });
});

describe("too little memory", () => {
  it("turns writes away, empties the cache, and lets those look who only look", async () => {
    let isMemoryShort = false;
    const { ledger } = open({ isMemoryShort: () => isMemoryShort });
    await ledger.submit(receive(5));
    for (const sku of ["tea", "salt", "oats"]) await ledger.submit(receive(1, sku));
    const { size } = ledger.cacheStats;
    isMemoryShort = true;
    expect(await codes([ledger.submit<unknown>(take(1)), ledger.submit<unknown>(read)])).toEqual(["overloaded", 5]);
    expect(ledger.cacheStats.size).toBeLessThan(size);
    const system = { ...take(1), actor: "system:expiry" };
    expect(await codes([ledger.submitAll([take(1)], () => "refused"), ledger.submit(system)])).toEqual([
      "overloaded",
      "taken",
    ]);
    isMemoryShort = false;
    expect(await codes([ledger.submit(take(4)), ledger.submit(take(1))])).toEqual(["taken", "refused"]);
  });
});

describe("another writer", () => {
  function unitOf(storage: MemoryStorage, quantity: number, version: number): Promise<unknown> {
    const data = { at: 1000, fact: { quantity: Math.abs(quantity) }, change: { onHand: quantity } };
    return storage.append([
      {
        meta: { command: `other-${version}`, recordedAt: 1000, actor: "other" },
        expected: [{ stream: milk, version }],
        events: [{ stream: milk, type: quantity > 0 ? "StockReceived" : "StockSold", schema: 1, data }],
      },
    ]);
  }

  it("is noticed by the append; then all that rested on the stale state is decided again", async () => {
    const again: number[] = [];
    const { storage, ledger } = open({ observe: { decidedAgain: (commands) => again.push(commands) } });
    await ledger.submit(receive(1));
    await unitOf(storage, -1, 1);
    const bread = ledger.submit(receive(4, "bread"));
    expect(await codes([ledger.submit(take(1)), ledger.submit(take(1)), ledger.submit(read), bread])).toEqual([
      "refused",
      "refused",
      0,
      "received",
    ]);
    expect(again).toEqual([3]);
  });

  it("that never rests makes a command give up, without effect", async () => {
    const { storage, ledger } = open();
    await ledger.submit(receive(1));
    const append = storage.append.bind(storage);
    storage.append = async (units) => {
      const [version = 0] = await storage.versions([milk]);
      storage.append = append;
      await unitOf(storage, 1, version);
      const outcomes = await append(units);
      storage.append = meddle;
      return outcomes;
    };
    const meddle = storage.append;
    expect(await codes([ledger.submit(take(1))])).toEqual(["version-conflict"]);
    const events = await storage.readStream(milk);
    expect(events.map(({ type }) => type)).toEqual(Array(limits.conflictRetriesMax + 2).fill("StockReceived"));
  });

  it("that took a name first makes a fact a duplicate", async () => {
    const { storage, ledger } = open();
    await ledger.submit(read);
    const stream = streamOf.void("x");
    const meta = { command: "other", recordedAt: 1000, actor: "other" };
    const append = storage.append.bind(storage);
    storage.append = async (units) => {
      storage.append = append;
      const events = [{ stream, type: "VoidNoted", schema: 1, data: {} }];
      await append([{ meta, expected: [{ stream, version: 0 }], events, claims: [claim] }]);
      return append(units);
    };
    expect(await codes([ledger.submit(claimOnce), ledger.submit(claimOnce)])).toEqual(["duplicate", "duplicate"]);
    expect(await storage.readStream(milk)).toEqual([]);
  });
});

describe("a decision", () => {
  it("that throws takes back what it did, and nobody else notices", async () => {
    const { storage, ledger } = open();
    const broken = command((transaction) => {
      transaction.stock("shop", "milk");
      transaction.emitStock("shop", "milk", [received(100, transaction.now)]);
      transaction.claim(claim);
      throw new Error("broken");
    });
    const answers = await codes([receive(1), broken, read, claimOnce].map((one) => ledger.submit<unknown>(one)));
    expect(answers).toEqual(["received", "broken", 1, "accepted"]);
    expect((await storage.readStream(milk)).map(({ data }) => data)).toMatchObject([
      { balance: { onHand: 1 } },
      { balance: { onHand: 2 } },
    ]);
  });

  it("that finds out late what it needs is run again from the start, once for all that it emits", async () => {
    const { storage, ledger } = open();
    let runs = 0;
    await ledger.submit(claimOnce);
    const late = command((transaction) => {
      runs += 1;
      transaction.stock("shop", "milk");
      transaction.emitStock("shop", "milk", [received(1, transaction.now)]);
      const history = transaction.history("shop", "milk");
      const claimant = transaction.claimant(claim.key);
      transaction.want([streamOf.reservation("a"), streamOf.reservation("b")]);
      const bread = transaction.stock("shop", "bread");
      return [history.length, claimant?.events.length, bread.onHand, transaction.stock("shop", "milk").onHand];
    });
    expect((await ledger.submit(late)).value).toEqual([2, 1, 0, 2]);
    // Milk is in memory: history, claim, claimant, reservations, bread, its policy, and the run that counts.
    expect(runs).toBe(7);
    expect((await storage.readStream(milk)).length).toBe(2);
  });

  it("sees the history and the names of what was decided just before it", async () => {
    const { ledger } = open();
    const look = command((transaction) => [
      transaction.history("shop", "milk").length,
      transaction.claimant(claim.key)?.events.length,
    ]);
    const [, , seen] = await codes([claimOnce, receive(1), look].map((one) => ledger.submit<unknown>(one)));
    expect(seen).toEqual([2, 1]);
  });

  it("may touch more states than the cache is meant to hold", async () => {
    const { storage, ledger } = open({ cachedStatesMax: 2 });
    const skus = ["a", "b", "c", "d", "e", "f"];
    const wide = command((transaction) => {
      transaction.want(skus.map((sku) => streamOf.stock("shop", sku)));
      for (const sku of skus) {
        transaction.stock("shop", sku);
        transaction.emitStock("shop", sku, [received(1, transaction.now)]);
      }
      return skus.map((sku) => transaction.stock("shop", sku).onHand);
    });
    expect((await ledger.submit(wide)).value).toEqual([1, 1, 1, 1, 1, 1]);
    expect((await ledger.submit(wide)).value).toEqual([2, 2, 2, 2, 2, 2]);
    expect(storage.head()).toBe(12);
    await ledger.submit(read);
    await ledger.submit(read);
    expect(ledger.cacheStats.size).toBeLessThanOrEqual(2);
  });

  it("never sees time run backwards", async () => {
    const { ledger, clock, storage } = open();
    const now = command((transaction) => transaction.now);
    expect((await ledger.submit(now)).value).toBe(1000);
    clock.now = 500;
    expect((await ledger.submit(now)).value).toBe(1000);
    const stream = streamOf.void("y");
    await storage.append([
      {
        meta: { command: "other", recordedAt: 3000, actor: "other" },
        expected: [{ stream, version: 0 }],
        events: [{ stream, type: "VoidNoted", schema: 1, data: {} }],
      },
    ]);
    expect((await ledger.submit(now)).value).toBe(3000);
  });
});

describe("the queue", () => {
  it("turns away what is too much, and serves the rest", async () => {
    const { ledger } = open();
    const waiting = Array.from({ length: limits.ledgerQueueMax }, () => ledger.submit(read));
    await expect(ledger.submit(read)).rejects.toMatchObject({ code: "overloaded" });
    expect(await Promise.all(waiting)).toHaveLength(limits.ledgerQueueMax);
    expect((await ledger.submit(read)).value).toBe(0);
  });

  it("is finished by a close, which takes no more", async () => {
    const { ledger } = open();
    const last = ledger.submit(receive(1));
    const closed = ledger.close();
    await expect(ledger.submit(read)).rejects.toMatchObject({ code: "shutting-down" });
    await closed;
    expect((await last).value).toBe("received");
  });

  it("leaves nobody waiting when an observer is broken", async () => {
    const observe = {
      appended: () => {
        throw new Error("a broken observer");
      },
    };
    const { ledger } = open({ observe });
    expect(await codes([ledger.submit(receive(1)), ledger.submit(read)])).toEqual([
      "a broken observer",
      "a broken observer",
    ]);
    expect((await ledger.submit(read)).value).toBe(1);
  });

  it("turns away all that could not be read, and recovers", async () => {
    const { storage, ledger } = open();
    const readStream = storage.readStream.bind(storage);
    storage.readStream = async () => {
      throw new PlatformError("storage-unavailable", "a broken disk");
    };
    const needing = command((transaction) => transaction.stock("shop", "milk").onHand, { streams: [milk] });
    expect(await codes([ledger.submit(needing), ledger.submit(receive(1))])).toEqual([
      "storage-unavailable",
      "storage-unavailable",
    ]);
    storage.readStream = readStream;
    expect((await ledger.submit(needing)).value).toBe(0);
  });
});
