import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, expect, it } from "vitest";
import { spawnLarder } from "./journeys/larder.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** The packages whose code a command has loaded by the time that it ends, or is told to by `until` among its lines. */
async function packagesOf(args: readonly string[], until?: RegExp): Promise<ReadonlySet<string>> {
  const folder = mkdtempSync(join(tmpdir(), "larder-start-"));
  folders.push(folder);
  const list = join(folder, "loaded");
  const hook = `import { registerHooks } from "node:module";
    import { writeFileSync } from "node:fs";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    process.on("exit", () => writeFileSync(${JSON.stringify(list)}, loaded.join("\\n")));`;
  const nodeFlags = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
  const env = { LARDER_DATA: join(folder, "data"), LARDER_PORT: "0" };
  const child = spawnLarder(args, env, { nodeFlags });
  child.stderr?.resume();
  for await (const line of createInterface({ input: child.stdout! })) if (until?.test(line)) child.kill();
  if (child.exitCode === null) await once(child, "exit");
  expect(child.exitCode).toBe(0);
  const names = readFileSync(list, "utf8").matchAll(/.*node_modules\/((?:@[^/]+\/)?[^/\n]+)/g);
  return new Set(Array.from(names, ([, name = ""]) => name));
}

it("loads for a command no more than the reader of command lines", async () => {
  expect([...(await packagesOf(["--version"]))]).toEqual(["commander"]);
});

it("loads for a server of its own store none of what only others use", async () => {
  const packages = await packagesOf(["serve"], /listening/);
  expect([...packages]).toEqual(expect.arrayContaining(["commander", "fastify", "pino"]));
  const ofOthers = /typebox|grpc|bufbuild|^pg|nats|redis|parquet|pretty|progress/;
  expect([...packages].filter((name) => ofOthers.test(name))).toEqual([]);
});
