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

interface Loaded {
  /** Packages of npm. */
  readonly packages: readonly string[];
  /** Parts of Node itself. */
  readonly parts: readonly string[];
}

/** What a command has loaded by the time that it ends, or is told to by `until` among its lines. */
async function loadedBy(
  args: readonly string[],
  { until, env = {} }: { until?: RegExp; env?: Record<string, string> } = {},
): Promise<Loaded> {
  const folder = mkdtempSync(join(tmpdir(), "larder-start-"));
  folders.push(folder);
  const list = join(folder, "loaded");
  const hook = `import { registerHooks } from "node:module";
    import { writeFileSync } from "node:fs";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    const list = () => JSON.stringify({ loaded, parts: process.moduleLoadList });
    process.on("exit", () => writeFileSync(${JSON.stringify(list)}, list()));`;
  const nodeFlags = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
  const own = { LARDER_DATA: join(folder, "data"), LARDER_PORT: "0" };
  const child = spawnLarder(args, { ...own, ...env }, { nodeFlags });
  child.stderr?.resume();
  for await (const line of createInterface({ input: child.stdout! })) if (until?.test(line)) child.kill();
  if (child.exitCode === null) await once(child, "exit");
  expect(child.exitCode).toBe(0);
  const { loaded, parts } = JSON.parse(readFileSync(list, "utf8")) as { loaded: string[]; parts: string[] };
  const packages = loaded.flatMap((url) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  return { packages: [...new Set(packages)], parts };
}

it("loads for a command no more than the reader of command lines", async () => {
  expect((await loadedBy(["--version"])).packages).toEqual(["commander"]);
});

it("loads what makes JavaScript of TypeScript only as long as it has not been made before", async () => {
  const env = { NODE_COMPILE_CACHE: "", TMPDIR: mkdtempSync(join(tmpdir(), "larder-start-")) };
  folders.push(env.TMPDIR);
  const stripper = "NativeModule internal/deps/amaro/dist/index";
  expect((await loadedBy(["--version"], { env })).parts).toContain(stripper);
  expect((await loadedBy(["--version"], { env })).parts).not.toContain(stripper);
});

it("loads for a server of its own store none of what only others use", async () => {
  const { packages } = await loadedBy(["serve"], { until: /listening/ });
  expect(packages).toEqual(expect.arrayContaining(["commander", "fastify", "pino"]));
  const ofOthers = /typebox|grpc|bufbuild|^pg|nats|redis|parquet|pretty|progress/;
  expect(packages.filter((name) => ofOthers.test(name))).toEqual([]);
});
