import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openSqliteStorage } from "../platform/storage/sqlite/index.ts";
import type { ArchiveStatus } from "../services/archive/index.ts";
import { coldColumns, inventoryTagging, startInventory } from "../services/inventory/index.ts";
import { command } from "./fixture.ts";

// A server that answers every request with one status of the archive.

let server: Server;
let answer: ArchiveStatus;

beforeEach(async () => {
  server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const run = { startedAt: "2026-08-12T03:00:00.000Z", before: "2026-08-05", days: 4, files: 1, events: 30, bytes: 2e5 };
const status = (rest: Partial<ArchiveStatus>): ArchiveStatus => ({
  ...{ isRunning: false, after: 7, hotSince: "2026-08-02T08:00:00.000Z", files: 1, coldEvents: 30 },
  ...{ coldBytes: 2e5, freeBytes: 0 },
  ...rest,
});

async function archive(...args: string[]) {
  const { port } = server.address() as AddressInfo;
  return await command(["archive", ...args, "--url", `http://127.0.0.1:${port}`, "--key", "k"]);
}

describe("larder archive --status", () => {
  it("says of the last run what kept it from moving all", async () => {
    answer = status({ lastRun: { ...run, endedAt: "2026-08-12T03:01:00.000Z", problem: "It broke." } });
    const { code, out } = await archive("--status");
    expect(code).toBe(0);
    expect(out).toContain("30 events before 2026-08-05 moved into 1 cold file, 0.2 MB.\n");
    expect(out).toContain("Not all was moved. It broke.\n");
    expect(JSON.parse((await archive("--status", "--json")).out)).toEqual(answer);
    expect(await archive()).toMatchObject({ code: 1, err: expect.stringContaining("Not all was moved. It broke.") });
  });

  it("tells a run that is under way from one that has ended", async () => {
    answer = status({ isRunning: true, lastRun: run });
    const { out } = await archive("--status");
    expect(out).toContain("A run is under way: 1 of 4 days before 2026-08-05 moved so far, 30 events, 0.2 MB.\n");
    expect(out).not.toContain("moved into");
    answer = status({ lastRun: { ...run, endedAt: "2026-08-12T03:01:00.000Z" } });
    expect((await archive("--status")).out).not.toMatch(/under way|Not all/);
  });
});

describe("larder archive --data", () => {
  /** A data folder with a receipt so many days ago each. */
  async function folderWithReceipts(...daysAgo: readonly number[]): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), "larder-archive-cli-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const storage = await openSqliteStorage({ folder, tagging: inventoryTagging, coldColumns });
    let [now, ids] = [0, 0];
    const randomId = () => {
      ids += 1;
      return `id-${ids}`;
    };
    const inventory = await startInventory({ storage, clock: () => now, randomId });
    for (const days of daysAgo) {
      now = Date.now() - days * 86_400_000;
      const received = {
        ...{ specversion: "1.0", source: "till", id: `r-${days}`, type: "larder.stock.received.v1" },
        data: { sku: "apple", location: "leeds", quantity: 1 },
      };
      const receipt = await inventory.recordFacts([received], { id: "test", ownReservations: false });
      expect(receipt).toMatchObject({ accepted: 1 });
    }
    await inventory.stop();
    await storage.close();
    return folder;
  }

  it("moves what LARDER_ARCHIVE_AFTER says where no date is given", async () => {
    const folder = await folderWithReceipts(120, 80, 60);
    const env = { LARDER_ARCHIVE_AFTER: "90d" };
    const before = new Date(Date.now() - 90 * 86_400_000).toISOString().slice(0, 10);
    const plan = await command(["archive", "--data", folder, "--dry-run"], env);
    expect(plan).toMatchObject({ code: 0, out: expect.stringContaining(`1 day before ${before} would be moved`) });
    const moved = await command(["archive", "--data", folder], env);
    expect(moved).toMatchObject({ code: 0, out: expect.stringContaining("1 cold file") });
    const refused = await command(["archive", "--data", folder]);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("LARDER_ARCHIVE_AFTER is not set") });
    const status = await command(["archive", "--data", folder, "--status"], { LARDER_ARCHIVE_AFTER: "soon" });
    expect(status).toMatchObject({ code: 0 });
  });
});
