import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { type Client, Refusal } from "./client.ts";
import { Failure, messageOf } from "./failure.ts";
import { folderTrouble, nearestPlace } from "./folder.ts";
import type { Io, Style } from "./io.ts";
import { clientOf, dataFolder, dataOption, type ServerOptions, withExamples, withServer } from "./options.ts";
import { settingsFrom } from "./serve.ts";
import { counted } from "./words.ts";

/** What was looked at, how it stands, and for trouble what to do. */
interface Finding {
  readonly about: string;
  readonly status: "ok" | "warning" | "trouble";
  readonly detail: string;
}

/** The first Node whose `node:sqlite` and type stripping need no flag; the launcher looks for the same. */
const nodeMajorMin = 24;
/** The first SQLite without the WAL-reset defect (sqlite.org/wal.html, section 11). */
const sqliteMin = [3, 51, 3] as const;
/** Bytes: below it a busy shop fills the disk within weeks, and a backup may not fit. */
const freeBytesMin = 1e9;
/** Milliseconds of one sync above which promises take longer than clients like to wait. */
const syncMsMax = 50;
const syncSamples = 15;
/** Dead letters that are looked at. */
const deadLettersMax = 100;

export function doctorCommand(io: Io): Command {
  const command = new Command("doctor")
    .description("Look at everything a server needs: settings, runtime, folder, disk, and the server itself.")
    .addOption(dataOption("the data folder; default $LARDER_DATA or ./data"))
    .option("--no-server", "leave the server out, for looking before the first start")
    .action(async (flags: ServerOptions & { data?: string; server: boolean }) => {
      const folder = resolve(dataFolder(flags, io));
      const findings = [
        settings(io),
        node(),
        sqlite(),
        ...folderFindings(folder),
        ...(await coldFiles(folder)),
        ...(flags.server ? await serverFindings(clientOf(flags, io)) : await queueFindings(folder)),
      ];
      if (flags.json) io.out(JSON.stringify({ ok: findings.every(isFine), findings }));
      else for (const finding of findings) io.out(lineOf(finding, io));
      const troubles = findings.filter((finding) => !isFine(finding)).length;
      if (troubles > 0) throw new Failure(`${troubles} of ${findings.length} are in trouble.`);
    });
  return withExamples(withServer(command), "larder doctor", "larder doctor --no-server --data /var/lib/larder");
}

function isFine({ status }: Finding): boolean {
  return status !== "trouble";
}

const marks: Readonly<Record<Finding["status"], { readonly mark: string; readonly style: Style }>> = {
  ok: { mark: "ok      ", style: "green" },
  warning: { mark: "warning ", style: "yellow" },
  trouble: { mark: "TROUBLE ", style: "red" },
};

function lineOf({ about, status, detail }: Finding, io: Io): string {
  const { mark, style } = marks[status];
  return `${io.paint(style, mark)} ${about.padEnd(9)} ${detail}`;
}

function settings(io: Io): Finding {
  try {
    settingsFrom({}, io);
    return { about: "settings", status: "ok", detail: "all exist, and all values are allowed" };
  } catch (error) {
    return { about: "settings", status: "trouble", detail: messageOf(error).replaceAll("\n", " ") };
  }
}

function node(): Finding {
  const { node: version } = process.versions;
  return Number.parseInt(version, 10) >= nodeMajorMin
    ? { about: "node", status: "ok", detail: version }
    : { about: "node", status: "trouble", detail: `${version}; ${nodeMajorMin} or newer is needed: run \`npm ci\`` };
}

function sqlite(): Finding {
  const version = process.versions.sqlite ?? "0.0.0";
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const isOld = major * 1e6 + minor * 1e3 + patch < sqliteMin[0] * 1e6 + sqliteMin[1] * 1e3 + sqliteMin[2];
  return isOld
    ? {
        about: "sqlite",
        status: "trouble",
        detail: `${version}; ${sqliteMin.join(".")} or newer is needed: run \`npm ci\``,
      }
    : { about: "sqlite", status: "ok", detail: version };
}

function folderFindings(folder: string): readonly Finding[] {
  const trouble = folderTrouble(folder);
  if (trouble !== undefined)
    return [{ about: "folder", status: "trouble", detail: `${trouble}, or set LARDER_DATA or --data` }];
  const place = nearestPlace(folder);
  return [
    { about: "folder", status: "ok", detail: place === folder ? folder : `${folder} is made at the first start` },
    freeSpace(place),
    syncTime(place),
  ];
}

/** Nothing where no day was ever moved. */
async function coldFiles(folder: string): Promise<readonly Finding[]> {
  if (!existsSync(join(folder, "log.db"))) return [];
  const about = "archive";
  try {
    const { checkArchive } = await import("../platform/runtime/index.ts");
    const { files, bytes, problems, unknown } = await checkArchive({ folder, whole: false });
    if (problems.length > 0) {
      const rest = problems.length > 1 ? `, and ${problems.length - 1} more` : "";
      return [{ about, status: "trouble", detail: `${problems[0]}${rest}; put it back from a backup` }];
    }
    const detail = `${counted(files, "cold file")}, ${(bytes / 1e9).toFixed(3)} GB: the sizes are right`;
    if (unknown.length > 0)
      return [{ about, status: "warning", detail: `${detail}; ${unknown.length} files beside them belong to no day` }];
    return files === 0 ? [] : [{ about, status: "ok", detail }];
  } catch (error) {
    return [{ about, status: "trouble", detail: messageOf(error) }];
  }
}

function freeSpace(place: string): Finding {
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  const detail = `${(free / 1e9).toFixed(1)} GB free`;
  return free < freeBytesMin
    ? {
        about: "disk",
        status: "trouble",
        detail: `${detail}; make room, or move the folder: a full disk stops all writes`,
      }
    : { about: "disk", status: "ok", detail };
}

/** How long the disk takes to make a small write durable; the middle one of several. */
function syncTime(place: string): Finding {
  let probe: string | undefined;
  try {
    probe = mkdtempSync(join(place, ".larder-doctor-"));
    const file = openSync(join(probe, "sync"), "w");
    const times: number[] = [];
    for (let sample = 0; sample < syncSamples; sample += 1) {
      const before = performance.now();
      writeSync(file, "x".repeat(4096));
      fsyncSync(file);
      times.push(performance.now() - before);
    }
    closeSync(file);
    const median = times.toSorted((a, b) => a - b)[syncSamples >> 1] ?? 0;
    const detail = `${median.toFixed(2)} ms for a durable write`;
    return median > syncMsMax
      ? { about: "sync", status: "warning", detail: `${detail}; every promise waits for one: a faster disk helps` }
      : { about: "sync", status: "ok", detail };
  } catch (error) {
    return { about: "sync", status: "trouble", detail: `${place} takes no durable write: ${messageOf(error)}` };
  } finally {
    if (probe !== undefined) rmSync(probe, { recursive: true, force: true });
  }
}

/** What waits in a folder whose server is not asked. */
async function queueFindings(folder: string): Promise<readonly Finding[]> {
  const { countQueues } = await import("../platform/runtime/index.ts");
  try {
    const totals = countQueues(folder);
    if (totals === undefined) return [];
    const { waiting, deadLetters } = totals;
    const detail = `${counted(waiting, "message waits", "messages wait")}, ${counted(deadLetters, "is a dead letter", "are dead letters")}`;
    return deadLetters === 0
      ? [{ about: "queues", status: "ok", detail }]
      : [{ about: "queues", status: "trouble", detail: `${detail}: start the server, then see \`larder dlq list\`` }];
  } catch (error) {
    return [{ about: "queues", status: "trouble", detail: `they can't be read: ${messageOf(error)}` }];
  }
}

async function serverFindings(client: Client): Promise<readonly Finding[]> {
  try {
    const { ready, body } = await client.readiness();
    const { checks = {} } = (body ?? {}) as { checks?: Record<string, Check> };
    const reached: Finding = ready
      ? { about: "server", status: "ok", detail: `${client.url} is ready` }
      : { about: "server", status: "trouble", detail: `${client.url} is not ready` };
    return [
      reached,
      ...Object.entries(checks).map(([name, check]) => checkFinding(name, check)),
      ...(checks["queues"] === undefined && client.hasKey ? await deadLetterFindings(client) : []),
      await keyFinding(client),
    ];
  } catch (error) {
    return [{ about: "server", status: "trouble", detail: messageOf(error) }];
  }
}

/** What `/readyz` says of one part. */
interface Check {
  readonly ok: boolean;
  /** Someone has to do something, although the server does its work. */
  readonly needsSomeone?: boolean;
  readonly detail?: string;
}

function checkFinding(name: string, { ok, needsSomeone = false, detail = "" }: Check): Finding {
  const isWarning = name === "outgoing" || /^down since /.test(detail);
  const status = !ok || needsSomeone ? "trouble" : isWarning ? "warning" : "ok";
  return { about: name, status, detail: detail || (ok ? "fine" : "in trouble; the server's log says why") };
}

/** A gateway before other processes has no queues to look at itself: it is asked for what could not be handled there. */
async function deadLetterFindings(client: Client): Promise<readonly Finding[]> {
  try {
    const found = await client.json("GET", "/v1/dead-letters", { query: { limit: deadLettersMax } });
    const { items, next } = found as { readonly items: readonly { readonly queue: string }[]; readonly next?: string };
    if (items.length === 0) return [{ about: "queues", status: "ok", detail: "no dead letters" }];
    const counts = [...Map.groupBy(items, ({ queue }) => queue)].map(([queue, some]) => `${some.length} in ${queue}`);
    const detail = `dead letters: ${counts.join(", ")}${next === undefined ? "" : " and more"}; see \`larder dlq list\``;
    return [{ about: "queues", status: "trouble", detail }];
  } catch {
    // Who may not see them is told so by `larder dlq`, and what is wrong with the key just below.
    return [];
  }
}

/** Without a key there is nothing to say about one; a wrong one is trouble. */
async function keyFinding(client: Client): Promise<Finding> {
  try {
    await client.json("GET", "/v1/locations", { query: { limit: 1 } });
    return { about: "key", status: "ok", detail: "the server knows it" };
  } catch (error) {
    const isAbsent = error instanceof Refusal && error.problem.code === "unauthenticated";
    if (error instanceof Refusal && error.problem.code === "forbidden")
      return { about: "key", status: "ok", detail: "the server knows it; it may not read stock" };
    return { about: "key", status: isAbsent && !client.hasKey ? "warning" : "trouble", detail: messageOf(error) };
  }
}
