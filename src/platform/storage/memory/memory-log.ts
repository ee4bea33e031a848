import type { Instant } from "../../../kernel/index.ts";
import type { Admission, Books } from "../admission.ts";
import { type ClaimRecord, noTags, type RecordedEvent, type Sequence, type Tagging } from "../port.ts";
import { readUnit, type StoredUnit } from "../unit.ts";

/** Where a unit begins in the log, and its stored form: read back from the text, as from a disk. */
interface Row {
  readonly seq: Sequence;
  readonly at: Instant;
  readonly body: string;
}

/** The units of a log in memory, and all that can be asked of them. Reads give what was stored, not the caller's objects. */
export class MemoryLog {
  readonly tagging: Tagging;
  #head: Sequence = 0;
  #lastRecordedAt: Instant = 0;
  readonly #rows: Row[] = [];
  /** For each stream the index of the row of each event. */
  readonly #streams = new Map<string, number[]>();
  readonly #claims = new Map<string, ClaimRecord>();
  readonly #tags = new Map<string, Sequence[]>();
  readonly #read: (seq: Sequence, body: string) => StoredUnit;

  /** `read` makes of a stored form what it says; whoever has read it already may lend that. */
  constructor(tagging: Tagging = noTags, read = readUnit) {
    this.tagging = tagging;
    this.#read = read;
  }

  /** What admission asks. */
  books(): Books {
    return {
      head: this.#head,
      lastRecordedAt: this.#lastRecordedAt,
      version: (stream) => this.#streams.get(stream)?.length ?? 0,
      isClaimed: (key) => this.#claims.has(key),
    };
  }

  /** Takes in what was admitted on these books. */
  record({ units }: Pick<Admission, "units">): void {
    for (const unit of units) this.#add(unit);
  }

  /** Takes in a stored unit that comes next, as it was read from where it is kept. */
  load(unit: StoredUnit): void {
    this.#add(unit);
  }

  #add(unit: StoredUnit): void {
    for (const { stream } of unit.events) {
      const rows = this.#streams.get(stream);
      if (rows === undefined) this.#streams.set(stream, [this.#rows.length]);
      else rows.push(this.#rows.length);
    }
    this.#rows.push({ seq: unit.seq, at: unit.meta.recordedAt, body: unit.body });
    for (const tag of this.tagging.of(unit)) {
      const tagged = this.#tags.get(tag);
      if (tagged === undefined) this.#tags.set(tag, [unit.seq]);
      else tagged.push(unit.seq);
    }
    for (const { key, print } of unit.claims) this.#claims.set(key, { print, seq: unit.seq });
    this.#head = unit.lastSeq;
    this.#lastRecordedAt = unit.meta.recordedAt;
  }

  bytes(): number {
    return this.#rows.reduce((sum, { body }) => sum + body.length, 0);
  }

  head(): Sequence {
    return this.#head;
  }

  lastRecordedAt(): Instant {
    return this.#lastRecordedAt;
  }

  readStream(stream: string, after = 0, upTo = Number.POSITIVE_INFINITY): readonly RecordedEvent[] {
    const rows = new Set((this.#streams.get(stream) ?? []).slice(after, upTo));
    return [...rows]
      .flatMap((row) => this.#unitAt(row)?.events ?? [])
      .filter((event) => event.stream === stream && event.version > after && event.version <= upTo);
  }

  /** Where the units begin that have events of a stream with a version above `after` and up to `upTo`, in order. */
  placesOf(stream: string, after = 0, upTo = Number.POSITIVE_INFINITY): readonly Sequence[] {
    const rows = new Set((this.#streams.get(stream) ?? []).slice(after, upTo));
    return [...rows].map((row) => this.#rows[row]?.seq ?? 0);
  }

  /** The unit that holds an event. */
  unitWith(seq: Sequence): StoredUnit | undefined {
    return seq > this.#head ? undefined : this.#unitAt(this.#rowAfter(seq - 1));
  }

  versions(streams: readonly string[]): readonly number[] {
    return streams.map((stream) => this.#streams.get(stream)?.length ?? 0);
  }

  readLog(after: Sequence, limit: number): StoredUnit[] {
    const found: StoredUnit[] = [];
    let events = 0;
    for (let row = this.#rowAfter(after); row < this.#rows.length; row += 1) {
      const unit = this.#unitAt(row)?.after(after);
      if (unit === undefined) break;
      events += unit.events.length;
      if (found.length > 0 && events > limit) break;
      found.push(unit);
    }
    return found;
  }

  sequenceAt(instant: Instant): Sequence {
    const next = this.#rows[this.#firstRow((row) => row.at > instant)];
    return next === undefined ? this.#head : next.seq - 1;
  }

  findClaims(keys: readonly string[]): readonly (ClaimRecord | undefined)[] {
    return keys.map((key) => this.#claims.get(key));
  }

  findTagged(tag: string, before: Sequence | undefined, limit: number): readonly Sequence[] {
    const tagged = this.#tags.get(tag) ?? [];
    return tagged
      .filter((seq) => before === undefined || seq < before)
      .reverse()
      .slice(0, limit);
  }

  findCommands(commands: readonly string[], after: Sequence): readonly (Sequence | undefined)[] {
    const found = new Map<string, Sequence>();
    for (let row = this.#rowAfter(after); row < this.#rows.length; row += 1) {
      const unit = this.#unitAt(row);
      if (unit !== undefined && !found.has(unit.meta.command)) found.set(unit.meta.command, unit.seq);
    }
    return commands.map((command) => found.get(command));
  }

  #unitAt(index: number): StoredUnit | undefined {
    const row = this.#rows[index];
    return row && this.#read(row.seq, row.body);
  }

  /** The index of the row that holds the first event after a position. */
  #rowAfter(after: Sequence): number {
    if (after >= this.#head) return this.#rows.length;
    return Math.max(0, this.#firstRow((row) => row.seq > after + 1) - 1);
  }

  #firstRow(isBeyond: (row: Row) => boolean): number {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.#rows[middle];
      if (row === undefined || isBeyond(row)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
