/** A server's disk as the tests would have it: it fails when told, and loses what was never synced (disk-shim.c). */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** What can be made to fail: bytes of the control file, in the shim's order. */
const places = {
  "log sync": 0,
  "log write": 1,
  "log read": 2,
  "derived sync": 4,
  "derived write": 5,
  "derived read": 6,
} as const;
export type Place = keyof typeof places;

export const errno = { none: 0, EIO: 5, ENOSPC: 28 } as const;

const watched = ["log.db", "log.db-wal", "derived.db", "derived.db-wal"];
/** What a disk writes whole. */
const sectorBytes = 512;

export class Disk {
  readonly env: Readonly<Record<string, string>>;
  readonly #control: string;
  readonly #images: string;
  readonly #data: string;

  /** Of the data folder `data`, with what it needs in `folder`. Undefined where there is no C compiler, or no Linux. */
  static make(folder: string, data: string): Disk | undefined {
    if (process.platform !== "linux") return undefined;
    const library = join(folder, "disk-shim.so");
    const source = join(import.meta.dirname, "disk-shim.c");
    const { status } = spawnSync("cc", ["-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"]);
    return status === 0 ? new Disk(folder, data, library) : undefined;
  }

  private constructor(folder: string, data: string, library: string) {
    this.#data = data;
    this.#control = join(folder, "disk-control");
    this.#images = join(folder, "disk-images");
    mkdirSync(this.#images);
    writeFileSync(this.#control, Buffer.alloc(4096));
    this.env = {
      LD_PRELOAD: library,
      DISK_SHIM_FOLDER: data,
      DISK_SHIM_CONTROL: this.#control,
      DISK_SHIM_IMAGES: this.#images,
    };
  }

  /** From now on this fails with `error`, also in a server that runs. */
  fail(place: Place, error: keyof typeof errno): void {
    this.#set(places[place], errno[error]);
  }

  /** Of the writes of the log, each `one`th fails; none when it is 0. */
  failSomeWrites(one: number): void {
    this.#set(9, one);
  }

  /** Each sync takes so many milliseconds longer, below 256. */
  slowDown(ms: number): void {
    this.#set(8, ms);
  }

  heal(): void {
    for (const place of Object.keys(places) as Place[]) this.fail(place, "none");
    this.failSomeWrites(0);
  }

  #set(at: number, byte: number): void {
    const descriptor = openSync(this.#control, "r+");
    writeSync(descriptor, Buffer.of(byte), 0, 1, at);
    closeSync(descriptor);
  }

  /** How many calls were made to fail so far, and how many syncs were done: that the shim is there at all. */
  counts(): { readonly syncs: number; readonly writes: number; readonly reads: number; readonly synced: number } {
    const bytes = readFileSync(this.#control);
    const [syncs = 0, writes = 0, reads = 0, synced = 0] = [0, 1, 2, 3].map((n) => bytes.readUInt32LE(16 + 4 * n));
    return { syncs, writes, reads, synced };
  }

  /**
   * Once the server is dead: the power fails too. Of what was written and never synced, each sector stays or goes as
   * `keeps` says; returns how many went.
   */
  losePower(keeps: () => boolean): number {
    let lost = 0;
    for (const name of watched) {
      const [file, image] = [join(this.#data, name), join(this.#images, name)];
      if (!existsSync(file) || !existsSync(image)) continue;
      const [written, safe] = [readFileSync(file), readFileSync(image)];
      for (let at = 0; at < written.length; at += sectorBytes) {
        const end = Math.min(written.length, at + sectorBytes);
        const before = Buffer.alloc(end - at);
        if (at < safe.length) safe.copy(before, 0, at, end);
        if (before.equals(written.subarray(at, end)) || keeps()) continue;
        before.copy(written, at);
        lost += 1;
      }
      writeFileSync(file, written);
      writeFileSync(image, written);
      rmSync(`${image}.lost`, { force: true });
      rmSync(`${file.replace(/-wal$/, "")}-shm`, { force: true });
    }
    return lost;
  }
}
