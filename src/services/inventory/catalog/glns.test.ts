import { beforeEach, describe, expect, it } from "vitest";
import { accepted, caller, codeOf, type Opened, openInventory } from "../fixture.ts";

const [gln, another] = ["9506000134352", "9506000134376"] as const;
const store = { name: "Leeds", kind: "store" } as const;

let opened: Opened;
beforeEach(async () => {
  opened = await openInventory();
});

const put = (id: string, fields: object, who = caller) =>
  opened.inventory.putLocation(id, { ...store, ...fields }, who);
const found = async (key: string, who = caller) =>
  accepted(await opened.inventory.locationsByGln(key, who)).items.map(({ id }) => id);

describe("a location's GLN", () => {
  it("finds it, until it has another or none", async () => {
    expect(accepted(await put("leeds", { gln })).gln).toBe(gln);
    expect(await found(gln)).toEqual(["leeds"]);
    await put("leeds", { gln: another });
    expect([await found(gln), await found(another)]).toEqual([[], ["leeds"]]);
    expect(accepted(await put("leeds", {})).gln).toBeNull();
    expect(await found(another)).toEqual([]);
  });

  it("belongs to one location, also of two that ask at once", async () => {
    const race = await Promise.all([put("leeds", { gln }), put("york", { gln })]);
    expect(race.map(codeOf).sort()).toEqual(["gln-in-use", "ok"]);
    const [owner] = await found(gln);
    const other = owner === "leeds" ? "york" : "leeds";
    expect(codeOf(await opened.inventory.location(other, caller))).toBe("not-found");
    await put(owner ?? "", {});
    expect(codeOf(await put(other, { gln }))).toBe("ok");
  });

  it("has a right check digit", async () => {
    expect(codeOf(await put("leeds", { gln: "9506000134353" }))).toBe("invalid-check-digit");
  });

  it("tells nobody of a location that they may not know", async () => {
    await put("leeds", { gln });
    const limited = { ...caller, locations: new Set(["york"]) };
    expect(await found(gln, limited)).toEqual([]);
    const refused = await put("york", { gln }, limited);
    expect(JSON.stringify(refused)).not.toContain("leeds");
    expect(codeOf(refused)).toBe("gln-in-use");
  });

  it("said again changes nothing, and is there after a restart", async () => {
    await put("leeds", { gln });
    const head = opened.storage.head();
    await put("leeds", { gln });
    expect(opened.storage.head()).toBe(head);
    await opened.inventory.stop();
    opened = await openInventory({ storage: opened.storage });
    expect(await found(gln)).toEqual(["leeds"]);
    expect(codeOf(await put("york", { gln }))).toBe("gln-in-use");
  });
});
