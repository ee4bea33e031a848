import type { Instant } from "../../../kernel/index.ts";
import type { Sequence } from "../port.ts";
import type { StoredUnit } from "../unit.ts";
import type { ColdLog } from "./cold-log.ts";
import type { ColdManifest } from "./manifest.ts";

/** The units of a log that were not moved, as its engine keeps them. */
export interface HotLog {
  /** Up to here everything is in cold files, and counts as not there, although its rows may not be removed yet. */
  seam: Sequence;
  /** The unit whose first event is `seq`. */
  unit(seq: Sequence): StoredUnit | undefined;
  /** When the unit was recorded that holds an event. */
  recordedAt(seq: Sequence): Instant | undefined;
  /** As `Storage.readLog`, up to `head`. */
  read(after: Sequence, limit: number, head: Sequence): StoredUnit[];
  /** As `Storage.sequenceAt`, up to `head`; the seam when no unit after it is that old. */
  sequenceAt(instant: Instant, head: Sequence): Sequence;
}

/**
 * A log with all its units: up to the seam in cold files, from there on in the engine's own. A read throws
 * `PlatformError("archive-unavailable")` when it needs a cold file that can't be read.
 */
export class WholeLog<Hot extends HotLog = HotLog> {
  readonly hot: Hot;
  readonly cold: ColdLog;

  constructor(hot: Hot, cold: ColdLog) {
    this.hot = hot;
    this.cold = cold;
    hot.seam = cold.seam;
  }

  /** The last event that is read from a cold file. */
  get seam(): Sequence {
    return this.cold.seam;
  }

  /** From here on the units of a file are read from it. */
  moved(manifest: ColdManifest): void {
    this.cold.add(manifest);
    this.hot.seam = this.cold.seam;
  }

  /** The unit whose first event is `seq`. */
  async unit(seq: Sequence): Promise<StoredUnit | undefined> {
    return seq > this.seam ? this.hot.unit(seq) : await this.cold.unit(seq);
  }

  /** As `Storage.readLog`, up to `head`. */
  async read(after: Sequence, limit: number, head: Sequence): Promise<StoredUnit[]> {
    if (after >= this.seam) return this.hot.read(after, limit, head);
    const found = await this.cold.read(after, limit);
    let events = found.reduce((sum, unit) => sum + unit.events.length, 0);
    let last = found.at(-1)?.lastSeq ?? after;
    while (events < limit && last < head) {
      // The seam may have moved on while a file was read.
      const left = limit - events;
      const more = last >= this.seam ? this.hot.read(last, left, head) : await this.cold.read(last, left);
      for (const unit of more) {
        events += unit.events.length;
        if (events > limit) return found;
        found.push(unit);
        last = unit.lastSeq;
      }
    }
    return found;
  }

  /** As `Storage.sequenceAt`, up to `head`. */
  async sequenceAt(instant: Instant, head: Sequence): Promise<Sequence> {
    const seam = this.seam;
    const found = this.hot.sequenceAt(instant, head);
    return found > seam || seam === 0 ? found : await this.cold.sequenceAt(instant);
  }
}
