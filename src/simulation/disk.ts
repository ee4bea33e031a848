/**
 * A disk with a boundary between what is written and what is durable. At a crash the durable part stays, and of what was
 * written after the last sync any beginning may stay, the last line of it torn.
 */

import type { DerivedChanges, DerivedStore } from "../platform/storage/index.ts";
import { MemoryDerivedStore } from "../platform/storage/memory/memory-derived.ts";
import { readUnit, type StoredUnit } from "../platform/storage/unit.ts";
import { ColdDisk } from "./cold-disk.ts";
import { must } from "./oracle/shapes.ts";
import type { Random } from "./random.ts";

/** What became of the derived store at a crash. */
export type DerivedFate = "kept" | "behind" | "lost";

export class Disk {
  /**
   * The log as it survives a crash: a line for each unit, its checksum before it; empty once it was removed, because a cold
   * file has the unit.
   */
  readonly durable: string[] = [];
  /** Cold files, and what the log says of them. */
  readonly cold = new ColdDisk();
  /** Lines that were removed from the beginning of the log. */
  removed = 0;
  /** Lines, and changes of what the log says of its cold files. */
  #written: (string | (() => void))[] = [];
  /** What the lines say, read from them once; nobody changes it. */
  readonly #units: StoredUnit[] = [];
  readonly #bySeq = new Map<number, StoredUnit>();
  readonly #readsOnce: boolean;
  outgoingPaused = false;
  derived: JournalledDerivedStore = new JournalledDerivedStore();

  /** `readsOnce`: all who read a unit get the same, and `mustBeUnchanged` says whether anyone has changed it. */
  constructor({ readsOnce = false } = {}) {
    this.#readsOnce = readsOnce;
  }

  write(units: readonly WrittenUnit[]): void {
    for (const unit of units) this.#written.push(lineOf(unit));
  }

  /** Changes the log otherwise than by another line. */
  change(make: () => void): void {
    this.#written.push(make);
  }

  sync(): void {
    this.#keep(this.#written.splice(0));
  }

  /** The place of the first unit that is still in the log itself. */
  firstKept(): number | undefined {
    return this.units()[this.removed]?.seq;
  }

  /** Removes the lines of the units that begin at or before an event. */
  removeUpTo(seq: number): void {
    const units = this.units();
    for (; (units[this.removed]?.seq ?? Number.POSITIVE_INFINITY) <= seq; this.removed += 1)
      this.durable[this.removed] = "";
  }

  #keep(written: readonly (string | (() => void))[]): void {
    for (const one of written) {
      if (typeof one === "string") this.durable.push(one);
      else one();
    }
  }

  /** Takes back what was written and not synced: the write failed in the open, as on a full disk. */
  undo(): void {
    this.#written = [];
  }

  /** Loses power. Says what happened to what was written, if anything was, and to the derived store. */
  crash(random: Random): {
    readonly log: "none" | "whole" | "part" | "torn" | undefined;
    readonly derived: DerivedFate;
  } {
    const written = this.#written.splice(0);
    const log = written.length === 0 ? undefined : random.pick(["none", "whole", "part", "torn"] as const);
    if (log === "whole") this.#keep(written);
    if (log === "part" || log === "torn") this.#keep(written.splice(0, random.between(0, written.length - 1)));
    const next = written[0];
    if (log === "torn" && typeof next === "string")
      this.durable.push(next.slice(0, random.between(1, next.length - 1)));
    const derived = random.pick<DerivedFate>(["kept", "behind", "lost"]);
    this.derived = this.derived.after(derived, random);
    return { log, derived };
  }

  /**
   * The stored units, in order, the torn end of a crash cut off, and with what a process has written that ended by itself: a
   * file has that whether or not it was synced. Throws when a line is damaged that is not the last.
   */
  open(): readonly StoredUnit[] {
    this.sync();
    const units = this.units();
    if (units.length < this.durable.length - 1) throw new Error(`line ${units.length} of the simulated log is damaged`);
    this.durable.length = units.length;
    return units;
  }

  /** The units before the first torn line; those of removed lines too, as an index of the log knows of them. */
  units(): readonly StoredUnit[] {
    for (let index = this.#units.length; index < this.durable.length; index += 1) {
      const unit = unitIn(this.durable[index] ?? "");
      if (unit === undefined) break;
      const read = readUnit((this.#units.at(-1)?.lastSeq ?? 0) + 1, unit.body);
      this.#units.push(read);
      this.#bySeq.set(read.seq, read);
    }
    return this.#units;
  }

  /** Reads a stored form: for a log on this disk. */
  readonly read = (seq: number, body: string): StoredUnit => {
    if (!this.#readsOnce) return readUnit(seq, body);
    this.units();
    const unit = this.#bySeq.get(seq);
    return unit?.body === body ? unit : readUnit(seq, body);
  };

  /** Throws when someone has changed a unit that was read: on another store those would be his own. */
  mustBeUnchanged(): void {
    for (const { seq, body, events } of this.#units) {
      const [is, was] = [events, readUnit(seq, body).events].map((all) => JSON.stringify(all.map(({ data }) => data)));
      must(is === was, () => `what was read of the unit at ${seq} was changed: ${is}`);
    }
  }
}

/** A unit in its stored form. */
interface WrittenUnit {
  readonly body: string;
  /**
   * As of when it was decided. The log has it later where somebody else's unit came in between, for time never runs
   * backwards in it.
   */
  readonly decidedAt: number;
}

function lineOf({ body, decidedAt }: WrittenUnit): string {
  return `${body.length.toString(36)} ${decidedAt} ${body}`;
}

/** Undefined when the line is torn. A tear only ever cuts, so that the length tells as much as a checksum would. */
export function unitIn(line: string): WrittenUnit | undefined {
  const [length = "", decidedAt = ""] = line.split(" ", 2);
  const body = line.slice(length.length + decidedAt.length + 2);
  return length !== "" && Number.parseInt(length, 36) === body.length
    ? { body, decidedAt: Number(decidedAt) }
    : undefined;
}

/**
 * The derived store with a memory of its commits, so that after a crash it can be as it was some commits before: they need
 * not be durable. Of the last commit that survives, some consumers' steps may, as the port only makes each of them atomic.
 */
export class JournalledDerivedStore extends MemoryDerivedStore implements DerivedStore {
  readonly #steps: (DerivedChanges | { readonly reset: string })[] = [];

  override commit(changes: readonly DerivedChanges[]): void {
    super.commit(changes);
    this.#steps.push(...changes);
  }

  override reset(consumer: string): void {
    super.reset(consumer);
    this.#steps.push({ reset: consumer });
  }

  after(fate: DerivedFate, random: Random): JournalledDerivedStore {
    if (fate === "kept") return this;
    const next = new JournalledDerivedStore();
    if (fate === "lost") return next;
    for (const step of this.#steps.slice(0, random.between(0, this.#steps.length))) {
      if ("reset" in step) next.reset(step.reset);
      else next.commit([step]);
    }
    return next;
  }
}
