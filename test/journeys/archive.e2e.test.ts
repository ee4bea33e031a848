/** Old days are moved into cold files by the commands, on a stopped folder and on a running server; nothing else changes. */
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openSqliteStorage } from "../../src/platform/storage/sqlite/index.ts";
import { coldColumns, inventoryTagging, startInventory } from "../../src/services/inventory/index.ts";
import { larder, serve, temporaryFolder } from "./larder.ts";

const key = "the key of the journeys";
const days = 8;
const start = Date.parse("2026-03-01T09:00:00Z");

/** A data folder with a receipt and a sale on each of some days that are long over. */
async function folderOfOldDays(data: string): Promise<void> {
  let now = start;
  let ids = 0;
  const storage = await openSqliteStorage({ folder: data, tagging: inventoryTagging, coldColumns });
  const randomId = () => {
    ids += 1;
    return `id-${ids}`;
  };
  const inventory = await startInventory({ storage, clock: () => now, randomId, sweepEveryMs: 1e9, sealEveryMs: 1e9 });
  for (let day = 0; day < days; day += 1) {
    now = start + day * 86_400_000;
    const fact = (id: string, type: string, quantity: number) => ({
      ...{ specversion: "1.0", source: "till", id: `${id}-${day}`, type: `larder.stock.${type}.v1` },
      ...{ time: new Date(now - 1000).toISOString(), data: { sku: "apple", location: "leeds", quantity } },
    });
    const facts = [fact("r", "received", 10), fact("s", "sold", 4)];
    expect((await inventory.recordFacts(facts, { id: "journey", ownReservations: false })).accepted).toBe(2);
  }
  await inventory.stop();
  await storage.close();
}

it("moves days on a stopped folder and on a running server, and answers as before", async () => {
  const data = temporaryFolder(onTestFinished);
  await folderOfOldDays(data);
  const json = async (env: Record<string, string>, ...args: string[]) => {
    const { out, err, code } = await larder([...args, "--json"], env);
    return { code, err, body: out === "" ? undefined : JSON.parse(out) };
  };
  const stopped = { LARDER_DATA: data };

  const plan = await larder(["archive", "--before", "2026-03-04", "--dry-run", "--data", data]);
  expect(plan).toMatchObject({ code: 0, out: expect.stringContaining("3 days before 2026-03-04 would be moved") });
  expect(readdirSync(data)).not.toContain("archive");
  const moved = await json(stopped, "archive", "--before", "2026-03-04", "--data", data);
  expect(moved).toMatchObject({ code: 0, body: { files: 3, lastRun: { files: 3, before: "2026-03-04" } } });
  expect(await json(stopped, "archive", "--data", data)).toMatchObject({
    code: 1,
    err: expect.stringContaining("before"),
  });
  expect(await json(stopped, "verify")).toMatchObject({ code: 0, body: { ok: true, findingsCount: 0 } });

  const server = await serve(data, { LARDER_ADMIN_KEY: key });
  onTestFinished(() => void server.end());
  const env = { LARDER_URL: server.url, LARDER_KEY: key, LARDER_DATA: data };
  expect(await json(env, "archive", "--before", "2026-03-07")).toMatchObject({ code: 0, body: { files: 6 } });
  const get = async (path: string, token = key) => {
    const answer = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, body: (await answer.json()) as { readonly events?: readonly unknown[] } };
  };
  const stockAt = (day: number) => get(`/v1/stock/apple?at=${new Date(start + day * 86_400_000).toISOString()}`);
  for (let day = 0; day < days; day += 1)
    expect((await stockAt(day)).body).toMatchObject({ totals: { onHand: 6 * (day + 1) } });
  expect((await get("/v1/stock/apple/events?limit=100")).body.events).toHaveLength(2 * days);
  const feed = await fetch(`${server.url}/v1/changes?follow=false`, {
    headers: { authorization: `Bearer ${key}`, accept: "application/x-ndjson" },
  });
  expect((await feed.text()).match(/larder\.stock\.sold\.v1/g)).toHaveLength(days);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toMatch(/larder_archive_files 6\n/);
  expect(metrics).toMatch(/larder_archive_runs_total\{outcome="ok"\} 1\n/);
  const { body: reader } = await json(env, "keys", "create", "reader", "--scope", "stock:read");
  expect(await get("/v1/archive", reader.key)).toMatchObject({ status: 403, body: { code: "forbidden" } });

  const [cold = ""] = readdirSync(join(data, "archive")).filter((name) => name.endsWith(".parquet"));
  expect(await json(env, "doctor")).toMatchObject({ code: 0 });
  renameSync(join(data, "archive", cold), join(data, "elsewhere"));
  const doctor = await json(env, "doctor");
  expect(doctor.code).toBe(1);
  expect(doctor.body.findings).toContainEqual(
    expect.objectContaining({ about: "archive", status: "trouble", detail: expect.stringContaining("is missing") }),
  );
  expect((await get("/v1/stock/apple")).body).toMatchObject({ totals: { onHand: 6 * days } });
  renameSync(join(data, "elsewhere"), join(data, "archive", cold));

  const backup = join(temporaryFolder(onTestFinished), "backup");
  expect(await json(env, "backup", backup)).toMatchObject({ code: 0, body: { archive: { isIncluded: true } } });
  await server.end();
  const restored = join(temporaryFolder(onTestFinished), "restored");
  const toTime = ["--to-time", "2026-03-02T12:00:00Z"];
  expect(await json({}, "restore", backup, "--data", restored, ...toTime)).toMatchObject({ code: 0 });
  expect(await json({}, "verify", restored)).toMatchObject({ code: 0, body: { ok: true, stocks: 1 } });
  expect(await json(stopped, "archive", "--check", "--data", data)).toMatchObject({
    code: 0,
    body: { ok: true, files: 6 },
  });
  const { before, after } = (await json(stopped, "archive", "--compact", "--data", data)).body;
  expect(after).toBeLessThanOrEqual(before);
  expect(await json(stopped, "verify")).toMatchObject({ code: 0, body: { ok: true } });
}, 300_000);
