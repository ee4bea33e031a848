/** Voids: what a fact did is undone, also when the void comes before its fact. */
import type { Caller } from "../api.ts";
import { decideVoid, type FactReference } from "../domain/stock/index.ts";
import { type Claimant, kindOf, pairOf, streamOf, type Transaction } from "../ledger/index.ts";
import { claimKey, type FactBody, limitedVoidKeyOf, type ParsedFact, voidKeyOf } from "./parse.ts";
import type { Effective } from "./record.ts";
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

export function recordVoid(
  transaction: Transaction,
  fact: ParsedFact,
  { voids, reason }: VoidBody,
  when: Effective,
  caller: Caller,
): void {
  if (caller.sources !== undefined && !caller.sources.has(voids.source)) {
    throw new FactRefused("forbidden", "The credential may not speak for the source of the voided fact.");
  }
  const targetKey = claimKey("fact", voids.source, voids.id);
  const target = transaction.claimant(targetKey);
  const voidKey = target === undefined ? keyBefore(transaction, targetKey, caller.locations) : voidKeyOf(targetKey);
  const effect = effectOf(transaction, voidKey, target);
  if (effect !== "already-voided" && effect !== "a-void-stands") transaction.claim({ key: voidKey, print: fact.print });
  if (effect === undefined && target !== undefined) {
    undo(transaction, target, voids, { reason, ...when }, caller.locations);
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

/** The name of a void that comes before its fact: of one that may do no more than one before it, that one's. */
function keyBefore(transaction: Transaction, targetKey: string, locations: ReadonlySet<string> | undefined): string {
  if (locations === undefined) return voidKeyOf(targetKey);
  const [known, next] = limitedVoids(transaction, targetKey);
  const isKnown = ({ note }: LimitedVoid) => [...locations].every((location) => note.locations?.includes(location));
  return known.find(isKnown)?.key ?? next;
}

interface LimitedVoid {
  readonly key: string;
  readonly note: VoidNote;
}

/** The voids of a fact that came before it and may not undo it everywhere, and the name that the next one would have. */
function limitedVoids(transaction: Transaction, factKey: string): [readonly LimitedVoid[], next: string] {
  const known: LimitedVoid[] = [];
  for (;;) {
    const key = limitedVoidKeyOf(factKey, known.length);
    const note = noteIn(transaction.claimant(key));
    if (note === undefined) return [known, key];
    known.push({ key, note });
  }
}

function noteIn(claimant: Claimant | undefined): VoidNote | undefined {
  return claimant?.events.find(({ type }) => type === "VoidNoted")?.data as VoidNote | undefined;
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
  const voidKey = voidKeyOf(fact.key);
  const awaited = noteIn(transaction.claimant(voidKey));
  const notes = awaited === undefined ? limitedVoids(transaction, fact.key)[0].map(({ note }) => note) : [awaited];
  const target = { fact: undefined, events: transaction.emitted() };
  const places = stocksIn(target).map((stream) => pairOf(stream).location);
  const mayUndo = ({ locations }: VoidNote) => places.every((location) => locations?.includes(location) ?? true);
  // Whoever told a void then was perhaps not allowed to undo this fact, and whoever may can still do so.
  const note = notes.find(mayUndo);
  if (note === undefined) return;
  if (awaited === undefined) transaction.claim({ key: voidKey, print: fact.print });
  undo(transaction, target, fact, { at: transaction.now, flags: [], reason: note.reason }, undefined);
}

/** The stocks that a fact is about. What is incoming somewhere for it belongs to its transfer. */
function stocksIn(target: Claimant): string[] {
  const own = target.events.filter(({ stream, type }) => kindOf(stream) === "stock" && type !== "IncomingChanged");
  return [...new Set(own.map(({ stream }) => stream))];
}

function undo(
  transaction: Transaction,
  target: Claimant,
  { source, id }: FactReference,
  told: Effective & { readonly reason?: string },
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
