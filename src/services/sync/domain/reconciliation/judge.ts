/**
 * Comparing two sides that both go on changing.
 *
 * One look finds suspicions; most of them are changes under way. Some seconds later the other side is asked once more, and
 * some seconds after that ours is read for what it said then; that second look tells which suspicions stand:
 *
 * - A record that names a version or a time is held against ours at that version or time, so what has happened since does
 *   not matter, and facts of that time that were on their way have come.
 * - What was to be sent to them is late only when they still had not got what we had before we asked them again, with
 *   nothing pending then.
 * - A record that names neither, and one by which a copy of ours tells a time, says something only while nothing moves.
 *
 * A stock that one side has no record of counts as 0 there.
 */
import type { Instant } from "../../../../kernel/index.ts";
import { basisOf, type OurFigures, type TheirRecord } from "./records.ts";

export type FindingKind = "missing-here" | "missing-there" | "late" | "drift";

/** One look at one stock: what they said, and ours (`past` answers for the basis of their record). */
export interface Look {
  readonly theirs: TheirRecord | undefined;
  readonly ours: OurFigures | undefined;
}

/** How the two sides differ at one look; undefined when they don't. */
export function judge({ theirs, ours }: Look): FindingKind | undefined {
  if (theirs === undefined) return ours === undefined || ours.onHand === 0 ? undefined : "missing-there";
  if (ours === undefined) return theirs.onHand === 0 ? undefined : "missing-here";
  const basis = basisOf(theirs, ours.version);
  const then = ourFigure(theirs, ours);
  if (basis.by !== "version" || basis.version === ours.version) return then === theirs.onHand ? undefined : "drift";
  // A version that was left behind by a restore is not in our history: all we know is that it is old.
  return then === undefined || then === theirs.onHand ? "late" : "drift";
}

/** Our figure that a record is to agree with; undefined when the version it names was never ours. */
export function ourFigure(theirs: TheirRecord, ours: OurFigures): number | undefined {
  const basis = basisOf(theirs, ours.version);
  const isNow = basis.by === "now" || (basis.by === "version" && basis.version === ours.version);
  return isNow ? ours.onHand : ours.past;
}

/** Something that differed at the first look. */
export interface Suspicion extends Look {
  readonly kind: FindingKind;
}

/** What the second look needs beside what both sides say. */
export interface SecondLook extends Look {
  /** Just before their side was asked again. */
  readonly before: { readonly version: number | undefined; readonly pending: boolean };
  /** Once ours had been read again. */
  readonly pendingAfter: boolean;
  /** Whether their figure of this stock is their own, and not what we sent. */
  readonly isTheirOwn: boolean;
}

/** Whether a suspicion stands at the second look. */
export function stands(suspicion: Suspicion, second: SecondLook): boolean {
  const { kind } = suspicion;
  if (judge(second) !== kind) return false;
  const { before } = second;
  switch (kind) {
    case "missing-here":
      return true;
    case "missing-there":
      return !before.pending && before.version !== undefined;
    case "late":
      return !before.pending && (second.theirs?.version ?? 0) < (before.version ?? 0);
    case "drift":
      return driftStands(suspicion, second);
    default:
      return kind satisfies never;
  }
}

function driftStands(suspicion: Suspicion, second: SecondLook): boolean {
  if (second.theirs === undefined || second.ours === undefined) return false;
  switch (basisOf(second.theirs, second.ours.version).by) {
    case "version":
      return true;
    case "time":
      // What they hold by their own counting does not wait for what we send. A copy that holds our newest figure is right,
      // though by our clock, or by that of a till, what it shows has not happened yet at the time that it names.
      return second.isTheirOwn || (isQuiet(second) && second.theirs.onHand !== second.ours.onHand);
    default:
      return isQuiet(second) && isUnchanged(suspicion, second);
  }
}

function isUnchanged(suspicion: Suspicion, { theirs, ours }: SecondLook): boolean {
  return suspicion.theirs?.onHand === theirs?.onHand && suspicion.ours?.version === ours?.version;
}

/** Nothing of ours was on its way to them, and nothing changed here, from before they were asked until after. */
export function isQuiet({ before, pendingAfter, ours }: SecondLook): boolean {
  return !before.pending && !pendingAfter && before.version === ours?.version;
}

export interface Finding {
  readonly sku: string;
  readonly location: string;
  readonly kind: FindingKind;
  /** Our figure that theirs is held against; null where we have no record. */
  readonly ours: number | null;
  /** Null where they have none. */
  readonly theirs: number | null;
}

export function findingOf(
  kind: FindingKind,
  { theirs, ours }: Look,
  { sku, location }: Pick<Finding, "sku" | "location">,
): Finding {
  // Of what is late, their figure was ours once: what matters is what they should hold now.
  const figure = theirs === undefined || ours === undefined || kind === "late" ? ours?.onHand : ourFigure(theirs, ours);
  return { sku, location, kind, ours: figure ?? null, theirs: theirs?.onHand ?? null };
}

/**
 * The time for which a count may be made of their figure, so that it keeps every movement that their figure does not
 * show: that of their record; else, while nothing moved through both looks, when they were asked the second time.
 * Undefined when no time is right.
 */
export function countableAt(
  suspicion: Suspicion,
  second: SecondLook,
  askedAt: Instant,
  now: Instant,
): Instant | undefined {
  const asOf = second.theirs?.asOf;
  // A count of a time that is still to come here would swallow what is sold until then.
  if (asOf !== undefined) return asOf <= now ? asOf : undefined;
  return isUnchanged(suspicion, second) && isQuiet(second) ? askedAt : undefined;
}
