import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeTorn, judge, makeSample, type Sample, tornCases } from "./torn.ts";

const cases = Number(process.env["LARDER_TEST_TORN"] ?? 240);
const seed = Number(process.env["LARDER_TEST_SEED"] ?? 20_261_126);

it(`gives what it gave before, or refuses and names the file, for ${cases} damaged files and a tenth as many backups`, async () => {
  const report = await tornCases(cases, seed);
  console.log(describeTorn(report));
  expect(report.findings, `seed ${seed}`).toEqual([]);
  const reached = new Set([...report.counts.values()].flatMap((count) => Object.keys(count)));
  // A run without these would prove little.
  for (const outcome of ["whole", "refused", "rebuilt"]) expect(reached).toContain(outcome);
}, 240_000);

describe("files that belong to another time or another log", () => {
  let sample: Sample;
  let other: Sample;
  beforeAll(async () => {
    sample = await makeSample();
    other = await makeSample();
  }, 60_000);
  afterAll(() => {
    for (const { home } of [sample, other]) rmSync(home, { recursive: true, force: true });
  });

  const without = (folder: string, ...names: string[]) => {
    for (const name of names) rmSync(join(folder, name), { force: true });
  };

  it("are whole when nothing was done to them", async () => {
    expect((await judge(sample, sample.rest, () => undefined)).outcome).toBe("whole");
    expect((await judge(sample, sample.killed, () => undefined)).outcome).toBe("whole");
  });

  it("are refused when the WAL is one of another log", async () => {
    const foreign = await judge(sample, sample.killed, (folder) =>
      copyFileSync(join(other.killed.folder, "log.db-wal"), join(folder, "log.db-wal")),
    );
    expect(foreign.outcome, foreign.said).toBe("refused");
    const added = await judge(sample, sample.rest, (folder) => {
      without(folder, "derived.db", "derived.db.sum");
      copyFileSync(join(other.killed.folder, "log.db-wal"), join(folder, "log.db-wal"));
    });
    expect(added.outcome, added.said).toBe("refused");
  });

  it("are refused when the WAL is gone after a kill, and told by an anchor when nothing else knows of it", async () => {
    const gone = await judge(sample, sample.killed, (folder) => without(folder, "log.db-wal"));
    expect(gone.outcome).toBe("refused");
    expect(gone.said).toContain("its end was cut off");
    const all = await judge(sample, sample.killed, (folder) =>
      without(folder, "log.db-wal", "derived.db", "derived.db-wal"),
    );
    expect(all.outcome).toBe("tail lost");
  });

  it("are refused when the log is an older copy, and told by an anchor when nothing else knows of it", async () => {
    const older = (folder: string) => {
      copyFileSync(join(sample.backup, "log.db"), join(folder, "log.db"));
      without(folder, "log.db-wal");
    };
    expect((await judge(sample, sample.killed, older)).outcome).toBe("refused");
    const alone = await judge(sample, sample.killed, (folder) => {
      older(folder);
      without(folder, "derived.db", "derived.db-wal");
    });
    expect(alone.outcome).toBe("tail lost");
  });

  it("are derived again, or caught up with, when derived.db is older, another's, or gone", async () => {
    const from =
      (source: string, ...names: string[]) =>
      (folder: string) => {
        for (const name of names) {
          if (existsSync(join(source, name))) copyFileSync(join(source, name), join(folder, name));
          else without(folder, name);
        }
      };
    const { killed, rest } = sample;
    const all = ["derived.db", "derived.db-wal", "derived.db.sum"];
    for (const [place, damage] of [
      [killed, from(rest.folder, ...all)],
      [killed, from(rest.folder, "derived.db")],
      [rest, from(killed.folder, ...all)],
      [rest, from(killed.folder, "derived.db-wal")],
      [killed, from(other.killed.folder, ...all)],
      [rest, from(other.rest.folder, ...all)],
      [killed, from(sample.backup, ...all)],
      [killed, (folder: string) => without(folder, "derived.db")],
      [killed, (folder: string) => without(folder, "derived.db-wal")],
    ] as const) {
      const { outcome, said } = await judge(sample, place, damage);
      // A derived.db that has seen more than the log has would mean a log that was cut.
      const isAhead = place === rest && said.includes("its end was cut off");
      expect(isAhead ? "whole" : outcome, said).toBe("whole");
    }
  });

  it("are opened whatever a lock file says whose owner is gone", async () => {
    const { outcome } = await judge(sample, sample.killed, (folder) => {
      writeFileSync(join(folder, "lock.pid"), "1\n");
      writeFileSync(join(folder, "lock.db-journal"), "left behind");
    });
    expect(outcome).toBe("whole");
  });

  it("are refused without being changed", async () => {
    const { said } = await judge(sample, sample.killed, (folder) => {
      const wal = join(folder, "log.db-wal");
      const bytes = readFileSync(wal);
      bytes[5000] = (bytes[5000] ?? 0) ^ 1;
      writeFileSync(wal, bytes);
    });
    expect(said).toMatch(/log\.db-wal is damaged at byte \d+/);
  });
});
