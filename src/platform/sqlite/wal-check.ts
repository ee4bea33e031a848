import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PlatformError } from "../../kernel/index.ts";
import { pageBytes } from "./database.ts";

/*
 * The WAL format is section 4 of https://sqlite.org/fileformat2.html: a header of 32 bytes, then frames of a header of
 * 24 bytes and a page. Each frame's checksum goes on from that of the frame before it, the first one's from that of the
 * file's header. SQLite takes the first frame that does not fit for the end, whatever follows.
 */
export const walHeaderBytes = 32;
const frameHeaderBytes = 24;
export const walFrameBytes = frameHeaderBytes + pageBytes;
const magicLittleEndian = 0x377f0682;
const magicBigEndian = 0x377f0683;

type Sums = readonly [number, number];

interface FrameHeader {
  readonly page: number;
  /** Whether the frame is the last of its transaction. */
  readonly isLast: boolean;
  readonly salts: Sums;
  readonly sums: Sums;
}

/** What a look at a WAL found: how many frames SQLite will read, and how many transactions they are. */
export interface WalContent {
  readonly frames: number;
  readonly transactions: number;
  /** How many frames the last transaction takes; 0 without one. */
  readonly lastFrames: number;
  /** Bytes up to the end of the last transaction, or of the file's header without one; 0 when that is bad. */
  readonly end: number;
}

const nothing: WalContent = { frames: 0, transactions: 0, lastFrames: 0, end: 0 };

/**
 * Looks at a WAL before SQLite opens it, and tells a torn tail, the normal end after a crash, from damage before the
 * end, which SQLite would read as the end and so lose what was acknowledged after it.
 *
 * As each transaction is synced before the next is begun, only the last can be torn. So it is damage when frames of the
 * same generation that are whole follow the first bad one and some of them belong to a later transaction: another
 * transaction ends before them, or their page numbers stop rising (a transaction that fits the page cache writes its
 * pages in their order, each once; ours never spill). The later frames are checked from the checksum that the frame
 * before them holds. It is damage too when the file's header is bad and whole
 * frames of one generation follow.
 *
 * Throws `PlatformError("storage-unavailable")` with the file and the byte where the damage begins.
 */
export function checkWal(path: string): WalContent {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    return nothing;
  }
  try {
    return checkFile(new WalFile(descriptor), path);
  } finally {
    closeSync(descriptor);
  }
}

function checkFile(file: WalFile, path: string): WalContent {
  const header = file.header();
  if (header === undefined) return nothing;
  if (!header.isGood) {
    if (hasWholeFrames(file, header)) throw damage(path, 0);
    return nothing;
  }

  let sums = header.sums;
  let frames = 0;
  let transactions = 0;
  let wholeUpTo = 0;
  let lastFrames = 0;
  for (; frames < file.frames; frames += 1) {
    const frame = file.frameHeader(frames);
    const next = file.sumsAfter(frames, sums);
    if (!isSame(frame.salts, header.salts) || !isSame(frame.sums, next)) break;
    sums = next;
    if (frame.isLast) {
      transactions += 1;
      lastFrames = frames + 1 - wholeUpTo;
      wholeUpTo = frames + 1;
    }
  }
  if (frames < file.frames && isFollowed(file, header.salts, wholeUpTo, frames, sums)) {
    throw damage(path, walHeaderBytes + frames * walFrameBytes);
  }
  return { frames: wholeUpTo, transactions, lastFrames, end: walHeaderBytes + wholeUpTo * walFrameBytes };
}

/** Whether a transaction later than the one that the bad frame belongs to follows it. */
function isFollowed(file: WalFile, salts: Sums, begin: number, bad: number, sumsBefore: Sums): boolean {
  // When only the stored checksum is damaged, the next frame goes on from what it should have been.
  const expected = file.sumsAfter(bad, sumsBefore);
  const fits = (index: number, seed: Sums) => {
    const { salts: own, sums } = file.frameHeader(index);
    return isSame(own, salts) && isSame(sums, file.sumsAfter(index, seed));
  };
  const fitsFollowing = (index: number) =>
    fits(index, file.frameHeader(index - 1).sums) || (index === bad + 1 && fits(index, expected));

  let lastPage = begin < bad ? file.frameHeader(bad - 1).page : 0;
  let hasEnded = false;
  const badFrame = file.frameHeader(bad);
  const isOfGeneration = isSame(badFrame.salts, salts) || (bad + 1 < file.frames && fitsFollowing(bad + 1));
  if (isOfGeneration) {
    hasEnded = badFrame.isLast;
    // A page number that can't be right says nothing.
    if (badFrame.page > lastPage && badFrame.page <= file.frames + lastPage) lastPage = badFrame.page;
  }
  for (let index = bad + 1; index < file.frames; index += 1) {
    if (!fitsFollowing(index)) continue;
    const frame = file.frameHeader(index);
    if (hasEnded || frame.page <= lastPage) return true;
    lastPage = frame.page;
    hasEnded = frame.isLast;
  }
  return false;
}

/** Whether frames fit each other, or the first one fits what is left of the header. */
function hasWholeFrames(file: WalFile, header: WalHeader): boolean {
  return [true, false].some((isLittleEndian) => {
    file.isLittleEndian = isLittleEndian;
    for (let index = 0; index < file.frames; index += 1) {
      const frame = file.frameHeader(index);
      const seeds = index === 0 ? [header.sums, file.headerSums()] : [file.frameHeader(index - 1).sums];
      if (seeds.some((seed) => isSame(frame.sums, file.sumsAfter(index, seed)))) return true;
    }
    return false;
  });
}

function damage(path: string, offset: number): PlatformError {
  return new PlatformError(
    "storage-unavailable",
    `${path} is damaged at byte ${offset}, and whole transactions follow; starting would lose them. ` +
      "Keep the folder as it is, look at the disk, and restore the last backup into another folder",
  );
}

interface WalHeader {
  readonly isGood: boolean;
  readonly salts: Sums;
  /** The checksum that the header holds. */
  readonly sums: Sums;
}

class WalFile {
  readonly frames: number;
  readonly #descriptor: number;
  readonly #bytes: number;
  /** A stretch of the file, read at once. */
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;
  /** The order in which checksums read the words; the file's header says it. */
  isLittleEndian = true;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.#bytes = fstatSync(descriptor).size;
    // A frame whose end is missing can't be whole.
    this.frames = Math.max(0, Math.floor((this.#bytes - walHeaderBytes) / walFrameBytes));
  }

  /** Undefined when the file is too short to hold one. */
  header(): WalHeader | undefined {
    if (this.#bytes < walHeaderBytes) return undefined;
    const header = this.#read(0, walHeaderBytes);
    const magic = header.readUInt32BE(0);
    this.isLittleEndian = magic !== magicBigEndian;
    const sums: Sums = [header.readUInt32BE(24), header.readUInt32BE(28)];
    const hasKnownForm = magic === magicLittleEndian || magic === magicBigEndian;
    return {
      isGood: hasKnownForm && header.readUInt32BE(8) === pageBytes && isSame(sums, this.headerSums()),
      salts: [header.readUInt32BE(16), header.readUInt32BE(20)],
      sums,
    };
  }

  /** The checksum that the header should hold. */
  headerSums(): Sums {
    return addUp([0, 0], this.#read(0, 24), this.isLittleEndian);
  }

  frameHeader(index: number): FrameHeader {
    const header = this.#read(walHeaderBytes + index * walFrameBytes, frameHeaderBytes);
    return {
      page: header.readUInt32BE(0),
      isLast: header.readUInt32BE(4) !== 0,
      salts: [header.readUInt32BE(8), header.readUInt32BE(12)],
      sums: [header.readUInt32BE(16), header.readUInt32BE(20)],
    };
  }

  /** The checksum that a frame has when the one before it has `sums`. */
  sumsAfter(index: number, sums: Sums): Sums {
    const frame = this.#read(walHeaderBytes + index * walFrameBytes, walFrameBytes);
    const afterHeader = addUp(sums, frame.subarray(0, 8), this.isLittleEndian);
    return addUp(afterHeader, frame.subarray(frameHeaderBytes), this.isLittleEndian);
  }

  #read(at: number, length: number): Buffer {
    if (at < this.#windowAt || at + length > this.#windowAt + this.#window.length) {
      const window = Buffer.alloc(Math.min(windowBytes, this.#bytes - at));
      let filled = 0;
      while (filled < window.length) {
        const count = readSync(this.#descriptor, window, filled, window.length - filled, at + filled);
        if (count === 0) break;
        filled += count;
      }
      this.#window = window;
      this.#windowAt = at;
    }
    return this.#window.subarray(at - this.#windowAt, at - this.#windowAt + length);
  }
}

const windowBytes = 256 * walFrameBytes;

/** The running checksum of section 4.2 over pairs of 32-bit words. */
function addUp([first, second]: Sums, bytes: Buffer, isLittleEndian: boolean): Sums {
  let [a, b] = [first | 0, second | 0];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 8) {
    a = (a + view.getUint32(at, isLittleEndian) + b) | 0;
    b = (b + view.getUint32(at + 4, isLittleEndian) + a) | 0;
  }
  return [a >>> 0, b >>> 0];
}

function isSame([a, b]: Sums, [c, d]: Sums): boolean {
  return a === c && b === d;
}
