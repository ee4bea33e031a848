/** Commands that may be decided and recorded at some time only, by processes that may stand still. */
import { describe, expect, it } from "vitest";
import { NotBegun } from "../../../kernel/index.ts";
import { SharedMemoryLog, type SharedMemoryStorage } from "../../../platform/storage/memory/index.ts";
import { Ledger, SnapshotWriter, streamOf } from "./index.ts";
import { command, open, receive, take } from "./ledger.fixture.ts";

/** Two processes with a clock; one of them can be made to stand still on its way to the store. */
function openTwo() {
  const clock = { now: 1000 };
  const board = new SharedMemoryLog(undefined, () => clock.now);
  let standing = Promise.resolve();
  const ledgerOn = (storage: SharedMemoryStorage, processId: string) =>
    new Ledger({
      ...{ storage, processId },
      clock: () => clock.now,
      snapshots: new SnapshotWriter(() => undefined),
      locationsOf: () => [],
      isVoided: () => false,
    });
  const paused = ledgerOn(
    board.open({ interrupt: (step) => (step === "before-append" ? standing : noTime) }),
    "paused",
  );
  const other = ledgerOn(board.open(), "other");
  const pauseIt = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    standing = promise;
    return resolve;
  };
  const sold = () => {
    const events = board.log.readLog(0, Number.MAX_SAFE_INTEGER).flatMap((unit) => unit.events);
    return events.filter(({ type }) => type === "StockSold").length;
  };
  return { clock, board, paused, other, pauseIt, sold };
}

const noTime = Promise.resolve();
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 20));

describe("a process that stands still with a command", () => {
  it("records nothing of it after its deadline, whatever has become possible meanwhile", async () => {
    const { clock, paused, other, pauseIt, sold } = openTwo();
    await other.submit(receive(1));
    const goOn = pauseIt();
    const late = paused.submit(take(1), { before: 1500 });
    const answer = expect(late).rejects.toThrow(NotBegun);
    await aWhile();
    expect((await other.submit(take(1))).value).toBe("taken");
    clock.now = 1500;
    expect((await other.submit(take(1), { before: 2000, from: 1500 })).value).toBe("refused");
    await other.submit(receive(5));
    goOn();
    await answer;
    expect(sold()).toBe(1);
  });

  it("records nothing of it after its deadline although nobody has touched what it was decided on", async () => {
    const { clock, paused, other, pauseIt, sold } = openTwo();
    await other.submit(receive(1));
    const goOn = pauseIt();
    const answers = Promise.allSettled([paused.submit(take(1), { before: 1500 }), paused.submit(receive(2, "tea"))]);
    await aWhile();
    clock.now = 1500;
    goOn();
    const [late, untimed] = await answers;
    expect(late).toMatchObject({ status: "rejected", reason: expect.any(NotBegun) });
    expect(untimed).toMatchObject({ status: "fulfilled", value: { value: "received" } });
    expect(sold()).toBe(0);
    // What was in memory of it is gone too.
    expect((await paused.submit(take(1), { before: 2000 })).value).toBe("taken");
  });

  it("answers the rest of a batch nothing either, so that all of it is asked for again", async () => {
    const { clock, paused, pauseIt } = openTwo();
    const goOn = pauseIt();
    const fails = (error: unknown) => {
      throw error;
    };
    const late = paused.submitAll([receive(1), receive(2)], fails, { before: 1500 });
    const answer = expect(late).rejects.toThrow(NotBegun);
    await aWhile();
    clock.now = 1500;
    goOn();
    await answer;
  });
});

describe("a command that may be decided from an instant on", () => {
  it("is not begun before, and changes nothing", async () => {
    const { other, board } = openTwo();
    await expect(other.submit(receive(1), { from: 1001 })).rejects.toThrow(NotBegun);
    expect(board.log.head()).toBe(0);
    expect((await other.submit(receive(1), { from: 1000 })).value).toBe("received");
  });

  it("waits for what others are appending", async () => {
    const { board, other } = openTwo();
    const turn = await board.open().takeTurn();
    let isAnswered = false;
    const refusal = other.submit(take(1), { from: 1000 }).then(({ value }) => {
      isAnswered = true;
      return value;
    });
    await aWhile();
    expect(isAnswered).toBe(false);
    await turn.end();
    expect(await refusal).toBe("refused");
  });

  it("goes by the clock of the process where no other one appends", async () => {
    const { ledger, clock } = open();
    await expect(ledger.submit(receive(1), { from: 1001 })).rejects.toThrow(NotBegun);
    await expect(ledger.submit(receive(1), { before: 1000 })).rejects.toThrow(NotBegun);
    clock.now = 1001;
    expect((await ledger.submit(receive(1), { from: 1001, before: 1002 })).value).toBe("received");
  });
});

describe("a decision that rests on a reservation which is still active", () => {
  it("is taken again when its time has run out on the way to the store", async () => {
    const { clock, paused, other, pauseIt } = openTwo();
    const stream = streamOf.reservation("r1");
    const placed = { type: "ReservationPlaced", data: { expiresAt: 1500, allocations: [], print: "" } };
    await other.submit(command((transaction) => transaction.emit(stream, [placed])));
    const confirm = command((transaction) => {
      const { status, expiresAt } = transaction.reservation("r1");
      if (status !== "active" || (expiresAt ?? 0) <= transaction.now) return "expired" as const;
      transaction.emit(stream, [{ type: "ReservationConfirmed", data: {} }]);
      return "confirmed" as const;
    });
    const goOn = pauseIt();
    const answer = paused.submit(confirm);
    await aWhile();
    clock.now = 1500;
    expect((await other.submit(confirm)).value).toBe("expired");
    goOn();
    expect((await answer).value).toBe("expired");
  });
});
