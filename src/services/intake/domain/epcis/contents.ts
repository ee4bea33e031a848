import { accept, type Result, reject } from "../../../../kernel/index.ts";
import { identify } from "./identify.ts";
import { type Gs1Key, parseGs1Key } from "./keys.ts";
import type { EpcisEvent, EpcisQuantity, EpcisThings } from "./model.ts";
import { ownItemOf } from "./own-names.ts";

/** Things that the contents of logistic units may come to in one document; beyond it nothing more is remembered. */
const thingsMax = 1_000_000;
/** Logistic units inside one another. */
const nestingMax = 8;

/**
 * What is in some logistic units together, as far as the document has said; undefined when it hasn't of one of them. What
 * is in two of them, because one is inside the other, is there once.
 */
export type ContentsFinder = (units: readonly string[]) => EpcisThings | undefined;

interface Packed {
  /** By what they are, whatever their notation: taking one out of many costs no more than one. */
  readonly epcs: Map<string, string>;
  readonly quantities: EpcisQuantity[];
}

/**
 * Remembers what a document packs into logistic units, so that a later event that names only the unit can be carried out.
 * Only within a document: what another one said may be out of date.
 */
export class Contents {
  /** Undefined of a unit that holds something, and nobody knows what. */
  readonly #packed = new Map<string, Packed | undefined>();
  readonly #noted = new Set<string>();
  readonly #thingsMax: number;
  #count = 0;

  constructor(most = thingsMax) {
    this.#thingsMax = most;
  }

  /**
   * Takes in what an aggregation says, once; events come in the order of the document. Of one that declares itself an
   * error, only that nobody knows.
   */
  note(event: EpcisEvent): void {
    const { type, action, parent, things, error } = event;
    const unit = type !== "AggregationEvent" || parent === undefined ? undefined : unitOf(parent);
    if (unit === undefined) return;
    // Nothing more is remembered, so a unit that something happens to is known no longer.
    if (error !== undefined || this.#count > this.#thingsMax) {
      this.#packed.delete(unit);
      return;
    }
    const identity = event.eventId ?? identify(event);
    if (this.#noted.has(identity)) return;
    this.#noted.add(identity);
    this.#count += 1 + things.epcs.length + things.quantities.length;
    if (action === "ADD") this.#add(unit, things);
    else if (action === "OBSERVE") this.#observe(unit, things);
    else this.#takeOut(unit, things);
  }

  #add(unit: string, things: EpcisThings): void {
    if (!this.#packed.has(unit)) this.#packed.set(unit, { epcs: new Map(), quantities: [] });
    const packed = this.#packed.get(unit);
    for (const epc of things.epcs) packed?.epcs.set(identityOf(epc), epc);
    for (const quantity of things.quantities) packed?.quantities.push(quantity);
  }

  #observe(unit: string, things: EpcisThings): void {
    if (namesNothing(things)) return;
    this.#packed.delete(unit);
    this.#add(unit, things);
  }

  #takeOut(unit: string, things: EpcisThings): void {
    const packed = this.#packed.get(unit);
    if (namesNothing(things)) this.#packed.delete(unit);
    if (packed === undefined || namesNothing(things)) return;
    for (const epc of things.epcs) packed.epcs.delete(identityOf(epc));
    // What is taken out by quantity leaves a rest that can't be told.
    if (things.quantities.length > 0) this.#packed.set(unit, undefined);
    else if (packed.epcs.size + packed.quantities.length === 0) this.#packed.delete(unit);
  }

  /** Everything in some units, units inside them opened. */
  readonly of: ContentsFinder = (units) => {
    const opening: Opening = { epcs: [], quantities: [], isDone: new Map() };
    return units.every((unit) => this.#open(unit, 0, opening)) ? opening : undefined;
  };

  /**
   * Puts what is in a unit to the rest; false when that is not known, or it holds itself. A unit is one thing, wherever it is
   * named again: opened once, so the work is bounded by what was packed.
   */
  #open(uri: string, depth: number, opening: Opening): boolean {
    const unit = unitOf(uri) ?? "";
    const before = opening.isDone.get(unit);
    if (before !== undefined) return before;
    const packed = this.#packed.get(unit);
    if (packed === undefined || depth > nestingMax) return false;
    opening.isDone.set(unit, false);
    for (const quantity of packed.quantities) opening.quantities.push(quantity);
    for (const epc of packed.epcs.values()) {
      if (unitOf(epc) === undefined) opening.epcs.push(epc);
      else if (!this.#open(epc, depth + 1, opening)) return false;
    }
    opening.isDone.set(unit, true);
    return true;
  }
}

/** What was found in units so far, and which of them are opened to the end. */
interface Opening {
  readonly epcs: string[];
  readonly quantities: EpcisQuantity[];
  readonly isDone: Map<string, boolean>;
}

/**
 * An event with what is in the logistic units it names, where it names them alone; a unit beside trade items is taken as
 * what holds them. Rejects when what is in one of them is not known.
 */
export function withContents(event: EpcisEvent, contentsOf: ContentsFinder): Result<EpcisEvent, string> {
  const { parent } = event;
  const units = namesNothing(event.things) && parent !== undefined ? [parent] : event.things.epcs;
  const things = opened(event.things, units, contentsOf);
  const inputs = opened(event.inputs, event.inputs.epcs, contentsOf);
  const outputs = opened(event.outputs, event.outputs.epcs, contentsOf);
  if (!things.ok) return things;
  if (!inputs.ok) return inputs;
  return outputs.ok
    ? accept({ ...event, things: things.value, inputs: inputs.value, outputs: outputs.value })
    : outputs;
}

function opened(
  things: EpcisThings,
  named: readonly string[],
  contentsOf: ContentsFinder,
): Result<EpcisThings, string> {
  const units = named.filter((uri) => unitOf(uri) !== undefined);
  const [first] = units;
  const hasItems = things.epcs.some(isItem) || things.quantities.some(({ epcClass }) => isItem(epcClass));
  if (first === undefined || hasItems) return accept(things);
  const inside = contentsOf(units);
  if (inside === undefined)
    return reject(`${first} is a logistic unit, and neither the event nor one before it says what is in it`);
  return accept({
    epcs: [...things.epcs, ...inside.epcs],
    quantities: [...things.quantities, ...inside.quantities],
  });
}

function namesNothing({ epcs, quantities }: EpcisThings): boolean {
  return epcs.length + quantities.length === 0;
}

function isItem(uri: string): boolean {
  return keyOf(uri).kind === "trade-item" || ownItemOf(uri) !== undefined;
}

function unitOf(uri: string): string | undefined {
  const key = keyOf(uri);
  return key.kind === "logistic-unit" ? key.sscc : undefined;
}

/** A single thing in one form for all notations. */
function identityOf(uri: string): string {
  const key = keyOf(uri);
  if (key.kind === "logistic-unit") return key.sscc;
  return key.kind === "trade-item" ? JSON.stringify([key.gtin, key.serial, key.tpx]) : uri;
}

function keyOf(uri: string): Gs1Key {
  const key = parseGs1Key(uri);
  return key.ok ? key.value : { kind: "other" };
}
