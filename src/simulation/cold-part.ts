/**
 * Cold files in a history: days pass, old ones are moved by themselves and when asked, and what they hold is asked for
 * again, while the disk, the log and the process fail in the middle.
 */
// Before virtual time begins: the log itself loads it when the first cold file is read.
import "../platform/storage/cold/cold-file.ts";
import { type RunningArchive, startArchive } from "../services/archive/index.ts";
import { type RunningInventory, verifyLog } from "../services/inventory/index.ts";
import { mustReadAcross } from "./across.ts";
import { type ColdFates, type ColdFaultKind, coldFatesOf } from "./cold-faults.ts";
import type { Disk } from "./disk.ts";
import { ChangeFollower } from "./follower.ts";
import type { Operation } from "./operations.ts";
import { ColdOracle } from "./oracle/cold.ts";
import type { LogOracle } from "./oracle/log.ts";
import { keepMoment } from "./oracle/moments.ts";
import { must, Violation } from "./oracle/shapes.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import { isStorageFault, type Server } from "./server.ts";
import { admin } from "./shop.ts";
import type { SimulatedStorage } from "./storage.ts";

const dayMs = 86_400_000;
const momentsMax = 5;

export interface ColdPartOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly disk: Disk;
  readonly oracle: LogOracle;
  /** Brings the oracle up to what is durable. */
  readonly look: () => void;
  readonly isCalm: () => boolean;
  /** The server's clock, without anyone being told. */
  readonly glance: () => number;
  readonly note: (kind: ColdFaultKind | "leap") => void;
  readonly fail: (error: unknown) => void;
}

export class ColdPart {
  readonly fates: ColdFates;
  readonly #options: ColdPartOptions;
  readonly #oracle = new ColdOracle();
  readonly #afterDays: number | null;
  readonly #dailyAtMs: number;

  constructor(options: ColdPartOptions) {
    const { random, isCalm, note } = options;
    this.#options = options;
    this.fates = coldFatesOf(random.fork(), isCalm, note);
    this.#afterDays = random.pick([null, 1, 1, 2]);
    this.#dailyAtMs = random.between(0, dayMs - 1);
  }

  /** Lets a server move old days. */
  startArchive(
    server: Server,
    { archive, isFault }: Pick<SimulatedStorage, "archive" | "isFault">,
    inventory: RunningInventory,
  ): RunningArchive {
    const { scheduler, glance, fail } = this.#options;
    return startArchive({
      log: archive,
      preparation: inventory.archiving,
      clock: glance,
      timers: scheduler.timersOf(server.life),
      afterDays: this.#afterDays,
      dailyAtMs: this.#dailyAtMs,
      ended: (_run, error) => {
        if (error !== undefined && !isFault(error)) fail(new Violation(`the archive failed: ${String(error)}`));
      },
    });
  }

  /** A unit is durable, and not taken in yet. */
  coming(body: string, { at, events }: { readonly at: number; readonly events: readonly object[] }): void {
    const { oracle, random } = this.#options;
    if (oracle.moments.length < momentsMax && random.chance(0.03)) keepMoment(oracle, at);
    this.#oracle.add(body, at, events.length);
  }

  /** What happens beside each step of the workload, and what a client asks for instead of it, now and then. */
  step(server: Server): Operation | undefined {
    const { random, oracle, scheduler, note } = this.#options;
    if (random.chance(0.015)) {
      note("leap");
      scheduler.now += random.between(dayMs / 4, dayMs);
    }
    if (random.chance(0.03)) this.#ask(server);
    if (oracle.moments.length === 0 || !random.chance(0.04)) return undefined;
    const sku = random.pick([...oracle.bySku.keys()]);
    return { kind: "stock", sku, knownAt: random.pick(oracle.moments).at, caller: admin };
  }

  /** Somebody wants old days moved, or reads the log from its beginning. */
  #ask(server: Server): void {
    const { random, fail, oracle, look } = this.#options;
    const done = random.chance(0.3)
      ? new ChangeFollower(oracle, look).follow(server)
      : server.archive?.start(this.#afterDays === null || random.chance(0.5) ? { before: this.#today() } : {});
    done?.catch((error: unknown) => {
      if (!isStorageFault(error)) fail(error);
    });
  }

  #today(): string {
    return new Date(this.#options.glance()).toISOString().slice(0, 10);
  }

  /** Throws when something is neither in the log nor in a cold file, or was moved too early. */
  async mustHoldAll(): Promise<void> {
    const { disk, oracle } = this.#options;
    await this.#oracle.mustHoldAll(disk, oracle.lastSealTo);
  }

  /** At rest: all that may be moved is, once it is asked for, and everything is read as if nothing had been. */
  async mustBeWhole(server: Server, pass: (ms: number) => Promise<void>): Promise<void> {
    const { scheduler, oracle, disk, look, random, fail } = this.#options;
    const { inventory, storage, archive } = server;
    must(inventory !== undefined && storage !== undefined && archive !== undefined, () => "the server is not up");
    scheduler.after(1, () => void archive.start({ before: this.#today() }).catch(fail));
    await pass(5000);
    const { isRunning, lastRun } = await archive.status();
    must(!isRunning && lastRun?.problem === undefined, () => `old days are not moved: ${JSON.stringify(lastRun)}`);
    const seam = storage.archive?.figures().seam ?? 0;
    const oldest = this.#oracle.firstKept(disk);
    must(oldest === seam + 1, () => `the seam is at ${seam}, and event ${oldest} is the first of the log`);
    const movable = this.#oracle.movable(oracle.lastSealTo);
    must(seam === movable, () => `of ${movable} events that can be moved, ${seam} are in cold files`);
    await this.mustHoldAll();
    const fresh = new ChangeFollower(oracle, look);
    scheduler.after(1, () => void fresh.follow(server).catch(fail));
    await pass(1000);
    fresh.mustBeDone();
    await mustReadAcross(oracle, inventory, random);
    const { findings } = await verifyLog(storage);
    must(findings.length === 0, () => `larder verify finds across the seam: ${JSON.stringify(findings[0])}`);
  }
}
