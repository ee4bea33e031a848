/** Positions and versions as clients hold them: opaque, and bound to a history. */
import { accept, limits, type Outcome, reject } from "../../kernel/index.ts";
import type { Epoch, Sequence, Storage } from "../../platform/storage/index.ts";

/**
 * The token of a place in the log, in its current epoch: base64url of `1.{epoch id}.{sequence}`. Its first character names the form, so that
 * an engine without a total order can have another one later.
 */
export function formatPosition(epochs: readonly Epoch[], seq: Sequence): string {
  return Buffer.from(`1.${epochs[epochs.length - 1]?.id ?? ""}.${seq}`, "latin1").toString("base64url");
}

/** Gives out positions as tokens. Reads between two appends, and all that one append answered, have one position. */
export class Tokens {
  readonly #storage: Storage;
  /** The newest that was given out. */
  #text = "";
  #seq: Sequence | undefined;
  #epochs: Storage["epochs"] | undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Of the end of the log. */
  head(): string {
    return this.of(this.#storage.head());
  }

  of(seq: Sequence): string {
    const { epochs } = this.#storage;
    if (seq !== this.#seq || epochs !== this.#epochs) {
      this.#text = formatPosition(epochs, seq);
      [this.#seq, this.#epochs] = [seq, epochs];
    }
    return this.#text;
  }
}

/**
 * Up to where a position of this history may lie: the end of the log. Of a shared log another process may have told a client
 * of more than this one has heard of.
 */
export function reachOf(storage: Pick<Storage, "head"> & { readonly shared?: Storage["shared"] }): Sequence {
  return storage.shared === undefined ? storage.head() : Number.MAX_SAFE_INTEGER;
}

/** The place a token names in this history; what lies after a restore point in an older history is gone. */
export function parsePosition(token: string, epochs: readonly Epoch[], head: Sequence): Outcome<Sequence> {
  const place = placeIn(token);
  if (place === undefined) return unreadable();
  const index = epochs.findIndex((epoch) => epoch.id === place.epoch);
  if (index >= 0 && place.seq <= Math.min(head, sharedUpTo(epochs, index))) return accept(place.seq);
  return reject({
    code: "position-from-another-history",
    detail:
      "The position is from a history that was left by a restore. Read the present state and follow from its position.",
  });
}

/**
 * Where to go on from a position that `parsePosition` rejects: after the last event that its history shares with this one.
 * Of another log nothing is shared. Of the current epoch it lies beyond the end of the log, and all since that epoch began comes again.
 */
export function positionToGoOnFrom(token: string, epochs: readonly Epoch[]): string {
  const place = placeIn(token);
  const index = epochs.findIndex((epoch) => epoch.id === place?.epoch);
  if (index < 0) return formatPosition(epochs, 0);
  const isCurrent = index === epochs.length - 1;
  return formatPosition(epochs, isCurrent ? (epochs[index]?.startsAfter ?? 0) : sharedUpTo(epochs, index));
}

/** The one of two positions of one history that has seen more. */
export function laterPosition(one: string, other: string): string {
  return sequenceIn(one) >= sequenceIn(other) ? one : other;
}

/** The one of two positions of one history that has seen less. */
export function earlierPosition(one: string, other: string): string {
  return sequenceIn(one) <= sequenceIn(other) ? one : other;
}

/** What a token names; undefined when it can't be read. */
function placeIn(token: string): { readonly epoch: string; readonly seq: Sequence } | undefined {
  if (token.length > limits.positionLengthMax || !/^[\w-]+$/.test(token)) return undefined;
  const match = /^1\.([\w-]+)\.(\d{1,15})$/.exec(Buffer.from(token, "base64url").toString("latin1"));
  if (match === null) return undefined;
  const [, epoch = "", digits] = match;
  return { epoch, seq: Number(digits) };
}

/** The last event that an epoch shares with this history: what came before the first of all later epochs began. */
function sharedUpTo(epochs: readonly Epoch[], index: number): Sequence {
  return Math.min(Number.MAX_SAFE_INTEGER, ...epochs.slice(index + 1).map(({ startsAfter }) => startsAfter));
}

/** The sequence of a token that Larder has given, in whatever epoch. */
function sequenceIn(token: string): Sequence {
  return Number(/\d+$/.exec(Buffer.from(token, "base64url").toString("latin1"))?.[0] ?? -1);
}

function unreadable(): Outcome<never> {
  return reject({
    code: "invalid-position",
    detail: "The position can't be read: hand back one that Larder has given.",
  });
}

/** Versions of one epoch lie above all of the epochs before it, so that they grow through a restore. */
const versionsPerEpoch = 2 ** 40;

/** The version of a stock as clients see it. */
export function publicVersion(epochs: readonly Epoch[], version: number): number {
  return ((epochs[epochs.length - 1]?.number ?? 1) - 1) * versionsPerEpoch + version;
}

/**
 * The version within its stream that a client's version of a stock names. `sharedUpTo` is the last event that its epoch
 * shares with this history: what came later there is not the same here. Undefined for a version of no epoch of this log.
 */
export function ownVersion(
  epochs: readonly Epoch[],
  version: number,
): { readonly version: number; readonly sharedUpTo: Sequence } | undefined {
  const index = epochs.findIndex(({ number }) => number - 1 === Math.floor(version / versionsPerEpoch));
  if (index < 0) return undefined;
  return { version: version % versionsPerEpoch, sharedUpTo: sharedUpTo(epochs, index) };
}
