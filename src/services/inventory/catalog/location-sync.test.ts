import { afterEach, beforeEach, expect, it } from "vitest";
import { limits } from "../../../kernel/index.ts";
import { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { accepted, caller } from "../fixture.ts";
import { type RunningInventory, startInventory } from "../inventory.ts";
import { inventoryTagging } from "../reservations/lists.ts";

const secret = `whsec_${Buffer.alloc(24, 1).toString("base64")}`;
let storage: MemoryStorage;
let inventory: RunningInventory;

beforeEach(async () => {
  storage = new MemoryStorage({ tagging: inventoryTagging });
  inventory = await startInventory({
    storage,
    clock: () => Date.parse("2026-01-01T12:00:00Z"),
    randomId: () => "id",
    outgoing: {
      problemOf: (url) => (url.startsWith("https://") ? undefined : "must be public."),
      seal: (context, text) => `sealed for ${context}: ${text.length}`,
    },
  });
});
afterEach(() => inventory.stop());

const put = (id: string, sync?: object) =>
  inventory.putLocation(id, { name: id, kind: "warehouse", ...(sync && { sync: sync as { url: string } }) }, caller);
const url = "https://wms.example/larder/";

it("is kept with what was left out filled in, and shown without its secret", async () => {
  const { sync } = accepted(await put("leeds", { url, secret, skus: "dairy-*" }));
  const shown = { url: "https://wms.example/larder", of: "all", batchSize: 10, skus: "dairy-*", isSigned: true };
  expect(sync).toEqual(shown);
  expect(accepted(await inventory.location("leeds", caller)).sync).toEqual(shown);
  const [unit] = await storage.readLog(0, 1);
  expect(unit?.body).toContain("sealed for location leeds: ");
  expect(unit?.body).not.toContain(secret);
});

it("told again changes nothing, with the secret or without; null takes the secret away", async () => {
  await put("leeds", { url, secret });
  const before = storage.head();
  await put("leeds", { url, secret });
  expect(accepted(await put("leeds", { url })).sync?.isSigned).toBe(true);
  expect(storage.head()).toBe(before);
  expect(accepted(await put("leeds", { url, secret: null })).sync?.isSigned).toBe(false);
  expect(accepted(await put("leeds")).sync).toBeNull();
});

it("tells no more than whoever set it may see", async () => {
  const limited = { ...caller, locations: new Set(["leeds"]) };
  const body = { name: "Leeds", kind: "warehouse", sync: { url } } as const;
  expect(accepted(await inventory.putLocation("leeds", body, limited)).sync?.limitedTo).toEqual(["leeds"]);
  expect(accepted(await inventory.putLocation("leeds", body, caller)).sync).not.toHaveProperty("limitedTo");
});

it("names to whoever is limited to locations no other, wherever it is shown; groups and patterns name none", async () => {
  const known = ["leeds", "york"];
  const limited = { ...caller, locations: new Set(known) };
  const of = ["york", "hull", "group:north", "h*"];
  await put("leeds", { url, of });
  const wide = { ...caller, locations: new Set([...known, "hull"]) };
  await inventory.putLocation("york", { name: "York", kind: "store", sync: { url, of: ["hull"] } }, wide);

  const views = [
    accepted(await inventory.location("leeds", limited)),
    ...accepted(await inventory.locations({ limit: 10 }, limited)).items,
    accepted(await inventory.location("york", limited)),
  ];
  const [leeds, york] = [{ of: ["york", "group:north", "h*"] }, { of: [], limitedTo: known }];
  expect(views.map(({ sync }) => sync)).toMatchObject([leeds, leeds, york, york]);
  const { events } = accepted(await inventory.readChanges(undefined, 10, limited));
  expect(events.map(({ data }) => data["sync"])).toMatchObject([leeds, york]);
  for (const { id, data } of events) expect(accepted(await inventory.recordedEvent(id, limited)).data).toEqual(data);

  // What is recorded, and what others see, is whole.
  expect(accepted(await inventory.location("leeds", caller)).sync?.of).toEqual(of);
  const all = accepted(await inventory.readChanges(undefined, 10, caller)).events;
  expect(all.map(({ data }) => data["sync"])).toMatchObject([{ of }, { of: ["hull"], limitedTo: ["hull", ...known] }]);
});

it("is refused with what is wrong with it", async () => {
  for (const [sync, pointer] of [
    [{ url: "http://10.0.0.1" }, "/sync/url"],
    [{ url: "https://wms.example/?a=1" }, "/sync/url"],
    [{ url: "https://wms.example/#a" }, "/sync/url"],
    [{ url, secret: "whsec_short" }, "/sync/secret"],
  ] as const) {
    const outcome = await put("leeds", sync);
    expect(outcome.ok ? "taken" : outcome.rejection.extra).toMatchObject({ errors: [{ pointer }] });
  }
  expect(storage.head()).toBe(0);
});

it("may be told of so many locations, and no more", async () => {
  await Promise.all(Array.from({ length: limits.syncReceiversMax }, (_, n) => put(`w${n}`, { url })));
  expect((await put("one more", { url })).ok).toBe(false);
  expect((await put("one more")).ok).toBe(true);
  expect((await put("w7", { url, of: "own" })).ok).toBe(true);
  expect((await put("w7")).ok).toBe(true);
  expect((await put("one more", { url })).ok).toBe(true);
});
