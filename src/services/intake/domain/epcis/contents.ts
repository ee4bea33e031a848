import { identify } from "./identify.ts";
import { parseGs1Key } from "./keys.ts";
import type { EpcisEvent, EpcisThings } from "./model.ts";

/** Things that the contents of logistic units may come to in one document; beyond it nothing more is remembered. */
const thingsMax = 1_000_000;
/** Logistic units inside one another. */
const nestingMax = 8;

/** What is in a logistic unit, as far as the document has said; undefined when it hasn't. */
export type ContentsFinder = (uri: string) => EpcisThings | undefined;

/**
 * Remembers what a document packs into logistic units, so that a later event that names only the unit can be carried out.
 * Only within a document: what another one said may be out of date.
 */
export class Contents {
  readonly #packed = new Map<string, EpcisThings>();
  readonly #noted = new Set<string>();
  #count = 0;

  /**
   * Takes in what an aggregation says, once; events come in the order of the document. Of one that declares itself an
   * error, only that nobody knows.
   */
  note(event: EpcisEvent): void {
    const { type, action, parent, things, error } = event;
    const unit = type !== "AggregationEvent" || parent === undefined ? undefined : unitOf(parent);
    if (unit === undefined || this.#count > thingsMax) return;
    if (error !== undefined) {
      this.#packed.delete(unit);
      return;
    }
    const identity = event.eventId ?? identify(event);
    if (this.#noted.has(identity)) return;
    this.#noted.add(identity);
    const before = this.#packed.get(unit) ?? { epcs: [], quantities: [] };
    this.#count += 1 + things.epcs.length + things.quantities.length;
    const isAll = things.epcs.length + things.quantities.length === 0;
    switch (action) {
      case "ADD":
        this.#packed.set(unit, {
          epcs: [...before.epcs, ...things.epcs],
          quantities: [...before.quantities, ...things.quantities],
        });
        return;
      case "OBSERVE":
        if (!isAll) this.#packed.set(unit, things);
        return;
      default: {
        // What is taken out by quantity leaves a rest that can't be told: the unit is no longer known.
        const gone = new Set(things.epcs.map(identityOf));
        const epcs = before.epcs.filter((epc) => !gone.has(identityOf(epc)));
        if (isAll || things.quantities.length > 0 || epcs.length === 0) this.#packed.delete(unit);
        else this.#packed.set(unit, { ...before, epcs });
      }
    }
  }

  /** Everything in a unit, units inside it opened; undefined when that of one of them is not known. */
  readonly of: ContentsFinder = (uri) => this.#opened(uri, 0, new Set());

  /** A unit is one thing, wherever it is named again: opened once, so the work is bounded by what was packed. */
  #opened(uri: string, depth: number, opened: Set<string>): EpcisThings | undefined {
    const unit = unitOf(uri) ?? "";
    const packed = this.#packed.get(unit);
    if (packed === undefined || depth > nestingMax) return undefined;
    opened.add(unit);
    const epcs: string[] = [];
    const quantities = [...packed.quantities];
    for (const epc of packed.epcs) {
      const unitInside = unitOf(epc);
      if (unitInside === undefined) epcs.push(epc);
      if (unitInside === undefined || opened.has(unitInside)) continue;
      const inside = this.#opened(epc, depth + 1, opened);
      if (inside === undefined) return undefined;
      for (const thing of inside.epcs) epcs.push(thing);
      for (const quantity of inside.quantities) quantities.push(quantity);
    }
    return { epcs, quantities };
  }
}

/**
 * An event with what is in the logistic units it names, when it names nothing else; as it is when the content of one of
 * them is not known. A unit beside trade items is taken as what holds them.
 */
export function withContents(event: EpcisEvent, contentsOf: ContentsFinder): EpcisEvent {
  const { things, parent } = event;
  const isEmpty = things.epcs.length + things.quantities.length === 0;
  const named = isEmpty && parent !== undefined ? [parent] : things.epcs;
  const units = named.filter((uri) => unitOf(uri) !== undefined);
  if (units.length === 0 || things.quantities.length > 0 || units.length < named.length) return event;
  const epcs = [...things.epcs];
  const quantities = [...things.quantities];
  for (const unit of new Set(units)) {
    const inside = contentsOf(unit);
    if (inside === undefined) return event;
    for (const thing of inside.epcs) epcs.push(thing);
    for (const quantity of inside.quantities) quantities.push(quantity);
  }
  return { ...event, things: { epcs, quantities } };
}

function unitOf(uri: string): string | undefined {
  const key = parseGs1Key(uri);
  return key.ok && key.value.kind === "logistic-unit" ? key.value.sscc : undefined;
}

function identityOf(uri: string): string {
  const key = parseGs1Key(uri);
  return key.ok && key.value.kind !== "other" ? JSON.stringify(Object.entries(key.value).sort()) : uri;
}
