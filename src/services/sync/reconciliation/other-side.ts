/** What the other side holds, read page by page over the network: nothing in it is believed to be what it should. */
import { type Instant, identifierProblem, limits, normalise, parseInstant } from "../../../kernel/index.ts";
import {
  type OutboundAnswer,
  type OutboundCall,
  OutboundError,
  signatureHeaders,
} from "../../../platform/outbound/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import type { TheirRecord, Uncomparable } from "../domain/reconciliation/index.ts";
import type { TheirPage } from "./compare.ts";

/** Whoever makes the calls: the guarded client of this process, or a simulated network. */
export interface SnapshotCourier {
  /** Throws `OutboundError` when there is no answer. */
  call(call: OutboundCall): Promise<Pick<OutboundAnswer, "status" | "body" | "isCut">>;
}

export interface OtherSideOptions {
  readonly courier: SnapshotCourier;
  readonly url: string;
  /** What requests are signed with; undefined when they are not. */
  readonly secret: string | undefined;
  readonly clock: () => Instant;
  readonly randomId: () => string;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

/** Why a snapshot can't be compared, in words for whoever set up the location. */
export class SnapshotError extends Error {}

/** Reads pages of one snapshot; the first has no cursor. Throws `SnapshotError`. */
export function pageReader(options: OtherSideOptions): (cursor: string | undefined) => Promise<TheirPage> {
  let records = 0;
  let pages = 0;
  return async (cursor) => {
    if (cursor === undefined) [records, pages] = [0, 0];
    const page = readPage(await ask(options, cursor));
    records += page.records.length + page.impossible.length;
    pages += 1;
    if (page.next !== undefined && page.next === cursor) throw new SnapshotError("its snapshot gives a page again");
    if (records > limits.snapshotRecordsMax || pages > limits.snapshotPagesMax)
      throw new SnapshotError(
        `its snapshot has more than ${limits.snapshotRecordsMax} records or ${limits.snapshotPagesMax} pages`,
      );
    return page;
  };
}

/** A page that fails is asked for again: a snapshot of many pages must bear a hiccup. */
async function ask(options: OtherSideOptions, cursor: string | undefined): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await askOnce(options, cursor);
    } catch (error) {
      if (!(error instanceof SnapshotError) || attempt === limits.snapshotAttemptsMax || options.signal.aborted)
        throw error;
      await new Promise<void>((resolve) => options.timers.after(attempt * limits.snapshotRetryMs, resolve));
    }
  }
}

async function askOnce(options: OtherSideOptions, cursor: string | undefined): Promise<unknown> {
  const { courier, url, secret, clock, randomId, signal } = options;
  const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
  const id = `snapshot_${randomId()}`;
  let answer: Awaited<ReturnType<SnapshotCourier["call"]>>;
  try {
    answer = await courier.call({
      url: `${url}/snapshot${query}`,
      method: "GET",
      headers: {
        accept: "application/json",
        ...(secret !== undefined && signatureHeaders([secret], { id, at: clock(), body: "" })),
      },
      answerBytesMax: limits.snapshotPageBytesMax,
      signal,
    });
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    throw new SnapshotError(error.message, { cause: error });
  }
  if (answer.status !== 200) throw new SnapshotError(`its snapshot answers ${answer.status}`);
  if (answer.isCut)
    throw new SnapshotError(`a page of its snapshot has more than ${limits.snapshotPageBytesMax} bytes`);
  try {
    return JSON.parse(answer.body.toString("utf8"));
  } catch {
    throw new SnapshotError("its snapshot is not JSON");
  }
}

function readPage(page: unknown): TheirPage {
  const { records, next } = membersOf(page, "a page of its snapshot");
  if (!Array.isArray(records)) throw new SnapshotError("a page of its snapshot has no records");
  if (
    next !== undefined &&
    next !== null &&
    !(typeof next === "string" && next.length <= limits.snapshotCursorLengthMax)
  )
    throw new SnapshotError("`next` of its snapshot is no text, or too long a one");
  const read = records.map(readRecord);
  return {
    records: read.filter((record) => "onHand" in record),
    impossible: read.filter((record) => "problem" in record),
    ...(typeof next === "string" && next !== "" && { next }),
  };
}

/** A name that can be none of ours spoils nothing but its own record. */
function readRecord(record: unknown): TheirRecord | Uncomparable {
  const { onHand, version, asOf, ...told } = membersOf(record, "a record of its snapshot");
  const [sku, location] = [textIn(told, "sku"), textIn(told, "location")];
  const problem =
    nameProblem("sku", sku, limits.skuLengthMax) ?? nameProblem("location", location, limits.locationLengthMax);
  if (problem !== undefined)
    return { sku: shown(sku, limits.skuLengthMax), location: shown(location, limits.locationLengthMax), problem };
  const names = { sku: normalise(sku), location: normalise(location) };
  const wrong = (member: string) =>
    new SnapshotError(`${member} of ${names.sku} at ${names.location} in its snapshot is not as it should be`);
  // Also one beyond what ours can be: that is a difference like any other.
  if (typeof onHand !== "number" || !Number.isSafeInteger(onHand)) throw wrong("onHand");
  if (isThere(version) && !(Number.isSafeInteger(version) && Number(version) >= 0)) throw wrong("version");
  const at = typeof asOf === "string" ? parseInstant(asOf) : undefined;
  if (isThere(asOf) && at === undefined) throw wrong("asOf");
  return {
    ...names,
    onHand,
    ...(isThere(version) && { version: Number(version) }),
    ...(at !== undefined && { asOf: at }),
  };
}

function membersOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw new SnapshotError(`${what} is no object`);
  return value as Readonly<Record<string, unknown>>;
}

function textIn(record: Readonly<Record<string, unknown>>, member: string): string {
  const value = record[member];
  if (typeof value !== "string") throw new SnapshotError(`a ${member} in its snapshot is no text`);
  return value;
}

function nameProblem(member: string, name: string, lengthMax: number): string | undefined {
  const problem = identifierProblem(name, lengthMax);
  return problem && `a ${member} in its snapshot ${problem}`;
}

/** So much of a name that is none as can be kept, and shown to people. */
function shown(name: string, lengthMax: number): string {
  return name
    .slice(0, lengthMax)
    .toWellFormed()
    .replace(/\p{Cc}/gu, "\ufffd");
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}
