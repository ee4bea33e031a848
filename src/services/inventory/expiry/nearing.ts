import type { Instant } from "../../../kernel/index.ts";
import type { DerivedDocument, RecordedUnit } from "../../../platform/storage/index.ts";
import { Deadlines, type LotChange, lotsNearing, stirsLots } from "../domain/stock/index.ts";
import { startOfDateBefore } from "../facts/time-zones.ts";
import { type Command, type Ledger, pairOf, streamOf } from "../ledger/index.ts";

/** When a stock has nothing to come by time alone. */
const notByTime = Number.POSITIVE_INFINITY;

/**
 * When to look at a stock for lots whose date has come near: only at stocks whose policy asks for it, whenever such a
 * lot may be new to them or its time may have changed, and then as the look itself says. What is near is told once
 * because the stock knows what was told, however often it is looked at.
 */
export class NearingLots {
  /** The next look at each stock that is watched, by its stream. */
  readonly #looks = new Map<string, Instant>();
  readonly #deadlines = new Deadlines();
  /** The time zone of each location that was described since the process began. */
  readonly #zones = new Map<string, string>();
  /** Stocks that have changed since the last look at them began. */
  readonly #stirred = new Set<string>();
  readonly #dirty = new Set<string>();
  readonly #gone = new Set<string>();

  get size(): number {
    return this.#looks.size;
  }

  load({ id, body }: DerivedDocument): void {
    this.#expect(id, Number(body));
  }

  apply({ events, meta }: RecordedUnit): void {
    for (const { stream, type, data } of events) {
      if (type === "LocationDescribed") this.#described(stream, data, meta.recordedAt);
      if (!stream.startsWith("stock-")) continue;
      if (type === "PolicyApplied") {
        const { expiringDays = null } = data as { readonly expiringDays?: number | null };
        if (expiringDays !== null) this.#stir(stream, meta.recordedAt);
        else this.#forget(stream);
      } else if (this.#looks.has(stream)) {
        const { change } = data as { readonly change?: { readonly lots?: readonly LotChange[] } | number };
        if (typeof change === "object" && stirsLots(change.lots ?? [])) this.#stir(stream, meta.recordedAt);
      }
    }
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const put = [...this.#dirty].map((id) => ({ id, body: String(this.#looks.get(id)) }));
    const remove = [...this.#gone];
    this.#dirty.clear();
    this.#gone.clear();
    return { put, remove };
  }

  /** Stocks to look at by `now`. */
  due(now: Instant): string[] {
    return this.#deadlines.due(now, (stream, time) => this.#looks.get(stream) === time);
  }

  /** Tells what is near in a stock. */
  async look(ledger: Ledger, stream: string, actor: string): Promise<void> {
    this.#stirred.delete(stream);
    const { value: next } = await ledger.submit(lookCommand(stream, actor));
    // What has come to it meanwhile may be near too: it is due still.
    if (this.#looks.has(stream) && !this.#stirred.has(stream)) this.#set(stream, next ?? notByTime);
  }

  #described(stream: string, data: object, recordedAt: Instant): void {
    const { timeZone = "UTC" } = data as { readonly timeZone?: string };
    if (this.#zones.get(stream) === timeZone) return;
    this.#zones.set(stream, timeZone);
    for (const stock of this.#looks.keys()) {
      if (streamOf.location(pairOf(stock).location) === stream) this.#stir(stock, recordedAt);
    }
  }

  #stir(stream: string, recordedAt: Instant): void {
    this.#stirred.add(stream);
    this.#set(stream, recordedAt);
  }

  #set(stream: string, time: Instant): void {
    this.#expect(stream, time);
    this.#dirty.add(stream);
    this.#gone.delete(stream);
  }

  #expect(stream: string, time: Instant): void {
    this.#looks.set(stream, time);
    if (time === notByTime) return;
    this.#deadlines.push(time, stream);
    this.#deadlines.tidy(this.#looks.size, (id, at) => this.#looks.get(id) === at);
  }

  #forget(stream: string): void {
    if (!this.#looks.delete(stream)) return;
    this.#stirred.delete(stream);
    this.#dirty.delete(stream);
    this.#gone.add(stream);
  }
}

/** Records which lots of a stock have come near their date, and answers when to look again. */
function lookCommand(stream: string, actor: string): Command<Instant | null> {
  const { location, sku } = pairOf(stream);
  return {
    actor,
    streams: [stream, streamOf.location(location)],
    decide: (transaction) => {
      const timeZone = transaction.location(location).fields?.timeZone ?? "UTC";
      const { drafts, next } = lotsNearing(transaction.stock(location, sku), transaction.now, (date, days) =>
        startOfDateBefore(date, days, timeZone),
      );
      if (drafts.length > 0) transaction.emitStock(location, sku, drafts);
      return next;
    },
  };
}
