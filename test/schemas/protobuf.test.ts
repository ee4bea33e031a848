/** The gate on protos: what it says when one is changed so that clients break, or when the code was not made anew. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { protobufErrors } from "../../scripts/protobuf.ts";

const home = fileURLToPath(new URL("../..", import.meta.url));

/** The gate installs it; a bare machine that only runs the tests has none. */
const hasBuf = existsSync(join(home, "tools/node_modules/.bin/buf"));
if (!hasBuf) console.warn("!! SKIPPED: the gate on protos. buf is not installed; npm run check installs it.");
const title = "passes what is there, and tells of a field that became another and of old code";

it.skipIf(!hasBuf)(title, { timeout: 120_000 }, () => {
  const copy = mkdtempSync(join(tmpdir(), "larder-protos-"));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  symlinkSync(join(home, "tools"), join(copy, "tools"));
  for (const folder of ["api", "src/platform/grpc/generated", "src/services/gateway/grpc/generated"])
    cpSync(join(home, folder), join(copy, folder), { recursive: true });
  expect(protobufErrors(copy)).toEqual([]);
  const proto = join(copy, "api/larder/v1/facts.proto");
  const text = readFileSync(proto, "utf8");
  writeFileSync(proto, text.replace("uint32 duplicates = 2;", "string duplicates = 2;"));
  const [breaking = "", old = "", ...others] = protobufErrors(copy);
  expect(breaking).toMatch(/0\.1\.0\.binpb[\s\S]*duplicates/);
  expect(old).toContain("src/services/gateway/grpc/generated is old");
  expect(others).toEqual([]);
});
