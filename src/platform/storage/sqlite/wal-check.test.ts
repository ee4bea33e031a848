import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PlatformError } from "../../../kernel/index.ts";
import { checkWal } from "../../sqlite/index.ts";
import { event, numbers, unitOf } from "../samples.ts";
import { openSqliteStorage } from "./index.ts";
import { mendTail } from "./wal-tail.ts";

const frameBytes = 24 + 4096;

/** A log of `sizes.length` appends that were never copied out of the WAL, and where each append's frames begin in it. */
interface Sample {
  readonly folder: string;
  readonly wal: Buffer;
  /** For each append its first byte in the WAL; then the WAL's end. */
  readonly bounds: readonly number[];
}

let home: string;
let sample: Sample;
let copies = 0;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "larder-wal-"));
  sample = await makeSample("sample", [1, 1, 40, 1, 200, 1, 3]);
});
afterAll(() => rmSync(home, { recursive: true }));

/** Appends units of the given numbers of events, one append each, and keeps the files as a crash would leave them. */
async function makeSample(name: string, sizes: readonly number[]): Promise<Sample> {
  const folder = join(home, name);
  const storage = await openSqliteStorage({ folder: join(home, `${name}-live`) });
  const walFile = join(home, `${name}-live`, "log.db-wal");
  const bounds = [Math.max(32, readFileSync(walFile).length)];
  for (const [index, size] of sizes.entries()) {
    const events = numbers(size).map((n) => event(`s${index}`, { n, text: "x".repeat(100) }));
    await storage.append([unitOf(`c${index}`, { [`s${index}`]: 0 }, events)]);
    bounds.push(readFileSync(walFile).length);
  }
  mkdirSync(folder);
  for (const file of ["log.db", "log.db-wal"]) copyFileSync(join(home, `${name}-live`, file), join(folder, file));
  await storage.close();
  return { folder, wal: readFileSync(join(folder, "log.db-wal")), bounds };
}

/** Opens a copy with another WAL: the number of appends that are there, or the refusal. */
async function openWith(wal: Buffer, from: Sample = sample): Promise<number | PlatformError> {
  copies += 1;
  const folder = join(home, `copy-${copies}`);
  mkdirSync(folder);
  copyFileSync(join(from.folder, "log.db"), join(folder, "log.db"));
  writeFileSync(join(folder, "log.db-wal"), wal);
  try {
    const storage = await openSqliteStorage({ folder });
    const units = await storage.readLog(0, 1_000_000);
    expect(units.map((unit) => unit.meta.command)).toEqual(units.map((_, index) => `c${index}`));
    await storage.close();
    return units.length;
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    expect(error.code).toBe("storage-unavailable");
    expect(error.message).toContain(join(folder, "log.db-wal"));
    return error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function changed(offset: number, change: (byte: number) => number): Buffer {
  const wal = Buffer.from(sample.wal);
  wal[offset] = change(wal[offset] ?? 0);
  return wal;
}

/** The append in whose frames a byte of the WAL lies. */
function appendOf(offset: number): number {
  return sample.bounds.findLastIndex((bound) => bound <= offset);
}

/** Bytes of every kind in a frame: page number, size, salts, checksums, and the page's begin, middle and end. */
const places = [0, 3, 4, 7, 8, 12, 15, 16, 20, 23, 24, 25, 1000, 2024, 4119];

describe("a WAL that a crash left", () => {
  it("is read whole when it is whole", async () => {
    expect(await openWith(sample.wal)).toBe(7);
    expect(checkWal(join(sample.folder, "log.db-wal"))).toEqual({
      frames: (sample.wal.length - 32) / frameBytes,
      transactions: 7,
      lastFrames: (sample.wal.length - (sample.bounds[6] ?? 0)) / frameBytes,
      end: sample.wal.length,
    });
  });

  it("is refused, with the place, for a damaged byte before its last transaction, and else read without that one", async () => {
    const frames = (sample.wal.length - 32) / frameBytes;
    for (let frame = 0; frame < frames; frame += 1) {
      for (const place of frame % 7 === 0 || frame > frames - 4 ? places : places.slice(frame % 5, (frame % 5) + 3)) {
        const offset = 32 + frame * frameBytes + place;
        const outcome = await openWith(changed(offset, (byte) => byte ^ 0x41));
        if (appendOf(offset) < 6) {
          expect(outcome, `byte ${offset}`).toBeInstanceOf(PlatformError);
          expect(String(outcome)).toContain(`byte ${32 + frame * frameBytes},`);
        } else if (place >= 4 && place < 8 && outcome !== 6) {
          // A frame of the last append that has come to look like the end of one: no crash does that, so refusing is right.
          expect(outcome, `byte ${offset}`).toBeInstanceOf(PlatformError);
        } else {
          expect(outcome, `byte ${offset}`).toBe(6);
        }
      }
    }
  });

  it("is refused when the mark that ends a transaction is wiped out", async () => {
    for (const bound of sample.bounds.slice(1, -1)) {
      const wal = Buffer.from(sample.wal);
      wal.fill(0, bound - frameBytes + 4, bound - frameBytes + 8);
      expect(await openWith(wal), `before ${bound}`).toBeInstanceOf(PlatformError);
    }
  });

  it("is refused for damage to a transaction of which only its end tells it from the next", async () => {
    const live = join(home, "meta-live");
    const storage = await openSqliteStorage({ folder: live });
    const walFile = join(live, "log.db-wal");
    // A page of its own, and the rest of the log's leaf well behind it: the pages go on rising from one to the next.
    await storage.append([
      unitOf(
        "c0",
        { s0: 0 },
        numbers(200).map((n) => event("s0", { n })),
      ),
    ]);
    const from = readFileSync(walFile).length;
    await storage.setOutgoingPaused(true);
    const to = readFileSync(walFile).length;
    await storage.append([unitOf("c1", { s1: 0 }, [event("s1")])]);
    mkdirSync(join(home, "meta"));
    for (const file of ["log.db", "log.db-wal"]) copyFileSync(join(live, file), join(home, "meta", file));
    await storage.close();
    const paused: Sample = {
      folder: join(home, "meta"),
      wal: readFileSync(join(home, "meta", "log.db-wal")),
      bounds: [],
    };
    expect(await openWith(paused.wal, paused)).toBe(2);
    expect(to - from).toBe(frameBytes);
    for (const place of [8, 16, 24, 3000]) {
      const wal = Buffer.from(paused.wal);
      wal[from + place] = (wal[from + place] ?? 0) ^ 0x41;
      expect(await openWith(wal, paused), `byte ${place} of the frame`).toBeInstanceOf(PlatformError);
    }
  });

  it("is refused for each byte of a damaged header when frames follow", async () => {
    for (let offset = 0; offset < 32; offset += 1) {
      const outcome = await openWith(changed(offset, (byte) => byte ^ 0x01));
      expect(outcome, `byte ${offset}`).toBeInstanceOf(PlatformError);
      expect(String(outcome)).toContain("byte 0,");
    }
    const wal = Buffer.from(sample.wal);
    wal.fill(0, 0, 32);
    expect(await openWith(wal)).toBeInstanceOf(PlatformError);
  });

  it("is read up to its last whole append wherever it was cut", async () => {
    const cuts = [
      0,
      1,
      31,
      32,
      33,
      ...sample.bounds.flatMap((bound) => [bound - 1, bound, bound + 1, bound + 24, bound + 2000]),
    ];
    for (const cut of cuts.filter((offset) => offset <= sample.wal.length)) {
      const whole = sample.bounds.filter((bound, index) => index > 0 && bound <= cut).length;
      expect(await openWith(sample.wal.subarray(0, cut)), `cut at ${cut}`).toBe(whole);
    }
  });

  it("is read up to its last whole append when the pages of the one being written arrived in any order", async () => {
    const [from, to] = [sample.bounds[4] ?? 0, sample.bounds[5] ?? 0];
    for (let frame = from; frame < to; frame += frameBytes) {
      const wal = Buffer.from(sample.wal.subarray(0, to));
      wal.fill(0, frame, frame + frameBytes);
      expect(await openWith(wal), `frame at ${frame}`).toBe(4);
    }
  });

  it("takes what an older generation left behind for no part of it", async () => {
    const older = await makeSample("older", [40, 40, 40]);
    const wal = Buffer.concat([sample.wal.subarray(0, sample.bounds[2]), older.wal.subarray(sample.bounds[2] ?? 0)]);
    expect(await openWith(wal)).toBe(2);
  });

  it("need not be there, nor hold anything", async () => {
    expect(checkWal(join(home, "nothing"))).toMatchObject({ frames: 0, transactions: 0 });
    const empty = join(home, "empty");
    writeFileSync(empty, "");
    truncateSync(empty, 0);
    expect(checkWal(empty)).toMatchObject({ frames: 0, transactions: 0 });
  });
});

it("is cut to its last whole transaction before it is gone on with, and never further", () => {
  const file = join(home, "leftovers-wal");
  const { wal, bounds } = sample;
  for (const [index, end] of bounds.entries()) {
    const next = bounds[index + 1] ?? end;
    for (const bytes of [0, 1, frameBytes, next - end - frameBytes].filter(
      (count) => count >= 0 && end + count < next,
    )) {
      writeFileSync(file, wal.subarray(0, end + bytes));
      mendTail(file);
      expect(readFileSync(file).equals(wal.subarray(0, end)), `append ${index}, ${bytes} bytes behind it`).toBe(true);
    }
  }
  // Of a header that is bad nothing is known.
  writeFileSync(file, wal.subarray(0, 20));
  mendTail(file);
  expect(readFileSync(file)).toHaveLength(20);
});
