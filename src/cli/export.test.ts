import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { command } from "./fixture.ts";

// A server whose feed is some lines at once, and after a while some more.

let server: Server;
let line: string;

beforeEach(async () => {
  server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" }).write(`${line}\n`);
    setTimeout(() => response.end(`${line}\n${line}\n`), 200);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

const full = "/dev/full";
const hasFull = existsSync(full);
if (!hasFull) console.warn(`SKIPPED: an export to a full disk is not tried, for there is no ${full} here`);

describe.skipIf(!hasFull)("larder export to a disk that is full", () => {
  const fails = async (...args: string[]) => {
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const { code, out, err } = await command(["export", ...args, "--out", full, "--url", url, "--key", "k"]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(/^\/dev\/full can't be written: ENOSPC[^\n]*\.\n$/);
  };

  it("says so when it fails while the server is waited for", async () => {
    line = JSON.stringify({ data: { sku: "apple" } });
    await fails();
    await fails("--format", "csv");
  });

  it("says so when it fails while the file is waited for", async () => {
    line = JSON.stringify({ data: { sku: "apple".repeat(100_000) } });
    await fails();
  });
});
