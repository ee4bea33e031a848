/** What Larder reads of its own files: each may have been damaged, or made by someone else. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { readAnchor } from "../../src/cli/anchor.ts";
import { Failure } from "../../src/cli/failure.ts";
import { InvariantError, PlatformError } from "../../src/kernel/index.ts";
import { checkWal } from "../../src/platform/sqlite/wal-check.ts";
import {
  checkBackup,
  openSqliteReader,
  openSqliteStorage,
  restoreStore,
} from "../../src/platform/storage/sqlite/index.ts";
import { readUnit, StoredUnit } from "../../src/platform/storage/unit.ts";
import { inventoryTagging, isAnchor, verifyLog } from "../../src/services/inventory/index.ts";
import { loadState } from "../../src/services/inventory/ledger/snapshots.ts";
import type { Area, Case, Counts, Step } from "./area.ts";
import { insist } from "./check.ts";
import { KeyPages } from "./key-pages.ts";
import { makeSamples, type Samples } from "./log-samples.ts";
import { jsonText, mutateBytes, mutateValue } from "./odd.ts";
import type { Random } from "./random.ts";

let samples: Samples | undefined;

export const logArea: Area = {
  name: "log",
  share: 0.11,
  inputsPerCase: 500,
  async open(_index, counts) {
    samples ??= await makeSamples();
    return new LogCase(samples, counts);
  },
  missing(counts) {
    const kinds = ["unit", "verify", "wal", "pages", "snapshot", "anchor", "manifest", "restore", "derived", "log"];
    return kinds
      .flatMap((kind) => ["taken", "refused"].map((end) => `${kind} ${end}`))
      .filter((name) => counts.of(name) === 0 && name !== "derived refused")
      .map((name) => `nothing was ${name}`);
  },
};

class LogCase implements Case {
  readonly #samples: Samples;
  readonly #counts: Counts;
  readonly #pages = new KeyPages();

  constructor(samples: Samples, counts: Counts) {
    this.#samples = samples;
    this.#counts = counts;
  }

  next(random: Random): Step {
    const kind = random.next();
    if (kind < 0.4) return this.#unit(random);
    if (kind < 0.55) return this.#verify(random);
    if (kind < 0.7) return this.#wal(random);
    if (kind < 0.85) return this.#keyPages(random);
    if (kind < 0.9) return this.#snapshot(random);
    if (kind < 0.95) return this.#anchor(random);
    if (kind < 0.965) return this.#manifest(random);
    if (kind < 0.97) return this.#restore(random);
    return this.#files(random);
  }

  /** Runs `work`; only these errors may come of it. */
  async #attempt(
    what: string,
    work: () => unknown,
    allowed: readonly (new (...args: never[]) => Error)[],
  ): Promise<void> {
    try {
      await work();
      this.#counts.add(`${what} taken`);
    } catch (error) {
      const isAllowed = allowed.some((kind) => error instanceof kind);
      insist(isAllowed, `${what}: ${error instanceof Error ? error.stack : String(error)}`);
      this.#counts.add(`${what} refused`);
    }
  }

  #unit(random: Random): Step {
    const text = spoiltUnit(random, this.#samples);
    return {
      show: () => text.slice(0, 10_000),
      run: () =>
        this.#attempt("unit", () => {
          const unit = readUnit(7, text);
          insist(unit.seq === 7 && unit.events.length > 0, "a unit has no events");
          for (const { stream, version, type, data } of unit.events) {
            insist(typeof stream === "string" && typeof type === "string", "an event has no stream or type");
            insist(
              Number.isSafeInteger(version) && typeof data === "object" && data !== null,
              "an event has no version or data",
            );
          }
          for (const { key, print } of unit.claims)
            insist(typeof key === "string" && typeof print === "string", "a claim is none");
        }, [InvariantError]),
    };
  }

  /** A log in which one unit says something else: verify finds that, or nobody could. */
  #verify(random: Random): Step {
    const { units, anchor } = this.#samples;
    const at = random.below(units.length);
    const text = jsonText(mutateValue(JSON.parse(units[at]!.body), random));
    const isSame = () =>
      parsedOr(text, undefined) !== undefined &&
      isDeepStrictEqual(parsedOr(text, undefined), JSON.parse(units[at]!.body));
    return {
      show: () => JSON.stringify({ at, text }),
      run: () =>
        this.#attempt("verify", async () => {
          const changed = units.map((unit, index) => (index === at ? readUnit(unit.seq, text) : unit));
          const log = {
            head: () => units.at(-1)!.lastSeq,
            readLog: async (after: number) => changed.filter((unit) => unit.lastSeq > after),
          };
          const { findingsCount } = await verifyLog(log, { anchor });
          insist(findingsCount > 0 || isSame() || units[at]!.seq > anchor.to, "verify saw no change in what is sealed");
        }, [InvariantError]),
    };
  }

  #wal(random: Random): Step {
    const wal = random.chance(0.05)
      ? random.bytes(random.below(10_000))
      : mutateBytes(this.#samples.live.wal, random, random.between(0, 3));
    const path = join(this.#samples.folder, "spoilt-wal");
    return {
      show: () => `${wal.length} bytes of a WAL`,
      run: () =>
        this.#attempt("wal", () => {
          writeFileSync(path, wal);
          const { frames, transactions } = checkWal(path);
          insist(
            frames >= transactions && frames * 4120 <= wal.length,
            `${frames} frames and ${transactions} transactions`,
          );
        }, [PlatformError]),
    };
  }

  #keyPages(random: Random): Step {
    const change = this.#pages.spoil(random);
    return { show: () => change.shown, run: () => this.#attempt("pages", () => change.check(), change.allowed) };
  }

  #snapshot(random: Random): Step {
    const { storage, stream, body } = this.#samples.snapshot;
    const spoilt = random.chance(0.3)
      ? body
      : random.chance(0.5)
        ? jsonText(mutateValue(JSON.parse(body), random))
        : mutateBytes(Buffer.from(body), random, 1).toString();
    return {
      show: () => spoilt.slice(0, 10_000),
      run: async () => {
        const counters = { written: 0, discarded: { damaged: 0, "other-shape": 0, stale: 0 } };
        const commit = (put: { id: string; body: string }[], remove: string[]) =>
          storage.derived.commit([{ consumer: "snapshots", checkpoint: storage.head(), put, remove }]);
        commit([], [stream]);
        const truth = await loadState(storage, { counters }, stream);
        commit([{ id: stream, body: spoilt }], []);
        const loaded = await loadState(storage, { counters }, stream);
        const { damaged, stale } = counters.discarded;
        this.#counts.add(
          damaged + stale + counters.discarded["other-shape"] > 0 ? "snapshot refused" : "snapshot taken",
        );
        insist(
          loaded.version === truth.version && figures(loaded.state) === figures(truth.state),
          "a stock is otherwise with a damaged snapshot",
        );
      },
    };
  }

  #anchor(random: Random): Step {
    const value = random.chance(0.2) ? this.#samples.anchor : mutateValue(this.#samples.anchor, random);
    const path = join(this.#samples.folder, "anchor");
    const { units } = this.#samples;
    const log = {
      head: () => units.at(-1)!.lastSeq,
      readLog: async (after: number) => units.filter((unit) => unit.lastSeq > after),
    };
    return {
      show: () => jsonText(value).slice(0, 5000),
      run: () =>
        this.#attempt("anchor", async () => {
          writeFileSync(path, jsonText(value));
          const anchor = await readAnchor(path);
          insist(isAnchor(anchor), "what was read is no anchor");
          const { findingsCount } = await verifyLog(log, { anchor });
          insist(findingsCount > 0 || anchor.hash === this.#samples.anchor.hash, "an anchor of another log is taken");
        }, [Failure]),
    };
  }

  #manifest(random: Random): Step {
    const { folder, backup } = this.#samples;
    const manifest = random.chance(0.3)
      ? backup.manifest
      : random.chance(0.5)
        ? Buffer.from(jsonText(mutateValue(JSON.parse(String(backup.manifest)), random)))
        : mutateBytes(backup.manifest, random, 1);
    const log = random.chance(0.7) ? backup.log : mutateBytes(backup.log, random, 1);
    return {
      show: () => JSON.stringify({ manifest: String(manifest), log: log.equals(backup.log) ? "as it was" : "changed" }),
      run: () =>
        this.#attempt("manifest", async () => {
          const made = join(folder, "spoilt-backup");
          mkdirSync(made, { recursive: true });
          writeFileSync(join(made, "manifest.json"), manifest);
          writeFileSync(join(made, "log.db"), log);
          await checkBackup(made);
          insist(log.equals(backup.log), "a changed log passes for the one of the manifest");
        }, [PlatformError]),
    };
  }

  /** Restores to odd points; a refusal leaves no log behind. */
  #restore(random: Random): Step {
    const sequence = random.pick([0, 1, 5, 9, -1, 1e9, 2 ** 53]);
    const folder = join(this.#samples.folder, "restored");
    return {
      show: () => `restore up to ${sequence}`,
      run: () =>
        this.#attempt("restore", async () => {
          rmSync(folder, { recursive: true, force: true });
          try {
            const { lastSequence } = await restoreStore({
              backup: join(this.#samples.folder, "backup"),
              folder,
              upTo: { sequence },
            });
            insist(lastSequence <= Math.max(0, sequence), `it goes up to ${lastSequence}`);
          } catch (error) {
            insist(!existsSync(join(folder, "log.db")), "a restore that failed left a log behind");
            throw error;
          }
        }, [PlatformError]),
    };
  }

  /** One file of a killed server's folder spoilt: it starts and holds a beginning of what it held, or refuses. */
  #files(random: Random): Step {
    const { live } = this.#samples;
    const isDerived = random.chance(0.5);
    const files = {
      "log.db": live.log,
      "log.db-wal": live.wal,
      "derived.db": live.derived,
      "derived.db-wal": live.derivedWal,
    };
    const name = isDerived
      ? random.pick(["derived.db", "derived.db-wal"] as const)
      : random.pick(["log.db", "log.db-wal"] as const);
    const spoilt = mutateBytes(files[name], random, 1);
    return {
      show: () => `${name} spoilt`,
      run: () =>
        this.#attempt(isDerived ? "derived" : "log", () => this.#open({ ...files, [name]: spoilt }, isDerived), [
          PlatformError,
          InvariantError,
        ]),
    };
  }

  async #open(files: Readonly<Record<string, Buffer>>, isDerived: boolean): Promise<void> {
    const folder = join(this.#samples.folder, "spoilt");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    const storage = await openSqliteStorage({ folder, tagging: inventoryTagging });
    try {
      const units = await storage.readLog(0, 1_000_000);
      for (const [index, unit] of units.entries()) {
        insist(unit instanceof StoredUnit, "a unit has no stored form");
        const isAsWritten = unit.body === this.#samples.units[index]?.body;
        insist(isAsWritten || !isDerived, "the log is not as it was written, though it was left alone");
      }
      for (const unit of units.slice(0, 20)) {
        for (const { stream, version } of unit.events) {
          const found = await storage.readStream(stream, version - 1);
          insist(found[0]?.version === version || !isDerived, `an event of ${stream} is not found by its stream`);
        }
        for (const found of await storage.findClaims(unit.claims.map(({ key }) => key)))
          insist(found !== undefined || !isDerived, "a claim is not found");
      }
    } finally {
      await storage.close();
    }
    await (await openSqliteReader({ folder })).close();
  }

  async close(): Promise<readonly string[]> {
    this.#pages.close();
    return [];
  }
}

function spoiltUnit(random: Random, { units }: Samples): string {
  const { body } = random.pick(units);
  return random.chance(0.5)
    ? jsonText(mutateValue(JSON.parse(body), random))
    : mutateBytes(Buffer.from(body), random, 1).toString();
}

function parsedOr<T>(text: string, otherwise: T): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return otherwise;
  }
}

function figures(state: unknown): string {
  return JSON.stringify(state, (_name, value) => (value instanceof Map ? [...value] : value));
}
