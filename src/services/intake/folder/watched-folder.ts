import { hash } from "node:crypto";
import { lstatSync, readdirSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Instant, limits } from "../../../kernel/index.ts";
import { type Messaging, QueueWorker } from "../../../platform/messaging/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import type { Caller, Inventory } from "../../inventory/index.ts";
import { declareFilesQueue, dropAgain, filesQueue, sendDeadFile, troubleOf } from "./failed-files.ts";
import { type FileReport, importFile, removeLeftovers, settleFile } from "./import-file.ts";
import { inventorySink } from "./inventory-sink.ts";
import { type FolderPlaces, isPassedOver, openFolder } from "./places.ts";

export interface FolderOptions {
  readonly folder: string;
  readonly messaging: Messaging;
  readonly inventory: Pick<Inventory, "recordFacts" | "itemsByGtin">;
  /** Milliseconds since 1970. */
  readonly clock: () => Instant;
  readonly random: () => number;
  readonly timers: Timers;
  /** Hears of each file that was done with, and of what is in the way of the others. */
  readonly onFile?: (report: FileReport) => void;
  readonly onFailure?: (error: unknown) => void;
  /** The inventory takes no facts. */
  readonly onHeld?: (error: unknown) => void;
}

/** Who records what lies in the folder: whoever may write there speaks for every source and location. */
const caller: Caller = { id: "system:intake-folder", ownReservations: false };

const redrivePolicy = { firstDelayMs: 1000, delayMsMax: 60_000, attemptsMax: 20, elapsedMsMax: 3_600_000 };

/**
 * Imports the files that are dropped into a folder, one after another, each once it has stopped growing. The folder is
 * looked at every `limits.intakeLookMs`: that works on every file system, mounted ones too.
 */
export class WatchedFolder {
  readonly #options: FolderOptions;
  readonly #places: FolderPlaces;
  readonly #stopping = new AbortController();
  readonly #redrives: QueueWorker;
  /** Files as they were at the last look. */
  #seen = new Map<string, string>();
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;
  #stopLooking: () => void = () => undefined;

  private constructor(options: FolderOptions) {
    this.#options = options;
    this.#places = openFolder(resolve(options.folder));
    const { messaging, clock, random, timers } = options;
    this.#redrives = new QueueWorker({
      messaging,
      queue: filesQueue,
      handle: async (batch) => batch.map((delivery) => dropAgain(delivery, this.#places)),
      policy: redrivePolicy,
      leaseMs: limits.intakeLeaseMs,
      clock,
      random,
      timers,
      ...(options.onFailure && { onFailure: options.onFailure }),
    });
  }

  /** Takes up what was interrupted, then what lies in the folder. Throws when the folder can't be written. */
  static async start(options: FolderOptions): Promise<WatchedFolder> {
    await declareFilesQueue(options.messaging);
    const folder = new WatchedFolder(options);
    folder.#redrives.start();
    folder.#stopLooking = options.timers.every(limits.intakeLookMs, () => folder.#look());
    folder.#look();
    return folder;
  }

  /** What is under way is given up; it is taken up again at the next start. */
  async stop(): Promise<void> {
    this.#stopLooking();
    this.#stopping.abort();
    await this.#looking;
    await this.#redrives.stop(limits.intakeStopMs);
  }

  #look(): void {
    if (this.#isLooking || this.#stopping.signal.aborted) return;
    this.#isLooking = true;
    this.#looking = this.#importAll()
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#options.onFailure?.(error);
      })
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async #importAll(): Promise<void> {
    const { root, working } = this.#places;
    const failures: unknown[] = [];
    // One that can't be read or put aside holds up no other: it is tried again at the next look.
    const attempt = async (work: () => Promise<void>) => {
      if (this.#stopping.signal.aborted) return;
      await work().catch((error: unknown) => failures.push(error));
    };
    for (const name of filesIn(working).filter((file) => !file.endsWith(".rejects")))
      await attempt(() => this.#import(name));
    for (const name of this.#settled()) {
      await attempt(async () => {
        const kept = shortened(name);
        // Another of its name is still being worked on, as one that could not be read: this one waits for it.
        if (isFileAt(join(working, kept))) return;
        renameSync(join(root, name), join(working, kept));
        await this.#import(kept);
      });
    }
    if (failures.length > 0) throw failures[0];
  }

  async #import(name: string): Promise<void> {
    const { messaging, inventory, clock, random, timers, onHeld, onFile } = this.#options;
    const { signal } = this.#stopping;
    const sink = inventorySink(inventory, caller, { signal, random, timers, onHeld });
    removeLeftovers(name, this.#places);
    const report = await importFile(name, { places: this.#places, sink, inventory, clock, signal });
    const trouble = troubleOf(report);
    // Told before the file is moved: a crash in between tells it once more, of which the queue takes one.
    if (trouble !== undefined) await sendDeadFile(messaging, report, trouble);
    settleFile(report, this.#places);
    onFile?.(report);
  }

  /** Files that have not changed since the last look, or for so long that they were moved here whole. */
  #settled(): readonly string[] {
    const { root } = this.#places;
    const seen = new Map<string, string>();
    const settled: string[] = [];
    for (const name of filesIn(root)) {
      const found = lstatSync(join(root, name), { throwIfNoEntry: false });
      if (found === undefined || !found.isFile()) continue;
      const state = `${found.size} ${found.mtimeMs} ${found.ino}`;
      seen.set(name, state);
      const isOld = this.#options.clock() - found.mtimeMs > limits.intakeSettleMs;
      if (isOld || this.#seen.get(name) === state) settled.push(name);
    }
    this.#seen = seen;
    return settled;
  }
}

/**
 * A name to which a time and the ending of a report can be put, where file systems allow 255 bytes; one that is too long keeps its
 * beginning, by which its mapping is found, and its ending.
 */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= nameBytesMax) return name;
  // As `.json.gz.rejects.ndjson`.
  const ending = /(?:\.[A-Za-z0-9]{1,8}){1,4}$/.exec(name)?.[0] ?? "";
  let beginning = "";
  for (const character of name) {
    if (Buffer.byteLength(beginning + character) > nameBytesMax - 40) break;
    beginning += character;
  }
  return `${beginning}-${hash("sha256", name).slice(0, 16)}${ending}`;
}

const nameBytesMax = 180;

function isFileAt(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !isPassedOver(entry.name))
    .map(({ name }) => name)
    .sort();
}
