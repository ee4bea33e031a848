import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const larder = fileURLToPath(new URL("../../bin/larder.js", import.meta.url));

it("catches today's ten planted bugs, each within a minute", { timeout: 480_000 }, async ({ signal }) => {
  const child = spawn(process.execPath, [larder, "--tool", "src/simulation/bite.ts", "--due"], { signal });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  process.stdout.write(out);
  expect(code, out + err).toBe(0);
});
