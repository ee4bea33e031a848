/**
 * Everything about `api/larder/**.proto`. Run by itself it writes the code that is made from them, and with `release 0.2.0`
 * also what was released by that version; `protobufErrors` says, for the gate, whether they are well made, whether that code is theirs, and whether they break what was released.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the code of each package of protos belongs. */
const targets = [
  { protos: ["larder/internal", "grpc/health"], folder: "src/platform/grpc/generated" },
  { protos: ["larder/v1", "google/rpc"], folder: "src/services/gateway/grpc/generated" },
] as const;

function buf(home: string, ...args: string[]): { readonly ok: boolean; readonly said: string } {
  const bin = join(home, "tools", "node_modules", ".bin");
  const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}` };
  const { status, stdout, stderr, error } = spawnSync(join(bin, "buf"), args, {
    cwd: join(home, "api"),
    env,
    encoding: "utf8",
  });
  return { ok: status === 0, said: `${stdout}${stderr}${error?.message ?? ""}`.trim() };
}

/** Writes the generated code into a folder that stands for the project's; throws when a proto is wrong. */
function generate(home: string, into: string): void {
  for (const { protos, folder } of targets) {
    const out = join(into, folder);
    const template = JSON.stringify({
      version: "v2",
      clean: true,
      plugins: [{ local: "protoc-gen-es", out, opt: ["target=js+dts", "import_extension=js"] }],
    });
    const { ok, said } = buf(home, "generate", "--template", template, ...protos.flatMap((path) => ["--path", path]));
    if (!ok) throw new Error(said);
  }
}

/** A sentence or a finding of buf each; empty when all is well. */
export function protobufErrors(home: string): readonly string[] {
  const errors: string[] = [];
  const lint = buf(home, "lint");
  if (!lint.ok) errors.push(lint.said);
  for (const released of globSync("larder/released/*.binpb", { cwd: join(home, "api") })) {
    const { ok, said } = buf(home, "breaking", "--against", released, "--path", "larder/v1");
    if (!ok) errors.push(`against ${released}:\n${said}`);
  }
  const made = mkdtempSync(join(tmpdir(), "larder-protobuf-"));
  try {
    generate(home, made);
    for (const { folder } of targets)
      if (!isSame(join(home, folder), join(made, folder)))
        errors.push(`${folder} is old: node bin/larder.js --tool scripts/protobuf.ts`);
  } catch (error) {
    errors.push(String(error));
  } finally {
    rmSync(made, { recursive: true });
  }
  return errors;
}

function isSame(one: string, other: string): boolean {
  const [files, others] = [one, other].map((folder) => (existsSync(folder) ? filesIn(folder) : []));
  if (files?.join() !== others?.join()) return false;
  return (files ?? []).every((file) => readFileSync(join(one, file)).equals(readFileSync(join(other, file))));
}

function filesIn(folder: string): readonly string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).filter((name) => /\.(js|d\.ts)$/.test(name)).sort();
}

if (import.meta.main) {
  const home = fileURLToPath(new URL("..", import.meta.url));
  const [command, version] = process.argv.slice(2);
  if (command === "release") {
    // What clients may rely on from now on; later versions are compared with it.
    const { ok, said } = buf(
      home,
      "build",
      "--path",
      "larder/v1",
      "--exclude-source-info",
      "-o",
      `larder/released/${version}.binpb`,
    );
    if (!ok) throw new Error(said);
  }
  generate(home, home);
  for (const { folder } of targets) process.stdout.write(`${folder}\n`);
}
