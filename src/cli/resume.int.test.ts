import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { execute, startPostgres } from "../../test/postgres.ts";
import { openPostgresStorage } from "../platform/storage/postgres/index.ts";
import { inventoryTagging } from "../services/inventory/index.ts";
import type { Io } from "./io.ts";
import { resumeCommand } from "./resume.ts";

const postgres = await startPostgres({ settings: { fsync: "off" } });
const folder = mkdtempSync(join(tmpdir(), "larder-resume-"));
afterAll(async () => {
  await postgres?.stop();
  rmSync(folder, { recursive: true });
});

it.skipIf(postgres === undefined)("says of a log in PostgreSQL that its servers go on while they run", async () => {
  const url = (await postgres?.database()) ?? "";
  const storage = await openPostgresStorage({ url, folder, tagging: inventoryTagging });
  await storage.close();
  await execute(url, "select larder.begin_epoch()");
  const lines: string[] = [];
  const io = { env: {}, out: (line: string) => void lines.push(line) } as unknown as Io;
  for (let times = 0; times < 2; times += 1) await resumeCommand(io).parseAsync(["--data", url], { from: "user" });
  expect(lines).toEqual([
    expect.stringMatching(/^Outgoing traffic of postgres:.* goes on within two seconds, also of servers that run\.$/),
    expect.stringMatching(/^Nothing outgoing was paused/),
  ]);
});
