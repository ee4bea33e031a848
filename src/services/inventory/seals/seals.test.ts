import { describe, expect, it } from "vitest";
import { PlatformError } from "../../../kernel/index.ts";
import type { AppendUnit } from "../../../platform/storage/index.ts";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { caller, fact } from "../fixture.ts";
import { startInventory } from "../inventory.ts";
import { inventoryTagging } from "../reservations/lists.ts";
import { verifyLog } from "../verification/index.ts";
import { sealStream } from "./seals.ts";

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
