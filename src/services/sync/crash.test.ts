import { describe, expect, it } from "vitest";
import { seeded, World } from "./world.fixture.ts";

const minute = 60_000;

describe("crashes at any moment", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])("leave nothing untold (seed %i)", async (seed) => {
    const world = await World.open({ seed });
    const random = seeded(seed);
    const names = ["leeds", "york", "hull"];
    for (const name of names) {
      const warehouse = await world.connect(name, { of: name === "hull" ? "others" : "all" });
      warehouse.latencyMs = () => 300 * random();
      warehouse.misbehaves = () => (random() < 0.1 ? "lost" : random() < 0.1 ? { status: 500 } : undefined);
    }
    for (let turn = 0; turn < 300; turn += 1) {
      await world.move([names[turn % 3] ?? "", `sku-${Math.floor(20 * random())}`, 1]);
      await world.time.pass(150 * random());
      if (random() < 0.05) await world.crash();
      if (random() < 0.02) world.warehouse(names[turn % 3] ?? "").isDown = random() < 0.5;
    }
    for (const name of names) {
      world.warehouse(name).isDown = false;
      world.warehouse(name).misbehaves = () => undefined;
    }
    await world.time.pass(5 * minute);
    for (const name of names) {
      expect(await world.lacking(name, ({ location }) => name !== "hull" || location !== "hull")).toEqual([]);
      expect(world.warehouse(name).problems).toEqual([]);
    }
    await world.stop();
  });
});
