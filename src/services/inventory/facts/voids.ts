/** Voids: what a fact did is undone, also when the void comes before its fact. */
import type { Instant } from "../../../kernel/index.ts";
import type { Caller } from "../api.ts";
import { decideVoid, type FactReference } from "../domain/stock/index.ts";
import { type Claimant, kindOf, pairOf, streamOf, type Transaction } from "../ledger/index.ts";
import { claimKey, type FactBody, type ParsedFact, voidKeyOf } from "./parse.ts";
import { FactRefused } from "./refused.ts";
import { undoTransfers } from "./transfers.ts";

type VoidBody = Extract<FactBody, { kind: "void" }>;

/** What a void's own stream says of it. */
interface VoidNote {
  readonly voids: FactReference;
  readonly reason: string;
  readonly effect: "already-voided" | "a-void-stands" | "awaits-its-fact";
  /** The only locations whose stock it may change when its fact comes; absent for all. */
  readonly locations?: readonly string[];
}

/** `at` is when the void takes effect. */
export function recordVoid(
  transaction: Transaction,
  fact: ParsedFact,
  { voids, reason }: VoidBody,
  at: Instant,
  caller: Caller,
): void {
  if (caller.sources !== undefined && !caller.sources.has(voids.source)) {
    throw new FactRefused("forbidden", "The credential may not speak for the source of the voided fact.");
  }
  const targetKey = claimKey("fact", voids.source, voids.id);
  const voidKey = voidKeyOf(targetKey);
  const target = transaction.claimant(targetKey);
  const effect = effectOf(transaction, voidKey, target);
  if (effect !== "already-voided" && effect !== "a-void-stands") transaction.claim({ key: voidKey, print: fact.print });
  if (effect === undefined && target !== undefined) {
    undo(transaction, target, voids, { reason, at }, caller.locations);
    return;
  }
  const note: VoidNote = {
    voids,
    reason,
    effect: effect ?? "awaits-its-fact",
    ...(effect === "awaits-its-fact" && caller.locations && { locations: [...caller.locations] }),
  };
  transaction.emit(streamOf.void(targetKey), [{ type: "VoidNoted", data: note }]);
}

/** What becomes of a void that undoes nothing now; undefined when it does. */
function effectOf(
  transaction: Transaction,
  voidKey: string,
  target: Claimant | undefined,
): VoidNote["effect"] | undefined {
  if (transaction.claimed(voidKey) !== undefined) return "already-voided";
  if (target === undefined) return "awaits-its-fact";
  return target.fact?.type === "larder.fact.voided.v1" ? "a-void-stands" : undefined;
}

/** A void that came before its fact takes effect now. */
export function voidIfAwaited(transaction: Transaction, fact: ParsedFact): void {
  if (!transaction.mayBeVoided(fact.key)) return;
  const awaited = transaction.claimant(voidKeyOf(fact.key));
  if (awaited === undefined) return;
  const note = awaited.events.find(({ type }) => type === "VoidNoted")?.data as VoidNote | undefined;
  const target = { fact: undefined, events: transaction.emitted() };
  const locations = note?.locations && new Set(note.locations);
  // Whoever told the void then was not allowed to undo this fact; nobody is left to be told so.
  if (!stocksIn(target).every((stream) => locations?.has(pairOf(stream).location) ?? true)) return;
  const told = { at: transaction.now, ...(note !== undefined && { reason: note.reason }) };
  undo(transaction, target, fact, told, undefined);
}

function stocksIn(target: Claimant): string[] {
  return [...new Set(target.events.map(({ stream }) => stream))].filter((stream) => kindOf(stream) === "stock");
}

function undo(
  transaction: Transaction,
  target: Claimant,
  { source, id }: FactReference,
  told: { readonly reason?: string; readonly at: Instant },
  locations: ReadonlySet<string> | undefined,
): void {
  for (const stream of stocksIn(target)) {
    const { location, sku } = pairOf(stream);
    if (locations !== undefined && !locations.has(location)) {
      throw new FactRefused("forbidden", "The credential may not speak for the location of the voided fact.");
    }
    const history = transaction.history(location, sku);
    const own = history.filter(
      ({ event, fact }) =>
        fact?.source === source &&
        fact.id === id &&
        "change" in event.data &&
        event.type !== "IncomingChanged" &&
        event.type !== "FactVoided",
    );
    if (own.length === 0) continue;
    const stock = transaction.stock(location, sku);
    const decided = decideVoid(stock, own, { source, id }, told, transaction.now, history);
    if (!decided.ok) throw new FactRefused("out-of-range", decided.rejection.detail);
    transaction.emitStock(location, sku, decided.value);
  }
  undoTransfers(transaction, target);
}
