import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { eventually, larder, serve, spawnLarder, temporaryFolder } from "./larder.ts";

const hasCurl = spawnSync("curl", ["--version"]).status === 0 && spawnSync("bash", ["--version"]).status === 0;
if (!hasCurl) console.warn("SKIPPED: the demo's lines are pasted into bash, with curl; one of them is not installed.");
const run = promisify(execFile);

describe("larder demo", () => {
  it.skipIf(!hasCurl)(
    "is ready within 30 s on a real shop's sales, and what it prints can be pasted",
    async () => {
      const taken = createServer().listen(0, "127.0.0.1");
      await once(taken, "listening");
      onTestFinished(() => void taken.close());
      const { port } = taken.address() as { port: number };
      const data = join(temporaryFolder(onTestFinished), "demo-data");

      const demo = spawnLarder(["demo", "--data", data], { LARDER_PORT: String(port) });
      onTestFinished(() => void demo.kill("SIGKILL"));
      let [out, err] = ["", ""];
      demo.stdout!.on("data", (chunk) => (out += chunk));
      demo.stderr!.on("data", (chunk) => (err += chunk));
      const before = performance.now();
      await eventually(() => /\/v1\/changes.*\n/.test(out) || demo.exitCode !== null, 60_000);
      expect(performance.now() - before).toBeLessThan(30_000);
      expect(err).toContain(`Port ${port} is taken; taking a free one.`);

      const lines = out.split("\n").filter((line) => /^(export|curl) /.test(line));
      const [key, ...curls] = lines as [string, ...string[]];
      expect(curls).toHaveLength(5);
      const paste = async (line: string, limit = "") => {
        const { stdout } = await run("bash", ["-c", `${key}\n${limit}${line}; true`]);
        return stdout;
      };
      const [availability, reserve, confirm, oversell, feed] = curls as [string, string, string, string, string];
      const [item] = JSON.parse(await paste(availability)).items;
      expect(item).toMatchObject({ location: "online", available: expect.any(Number) });
      expect(item.available).toBeGreaterThanOrEqual(10);
      expect(JSON.parse(await paste(reserve))).toMatchObject({ id: "cart-1", status: "active" });
      expect(JSON.parse(await paste(confirm))).toMatchObject({ id: "cart-1", status: "confirmed" });
      expect(JSON.parse(await paste(oversell))).toMatchObject({
        status: 409,
        code: "insufficient-stock",
        lines: [{ requested: 1_000_000, available: item.available - 2 }],
      });
      const seen = await paste(feed, "timeout 3 ");
      expect(seen).toContain("larder.reservation.reserved.v1");
      expect(seen).toContain("larder.reservation.confirmed.v1");

      // The warehouse beside it has every figure, and agrees.
      const shell = {
        LARDER_URL: /LARDER_URL=(\S+)/.exec(key)?.[1] ?? "",
        LARDER_KEY: /LARDER_KEY=(\S+)/.exec(key)?.[1] ?? "",
      };
      await eventually(async () => {
        const [status] = JSON.parse((await larder(["sync", "--json"], shell)).out).items;
        return status.waiting === 0 && status.lastSuccessAt !== null;
      }, 30_000);
      const reconciled = await larder(["reconcile", "--json"], shell);
      expect(reconciled.code).toBe(0);
      expect(JSON.parse(reconciled.out)).toMatchObject({ accuracy: 1, findings: [] });

      const second = await larder(["demo", "--data", data, "--port", "0"]);
      expect(second).toMatchObject({ code: 1, err: expect.stringContaining("in use by another process") });
      demo.kill("SIGINT");
      await eventually(() => demo.exitCode !== null);
      expect(demo.exitCode).toBe(0);
      expect(await larder(["verify", data])).toMatchObject({ code: 0 });

      const again = spawnLarder(["demo", "--data", data, "--port", "0"]);
      onTestFinished(() => void again.kill("SIGKILL"));
      let printed = "";
      again.stdout!.on("data", (chunk) => (printed += chunk));
      await eventually(() => printed.includes("LARDER_KEY=") || again.exitCode !== null, 60_000);
      expect(again.exitCode).toBe(null);
    },
    120_000,
  );

  it("removes nothing that is not Larder's, and no shop", async () => {
    const folder = temporaryFolder(onTestFinished);
    writeFileSync(join(folder, "thesis.txt"), "years of work");
    const demo = await larder(["demo", "--data", folder, "--port", "0"]);
    expect(demo).toMatchObject({ code: 1, err: expect.stringContaining("thesis.txt") });
    expect(readdirSync(folder)).toEqual(["thesis.txt"]);

    const shop = temporaryFolder(onTestFinished);
    const server = await serve(shop);
    expect(await server.end()).toBe(0);
    const files = readdirSync(shop);
    for (const more of [[], ["--keep"]]) {
      const refused = await larder(["demo", "--data", shop, "--port", "0", ...more]);
      expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("no demo has marked it as its own") });
      expect(readdirSync(shop)).toEqual(files);
    }
  });
});
