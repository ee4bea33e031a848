import { hash } from "node:crypto";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import {
  fingerprint,
  type Instant,
  identifierProblem,
  isDate,
  limits,
  normalise,
  once,
  parseInstant,
  type TSchema,
} from "../../../kernel/index.ts";
import { countingStoredForm } from "../../../platform/http/index.ts";
import { type FactReference, type ToldFact, unknownLot } from "../domain/stock/index.ts";
import { type FactType, factSchemas } from "./schemas.ts";
import { newestForm, otherVersions, type Upcasts, upcasts } from "./upcast.ts";

/** A well-formed fact: what it says, with every identifier in its stored form. */
export interface ParsedFact extends FactReference {
  readonly type: FactType;
  readonly time: Instant | undefined;
  /** When it came in, where that was before it is judged. Not part of its content. */
  readonly receivedAt?: Instant;
  /** Names this fact once, for ever. */
  readonly key: string;
  /** Digest of its content. */
  readonly print: string;
  readonly data: FactBody;
}

export type FactBody =
  | {
      readonly kind: "stock";
      readonly sku?: string;
      readonly gtin?: string;
      readonly location: string;
      readonly told: ToldFact;
    }
  | {
      readonly kind: "order";
      readonly order: string;
      readonly lines: readonly { readonly sku: string; readonly location: string; readonly quantity: number }[];
      readonly reservation?: string;
      readonly final: boolean;
    }
  | { readonly kind: "void"; readonly voids: FactReference; readonly reason: string };

export interface MalformedFact {
  readonly id: string | null;
  readonly detail: string;
}

// Identifiers are looked at below, where the reason can be told.
const ajv = countingStoredForm(
  new Ajv({
    strict: false,
    allErrors: false,
    allowUnionTypes: true,
    formats: { identifier: true },
    meta: false,
    validateSchema: false,
  }),
);

const envelopeNames = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "time",
  "subject",
  "datacontenttype",
  "dataschema",
  "data",
]);

/** What an item of a batch says. */
export type ReadFact =
  | { readonly ok: true; readonly fact: ParsedFact }
  | { readonly ok: false; readonly malformed: MalformedFact };

/** Reads one CloudEvent; says what is wrong with it otherwise, by JSON pointer. */
export const parseFact: (item: unknown) => ReadFact = factParser(factSchemas, upcasts);

/** A parser of facts of these types, which brings older versions into the newest form. */
export function factParser(schemas: Readonly<Record<string, TSchema>>, table: Upcasts): (item: unknown) => ReadFact {
  const validators = new Map(Object.entries(schemas).map(([type, schema]) => [type, once(() => ajv.compile(schema))]));
  return (item) => parse(item, validators, table);
}

function parse(item: unknown, validators: ReadonlyMap<string, () => ValidateFunction>, table: Upcasts): ReadFact {
  if (typeof item !== "object" || item === null || Array.isArray(item))
    return malformed(null, "a CloudEvent is a JSON object");
  const event = item as Record<string, unknown>;
  const id = typeof event["id"] === "string" ? event["id"] : null;
  const problem = envelopeProblem(event);
  if (problem !== undefined) return malformed(id, problem);
  const type = event["type"] as string;
  const validate = validators.get(type)?.();
  if (validate === undefined) {
    const known = [...validators.keys()];
    const why =
      otherVersions(type, known) ??
      `"${type.slice(0, 100)}" is not a fact that Larder knows; it knows ${known.join(", ")}`;
    return malformed(id, `/type: ${why}`);
  }
  if (!validate(event["data"])) return malformed(id, describe(validate.errors?.[0]));
  const time = event["time"] === undefined ? undefined : parseInstant(event["time"] as string);
  const source = normalise(event["source"] as string);
  const data = event["data"] as Record<string, unknown>;
  const told = readBody(type as FactType, data);
  if (typeof told === "string") return malformed(id, told);
  const name = normalise(event["id"] as string);
  // Of its own version: the same fact has the same digest whatever versions came later.
  const print = fingerprint(JSON.stringify([type, time ?? null, told]));
  const newest = newestForm(type, data, table);
  const body = newest.type === type ? told : readBody(newest.type as FactType, newest.data);
  if (typeof body === "string") return malformed(id, body);
  return {
    ok: true,
    fact: { type: type as FactType, source, id: name, time, key: claimKey("fact", source, name), print, data: body },
  };
}

const claimKinds = { fact: "0", void: "1", order: "2", limitedVoid: "3" } as const;

/** The name under which a fact, the void of a fact, or an order is taken: a digit for the kind and 31 of a digest. */
export function claimKey(kind: keyof typeof claimKinds, source: string, id: string): string {
  return claimKinds[kind] + hash("sha256", `${source}\u0000${id}`, "hex").slice(0, 31);
}

/** The name of the void of a fact, from the name of the fact: once it is taken, the fact has no effect, or will have none. */
export function voidKeyOf(factKey: string): string {
  return claimKinds.void + factKey.slice(1);
}

/**
 * The names of voids that came before their fact, by credentials that may not undo it everywhere, one after the other: what
 * each may is seen when it comes.
 */
export function limitedVoidKeyOf(factKey: string, before: number): string {
  return before === 0 ? claimKinds.limitedVoid + factKey.slice(1) : claimKey("limitedVoid", factKey, String(before));
}

function malformed(id: string | null, detail: string): { readonly ok: false; readonly malformed: MalformedFact } {
  return { ok: false, malformed: { id, detail } };
}

function envelopeProblem(event: Record<string, unknown>): string | undefined {
  if (event["specversion"] !== "1.0") return '/specversion: must be "1.0"';
  const problem = nameProblem(event, "id") ?? nameProblem(event, "source");
  if (problem !== undefined) return problem;
  if (typeof event["type"] !== "string") return "/type: must be a string";
  const { time } = event;
  if (time !== undefined && (typeof time !== "string" || parseInstant(time) === undefined))
    return "/time: must be an RFC 3339 time with a zone, as 2026-11-21T09:30:00Z";
  const contentType = event["datacontenttype"];
  if (
    contentType !== undefined &&
    (typeof contentType !== "string" || !/^application\/(?:.+\+)?json\b/.test(contentType))
  ) {
    return "/datacontenttype: must be application/json";
  }
  if (event["data"] === undefined) return "/data: is missing";
  for (const name of Object.keys(event)) {
    // CloudEvents lets producers add attributes of their own; their names are lower-case letters and digits.
    if (!envelopeNames.has(name) && !/^[a-z0-9]{1,20}$/.test(name))
      return `/${name.slice(0, 50)}: no CloudEvents attribute has such a name`;
  }
  return undefined;
}

function describe(error: ErrorObject | undefined): string {
  if (error === undefined) return "/data: is not as its type asks";
  const where = `/data${error.instancePath}`;
  if (error.keyword === "additionalProperties")
    return `${where}: has the unknown member "${String(error.params["additionalProperty"]).slice(0, 50)}"`;
  if (error.keyword === "required") return `${where}: lacks "${error.params["missingProperty"]}"`;
  if (error.keyword === "not") return `${where}: must not be 0`;
  return `${where}: ${error.message ?? "is wrong"}`;
}

function nameProblem(event: Record<string, unknown>, name: "id" | "source"): string | undefined {
  const value = event[name];
  if (typeof value !== "string") return `/${name}: must be a string`;
  const problem = identifierProblem(value);
  return problem && `/${name}: ${problem}`;
}

type Body = Readonly<Record<string, unknown>>;

/** The parts of a fact in their stored form; a text says what the schema could not. */
function readBody(type: FactType, data: Body): FactBody | string {
  if (type === "larder.fact.voided.v1") {
    const texts = { source: data["source"] as string, id: data["id"] as string };
    return (
      textProblem(texts) ?? {
        kind: "void",
        voids: { source: normalise(texts.source), id: normalise(texts.id) },
        reason: data["reason"] as string,
      }
    );
  }
  if (type === "larder.order.completed.v1") return readOrder(data);
  return readStockFact(data);
}

function readOrder(data: Body): FactBody | string {
  const lines = data["lines"] as { sku: string; location: string; quantity: number }[];
  const summed = new Map<string, { sku: string; location: string; quantity: number }>();
  for (const [index, line] of lines.entries()) {
    const problem =
      skuProblem(line.sku, `/lines/${index}/sku`) ?? locationProblem(line.location, `/lines/${index}/location`);
    if (problem !== undefined) return problem;
    const [sku, location] = [normalise(line.sku), normalise(line.location)];
    const key = `${location}\u0000${sku}`;
    summed.set(key, { sku, location, quantity: (summed.get(key)?.quantity ?? 0) + line.quantity });
  }
  const reservation = data["reservation"] as string | undefined;
  const problem = textProblem({ order: data["order"] as string, ...(reservation !== undefined && { reservation }) });
  if (problem !== undefined) return problem;
  return {
    kind: "order",
    order: normalise(data["order"] as string),
    lines: [...summed.values()],
    ...(reservation !== undefined && { reservation: normalise(reservation) }),
    final: data["final"] === true,
  };
}

const texts = ["lot", "reference", "transfer", "to", "from"] as const;
const dates = ["expiresOn", "dueOn"] as const;
const copied = ["quantity", "delta", "reason", "sellable", "expiresOn", "dueOn"] as const;

function readStockFact(data: Body): FactBody | string {
  const { sku, gtin, location } = data as { sku?: string; gtin?: string; location: string };
  if ((sku === undefined) === (gtin === undefined)) return '/data: needs either "sku" or "gtin"';
  const problem = (sku === undefined ? undefined : skuProblem(sku, "/sku")) ?? locationProblem(location, "/location");
  if (problem !== undefined) return problem;
  const told: Record<string, unknown> = {};
  for (const name of copied) if (data[name] !== undefined) told[name] = data[name];
  for (const name of texts) {
    const value = data[name];
    if (typeof value !== "string") continue;
    const isLocation = name === "to" || name === "from";
    const wrong = identifierProblem(value, isLocation ? limits.locationLengthMax : limits.identifierLengthMax);
    if (wrong !== undefined) return `/data/${name}: ${wrong}`;
    told[name] = normalise(value);
  }
  for (const name of dates) {
    const date = told[name];
    if (date !== undefined && !isDate(date as string)) return `/data/${name}: is no date of the calendar`;
  }
  if (typeof data["asOf"] === "string") {
    const asOf = parseInstant(data["asOf"]);
    if (asOf === undefined) return "/data/asOf: must be an RFC 3339 time with a zone";
    told["asOf"] = asOf;
  }
  if (gtin !== undefined) told["gtin"] = gtin;
  // Units with a date but no lot form a lot of their own, named by the date.
  if ((told["lot"] ?? unknownLot) === unknownLot && told["expiresOn"] !== undefined) told["lot"] = told["expiresOn"];
  return {
    kind: "stock",
    ...(sku !== undefined && { sku: normalise(sku) }),
    ...(gtin !== undefined && { gtin }),
    location: normalise(location),
    told: told as ToldFact,
  };
}

function skuProblem(sku: string, where: string): string | undefined {
  const problem = identifierProblem(sku, limits.skuLengthMax);
  return problem && `/data${where}: ${problem}`;
}

function locationProblem(location: string, where: string): string | undefined {
  const problem = identifierProblem(location, limits.locationLengthMax);
  return problem && `/data${where}: ${problem}`;
}

function textProblem(members: Readonly<Record<string, string>>): string | undefined {
  for (const [name, value] of Object.entries(members)) {
    const problem = identifierProblem(value);
    if (problem !== undefined) return `/data/${name}: ${problem}`;
  }
  return undefined;
}
