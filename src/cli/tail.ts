import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { RecordedCloudEvent } from "../services/inventory/index.ts";
import { type Client, problemOf, Refusal, Unreachable } from "./client.ts";
import { Failure } from "./failure.ts";
import { serverSentEvents } from "./feed.ts";
import type { Io } from "./io.ts";
import { clientOf, type ServerOptions, several, withExamples, withServer } from "./options.ts";
import { fullType, shortType } from "./stock.ts";

interface TailFlags extends ServerOptions {
  readonly sku?: readonly string[];
  readonly location?: readonly string[];
  readonly type?: readonly string[];
  readonly after?: string;
}

/** Milliseconds before trying again, doubled up to the second one. */
const retryMs = { first: 500, max: 10_000 };
/** Milliseconds without any sign of life after which a connection counts as lost: two heartbeats and a bit. */
const silenceMs = 35_000;

export function tailCommand(io: Io): Command {
  const command = new Command("tail")
    .description("Follow the change feed live. Reconnects by itself and goes on where it was, without a gap.")
    .option("--sku <sku>", "only this sku; may be given several times", several)
    .option("--location <id>", "only this location; may be given several times", several)
    .option(
      "--type <type>",
      "only this type, as stock.sold or larder.stock.sold.v1; may be given several times",
      several,
    )
    .option("--after <position>", "begin after this position; `start` is the beginning of the log, default is now")
    .action(async (flags: TailFlags) => {
      const stop = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
      await tail(clientOf(flags, io), flags, io, stop.signal);
    });
  return withExamples(
    withServer(command),
    "larder tail",
    "larder tail --sku 85123A --location leeds",
    "larder tail --after start --type larder.stock.shortfall.v1 --json",
  );
}

/** Follows until `stop`. What is wrong with the request itself ends it; whatever else breaks is tried again. */
export async function tail(client: Client, flags: TailFlags, io: Io, stop: AbortSignal): Promise<void> {
  let position = await startPosition(client, flags);
  let waitMs = retryMs.first;
  let hasConnected = false;
  while (!stop.aborted) {
    try {
      for await (const { id, event, data } of connect(client, flags, position, stop)) {
        [position, waitMs, hasConnected] = [id ?? position, retryMs.first, true];
        if (event === "message") io.out(flags.json ? data : line(JSON.parse(data) as RecordedCloudEvent, io));
      }
    } catch (error) {
      if (stop.aborted) return;
      if (!mayPass(error) || (error instanceof Unreachable && !hasConnected)) throw error;
      const what = error instanceof Failure ? error.message : `The connection to ${client.url} was lost.`;
      io.note(`${what} Trying again in ${waitMs / 1000} s.`);
      await sleep(waitMs, undefined, { signal: stop }).catch(() => {});
      waitMs = Math.min(waitMs * 2, retryMs.max);
      continue;
    }
    // The server ended the feed, because it stops: it may be back soon.
    await sleep(waitMs, undefined, { signal: stop }).catch(() => {});
  }
}

async function* connect(client: Client, flags: TailFlags, position: string | undefined, stop: AbortSignal) {
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(), silenceMs);
  try {
    const { sku, location } = flags;
    const type = flags.type?.map(fullType);
    const response = await client.send("GET", "/v1/changes", {
      query: { sku, location, type },
      headers: { accept: "text/event-stream", ...(position !== undefined && { "last-event-id": position }) },
      signal: AbortSignal.any([stop, silent.signal]),
    });
    if (!response.ok) throw new Refusal(await problemOf(response));
    if (response.body === null) return;
    for await (const event of serverSentEvents(response.body)) {
      timer.refresh();
      yield event;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Where to begin: what the reader asked for, or now. */
async function startPosition(client: Client, flags: TailFlags): Promise<string | undefined> {
  if (flags.after !== undefined) return flags.after === "start" ? undefined : flags.after;
  const { position } = await client.json<{ position: string }>("GET", "/v1/locations", { query: { limit: 1 } });
  return position;
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof Refusal)) return true;
  return error.problem.status === 429 || error.problem.status >= 500;
}

function line(event: RecordedCloudEvent, io: Io): string {
  const { sku, location, balance, recordedAt } = event.data as {
    sku?: string;
    location?: string;
    recordedAt?: string;
    balance?: { available?: number; onHand?: number };
  };
  const what = shortType(event.type).padEnd(26);
  const where =
    sku === undefined ? (event.subject ?? "") : [sku, location].filter((part) => part !== undefined).join(" at ");
  const figures = balance === undefined ? "" : `  available ${balance.available}, on hand ${balance.onHand}`;
  return `${io.paint("dim", recordedAt ?? event.time)}  ${what}  ${io.paint("bold", where)}${figures}`;
}
