import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { MemoryStorage } from "../memory/index.ts";
import type { AppendUnit, RecordedUnit, Storage } from "../port.ts";
import { claim, event, numbers, sampleTagging, unitOf } from "../samples.ts";
import { ownThread } from "./archive.fixture.ts";
import { openSqliteStorage } from "./index.ts";

const dayMs = 86_400_000;
/** So many that some are not touched for days. */
const streams = ["stock-a/ä", "stock-a/b", "stock-c/b", "reservation-1", "reservation-2", "transfer-1", "seal-0"];

interface Step {
  /** Events of each unit of one append, as places in `streams`. */
  readonly units: readonly (readonly number[])[];
  /** By how much the clock goes on before it. */
  readonly passMs: number;
  /** Whether it is followed by a run, and how many days before the present that ends. */
  readonly archiveDays: number | undefined;
  readonly reopens: "no" | "yes" | "without derived.db";
}

const step: fc.Arbitrary<Step> = fc.record({
  units: fc.array(fc.array(fc.nat(streams.length - 1), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
  passMs: fc.oneof(fc.nat(1000), fc.nat(3 * dayMs), fc.constantFrom(dayMs, dayMs - 1)),
  archiveDays: fc.option(fc.nat(1), { freq: 3, nil: undefined }),
  reopens: fc.constantFrom("no", "no", "no", "yes", "without derived.db"),
});

it("gives the same answers after days were moved as a store that moves nothing", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), fc.nat(), async (steps, seed) => {
      const folder = mkdtempSync(join(tmpdir(), "larder-cold-twin-"));
      let storage = await openSqliteStorage({ folder, tagging: sampleTagging, coldWriter: ownThread });
      const twin = new MemoryStorage({ tagging: sampleTagging });
      try {
        let now = 1_763_719_200_000;
        for (const { units, passMs, archiveDays, reopens } of steps) {
          now += passMs;
          // Before the append, so that its guards are looked up, and not known from reading.
          if (reopens !== "no") {
            await storage.close();
            if (reopens === "without derived.db") rmSync(join(folder, "derived.db"));
            storage = await openSqliteStorage({ folder, tagging: sampleTagging, coldWriter: ownThread });
          }
          await appendToBoth(storage, twin, units, now);
          if (archiveDays !== undefined)
            await storage.archive.run({
              before: (Math.floor(now / dayMs) - archiveDays) * dayMs,
              upTo: storage.head(),
            });
          await expectSame(storage, twin, seed);
        }
      } finally {
        await storage.close();
        rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: 25 },
  );
}, 120_000);

async function appendToBoth(storage: Storage, twin: Storage, asked: Step["units"], now: number): Promise<void> {
  const versions = new Map<string, number>();
  for (const stream of streams) versions.set(stream, (await twin.versions([stream]))[0] ?? 0);
  let head = twin.head();
  const units = asked.map((places): AppendUnit => {
    const expected = Object.fromEntries(
      places.map((place) => [streams[place] ?? "", versions.get(streams[place] ?? "") ?? 0]),
    );
    for (const place of places) versions.set(streams[place] ?? "", (versions.get(streams[place] ?? "") ?? 0) + 1);
    head += places.length;
    const events = places.map((place) =>
      event(streams[place] ?? "", { n: head, ...(head % 3 === 0 && { tags: ["third"] }) }),
    );
    return unitOf(`c${head}`, expected, events, { recordedAt: now, claims: [claim(head)] });
  });
  const outcomes = await storage.append(units);
  expect(outcomes).toEqual(await twin.append(units));
  // What was expected before is stale now: guards hold across the seam too.
  const stale = unitOf("stale", { [streams[0] ?? ""]: (versions.get(streams[0] ?? "") ?? 0) + 1 }, [
    event(streams[0] ?? ""),
  ]);
  expect(await storage.append([stale])).toEqual(await twin.append([stale]));
}

/** Asks both for all that the port can be asked for. */
async function expectSame(storage: Storage, twin: Storage, seed: number): Promise<void> {
  const head = twin.head();
  const pick = (n: number, max: number) => (((seed + 1) * 2_654_435_761 * (n + 1)) % 4_294_967_296) % (max + 1);
  expect(storage.head()).toBe(head);
  expect(storage.lastRecordedAt()).toBe(twin.lastRecordedAt());
  const all = await twin.readLog(0, Number.MAX_SAFE_INTEGER);
  expect((await storage.readLog(0, Number.MAX_SAFE_INTEGER)).map(plain)).toEqual(all.map(plain));
  for (const n of numbers(6)) {
    const [after, limit] = [pick(n, head), 1 + pick(n + 7, 20)];
    expect((await storage.readLog(after, limit)).map(plain)).toEqual((await twin.readLog(after, limit)).map(plain));
    const at = (all[pick(n, all.length - 1)]?.meta.recordedAt ?? 0) + pick(n, 2) - 1;
    expect(await storage.sequenceAt(at)).toBe(await twin.sequenceAt(at));
  }
  expect(await storage.versions([...streams, "none"])).toEqual(await twin.versions([...streams, "none"]));
  for (const [n, stream] of streams.entries()) {
    expect(await storage.readStream(stream)).toEqual(await twin.readStream(stream));
    const [after, upTo] = [pick(n, 9), 1 + pick(n + 3, 20)];
    expect(await storage.readStream(stream, after, upTo)).toEqual(await twin.readStream(stream, after, upTo));
    expect(await storage.readStream(stream, after)).toEqual(await twin.readStream(stream, after));
  }
  const keys = numbers(head + 1).map((n) => claim(n).key);
  expect(await storage.findClaims(keys)).toEqual(await twin.findClaims(keys));
  expect(await storage.findTagged("third", undefined, 5)).toEqual(await twin.findTagged("third", undefined, 5));
  const commands = [`c${pick(1, head)}`, `c${head}`, "none"];
  expect(await storage.findCommands(commands, 0)).toEqual(await twin.findCommands(commands, 0));
}

function plain({ meta, events, claims, body }: RecordedUnit): object {
  return { meta, events, claims, body };
}
