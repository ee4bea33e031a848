/** `npm run cluster`, as a newcomer uses it: started, tried, ended by Ctrl-C, and started again. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { home, whyNoCluster } from "../../scripts/cluster/index.ts";
import { larder } from "../journeys/larder.ts";

const missing = whyNoCluster();
if (missing !== undefined) console.warn(`SKIPPED: npm run cluster is not tried.\n${missing}`);

/** Starts it and waits until it has said all; gives its words, and how it is ended. */
async function launch(folder: string, ...flags: readonly string[]) {
  const args = ["bin/larder.js", "--tool", "scripts/cluster/main.ts", "--data", folder, "--free-ports", ...flags];
  const launcher = spawn(process.execPath, args, { cwd: home });
  const exit = once(launcher, "exit");
  let said = "";
  await new Promise<void>((resolve, reject) => {
    launcher.stdout.on("data", (chunk) => {
      said += chunk;
      if (said.includes("Ctrl-C ends everything")) resolve();
    });
    launcher.stderr.on("data", (chunk) => (said += chunk));
    exit.then(([code]) => reject(new Error(`it ended with ${code}: ${said}`)));
  });
  return {
    said,
    async end(): Promise<number | null> {
      launcher.kill("SIGINT");
      const [code] = await exit;
      return code;
    },
  };
}

/** Lines of processes whose command line names the folder. */
function runningIn(folder: string): readonly string[] {
  return spawnSync("pgrep", ["-af", folder], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => line !== "");
}

describe.skipIf(missing !== undefined)("npm run cluster", () => {
  it.each(["split", "whole"])(
    "starts it %s, prints lines that work, and leaves nothing behind",
    async (shape) => {
      const folder = mkdtempSync(join(tmpdir(), "larder-cluster-"));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const flags = shape === "whole" ? ["--whole"] : [];
      const cluster = await launch(folder, ...flags);
      const [, key = "", url = ""] = /export LARDER_KEY=(\S+) LARDER_URL=(\S+)/.exec(cluster.said) ?? [];
      const env = { ...process.env, LARDER_KEY: key, LARDER_URL: url };
      const lines = cluster.said.slice(cluster.said.indexOf("curl"), cluster.said.indexOf("All of it"));
      const pasted = spawnSync("bash", ["-ec", lines], { encoding: "utf8", env });
      expect(pasted.status, pasted.stderr).toBe(0);
      expect(pasted.stdout).toContain('"accepted":1');
      expect(pasted.stdout).toContain('"status":"active"');
      expect(pasted.stdout).toContain('"available":3');
      const doctor = await larder(["doctor", "--data", folder], { LARDER_KEY: key, LARDER_URL: url });
      expect(doctor.code, doctor.out).toBe(0);
      expect(await cluster.end()).toBe(0);
      expect(runningIn(folder)).toEqual([]);

      const again = await launch(folder, ...flags);
      expect(again.said).toContain(`LARDER_KEY=${key}`);
      const [, newUrl = ""] = /LARDER_URL=(\S+)/.exec(again.said) ?? [];
      const read = await fetch(`${newUrl}/v1/availability?sku=tea`, { headers: { authorization: `Bearer ${key}` } });
      expect(await read.json()).toMatchObject({ items: [{ sku: "tea", available: 3, onHand: 5 }] });
      expect(await again.end()).toBe(0);
    },
    400_000,
  );
});
