import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { Finding, LocationAccuracy, Reconciliation } from "../services/sync/index.ts";
import { Failure, wrongUse } from "./failure.ts";
import type { Io } from "./io.ts";
import { clientOf, type ServerOptions, several, withExamples, withServer } from "./options.ts";
import { table } from "./table.ts";

interface ReconcileFlags extends ServerOptions {
  readonly location?: readonly string[];
  readonly correct?: boolean;
  readonly history?: boolean;
}

/** Milliseconds between looks whether it has ended. */
const lookMs = 500;
/** Milliseconds after which someone who waits is told why that may be. */
const patienceMs = 30_000;

export function reconcileCommand(io: Io): Command {
  const command = new Command("reconcile")
    .description(
      "Compare with what warehouses hold, and put right what differs. Ends with 1 when something that differs was left as it is, or could not be compared.",
    )
    .option("--location <id>", "only this location; may be given several times", several)
    .option("--correct", "send ours again, or count theirs where a location's authority is `theirs`")
    .option("--history", "compare nothing: show how well each location agreed over time")
    .action(async (flags: ReconcileFlags) => {
      if (flags.history && flags.correct)
        throw wrongUse("--history compares nothing, so there is nothing to --correct: leave one of them out.");
      if (flags.history) await showHistory(flags, io);
      else await reconcile(flags, io);
    });
  return withExamples(
    withServer(command),
    "larder reconcile",
    "larder reconcile --location leeds --correct",
    "larder reconcile --history",
  );
}

async function reconcile(flags: ReconcileFlags, io: Io): Promise<void> {
  const client = clientOf(flags, io);
  let run = await client.reconcile({
    mode: flags.correct ? "correct" : "report",
    ...(flags.location && { locations: [...flags.location] }),
  });
  if (io.isTerminal.err) io.note(`Reconciliation ${run.id}: some seconds, so that what is under way arrives …`);
  for (let looks = 1; run.endedAt === null; looks += 1) {
    await sleep(lookMs);
    run = await client.reconciliation(run.id);
    if (looks * lookMs === patienceMs && run.status === "waiting")
      io.note("It still waits: for others to end, or because everything outgoing is paused (`larder resume`).");
  }
  if (flags.json) io.out(JSON.stringify(run));
  else for (const line of linesOf(run)) io.out(line);
  const failed = run.locations.filter(({ cause }) => cause !== null);
  const [first] = failed;
  if (first !== undefined)
    throw new Failure(
      `${failed.length} of ${run.locations.length} locations could not be compared: ${first.location}: ${first.cause}.`,
    );
  const undone = undoneIn(run, flags.correct ?? false);
  if (undone.length > 0) throw new Failure(undone.join(" "));
}

/** What needs someone, in sentences. */
function undoneIn(run: Reconciliation, isCorrected: boolean): readonly string[] {
  const left = sumOf(run, (one) => one.left);
  const differing = sumOf(run, (one) => one.findings);
  const passedOver = sumOf(run, (one) => one.passedOver.reduce((sum, { count }) => sum + count, 0));
  return [
    ...(left > 0 ? [`${left} of ${differing} stocks that differ were left as they are.`] : []),
    ...(left > 0 && !isCorrected ? ["`--correct` puts them right."] : []),
    ...(passedOver > 0 ? [`${passedOver} could not be compared.`] : []),
  ];
}

function sumOf({ locations }: Reconciliation, of: (location: Reconciliation["locations"][number]) => number): number {
  return locations.reduce((sum, location) => sum + of(location), 0);
}

function linesOf(run: Reconciliation): readonly string[] {
  const locations = table(run.locations, [
    { title: "LOCATION", of: ({ location }) => location },
    { title: "COMPARED", of: ({ compared }) => compared },
    { title: "MATCHED", of: ({ matched }) => matched },
    { title: "UNDER WAY", of: ({ inFlight }) => inFlight },
    { title: "ACCURACY", of: ({ accuracy }) => percent(accuracy) },
    { title: "", of: ({ cause }) => cause },
  ]);
  const passedOver = run.locations.flatMap((one) =>
    one.passedOver.map((passed) => passedOverLine(one.location, passed)),
  );
  const findings = run.findings.length === 0 ? [] : ["", ...table(run.findings, findingColumns)];
  return [...locations, ...passedOver, ...findings, ...unlistedLines(run)];
}

function passedOverLine(location: string, { reason, count, first }: PassedOver): string {
  const such = first === null ? "" : `, as ${JSON.stringify(first.sku)} of ${JSON.stringify(first.location)}`;
  return `${location}: ${count} not compared${such}: ${passedOverReasons[reason]}`;
}

const passedOverReasons: Readonly<Record<PassedOver["reason"], string>> = {
  "impossible-name": "no stock here can have that name",
  "unreadable-here": "an earlier figure is in a part of the archive that can't be read (`larder doctor`)",
};

/** Of a location that differs in very much only the first findings are kept. */
function unlistedLines(run: Reconciliation): readonly string[] {
  const unlisted = sumOf(run, ({ findings }) => findings) - run.findings.length;
  return unlisted > 0 ? [`… and ${unlisted} more.`] : [];
}

type PassedOver = Reconciliation["locations"][number]["passedOver"][number];

const findingColumns = [
  { title: "AT", of: ({ receiver }: Finding) => receiver },
  { title: "SKU", of: ({ sku }: Finding) => sku },
  { title: "OF", of: ({ location }: Finding) => location },
  { title: "KIND", of: ({ kind }: Finding) => kind },
  { title: "OURS", of: ({ ours }: Finding) => ours ?? "-" },
  { title: "THEIRS", of: ({ theirs }: Finding) => theirs ?? "-" },
  { title: "ACTION", of: ({ action }: Finding) => action },
];

async function showHistory(flags: ReconcileFlags, io: Io): Promise<void> {
  const client = clientOf(flags, io);
  const items: LocationAccuracy[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.accuracy(cursor);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  const shown = items.filter(({ location }) => flags.location?.includes(location) ?? true);
  if (flags.json) {
    io.out(JSON.stringify({ items: shown }));
    return;
  }
  if (shown.length === 0) {
    io.out("Nothing has been compared yet.");
    return;
  }
  const rows = shown.flatMap(({ location, history }) => history.map((point) => ({ location, ...point })));
  const lines = table(rows, [
    { title: "LOCATION", of: ({ location }) => location },
    { title: "AT", of: ({ at }) => at },
    { title: "COMPARED", of: ({ compared }) => compared },
    { title: "DIFFERED", of: ({ findings }) => findings },
    { title: "ACCURACY", of: ({ accuracy }) => percent(accuracy) },
  ]);
  for (const line of lines) io.out(line);
}

/** Never 100 % while anything differed. */
function percent(share: number): string {
  return `${(Math.floor(share * 100_000) / 1000).toFixed(3)} %`;
}
