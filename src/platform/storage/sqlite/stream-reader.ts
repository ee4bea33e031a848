import { limits, PlatformError } from "../../../kernel/index.ts";
import type { WholeLog } from "../cold/index.ts";
import type { RecordedEvent, Sequence } from "../port.ts";
import type { StoredUnit } from "../unit.ts";
import { type LogRows, logFileOf } from "./log-database.ts";
import type { LogIndex, StreamPlace } from "./log-index.ts";
import { RecentVersions } from "./recent-versions.ts";

/**
 * Streams, as the index finds them in the log. The index knows a stream by a hash, so what it finds may be of another one: the
 * log itself decides.
 */
export class StreamReader {
  readonly #folder: string;
  readonly #whole: WholeLog<LogRows>;
  readonly #rows: LogRows;
  readonly #index: LogIndex;
  readonly #versions = new RecentVersions(limits.versionsCachedMax);

  constructor(folder: string, whole: WholeLog<LogRows>, index: LogIndex) {
    this.#folder = folder;
    this.#whole = whole;
    this.#rows = whole.hot;
    this.#index = index;
  }

  /** The version that a stream has come to. */
  isAt(stream: string, version: number): void {
    this.#versions.set(stream, version);
  }

  /** Events of a stream with versions above `after` and up to `upTo`. Throws `PlatformError` when one is missing. */
  async read(stream: string, after = 0, upTo = Number.POSITIVE_INFINITY): Promise<readonly RecordedEvent[]> {
    const found = this.#placesUntil(stream, after, upTo);
    const { seqs } = found;
    if (seqs.length === 0 && found.end === undefined) {
      if (after === 0) this.#versions.set(stream, 0);
      return noEvents;
    }
    let events = await this.#eventsAt(seqs, stream, after, upTo);
    // What it guessed by may be of another stream with the same hash.
    if (found.isGuess && !(await this.#isWhole(events, stream, after, upTo, found)))
      events = await this.#eventsAt(this.#allPlaces(stream, after), stream, after, upTo);
    refuseGaps(this.#folder, stream, after, events);
    return events;
  }

  /** Whether events that were found are all from `after` to `upTo`. */
  async #isWhole(
    events: readonly RecordedEvent[],
    stream: string,
    after: number,
    upTo: number,
    { end, hasLater }: FoundPlaces,
  ): Promise<boolean> {
    if (hasLater && upTo > after && events.at(-1)?.version !== upTo) return false;
    if (events[0]?.version === after + 1) return true;
    return end !== undefined && holds(await this.#whole.unit(end.seq), stream, end.version);
  }

  async #eventsAt(seqs: readonly Sequence[], stream: string, after: number, upTo: number): Promise<RecordedEvent[]> {
    const units: (StoredUnit | undefined)[] = [];
    // Only what is cold is waited for; the seam may move on meanwhile.
    for (let seq = seqs[0]; seq !== undefined && seq <= this.#whole.seam; seq = seqs[units.length])
      units.push(await this.#whole.unit(seq));
    for (const unit of this.#rows.units(seqs.slice(units.length))) units.push(unit);
    const events: RecordedEvent[] = [];
    for (const unit of units) {
      for (const event of unit?.events ?? noEvents)
        if (event.stream === stream && event.version > after && event.version <= upTo) events.push(event);
    }
    return events;
  }

  /**
   * Where the units are that have events of a stream with versions above `after` and up to `upTo`, oldest first. The search
   * ends at the place of version `after + 1`, for there are none behind it, or at `end`, the first place behind them. Some places
   * it takes by their versions for the stream's own, without a look at them: then it is a guess.
   */
  #placesUntil(stream: string, after: number, upTo: number): FoundPlaces {
    const seqs: Sequence[] = [];
    let oldestBeyond: Sequence | undefined; // a unit that ends beyond `upTo` may begin before it
    let end: StreamPlace | undefined;
    let isGuess = false;
    this.#index.findStream(stream, (place) => {
      const { seq, version } = place;
      if (version <= after) {
        const isCold = seq <= this.#whole.seam;
        if (!isCold && !this.#holds(place, stream)) return false;
        isGuess ||= isCold;
        end = place;
        return true;
      }
      if (version <= upTo) seqs.push(seq);
      else oldestBeyond = seq;
      const isFirst = version === after + 1;
      isGuess ||= isFirst || version > upTo;
      return isFirst;
    });
    const hasLater = oldestBeyond !== undefined;
    if (oldestBeyond !== undefined) seqs.unshift(oldestBeyond);
    return { seqs: [...new Set(seqs.reverse())], end, isGuess, hasLater };
  }

  /** All places that may be of a stream, and of versions above `after`. */
  #allPlaces(stream: string, after: number): readonly Sequence[] {
    const seqs = new Set<Sequence>();
    this.#index.findStream(stream, ({ seq, version }) => {
      if (version > after) seqs.add(seq);
      return false;
    });
    return [...seqs].reverse();
  }

  /**
   * Undefined when the newest unit that may be of the stream is cold, so that it can't be told here whether it is: then
   * `learnVersions` looks.
   */
  #versionIfHot(stream: string): number | undefined {
    const known = this.#versions.get(stream);
    if (known !== undefined) return known;
    let found: number | undefined = 0;
    this.#index.findStream(stream, (place) => {
      if (place.seq <= this.#whole.seam) found = undefined;
      else if (this.#holds(place, stream)) found = place.version;
      else return false;
      return true;
    });
    if (found !== undefined) this.#versions.set(stream, found);
    return found;
  }

  /** The version of a stream, after `learnVersions` where something is cold. */
  version(stream: string): number {
    return this.#versionIfHot(stream) ?? unknownVersion;
  }

  /** Makes sure that `version` knows streams; one that can't be read is passed over where `failed` takes the reason. */
  async learnVersions(streams: readonly string[], failed?: (error: unknown) => void): Promise<void> {
    if (this.#whole.seam === 0) return;
    for (const stream of streams)
      if (this.#versionIfHot(stream) === undefined) await this.#learnVersion(stream).catch(failed);
  }

  async #learnVersion(stream: string): Promise<void> {
    const places: StreamPlace[] = [];
    this.#index.findStream(stream, (place) => {
      places.push(place);
      return false;
    });
    let found = 0;
    for (const { seq, version } of places) {
      if (!holds(await this.#whole.unit(seq), stream, version)) continue;
      found = version;
      break;
    }
    // It may have been appended to, or learned by another, while a file was read.
    if (this.#versions.get(stream) === undefined) this.#versions.set(stream, found);
  }

  /** Whether a hot place is one of this very stream, and not of another with the same hash. */
  #holds({ seq, version }: StreamPlace, stream: string): boolean {
    return holds(this.#rows.unit(seq), stream, version);
  }
}

interface FoundPlaces {
  readonly seqs: readonly Sequence[];
  readonly end: StreamPlace | undefined;
  readonly isGuess: boolean;
  /** Whether there are versions above `upTo`. */
  readonly hasLater: boolean;
}

/** Whether a unit brought a stream to a version: the last of its events of the stream has it. */
function holds(unit: StoredUnit | undefined, stream: string, version: number): boolean {
  return unit?.events.findLast((event) => event.stream === stream)?.version === version;
}

/** No stream has it, so that a unit which expects any version is refused. */
const unknownVersion = -1;
const noEvents: readonly RecordedEvent[] = [];

/** A unit that the index knows and the log no longer has, or one that the index has lost. */
function refuseGaps(folder: string, stream: string, after: number, events: readonly RecordedEvent[]): void {
  const gap = events.findIndex((event, index) => event.version !== after + 1 + index);
  if (gap < 0) return;
  throw new PlatformError(
    "storage-unavailable",
    `${logFileOf(folder)} has no version ${after + 1 + gap} of ${stream}, but a later one: ` +
      "remove derived.db and start again; if it is still so, restore the last backup into another folder",
  );
}
