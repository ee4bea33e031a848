/**
 * The cold part of the simulated log. What moves days, writes and reads cold files is the product's own
 * (`platform/storage/cold`), as under every engine that has them; simulated are the disk, and the log's side of the seam.
 */
import { crc32 } from "node:zlib";
import { PlatformError } from "../kernel/index.ts";
import {
  type ArchivedLog,
  ColdArchive,
  type ColdColumns,
  ColdLog,
  type ColdStore,
  type HotLog,
  hashOfManifest,
  parseChain,
  WholeLog,
  writeFile,
} from "../platform/storage/cold/index.ts";
import type { Storage } from "../platform/storage/index.ts";
import type { MemoryLog } from "../platform/storage/memory/memory-log.ts";
import { coldColumns } from "../services/inventory/index.ts";
import type { ColdFates } from "./cold-faults.ts";
import type { Disk } from "./disk.ts";

const { columns }: ColdColumns = await import(coldColumns.href);
const storeId = "simulated";
const check = (seq: number, body: string) => crc32(body, seq);

export interface ArchivedLogOptions {
  readonly disk: Disk;
  readonly fates: ColdFates;
  readonly epochs: Storage["epochs"];
  /** The index of all units, and the hot ones among them. */
  readonly log: MemoryLog;
  /** Resolves after so many milliseconds; never in a process that is dead. */
  readonly wait: (ms: number) => Promise<void>;
  /** Ends the process. */
  readonly die: () => Promise<never>;
  /** Runs when it is the turn of whoever writes the log. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

/** The log with all its units, and what moves them. */
export interface Archived {
  readonly whole: WholeLog;
  readonly archive: ColdArchive;
}

export function archivedLog(options: ArchivedLogOptions): Archived {
  const { disk, epochs, log, inTurn } = options;
  const { manifests } = disk.cold;
  const store = new SimulatedColdStore(options);
  const readManifests = () => parseChain(manifests, hashOfManifest(manifests.at(-1) ?? ""));
  const hot = new HotRows(log);
  const whole = new WholeLog(hot, new ColdLog(store, check, manifests.length === 0 ? [] : readManifests()));
  const change = (make: () => void) => inTurn(() => changeLog(options, make));
  const archived: ArchivedLog = {
    epochs,
    whole,
    head: () => log.head(),
    write: (request) => writeFile({ store, storeId, check, columns, hot }, request),
    stopWriting: async () => undefined,
    readManifests: () => (manifests.length === 0 ? [] : readManifests()),
    putManifest: (_manifest, text) => change(() => void manifests.push(text)),
    firstHot: () => disk.firstKept(),
    removeUpTo: (last) => change(() => disk.removeUpTo(last)),
    persistIndex: async () => undefined,
    freeBytes: () => 0,
  };
  return { whole, archive: new ColdArchive(archived) };
}

async function changeLog({ disk, fates, wait, die }: ArchivedLogOptions, make: () => void): Promise<void> {
  const { ms, fault } = fates.change();
  if (fault === "seam-crash-before") await die();
  if (fault === "seam-failed") throw new PlatformError("storage-unavailable", "the log was not changed: a fault");
  if (fault === "seam-unknown") throw new Error("nobody knows whether the log was changed: a fault");
  disk.change(() => {
    make();
    disk.cold.changes += 1;
  });
  await wait(ms);
  if (fault === "seam-crash-written") await die();
  disk.sync();
  if (fault === "seam-crash-synced") await die();
  if (fault === "seam-answer-lost") throw new Error("nobody knows whether the log was changed: a fault");
}

/** The units that a log still has, beyond the seam. */
class HotRows implements HotLog {
  seam = 0;
  readonly #log: MemoryLog;

  constructor(log: MemoryLog) {
    this.#log = log;
  }

  unit(seq: number) {
    const unit = seq > this.seam ? this.#log.unitWith(seq) : undefined;
    return unit?.seq === seq ? unit : undefined;
  }

  recordedAt(seq: number) {
    return seq > this.seam ? this.#log.unitWith(seq)?.meta.recordedAt : undefined;
  }

  read(after: number, limit: number, head: number) {
    if (after < this.seam) throw new Error(`event ${after + 1} is read from the hot log, which has it no more`);
    return this.#log.readLog(after, limit).filter(({ seq }) => seq <= head);
  }

  sequenceAt(instant: number, head: number) {
    return Math.min(head, Math.max(this.seam, this.#log.sequenceAt(instant)));
  }
}

class SimulatedColdStore implements ColdStore {
  readonly #options: ArchivedLogOptions;

  constructor(options: ArchivedLogOptions) {
    this.#options = options;
  }

  get #files() {
    return this.#options.disk.cold.files;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const { fates, wait, die, disk } = this.#options;
    const { ms, fault } = fates.write();
    await wait(ms);
    if (fault === "cold-write-failed") throw new Error("the file was not written: a fault");
    disk.cold.changes += 1;
    const isCut = fault === "cold-write-torn" || fault === "cold-write-crash";
    const kept = isCut ? bytes.slice(0, bytes.length >> 1) : bytes.slice();
    const place = kept.length >> 2;
    if (fault === "cold-write-damaged") kept[place] = (kept[place] ?? 0) ^ 1;
    this.#files.set(name, kept);
    if (fault === "cold-write-crash") await die();
    if (fault === "cold-write-torn") throw new Error("a part of the file was written: a fault");
  }

  async read(name: string, start: number, end: number): Promise<Uint8Array> {
    const { ms, fault } = this.#options.fates.read();
    await this.#options.wait(ms);
    if (fault !== undefined) throw new Error("the cold file can't be read: a fault");
    const bytes = this.#files.get(name);
    if (bytes === undefined || bytes.length < end) throw new Error(`the cold file ${name} has no byte ${end}`);
    return bytes.slice(start, end);
  }

  async size(name: string): Promise<number | undefined> {
    return this.#files.get(name)?.length;
  }

  async list(): Promise<readonly string[]> {
    return [...this.#files.keys()].sort();
  }

  async remove(name: string): Promise<void> {
    this.#files.delete(name);
  }
}
