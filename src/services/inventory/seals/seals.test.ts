import { describe, expect, it } from "vitest";
import { PlatformError } from "../../../kernel/index.ts";
import type { AppendUnit, RecordedUnit } from "../../../platform/storage/index.ts";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { caller, fact } from "../fixture.ts";
import { startInventory } from "../inventory.ts";
import { inventoryTagging } from "../reservations/lists.ts";
import { verifyLog } from "../verification/index.ts";
import { lastSealIn, sealStream } from "./seals.ts";

/** Storage that can't be read while `isOutOfReach`, and whose next append of a seal goes as it is told. */
class Unreliable extends MemoryStorage {
  isOutOfReach = false;
  sealGoes: "well" | "nowhere" | "late" = "well";
  #late: readonly AppendUnit[] = [];

  constructor() {
    super({ tagging: inventoryTagging });
  }

  override async append(units: readonly AppendUnit[]) {
    if (this.sealGoes === "well" || units[0]?.expected[0]?.stream !== sealStream) return await super.append(units);
    if (this.sealGoes === "nowhere") throw new PlatformError("storage-unavailable", "nothing was appended");
    this.#late = units;
    this.sealGoes = "well";
    throw new Error("nobody knows");
  }

  override async findCommands(commands: readonly string[], after: number) {
    const found = await super.findCommands(commands, after);
    if (this.#late.length > 0) await super.append(this.#late);
    this.#late = [];
    return found;
  }

  override async readStream(stream: string, after?: number, upTo?: number) {
    if (this.isOutOfReach) throw new PlatformError("storage-unavailable", "it can't be read");
    return await super.readStream(stream, after, upTo);
  }
}

async function sealed(during: (storage: Unreliable) => Promise<void>) {
  const storage = new Unreliable();
  const inventory = await startInventory({ storage, clock: () => 1000, randomId: () => "id", sealEveryMs: 5 });
  const sell = () => inventory.recordFacts([fact("stock.sold", { sku: "a", location: "x", quantity: 1 })], caller);
  await sell();
  await passed();
  await sell();
  await during(storage);
  await sell();
  await passed();
  await inventory.stop();
  return await verifyLog(storage);
}

const passed = () => new Promise((resolve) => setTimeout(resolve, 60));

describe("the chain of seals", () => {
  it("goes on from what is in the log when a seal can't be appended, and the log not be read just then", async () => {
    const { findings, seals } = await sealed(async (storage) => {
      storage.sealGoes = "nowhere";
      storage.isOutOfReach = true;
      await passed();
      storage.sealGoes = "well";
      storage.isOutOfReach = false;
    });
    expect(findings).toEqual([]);
    expect(seals).toBeGreaterThanOrEqual(2);
  });

  it("has no seal twice when one lands after it was looked for", async () => {
    const { findings, seals } = await sealed(async (storage) => {
      storage.sealGoes = "late";
      await passed();
    });
    expect(findings).toEqual([]);
    expect(seals).toBeGreaterThanOrEqual(2);
  });
});

describe("the newest seal of a log that is only read", () => {
  it.each([
    [0, 100, 90],
    [0, 12_000, 3],
    [85, 100, 90],
    [99, 100, 100],
    [9000, 12_000, 9001],
  ])(
    "is found although events up to %i of %i are in cold files that were left out, when it is event %i",
    async (cold, head, at) => {
      const data = { to: at - 1, events: 7, hash: "h" };
      const log = fakeLog({ cold, head, at, data });
      expect(await lastSealIn(log)).toEqual(data);
    },
  );

  it("fails when it may be in what was left out", async () => {
    const log = fakeLog({ cold: 95, head: 100, at: 90, data: { to: 1, events: 1, hash: "h" } });
    await expect(lastSealIn(log)).rejects.toMatchObject({ code: "archive-unavailable" });
  });
});

/** Units of one event each, of which those up to `cold` can't be read, and the one `at` is a seal. */
function fakeLog({ cold, head, at, data }: { cold: number; head: number; at: number; data: object }) {
  return {
    head: () => head,
    async readLog(after: number, limit: number): Promise<readonly RecordedUnit[]> {
      if (after < cold) throw new PlatformError("archive-unavailable", "the cold file is not there");
      const seqs = Array.from({ length: Math.min(limit, head - after) }, (_, index) => after + 1 + index);
      const told = (seq: number) => ({ seq, stream: seq === at ? sealStream : "stock", type: "T", data });
      return seqs.map((seq) => ({ events: [told(seq)] }) as unknown as RecordedUnit);
    },
  };
}
