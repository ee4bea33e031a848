/** Recorded events as clients see them: CloudEvents 1.0. */
import { formatInstant, limits } from "../../../kernel/index.ts";
import type { Epoch, LogReader, RecordedEvent, Sequence } from "../../../platform/storage/index.ts";
import {
  available,
  type Balance,
  type Cause,
  isFactEvent,
  type StockEvent,
  totalsOfBalance,
} from "../domain/stock/index.ts";
import { idOf, kindOf, pairOf } from "../ledger/index.ts";
import { formatPosition, publicVersion } from "../positions.ts";
import type { RecordedCloudEvent } from "../wire.ts";

/** Public types of what is no fact, with what they mean. A fact keeps the type it came with. */
export const recordedTypes: Readonly<Record<string, readonly [type: string, meaning: string]>> = {
  StockReserved: [
    "larder.reservation.reserved.v1",
    "Units of this stock are held for a reservation until `expiresAt`.",
  ],
  HoldExtended: ["larder.reservation.extended.v1", "The hold lasts until another `expiresAt`."],
  HoldsAmended: [
    "larder.reservation.amended.v1",
    "The reservation holds other quantities here; `change` is that of reserved.",
  ],
  StockCommitted: ["larder.reservation.confirmed.v1", "What was reserved is committed: it expires no more."],
  StockReacquired: [
    "larder.reservation.reacquired.v1",
    "An expired reservation took its units again and committed them.",
  ],
  StockFulfilled: ["larder.reservation.fulfilled.v1", "Promised units were handed over: on hand falls."],
  StockReleased: ["larder.reservation.released.v1", "What the reservation still held here is available again."],
  HoldLapsed: ["larder.reservation.expired.v1", "The hold's time has come; its units are available again."],
  LotExpired: ["larder.stock.lot-expired.v1", "The lot's date has passed; its sellable units became unavailable."],
  LotNearedExpiry: [
    "larder.stock.lot-expiring.v1",
    "The lot's date is as near as the policy's `expiringDays`; `quantity` of it can still be sold.",
  ],
  ShortfallFound: ["larder.stock.shortfall.v1", "Facts left less than was promised, or less than nothing."],
  StockRanLow: ["larder.stock.low.v1", "Available has come down to `lowAt` or below, and is above 0."],
  StockRanOut: ["larder.stock.out.v1", "Available was above 0 and is no more."],
  StockCameBack: ["larder.stock.back.v1", "Available is above 0 again; where `lowAt` is not less, it is still low."],
  StockRecovered: ["larder.stock.recovered.v1", "What was low, and not out, is above `lowAt` again."],
  PolicyApplied: ["larder.stock.policy-set.v1", "This stock goes by another policy."],
  IncomingChanged: ["larder.stock.incoming-changed.v1", "Units of a transfer are on their way here, or no longer."],
  FactVoided: ["larder.fact.voided.v1", "A fact's effects on this stock were undone."],
  VoidNoted: [
    "larder.fact.voided.v1",
    "A void without effect now; `effect` says why: it awaits its fact, or repeats another.",
  ],
  TransferDispatched: [
    "larder.transfer.dispatched.v1",
    "A consignment left; `difference` when one has arrived before.",
  ],
  TransferArrived: ["larder.transfer.arrived.v1", "A consignment arrived; `difference` is arrived less dispatched."],
  TransferCorrected: ["larder.transfer.corrected.v1", "A dispatch or an arrival was voided."],
  PolicySet: ["larder.policy.set.v1", "Someone set a policy of the sku, in general or for one location."],
  ItemRegistered: ["larder.item.registered.v1", "An item is known by name, unit, GTINs and PLU."],
  ItemChanged: ["larder.item.changed.v1", "An item is described anew."],
  LocationDescribed: ["larder.location.described.v1", "A location is described, for the first time or anew."],
};

/** What a reservation's own stream says: one type, with the step in `data.step`. */
export const reservationType = "larder.reservation.status-changed.v1";

/** Streams whose events are of no concern to clients, or have routes of their own: keys, webhooks, seals, bookkeeping. */
const privateKinds = new Set(["key", "seal", "gtin", "gln", "capture", "webhook", "reconciliation"]);

export function isPublic(event: RecordedEvent): boolean {
  return !privateKinds.has(kindOf(event.stream));
}

export function publicTypeOf(event: RecordedEvent): string {
  const kind = kindOf(event.stream);
  if (kind === "reservation") return reservationType;
  if (kind === "stock" && isFactEvent(event as { type: string }))
    return event.unit.fact?.type ?? `larder.stock.${kebab(event.type.slice("Stock".length))}.v1`;
  return recordedTypes[event.type]?.[0] ?? `larder.${kind}.${kebab(event.type)}.v1`;
}

/** Renders one event; its `position` is that after it. */
export function toCloudEvent(event: RecordedEvent, epochs: readonly Epoch[]): RecordedCloudEvent {
  const subject = subjectOf(event);
  const data = kindOf(event.stream) === "stock" ? stockData(event, epochs) : otherData(event);
  return {
    specversion: "1.0",
    id: eventId(event.seq, epochs),
    source: "urn:larder:inventory",
    type: publicTypeOf(event),
    time: formatInstant(happenedAt(event)),
    ...(subject !== undefined && { subject }),
    datacontenttype: "application/json",
    position: formatPosition(epochs, event.seq),
    data: { ...data, recordedAt: formatInstant(event.unit.recordedAt), actor: event.unit.actor, ...causeOf(event) },
  };
}

/** The id of an event, for ever: it names the epoch that the event was recorded in, so a restore does not change it. */
function eventId(seq: Sequence, epochs: readonly Epoch[]): string {
  return `${epochs.findLast(({ startsAfter }) => seq > startsAfter)?.id ?? ""}-${seq}`;
}

/** The event that has an id. */
export async function findEvent(log: Pick<LogReader, "epochs" | "head" | "readLog">, id: string) {
  const seq = Number(/-(\d{1,15})$/.exec(id)?.[1] ?? 0);
  if (seq === 0 || seq > log.head() || eventId(seq, log.epochs) !== id) return undefined;
  const [unit] = await log.readLog(seq - 1, 1);
  return unit?.events.find((event) => event.seq === seq);
}

/** When it happened: as a fact says, else when it was recorded. */
export function happenedAt(event: RecordedEvent): number {
  const { at } = event.data as { readonly at?: unknown };
  const { fact, recordedAt } = event.unit;
  if (typeof at === "number") return at;
  // A transfer's events have no time of their own: theirs is that of the fact, as long as its clock can be believed.
  const told = kindOf(event.stream) === "transfer" ? fact?.time : undefined;
  return told !== undefined && told <= recordedAt + limits.clockAheadMsMax ? told : recordedAt;
}

function stockData(event: RecordedEvent, epochs: readonly Epoch[]): Record<string, unknown> {
  const { location, sku } = pairOf(event.stream);
  const {
    balance,
    at: _at,
    fact,
    expiresAt,
    lots: _lots,
    ...rest
  } = event.data as { balance?: Balance; at?: number; fact?: { asOf?: number }; expiresAt?: number; lots?: unknown };
  const totals = totalsOfBalance(balance ?? {});
  const { asOf, ...told } = fact ?? {};
  return {
    sku,
    location,
    ...told,
    ...(asOf !== undefined && { asOf: formatInstant(asOf) }),
    ...(expiresAt !== undefined && { expiresAt: formatInstant(expiresAt) }),
    ...withReadableTimes(rest),
    balance: { available: available(totals), ...totals },
    version: publicVersion(epochs, event.version),
  };
}

/** `change` as stored holds instants as numbers; clients get times as texts. */
function withReadableTimes(data: object): Record<string, unknown> {
  const { change, ...rest } = data as { change?: StockEvent["data"] extends { change: infer C } ? C : unknown };
  if (typeof change !== "object" || change === null) return { ...rest, ...(change !== undefined && { change }) };
  const {
    lots,
    count,
    lotCountAsOf,
    ordered: _ordered,
    receipt,
    ...quantities
  } = change as {
    lots?: readonly { cutoff?: number }[];
    count?: { asOf: number } | null;
    lotCountAsOf?: number | null;
    ordered?: boolean;
    receipt?: object;
  };
  return {
    ...rest,
    change: {
      ...quantities,
      ...(lots !== undefined && {
        lots: lots.map(({ cutoff, ...lot }) => ({
          ...lot,
          ...(cutoff !== undefined && { expiresAt: formatInstant(cutoff) }),
        })),
      }),
      ...(receipt !== undefined && { receipt }),
      ...(count !== undefined && { count: count === null ? null : { ...count, asOf: formatInstant(count.asOf) } }),
      ...(typeof lotCountAsOf === "number" && { lotCountAsOf: formatInstant(lotCountAsOf) }),
    },
  };
}

function otherData(event: RecordedEvent): Record<string, unknown> {
  const kind = kindOf(event.stream);
  const { expiresAt, print: _print, ...data } = event.data as Record<string, unknown>;
  const times = typeof expiresAt === "number" ? { expiresAt: formatInstant(expiresAt) } : {};
  if (kind === "void") return { ...data };
  const id = idOf(event.stream);
  if (kind === "location") return { location: id, ...withoutSecret(data) };
  if (kind === "reservation")
    return { reservation: id, step: kebab(event.type.slice("Reservation".length)), ...data, ...times };
  return { [kind === "item" || kind === "policy" ? "sku" : kind]: id, ...data, ...times };
}

/** What signs the pushes to a location is sealed in the log, and of no concern to clients. */
function withoutSecret(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { sync } = data as { readonly sync?: { readonly sealedSecret?: string } };
  if (sync?.sealedSecret === undefined) return { ...data };
  const { sealedSecret: _sealed, ...told } = sync;
  return { ...data, sync: told };
}

function causeOf(event: RecordedEvent): { cause?: unknown } {
  const { fact } = event.unit;
  if (fact !== undefined) return { cause: { source: fact.source, id: fact.id } };
  const { cause, reservation, lot } = event.data as {
    readonly cause?: Cause;
    readonly reservation?: string;
    readonly lot?: string;
  };
  if (cause !== undefined) return { cause };
  if (reservation !== undefined) return { cause: { reservation } };
  if (event.type === "LotExpired" || event.type === "LotNearedExpiry") return { cause: { lot } };
  if (event.type === "PolicyApplied") return { cause: { policy: pairOf(event.stream).sku } };
  return kindOf(event.stream) === "reservation" ? { cause: { reservation: idOf(event.stream) } } : {};
}

function subjectOf(event: RecordedEvent): string | undefined {
  if (kindOf(event.stream) !== "stock") return idOf(event.stream);
  const { location, sku } = pairOf(event.stream);
  return `${location}/${sku}`;
}

export interface Pair {
  readonly sku?: string;
  readonly location?: string;
}

/** The (sku, location) pairs that an event names itself (`EventPairs` knows those of a reservation's other steps too). */
export function pairsIn(event: RecordedEvent): readonly Pair[] {
  switch (kindOf(event.stream)) {
    case "stock":
      return [pairOf(event.stream)];
    case "reservation":
      return (event.data as { readonly allocations?: readonly { sku: string; location: string }[] }).allocations ?? [];
    case "transfer": {
      const { sku, from, to, at } = event.data as { sku?: string; from?: string; to?: string; at?: string };
      return [from, to, at].flatMap((location) =>
        location === undefined ? [] : [{ ...(sku !== undefined && { sku }), location }],
      );
    }
    case "item":
    case "policy":
      return [{ sku: idOf(event.stream), ...(event.data as { location?: string }) }];
    case "location":
      return [{ location: idOf(event.stream) }];
    default:
      return [];
  }
}

function kebab(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
}
