/** A server whose role owns nothing, with the rights that docs/operations/postgresql.md gives it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { execute, startPostgres } from "../../../test/postgres.ts";
import { openPostgresMessaging } from "../messaging/postgres/index.ts";
import { openStorage } from "./engines.ts";

// One of our own: roles belong to all databases of a server.
const postgres = await startPostgres({ ownServer: true, settings: { fsync: "off" } });
const folder = mkdtempSync(join(tmpdir(), "larder-role-"));
afterAll(async () => {
  await postgres?.stop();
  rmSync(folder, { recursive: true });
});

const page = readFileSync(new URL("../../../docs/operations/postgresql.md", import.meta.url), "utf8");
const grants = page
  .split("```")
  .filter((block) => block.includes("GRANT USAGE ON SCHEMA"))
  .map((block) => block.replace(/^sql\n/, ""));

it.skipIf(postgres === undefined)(
  "starts, records and takes in by a role that does not own the tables",
  async () => {
    expect(grants).toHaveLength(1);
    const url = (await postgres?.database()) ?? "";
    await (await openStorage(url, join(folder, "owner"))).close();
    await (await openPostgresMessaging({ url })).close();
    await execute(url, grants.join());
    // So far on that new parts would be due, which the owner alone can make.
    await execute(url, "update larder.head set seq = 15000000");
    const guest = Object.assign(new URL(url), { username: "larder_server" }).toString();
    for (const at of [1, 2]) {
      const storage = await openStorage(guest, join(folder, "guest"));
      const events = [{ stream: "key-1", type: "KeyCreated", schema: 1, data: {} }];
      const unit = {
        ...{ meta: { command: `c${at}`, recordedAt: at, actor: "admin" }, events },
        expected: [{ stream: "key-1", version: at - 1 }],
      };
      expect(await storage.append([unit])).toEqual([{ ok: true, seq: 15_000_000 + at }]);
      await new Promise<void>((resolve) => {
        storage.shared?.lease("work", { acquired: () => resolve(), lost: () => undefined });
      });
      await storage.close();
      const messaging = await openPostgresMessaging({ url: guest });
      await messaging.declareQueue({ name: "q", deduplicationMs: 1000, attemptsMax: 5, depthMax: 100 });
      await messaging.send("q", [{ id: `m${at}`, body: "{}" }]);
      const [delivery] = await messaging.receive("q", { max: 1, leaseMs: 1000 });
      if (delivery === undefined) throw new Error("nothing came");
      expect(await messaging.acknowledge(delivery)).toBe(true);
      await messaging.close();
    }
  },
  60_000,
);
