import { accept, type ErrorCode, type Instant, normalise, type Outcome, reject } from "../../../../kernel/index.ts";
import { gtin14, hasGtinForm } from "./gtin.ts";
import { parsePlu } from "./plu.ts";

/** The base unit in which quantities of a sku are counted. */
export type Unit = "each" | "g" | "ml";

/** What is recorded of an item; stored for ever. */
export interface ItemFields {
  readonly name: string;
  readonly unit: Unit;
  /** 14 digits each, every one once, in ascending order. */
  readonly gtins: readonly string[];
  readonly plu: string | null;
}

/** What a client says of an item: GTINs in any of their lengths and any order. */
export interface DescribeItem {
  readonly name: string;
  readonly unit: Unit;
  readonly gtins?: readonly string[];
  readonly plu?: string;
}

/** Each event says all there is to know of the item from then on. */
export interface ItemEvent {
  readonly type: "ItemRegistered" | "ItemChanged";
  readonly data: ItemFields;
}

export interface ItemState {
  /** Undefined until the item is registered. */
  readonly fields: ItemFields | undefined;
  readonly updatedAt: Instant;
}

export const noItem: ItemState = { fields: undefined, updatedAt: 0 };

export function evolveItem(_state: ItemState, event: ItemEvent, recordedAt: Instant): ItemState {
  return { fields: event.data, updatedAt: recordedAt };
}

/**
 * Registers an item or changes it to what the command says; no event when it says what is known already. Whether
 * another item has one of the GTINs is for the caller to see, who knows them all.
 *
 * Rejects with `invalid-check-digit` when that is all that is wrong with its GTINs, otherwise with `invalid-request`;
 * `errors` names each wrong member.
 */
export function decideItem(command: DescribeItem, state: ItemState): Outcome<readonly ItemEvent[]> {
  const gtins = (command.gtins ?? []).map(gtin14);
  const plu = command.plu === undefined ? undefined : parsePlu(command.plu);
  const problems = gtins.flatMap((gtin, index) => (gtin.ok ? [] : gtinProblem(gtin.rejection, index, command)));
  if (plu?.ok === false) {
    problems.push({ code: "invalid-request", pointer: "/plu", detail: `PLU ${command.plu}: ${plu.rejection}` });
  }
  if (problems.length > 0) return rejection(problems);

  const fields: ItemFields = {
    name: normalise(command.name),
    unit: command.unit,
    gtins: [...new Set(gtins.flatMap((gtin) => (gtin.ok ? [gtin.value] : [])))].sort(),
    plu: plu?.ok ? plu.value : null,
  };
  if (state.fields === undefined) return accept([{ type: "ItemRegistered", data: fields }]);
  return accept(isSame(state.fields, fields) ? [] : [{ type: "ItemChanged", data: fields }]);
}

interface Problem {
  readonly code: ErrorCode;
  readonly pointer: string;
  readonly detail: string;
}

function gtinProblem(reason: string, index: number, { gtins = [] }: DescribeItem): Problem {
  const gtin = gtins[index] ?? "";
  return {
    code: hasGtinForm(gtin) ? "invalid-check-digit" : "invalid-request",
    pointer: `/gtins/${index}`,
    detail: `GTIN ${gtin}: ${reason}`,
  };
}

function rejection(problems: readonly Problem[]): Outcome<never> {
  const isOnlyDigits = problems.every(({ code }) => code === "invalid-check-digit");
  return reject({
    code: isOnlyDigits ? "invalid-check-digit" : "invalid-request",
    detail: problems.map(({ detail }) => detail).join("; "),
    extra: { errors: problems.map(({ pointer, detail }) => ({ pointer, detail })) },
  });
}

function isSame(a: ItemFields, b: ItemFields): boolean {
  return a.name === b.name && a.unit === b.unit && a.plu === b.plu && a.gtins.join() === b.gtins.join();
}
