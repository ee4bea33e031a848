/** Records histories from a server of its own, wave by wave, and judges them. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { numbers } from "../journeys/chance.ts";
import { Server } from "../journeys/server.ts";
import { check, type Verdict } from "./checker.ts";
import { type Operation, sharesOf, until, write } from "./history.ts";
import { record } from "./record.ts";
import { corruptions } from "./wrong.ts";

export interface CampaignOptions {
  readonly seed: number;
  readonly waves: number;
  /** Ends before `waves` once so many histories were accepted. */
  readonly enough?: number;
  /** Histories recorded at once, each with skus of its own. */
  readonly histories: number;
  readonly print: (line: string) => void;
}

export interface Findings {
  /** Linearizable, and hard enough to count: at least 5 % of unknown outcomes, 20 % of refusals and expiries. */
  accepted: number;
  /** Linearizable, but not hard enough. */
  easy: number;
  undecided: number;
  wrong: number;
  /** The clock ran backwards: not judged. */
  unjudged: number;
  operations: number;
  /** Histories that were made wrong, and what became of them; `undecided`: the search was given up. */
  corrupted: { rejected: number; undecided: number; missed: string[] };
}

/** Accepted histories have at least these shares. */
export const shares = { unknown: 0.05, refused: 0.2 } as const;
const limits = { triesMax: 50_000 } as const;
const kindsEach = 3;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function campaign(options: CampaignOptions): Promise<Findings> {
  const { seed, waves, enough = Number.POSITIVE_INFINITY, print } = options;
  const server = new Server({ connections: 512 });
  const counts = { accepted: 0, easy: 0, undecided: 0, wrong: 0, unjudged: 0, operations: 0 };
  const findings: Findings = { ...counts, corrupted: { rejected: 0, undecided: 0, missed: [] } };
  try {
    await server.start();
    for (let wave = 0; wave < waves && findings.accepted < enough; wave += 1) {
      const histories = await recordWave(server, options, wave);
      for (const [index, history] of histories.entries())
        judge(
          history,
          `seed ${seed}, wave ${wave}, history ${index}`,
          wave * histories.length + index,
          findings,
          print,
        );
    }
  } finally {
    await server.stop();
  }
  return findings;
}

/** Every other wave goes through a kill -9 and a restart. */
async function recordWave(server: Server, { seed, histories }: CampaignOptions, wave: number) {
  const recorded = Array.from({ length: histories }, (_, index) => {
    const random = numbers(seed + wave * 1000 + index);
    return record(server, {
      name: `w${wave}-${index}`,
      clients: 5,
      pauseMsMax: 120,
      random,
      callsMax: 220,
      msMax: 12_000,
    });
  });
  const all = Promise.all(recorded);
  all.catch(() => undefined); // told below, also when it fails while the server starts again
  if (wave % 2 === 0) {
    await pause(1200);
    await server.end("SIGKILL");
    await server.start();
  }
  return all;
}

function judge(
  history: readonly Operation[] | undefined,
  name: string,
  turn: number,
  findings: Findings,
  print: (line: string) => void,
): void {
  if (history === undefined) {
    findings.unjudged += 1;
    print(`${name}: the clock ran backwards, its times say nothing`);
    return;
  }
  const { unknown, refused } = sharesOf(history);
  const hardness = `${history.length} calls, ${percent(unknown)} unknown, ${percent(refused)} refused or expired`;
  findings.operations += history.length;
  const verdict = check(history, limits);
  if (verdict.verdict !== "linearizable") {
    findings[verdict.verdict] += 1;
    print(`${name}: ${hardness}: ${explain(verdict, history)}`);
    return;
  }
  const isHard = unknown >= shares.unknown && refused >= shares.refused;
  findings[isHard ? "accepted" : "easy"] += 1;
  if (!isHard) print(`${name}: ${hardness}: too easy to count`);
  // The checker is worth its word only while it can say no to histories like this one: a few kinds for each.
  // Of its beginning: to say no, everything has to be looked through.
  const times = history.map(({ called }) => called);
  const beginning = until(history, (Math.min(...times) + Math.max(...times)) / 2);
  const kinds = Object.entries(corruptions);
  for (let each = 0; each < kindsEach; each += 1) {
    const [kind, corrupt] = kinds[(turn * kindsEach + each) % kinds.length] ?? [];
    const corrupted = corrupt?.(beginning);
    if (corrupted === undefined) continue;
    const { verdict: found } = check(corrupted, limits);
    if (found === "wrong") findings.corrupted.rejected += 1;
    else if (found === "undecided") findings.corrupted.undecided += 1;
    else findings.corrupted.missed.push(`${name} with ${kind}: ${found}`);
  }
}

function explain(verdict: Verdict, history: readonly Operation[]): string {
  const file = join(mkdtempSync(join(tmpdir(), "larder-history-")), "history.ndjson");
  writeFileSync(file, `${history.map(write).join("\n")}\n`);
  if (verdict.verdict !== "wrong") return `undecided after ${verdict.tried} states; the history is ${file}`;
  return `NOT LINEARIZABLE; the history is ${file}\n${verdict.stuck}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
