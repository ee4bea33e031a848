import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Instant } from "../../../kernel/index.ts";
import { ColdLog, type ColdManifest, FolderColdStore } from "../cold/index.ts";
import type { Sequence } from "../port.ts";
import type { StoredUnit } from "../unit.ts";
import { LogRows, readManifests, readMeta, UnitCheck } from "./log-database.ts";

/** Where the cold files of a data folder or a backup are. */
export function archiveFolderOf(folder: string): string {
  return join(folder, "archive");
}

/**
 * A log with all its units: up to the seam in cold files, from there on in rows of `log.db`. A read throws
 * `PlatformError("archive-unavailable")` when it needs a cold file that can't be read.
 */
export class WholeLog {
  readonly hot: LogRows;
  readonly cold: ColdLog;

  constructor(database: DatabaseSync, archiveFolder: string) {
    const check = new UnitCheck(readMeta(database).storeId);
    const store = new FolderColdStore(archiveFolder);
    this.cold = new ColdLog(store, (seq, body) => check.of(seq, body), readManifests(database));
    this.hot = new LogRows(database, this.cold.seam);
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
