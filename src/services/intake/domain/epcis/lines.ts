import { accept, limits, normalise, type Result, reject } from "../../../../kernel/index.ts";
import { timesPowerOfTen } from "./decimal.ts";
import { parseGs1Key } from "./keys.ts";
import type { EpcisQuantity, EpcisThings } from "./model.ts";
import { own } from "./own.ts";
import { ownItemOf } from "./own-names.ts";

export type BaseUnit = "each" | "g" | "ml";

/** What counting needs to know of the world. */
export interface CountingSurroundings {
  /** The base unit of a registered item; undefined when nobody knows, so that the event's own unit is taken. */
  readonly unitOf: (gtin: string) => BaseUnit | undefined;
  /** When Larder's own URIs name items of ours: the document is from a Larder that has the same. Else they are no stock. */
  readonly ownItems?: OwnItems;
}

/**
 * Our items by the names that another Larder has for them too. It tells an item by its GTIN once it has one and by its sku
 * before that, so either way the sku is what counts.
 */
export interface OwnItems {
  /** Undefined for a GTIN that no item has. */
  readonly skuOf: (gtin: string) => string | undefined;
  /** The base unit of a registered item. */
  readonly unitOf: (sku: string) => BaseUnit | undefined;
}

/** What master data says of all that an event brings into being, where the identifiers don't. */
export interface LotData {
  readonly lot?: string;
  readonly expiresOn?: string;
}

/** Units of one item and lot that an event is about. */
export interface Line {
  readonly item: ItemName;
  readonly lot?: string;
  readonly expiresOn?: string;
  /** Whole, in the item's base unit, at least 0. */
  readonly quantity: number;
}

export type ItemName = { readonly gtin: string } | { readonly sku: string };

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
  made: LotData,
  { unitOf, ownItems }: CountingSurroundings,
): Result<readonly Line[], string> {
  const lines = new Map<string, Line>();
  const itemOf = (gtin: string): ItemName => {
    const sku = ownItems?.skuOf(gtin);
    return sku === undefined ? { gtin } : { sku };
  };
  const add = (item: ItemName, key: LotData, quantity: number) => {
    const told = key.lot ?? made.lot;
    const lot = told === undefined ? undefined : normalise(told);
    const expiresOn = key.expiresOn ?? made.expiresOn;
    const id = JSON.stringify([item, lot, expiresOn]);
    const before = lines.get(id)?.quantity ?? 0;
    lines.set(id, {
      item,
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
    const { gtin, serial, tpx } = key.value;
    if (serial === undefined && tpx === undefined)
      return reject(`${epc} names a class of items where a single one belongs`);
    const unit = unitOf(gtin);
    if (unit !== undefined && unit !== "each")
      return reject(`${epc} is one piece, and GTIN ${gtin} is kept in ${unit}: tell it by quantity`);
    const identity = JSON.stringify([gtin, serial, tpx]);
    if (!seen.has(identity)) add(itemOf(gtin), key.value, 1);
    seen.add(identity);
  }
  for (const element of things.quantities) {
    const key = parseGs1Key(element.epcClass);
    if (!key.ok) return key;
    const ours = ownItems === undefined ? undefined : ownItemOf(element.epcClass);
    if (ours !== undefined) {
      const quantity = unitsOf(element, `sku ${ours.sku}`, ownItems?.unitOf(ours.sku));
      if (!quantity.ok) return quantity;
      add({ sku: ours.sku }, ours, quantity.value);
    }
    if (key.value.kind !== "trade-item") continue;
    const { gtin } = key.value;
    const quantity = unitsOf(element, `GTIN ${gtin}`, unitOf(gtin));
    if (!quantity.ok) return quantity;
    add(itemOf(gtin), key.value, quantity.value);
  }
  const tooMany = [...lines.values()].find(({ quantity }) => quantity > limits.quantityMax);
  if (tooMany !== undefined) return reject(`${nameOf(tooMany.item)}: more than ${limits.quantityMax} units`);
  return accept([...lines.values()]);
}

function nameOf(item: ItemName): string {
  return "gtin" in item ? `GTIN ${item.gtin}` : `sku ${item.sku}`;
}

function unitsOf(
  { epcClass, quantity, uom }: EpcisQuantity,
  item: string,
  kept: BaseUnit | undefined,
): Result<number, string> {
  if (quantity === undefined) return reject(`${epcClass}: the event does not say how much`);
  const [unit, power] = uom === undefined ? (["each", 0] as const) : (own(unitsOfMeasure, uom) ?? [undefined, 0]);
  if (unit === undefined)
    return reject(`${epcClass}: ${uom} is none of the units ${Object.keys(unitsOfMeasure).join(", ")}`);
  if (kept !== undefined && kept !== unit)
    return reject(`${epcClass}: ${quantity} ${uom ?? "pieces"}, and ${item} is kept in ${kept}`);
  const units = timesPowerOfTen(quantity, power);
  if (units.startsWith("-")) return reject(`${epcClass}: ${quantity} is below zero`);
  if (units.includes(".")) return reject(`${epcClass}: ${quantity} ${uom ?? "pieces"} is no whole number of ${unit}`);
  // Beyond 2^53 the number would not be the text any more; it is far beyond the limit too.
  const whole = units.length > 15 ? Number.MAX_SAFE_INTEGER : Number(units);
  return accept(whole);
}
