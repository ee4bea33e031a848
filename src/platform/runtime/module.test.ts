import { describe, expect, it } from "vitest";
import { silentLogger } from "../telemetry/index.ts";
import { chooseModules, type ModuleTable, startModules } from "./module.ts";

interface Offers {
  gateway: string;
  inventory: string;
  identity: string;
}

type Interfaces = Omit<Offers, "gateway">;

/** A table that keeps a diary; `broken` names modules that fail, as "start gateway" or "stop gateway". */
function tableOf(diary: string[], broken: readonly string[] = []): ModuleTable<object, Offers, Interfaces> {
  const row = (name: keyof Offers, uses: readonly (keyof Interfaces)[]) => {
    const step = (what: string) => {
      diary.push(`${what} ${name}`);
      if (broken.includes(`${what} ${name}`)) throw new Error(`${what} ${name}`);
    };
    return {
      about: name,
      needs: [],
      uses,
      start: async (_: object, interfaces: Interfaces) => {
        step("start");
        for (const used of uses) expect(interfaces[used]).toBe(used);
        return { offer: name as string, stop: async () => step("stop") };
      },
    };
  };
  return {
    gateway: row("gateway", ["inventory", "identity"]),
    inventory: row("inventory", []),
    identity: row("identity", []),
  };
}

describe("targets", () => {
  const table = tableOf([]);

  it("are all rows, each after those that it uses", () => {
    const all = { names: ["inventory", "identity", "gateway"], remote: [] };
    expect(chooseModules("all", table)).toEqual(all);
    expect(chooseModules("gateway, identity ,inventory", table)).toEqual(all);
    expect(chooseModules("identity", table)).toEqual({ names: ["identity"], remote: [] });
  });

  it("that do not exist are named, with what was meant", () => {
    expect(chooseModules("gatway", table)).toEqual({
      problem: 'There is no target "gatway". Did you mean gateway? There are: all, gateway, inventory, identity.',
    });
  });

  it("that lack what they use are refused with the list that works", () => {
    expect(chooseModules("gateway", table)).toEqual({
      problem:
        "The target gateway uses inventory and identity. Run that in the same process, by --target=gateway,inventory,identity, or say by LARDER_PEERS where it runs.",
    });
  });

  it("may use what runs elsewhere, when it does not run here", () => {
    const elsewhere = new Set(["inventory"]);
    expect(chooseModules("gateway,identity", table, elsewhere)).toEqual({
      names: ["identity", "gateway"],
      remote: ["inventory"],
    });
    expect(chooseModules("all", table, elsewhere)).toMatchObject({ remote: [] });
    expect(chooseModules("identity", table, new Set(["inventroy"]))).toMatchObject({
      problem: expect.stringContaining("Did you mean inventory?"),
    });
  });

  it("are not run apart from those that must be in the same process, or without those that they only may use", () => {
    const rows = {
      sync: { uses: [] },
      archive: { uses: [] },
      gateway: { uses: [], mayUse: ["archive"], beside: ["sync"] },
    };
    expect(chooseModules("gateway", rows, new Set(["sync"]))).toEqual({
      problem: "The target gateway needs sync in the same process: --target=gateway,sync.",
    });
    expect(chooseModules("sync,gateway", rows)).toEqual({ names: ["sync", "gateway"], remote: [] });
    expect(chooseModules("sync,gateway", rows, new Set(["archive"]))).toMatchObject({ remote: ["archive"] });
  });
});

describe("modules", () => {
  const all = ["inventory", "identity", "gateway"];

  it("stop in the opposite order, once", async () => {
    const diary: string[] = [];
    const running = await startModules(all, tableOf(diary), {}, silentLogger());
    await running.stop();
    await running.stop();
    expect(diary).toEqual([
      ...["start inventory", "start identity", "start gateway"],
      ...["stop gateway", "stop identity", "stop inventory"],
    ]);
  });

  it("are stopped again when a later one fails to start", async () => {
    const diary: string[] = [];
    const start = startModules(all, tableOf(diary, ["start gateway"]), {}, silentLogger());
    await expect(start).rejects.toThrow("start gateway");
    expect(diary.slice(3)).toEqual(["stop identity", "stop inventory"]);
  });

  it("all stop even when one fails to, and the failure is told", async () => {
    const diary: string[] = [];
    const running = await startModules(all, tableOf(diary, ["stop identity"]), {}, silentLogger());
    await expect(running.stop()).rejects.toThrow("stop identity");
    expect(diary).toContain("stop inventory");
  });
});
