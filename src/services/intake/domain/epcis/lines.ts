import { accept, limits, type Result, reject } from "../../../../kernel/index.ts";
import { timesPowerOfTen } from "./decimal.ts";
import { type Gs1Key, parseGs1Key } from "./keys.ts";
import type { EpcisEvent, EpcisQuantity, EpcisThings } from "./model.ts";
import { own } from "./own.ts";

export type BaseUnit = "each" | "g" | "ml";

/** Units of one item and lot that an event is about. */
export interface Line {
  readonly gtin: string;
  readonly lot?: string;
  readonly expiresOn?: string;
  /** Whole, in the item's base unit, at least 0. */
  readonly quantity: number;
}

/** The units of UN/ECE Recommendation 20 that are base units times a power of ten. */
export const unitsOfMeasure: Readonly<Record<string, readonly [unit: BaseUnit, power: number]>> = {
  EA: ["each", 0],
  H87: ["each", 0],
  C62: ["each", 0],
  NAR: ["each", 0],
  TNE: ["g", 6],
  KGM: ["g", 3],
  HGM: ["g", 2],
  GRM: ["g", 0],
  MGM: ["g", -3],
  HLT: ["ml", 5],
  LTR: ["ml", 3],
  DLT: ["ml", 2],
  CLT: ["ml", 1],
  MLT: ["ml", 0],
};

/**
 * Sums what an event names by item, lot and last date: a single thing is one each, a class is its quantity. What is no
 * trade item (assets, logistic units, documents) is left out. Rejects with the first thing that can't be counted.
 */
export function linesOf(
  things: EpcisThings,
  event: EpcisEvent,
  unitOf: (gtin: string) => BaseUnit | undefined,
): Result<readonly Line[], string> {
  const lines = new Map<string, Line>();
  const add = (key: Gs1Key & { kind: "trade-item" }, quantity: number) => {
    const lot = key.lot ?? event.lot;
    const expiresOn = key.expiresOn ?? event.expiresOn;
    const id = JSON.stringify([key.gtin, lot, expiresOn]);
    const before = lines.get(id)?.quantity ?? 0;
    lines.set(id, {
      gtin: key.gtin,
      ...(lot !== undefined && { lot }),
      ...(expiresOn !== undefined && { expiresOn }),
      quantity: before + quantity,
    });
  };

  // One thing may be named twice, also in two notations; it is still one.
  const seen = new Set<string>();
  for (const epc of things.epcs) {
    const key = parseGs1Key(epc);
    if (!key.ok) return key;
    if (key.value.kind !== "trade-item") continue;
    const { gtin, serial } = key.value;
    if (serial === undefined) return reject(`${epc} names a class of items where a single one belongs`);
    const unit = unitOf(gtin);
    if (unit !== undefined && unit !== "each")
      return reject(`${epc} is one piece, and GTIN ${gtin} is kept in ${unit}: tell it by quantity`);
    const identity = `${gtin} ${serial}`;
    if (!seen.has(identity)) add(key.value, 1);
    seen.add(identity);
  }
  for (const element of things.quantities) {
    const key = parseGs1Key(element.epcClass);
    if (!key.ok) return key;
    if (key.value.kind !== "trade-item") continue;
    const quantity = unitsOf(element, key.value.gtin, unitOf(key.value.gtin));
    if (!quantity.ok) return quantity;
    add(key.value, quantity.value);
  }
  const tooMany = [...lines.values()].find(({ quantity }) => quantity > limits.quantityMax);
  if (tooMany !== undefined) return reject(`GTIN ${tooMany.gtin}: more than ${limits.quantityMax} units`);
  return accept([...lines.values()]);
}

function unitsOf(
  { epcClass, quantity, uom }: EpcisQuantity,
  gtin: string,
  kept: BaseUnit | undefined,
): Result<number, string> {
  if (quantity === undefined) return reject(`${epcClass}: the event does not say how much`);
  const [unit, power] = uom === undefined ? (["each", 0] as const) : (own(unitsOfMeasure, uom) ?? [undefined, 0]);
  if (unit === undefined)
    return reject(`${epcClass}: ${uom} is none of the units ${Object.keys(unitsOfMeasure).join(", ")}`);
  if (kept !== undefined && kept !== unit)
    return reject(`${epcClass}: ${quantity} ${uom ?? "pieces"}, and GTIN ${gtin} is kept in ${kept}`);
  const units = timesPowerOfTen(quantity, power);
  if (units.startsWith("-")) return reject(`${epcClass}: ${quantity} is below zero`);
  if (units.includes(".")) return reject(`${epcClass}: ${quantity} ${uom ?? "pieces"} is no whole number of ${unit}`);
  // Beyond 2^53 the number would not be the text any more; it is far beyond the limit too.
  const whole = units.length > 15 ? Number.MAX_SAFE_INTEGER : Number(units);
  return accept(whole);
}
