import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Sink, type SinkEvent, SinkMoved, type SinkSession, type SinkStock } from "./port.ts";
import { event, inSteps, otherEvent, positionOf, run, stock, strangeNames } from "./samples.ts";

/** An engine as the contract sees it. */
export interface SinkUnderTest {
  readonly sink: Sink;
  /** What others read there: ids of events in their order, or stocks in any; the one that it has not is empty. */
  held(): Promise<{ readonly events: readonly string[]; readonly stocks: readonly SinkStock[] }>;
  /** Empties it under the hands of whoever writes to it. */
  wipe(): Promise<void>;
  remove(): Promise<void>;
}

/** What every engine promises (port.ts), as tests. `open` opens one that holds nothing. */
export function sinkContract(name: string, open: () => Promise<SinkUnderTest>): void {
  describe(`the sink contract: ${name}`, () => {
    let engine: SinkUnderTest;
    let sessions: SinkSession[];
    beforeEach(async () => {
      engine = await open();
      sessions = [];
    });
    afterEach(async () => {
      for (const session of sessions) await session.close();
      await engine.remove();
    });

    const session = async () => {
      const opened = await engine.sink.open();
      sessions.push(opened);
      return opened;
    };
    const write = (to: SinkSession, events: readonly SinkEvent[]) =>
      to.write(events, events.at(-1)?.position ?? positionOf(0));
    /** What it must hold after these events were written to it, whichever of both it keeps. */
    const expectHeld = async (events: readonly SinkEvent[]) => {
      const held = await engine.held();
      const newest = new Map(
        events.flatMap(({ stock }) => (stock ? [[`${stock.location}\n${stock.sku}`, stock]] : [])),
      );
      if ((await session()).filling.from === "events") expect(held.events).toEqual(events.map(({ id }) => id));
      else {
        expect(held.stocks).toHaveLength(newest.size);
        expect(held.stocks).toEqual(expect.arrayContaining([...newest.values()]));
      }
    };

    it("stands nowhere when it is empty", async () => {
      expect((await session()).position).toBeUndefined();
      await expectHeld([]);
    });

    it("holds what was written, and stands behind it", async () => {
      await write(await session(), run(1, 3));
      await expectHeld(run(1, 3));
      expect((await session()).position).toBe(positionOf(3));
    });

    it("goes on where it stands, also in another session, and takes many events at once", async () => {
      await write(await session(), run(1, 700));
      const next = await session();
      expect(next.position).toBe(positionOf(700));
      await write(next, run(701, 710));
      await write(next, run(711, 1200));
      await expectHeld(run(1, 1200));
      expect((await session()).position).toBe(positionOf(1200));
    });

    it("takes any name, and confuses none", async () => {
      const pairs = strangeNames.flatMap((sku) => strangeNames.map((location) => [sku, location] as const));
      const events = pairs.map(([sku, location], index) => event(index + 1, sku, 1, location));
      await write(await session(), events);
      await expectHeld(events);
    });

    it("takes events that are about no stock", async () => {
      const events = [event(1, "milk", 1), otherEvent(2), event(3, "milk", 2)];
      await write(await session(), events);
      await expectHeld(events);
    });

    it("looks whether all is there when there is nothing to write", async () => {
      const one = await session();
      await one.write([], positionOf(1));
      await write(one, run(1, 2));
      await one.write([], positionOf(2));
      await engine.wipe();
      await expect(one.write([], positionOf(2))).rejects.toThrow(SinkMoved);
    });

    it("takes nothing on top of what was lost", async () => {
      const one = await session();
      await write(one, run(1, 2));
      await engine.wipe();
      await expect(write(one, run(3, 4))).rejects.toThrow(SinkMoved);
      await expectHeld([]);
      expect((await session()).position).toBeUndefined();
    });

    it("shows that it lost the newest that it had acknowledged, and takes them again", async () => {
      const one = await session();
      await write(one, run(1, 10));
      await write(one, run(11, 20));
      await engine.wipe();
      await write(await session(), run(1, 10));
      await expect(write(one, run(21, 22))).rejects.toThrow(SinkMoved);
      const two = await session();
      expect(two.position).toBe(positionOf(10));
      await write(two, run(11, 22));
      await expectHeld(run(1, 22));
    });

    it("lets one of two writers go on, and the other one notice", async () => {
      const one = await session();
      await write(one, run(1, 2));
      const two = await session();
      await write(two, run(3, 4));
      await expect(write(one, run(3, 4))).rejects.toThrow(SinkMoved);
      await write(two, run(5, 6));
      await expectHeld(run(1, 6));
    });

    it("is filled with the stocks as they are, when that is its way", async () => {
      const one = await session();
      if (one.filling.from === "events") {
        expect(one.filling.keepMs === undefined || one.filling.keepMs > 0).toBe(true);
        return;
      }
      await write(one, run(1, 5, "gone"));
      await one.filling.fill(
        inSteps([stock("milk", 3)], [], [stock("bread", 9), stock("milk", 4, "york")]),
        positionOf(9),
      );
      const filled = [stock("milk", 3), stock("bread", 9), stock("milk", 4, "york")];
      expect((await engine.held()).stocks).toEqual(expect.arrayContaining(filled));
      expect((await engine.held()).stocks).toHaveLength(3);
      // What was recorded while it was filled comes again, and the older of it changes nothing.
      await write(one, [event(10, "bread", 8), event(11, "milk", 4)]);
      const now = [stock("milk", 4), stock("bread", 9), stock("milk", 4, "york")];
      expect((await engine.held()).stocks).toEqual(expect.arrayContaining(now));
      expect((await session()).position).toBe(positionOf(11));
    });

    it("stands nowhere while it is filled, and lets nobody write into that", async () => {
      const one = await session();
      await write(one, run(1, 5));
      const two = await session();
      if (two.filling.from === "events") return;
      const { filling } = two;
      const steps = async function* () {
        yield [stock("milk", 6)];
        expect((await session()).position).toBeUndefined();
        await expect(write(one, run(6, 7))).rejects.toThrow(SinkMoved);
        throw new Error("the log is away");
      };
      await expect(filling.fill(steps(), positionOf(7))).rejects.toThrow("the log is away");
      expect((await session()).position).toBeUndefined();
    });
  });
}
