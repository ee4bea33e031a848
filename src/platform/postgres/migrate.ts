import { readdirSync, readFileSync } from "node:fs";
import { PlatformError } from "../../kernel/index.ts";
import type { Postgres } from "./postgres.ts";

/** The lock that those who migrate at the same time wait for: "larder" in bytes. */
const lockNumber = "119192169539954";

/**
 * Brings the tables of one part of Larder into their newest form: runs those of the numbered files (`0001-….sql`) of a
 * folder that have not run on this database, each once and whole, in the schema `larder`. Several processes may start
 * together: one migrates, the others wait for it.
 *
 * A file that has been released is never changed; what comes later is another one.
 *
 * Throws `PlatformError("storage-unavailable")` when the server refuses, with nothing changed, and when the database has
 * been migrated by a newer version of Larder.
 */
export async function migrate(postgres: Postgres, part: string, folder: URL): Promise<void> {
  const files = readdirSync(folder)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .sort();
  await postgres.transaction(async ({ query }) => {
    await query(`select pg_advisory_xact_lock(${lockNumber})`);
    // Looked at first: a role that owns nothing here may not even ask for a schema that there is.
    const [found] = await query<{ isThere: boolean }>(
      `select to_regclass('larder.migration') is not null as "isThere"`,
    );
    if (found?.isThere !== true)
      await query(`
        create schema if not exists larder;
        create table larder.migration (
          part text not null, number int not null, name text not null, at timestamptz not null default now(),
          primary key (part, number)
        )`);
    const text = "select coalesce(max(number), 0)::int as newest from larder.migration where part = $1";
    const [last] = await query<{ newest: number }>(text, [part]);
    const newest = last?.newest ?? 0;
    if (newest > files.length)
      throw new PlatformError(
        "storage-unavailable",
        `the database at ${postgres.where} has been used by a newer version of Larder: its ${part} has form ${newest}, ` +
          `this version knows forms up to ${files.length}`,
      );
    for (const [index, name] of files.entries()) {
      const number = Number(name.slice(0, 4));
      if (number !== index + 1) throw new Error(`${name} should be number ${index + 1}`);
      if (number <= newest) continue;
      await query(readFileSync(new URL(name, folder), "utf8"));
      await query("insert into larder.migration (part, number, name) values ($1, $2, $3)", [part, number, name]);
    }
  });
}
