/** What tests stand on must go with them: a server that stays behind has its port and its memory until somebody finds it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { findProgram } from "../scripts/cluster/index.ts";
import { eventually } from "./journeys/larder.ts";

const holder = `
  import { startPostgres } from ${JSON.stringify(new URL("postgres.ts", import.meta.url).href)};
  const server = await startPostgres({ ownServer: true });
  await server.database();
  console.log(JSON.stringify({ pid: server.pid, folder: server.folder }));
  setInterval(() => {}, 1000);`;

const count = (...args: readonly string[]) =>
  spawnSync("pgrep", args, { encoding: "utf8" }).stdout.split("\n").length - 1;

it.skipIf(findProgram("postgres") === undefined)(
  "a PostgreSQL for tests ends when its test is killed, and leaves nothing behind",
  async () => {
    const test = spawn(process.execPath, ["--input-type=module", "-e", holder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface({ input: test.stdout }), "line")) as [string];
    const { pid, folder } = JSON.parse(line) as { readonly pid: number; readonly folder: string };
    expect(count("-P", String(pid))).toBeGreaterThan(2);
    expect(existsSync(folder)).toBe(true);
    test.kill("SIGKILL");
    await eventually(() => count("-f", folder) === 0 && count("-P", String(pid)) === 0 && !existsSync(folder));
  },
);
