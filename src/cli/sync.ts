import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { SyncStatus } from "../services/sync/index.ts";
import type { Client } from "./client.ts";
import type { Io } from "./io.ts";
import { clientOf, type ServerOptions, withExamples, withServer } from "./options.ts";
import { table } from "./table.ts";

interface SyncFlags extends ServerOptions {
  readonly watch?: boolean;
}

/** Milliseconds between two looks. */
const watchMs = 2000;

export function syncCommand(io: Io): Command {
  const command = new Command("sync")
    .description("See how it stands with the locations that get changes pushed.")
    .option("--watch", "look again every 2 s, until Ctrl-C")
    .action(async (flags: SyncFlags) => {
      const stop = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
      const client = clientOf(flags, io);
      do {
        show(await all(client), flags, io);
        if (flags.watch) await sleep(watchMs, undefined, { signal: stop.signal }).catch(() => {});
      } while (flags.watch && !stop.signal.aborted);
    })
    .addCommand(resendCommand(io));
  return withExamples(withServer(command), "larder sync", "larder sync --watch", "larder sync resend leeds");
}

function resendCommand(io: Io): Command {
  const command = new Command("resend")
    .description("Push everything that a location asks for again, as after the other side has lost what it held.")
    .argument("<location>", "the location that gets changes pushed")
    .action(async (location: string, flags: ServerOptions) => {
      const status = await clientOf(flags, io).resendSync(location);
      io.out(
        flags.json
          ? JSON.stringify(status)
          : `Everything is pushed to ${location} again; \`larder sync\` tells how far it is.`,
      );
    });
  return withExamples(withServer(command), "larder sync resend leeds");
}

async function all(client: Client): Promise<readonly SyncStatus[]> {
  const items: SyncStatus[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.sync(cursor);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}

function show(items: readonly SyncStatus[], flags: SyncFlags, io: Io): void {
  if (flags.json) {
    io.out(JSON.stringify({ items }));
    return;
  }
  if (items.length === 0) {
    io.out("No location gets changes pushed. `PUT /v1/locations/{id}` with `sync` lets one.");
    return;
  }
  // A new table takes the place of the one before where a person looks on.
  if (flags.watch && io.isTerminal.out) io.raw("\u001b[2J\u001b[H");
  const lines = table(items, [
    { title: "LOCATION", of: ({ location }) => location },
    { title: "WAITING", of: ({ waiting }) => waiting },
    { title: "OLDEST", of: ({ oldestWaitingSeconds }) => seconds(oldestWaitingSeconds) },
    { title: "P50", of: ({ latencySeconds }) => seconds(latencySeconds.p50) },
    { title: "P95", of: ({ latencySeconds }) => seconds(latencySeconds.p95) },
    { title: "MAX", of: ({ latencySeconds }) => seconds(latencySeconds.max) },
    { title: "ERRORS", of: ({ errorRate }) => (errorRate === null ? "-" : `${(100 * errorRate).toFixed(1)} %`) },
    { title: "DONE IN", of: ({ completesInSeconds }) => seconds(completesInSeconds) },
    { title: "STATE", of: (status) => stateOf(status) },
  ]);
  for (const [index, line] of lines.entries()) {
    const isTroubled = index > 0 && isInTrouble(items[index - 1]);
    io.out(isTroubled ? io.paint("yellow", line) : line);
  }
}

function stateOf({ circuit, alarms, fullPush, lastError }: SyncStatus): string {
  const parts = [...(circuit === "closed" ? [] : ["down"]), ...alarms];
  if (fullPush !== null) parts.push(`full push ${fullPush.lookedAt}/${fullPush.of}`);
  if (parts.length === 0) return "ok";
  return `${parts.join(", ")}${circuit !== "closed" || alarms.includes("failing") ? `: ${lastError}` : ""}`;
}

function isInTrouble(status: SyncStatus | undefined): boolean {
  return status !== undefined && (status.circuit !== "closed" || status.alarms.length > 0);
}

function seconds(value: number | null): string {
  return value === null ? "-" : `${value < 10 ? value.toFixed(2) : Math.round(value)} s`;
}
