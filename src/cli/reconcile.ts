import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { Finding, LocationAccuracy, Reconciliation } from "../services/sync/index.ts";
import { Failure } from "./failure.ts";
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
      "Compare with what warehouses hold, and put right what differs. Ends with 1 when something that differs was left as it is.",
    )
    .option("--location <id>", "only this location; may be given several times", several)
    .option("--correct", "send ours again, or count theirs where a location's authority is `theirs`")
    .option("--history", "compare nothing: show how well each location agreed over time")
    .action(async (flags: ReconcileFlags) => {
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
  const left = run.findings.filter(({ action }) => action === "none").length;
  if (left > 0)
    throw new Failure(
      `${left} of ${run.findings.length} stocks that differ were left as they are.${flags.correct ? "" : " `--correct` puts them right."}`,
    );
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
  return run.findings.length === 0 ? locations : [...locations, "", ...table(run.findings, findingColumns)];
}

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
