import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ArchiveStatus } from "../services/archive/index.ts";
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
