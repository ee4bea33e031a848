/** What was on hand of single stocks before, without reading more of their streams than the answer needs. */
import { type Instant, limits } from "../../../kernel/index.ts";
import { type RecordedEvent, readInTurns, type Storage } from "../../../platform/storage/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import type { ThenQuestion } from "../api.ts";
import { type Balance, entriesOf, totalsOfBalance } from "../domain/stock/index.ts";
import { streamOf } from "../ledger/index.ts";
import { ownVersion } from "../positions.ts";
import { stockAt } from "./past.ts";
import { pastEvent } from "./stock.ts";

/** Events read at a time, going back. */
const eventsBack = 100;

/** On hand then; undefined for a version that is not of this history. */
export function onHandThen(storage: Storage, question: ThenQuestion, { soon }: Timers): Promise<number | undefined> {
  const stream = streamOf.stock(question.location, question.sku);
  return "version" in question
    ? onHandAtVersion(storage, stream, question.version)
    : onHandAt(storage, stream, question.at, soon);
}

async function onHandAtVersion(storage: Storage, stream: string, asked: number): Promise<number | undefined> {
  const own = ownVersion(storage.epochs, asked);
  if (own === undefined) return undefined;
  if (own.version === 0) return 0;
  const [event] = await storage.readStream(stream, own.version - 1, own.version);
  return event !== undefined && event.seq <= own.sharedUpTo ? onHandAfter(event) : undefined;
}

/**
 * What happened after `at` was recorded no earlier than a clock may be ahead, so the end of the stream has all of it. Less
 * those movements, on hand now is on hand then; unless a count came after, which does not tell what it replaced.
 */
async function onHandAt(storage: Storage, stream: string, at: Instant, soon: Timers["soon"]): Promise<number> {
  const end: RecordedEvent[] = [];
  const [newest = 0] = await storage.versions([stream]);
  for (let upTo = newest; upTo > 0; upTo -= eventsBack) {
    const events = await storage.readStream(stream, Math.max(0, upTo - eventsBack), upTo);
    end.unshift(...events);
    if ((events[0]?.unit.recordedAt ?? 0) + limits.clockAheadMsMax <= at) break;
  }
  const last = end[end.length - 1];
  if (last === undefined) return 0;
  const history = end.map(pastEvent);
  const hasCountAfter = history.some(({ event }) => event.type === "StockCounted" && event.data.at > at);
  if (hasCountAfter)
    return stockAt((await readInTurns(storage, stream, newest, soon)).map(pastEvent), at).totals.onHand;
  let onHand = onHandAfter(last);
  for (const entry of entriesOf(history)) if (entry.kind === "movement" && entry.at > at) onHand -= entry.units;
  return onHand;
}

function onHandAfter({ data }: RecordedEvent): number {
  return totalsOfBalance((data as { readonly balance: Balance }).balance).onHand;
}
