/** Files that someone has to look at, as dead letters of the queue `intake-files`: one for each file, whatever its size. */
import { existsSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { limits } from "../../../kernel/index.ts";
import { type Delivery, done, type Handled, type Messaging } from "../../../platform/messaging/index.ts";
import { type FileReport, unforeseen } from "./import-file.ts";
import type { FolderPlaces } from "./places.ts";

export const filesQueue = "intake-files";

export async function declareFilesQueue(messaging: Messaging): Promise<void> {
  await messaging.declareQueue({
    name: filesQueue,
    deduplicationMs: 0,
    attemptsMax: limits.intakeAttemptsMax,
    depthMax: limits.queueDepthMax,
  });
}

/** Why someone has to look at a file; undefined when nobody has to. */
export function troubleOf({ file, problem, summary, rejects }: FileReport): string | undefined {
  if (problem !== undefined) {
    const until = summary === undefined ? "" : ` Until then ${summary.accepted} facts were recorded.`;
    return `file-not-imported: ${file}: ${problem}${until} Put it right, then redrive this.`;
  }
  if (summary === undefined) return undefined;
  const tallies = unforeseen(summary);
  const count = tallies.reduce((sum, tally) => sum + tally.count, 0);
  if (count === 0) return undefined;
  const reasons = tallies.slice(0, reasonsMax).map((tally) => `${tally.count} × ${tally.reason}`);
  return `rows-turned-down: ${count} of ${summary.rows} rows of ${file} were turned down (${reasons.join(", ")}); they stand in ${rejects}. Put the cause right and redrive this, or import what you put right there and discard this.`;
}

const reasonsMax = 5;

/** Durable when it resolves; the same report again has no effect as long as the dead letter is there. */
export async function sendDeadFile(messaging: Messaging, report: FileReport, cause: string): Promise<void> {
  const message = {
    id: report.id,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(bounded(report)),
  };
  await messaging.sendDead(filesQueue, message, { cause, attempts: 1 });
}

/** A report that a message can hold: reasons are told apart by their words, of which there may be many. */
function bounded(report: FileReport): FileReport {
  if (report.summary === undefined) return report;
  const { rejected, ignored, ...rest } = report.summary;
  const few = <T>(tallies: readonly T[]) => tallies.slice(0, talliesMax);
  return { ...report, summary: { ...rest, rejected: few(rejected), ignored: few(ignored) } };
}

const talliesMax = 50;

/** What a redrive does: the file is dropped into the folder again. */
export function dropAgain({ body }: Delivery, { root }: FolderPlaces): Handled {
  const report = reportOf(body);
  if (report === undefined) return { outcome: "dead", cause: "unreadable-message: it names no file." };
  const { file, kept } = report;
  if (!existsSync(join(root, kept))) return { outcome: "dead", cause: `file-gone: ${kept} is not there any more.` };
  if (existsSync(join(root, file)))
    return { outcome: "retry", cause: `another ${file} waits in the folder`, retryAfterMs: limits.intakeLookMs };
  renameSync(join(root, kept), join(root, file));
  return done;
}

function reportOf(body: string): Pick<FileReport, "file" | "kept"> | undefined {
  try {
    const { file, kept } = JSON.parse(body) as Partial<FileReport>;
    const isOurs = typeof file === "string" && typeof kept === "string" && basename(file) === file;
    return isOurs && /^(?:done|failed)\/[^/]+$/.test(kept) ? { file, kept } : undefined;
  } catch {
    return undefined;
  }
}
