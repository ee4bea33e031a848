import { describe, expect, it } from "vitest";
import { silentLogger } from "../telemetry/index.ts";
import { chooseModules, type ModuleTable, startModules } from "./module.ts";

interface Offers {
  gateway: string;
  inventory: string;
  identity: string;
}

/** A table that keeps a diary; `broken` names modules that fail, as "start gateway" or "stop gateway". */
function tableOf(diary: string[], broken: readonly string[] = []): ModuleTable<object, Offers> {
  const row = (name: keyof Offers, uses: readonly (keyof Offers)[]) => {
    const step = (what: string) => {
      diary.push(`${what} ${name}`);
      if (broken.includes(`${what} ${name}`)) throw new Error(`${what} ${name}`);
    };
    return {
      about: name,
      needs: [],
      uses,
      start: async (_: object, offers: Offers) => {
        step("start");
        for (const used of uses) expect(offers[used]).toBe(used);
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
    expect(chooseModules("all", table)).toEqual({ names: ["inventory", "identity", "gateway"] });
    expect(chooseModules("gateway, identity ,inventory", table)).toEqual({
      names: ["inventory", "identity", "gateway"],
    });
    expect(chooseModules("identity", table)).toEqual({ names: ["identity"] });
  });

  it("that do not exist are named, with what was meant", () => {
    expect(chooseModules("gatway", table)).toEqual({
      problem: 'There is no target "gatway". Did you mean gateway? There are: all, gateway, inventory, identity.',
    });
  });

  it("that lack what they use are refused with the list that works", () => {
    expect(chooseModules("gateway", table)).toEqual({
      problem:
        "The target gateway uses inventory and identity, which must run in the same process: --target=gateway,inventory,identity.",
    });
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
