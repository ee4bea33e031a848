import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { ImportError } from "./failure.ts";

/** The bytes of a file to import, plain or gzip. */
export interface ImportInput {
  readonly name: string;
  /** Where the lookup files of the mapping are found. */
  readonly folder: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Absent when nobody knows, as of a pipe. */
  readonly bytesTotal?: number;
}

/** Opens a file, or standard input for `-`. Throws `ImportError` when there is no such file. */
export async function openInput(path: string): Promise<ImportInput> {
  if (path === "-") return { name: "standard input", folder: process.cwd(), bytes: process.stdin };
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new ImportError("no-such-file", `${path} does not exist or can't be read.`);
  if (found.isDirectory()) throw new ImportError("no-such-file", `${path} is a folder; name a CSV or NDJSON file.`);
  const bytes = bytesOf(path);
  // A named pipe has no size worth telling.
  const size = found.isFile() ? { bytesTotal: found.size } : {};
  return { name: basename(path), folder: dirname(path), bytes, ...size };
}

/** Opened when it is first read: an import that ends before that leaves nothing open, and nothing that fails by itself. */
async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: readBytes });
}

const readBytes = 65_536;
const gzipMagic = Buffer.from([0x1f, 0x8b]);

/**
 * The bytes, unpacked when they begin as gzip does. `onBytes` hears of every piece as it stood in the file. Throws
 * `ImportError` when packed bytes are damaged or cut off.
 */
export async function* unpacked(
  bytes: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  const source = counted(bytes, onBytes);
  const first = await firstBytes(source, gzipMagic.length);
  const all = from(first, source);
  if (!first.subarray(0, gzipMagic.length).equals(gzipMagic)) {
    yield* all;
    return;
  }
  const gunzip = createGunzip({ chunkSize: readBytes });
  // Whoever reads the gunzip sees the pipeline's error; the callback only keeps it from being thrown twice.
  pipeline(Readable.from(all), gunzip, () => undefined);
  try {
    yield* gunzip;
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : "unreadable";
    throw new ImportError("input-damaged", `The gzip data is damaged or cut off: ${problem}.`, { cause });
  }
}

async function* counted(bytes: AsyncIterable<Uint8Array>, onBytes: (count: number) => void) {
  for await (const piece of bytes) {
    onBytes(piece.length);
    if (piece.length > 0) yield piece;
  }
}

/** At least so many bytes, unless there are fewer. */
export async function firstBytes(source: AsyncGenerator<Uint8Array>, count: number): Promise<Buffer> {
  let first = Buffer.alloc(0);
  while (first.length < count) {
    const { done, value } = await source.next();
    if (done === true) break;
    first = Buffer.concat([first, value]);
  }
  return first;
}

/** What was read of the beginning, then the rest. */
export async function* from(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}
