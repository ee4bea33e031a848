import { accept, isDate, parseInstant, type Result, reject } from "../../../../kernel/index.ts";
import { decimalText } from "./decimal.ts";
import {
  type EpcisAction,
  type EpcisErrorDeclaration,
  type EpcisEvent,
  type EpcisProblem,
  type EpcisQuantity,
  type EpcisReference,
  type EpcisThings,
  epcisEventTypes,
} from "./model.ts";
import { bareWord, epcisName, expanded, type Vocabulary } from "./vocabulary.ts";

type Members = Readonly<Record<string, unknown>>;
export type Prefixes = Readonly<Record<string, string>>;

/** Thrown inside this file only: an event is read whole or not at all, and its places nest. */
class Unreadable extends Error {
  readonly problem: EpcisProblem;

  constructor(pointer: string, detail: string) {
    super(detail);
    this.problem = { pointer, detail };
  }
}

/**
 * Reads one event in the JSON notation. What the standard doesn't define, and sensors, are passed over. Rejects with the
 * first thing that is wrong.
 *
 * Source: GS1 EPCIS 2.0, section 7.4 (event types) and 10.1 (JSON-LD binding).
 */
export function readEvent(raw: unknown, pointer: string, prefixes: Prefixes): Result<EpcisEvent, EpcisProblem> {
  try {
    if (!isObject(raw)) throw new Unreadable(pointer, "an event is a JSON object");
    return accept(new EventReader(plainNames(raw, prefixes), pointer, prefixes).read());
  } catch (error) {
    if (error instanceof Unreadable) return reject(error.problem);
    throw error;
  }
}

class EventReader {
  readonly #members: Members;
  readonly #pointer: string;
  readonly #prefixes: Prefixes;

  constructor(members: Members, pointer: string, prefixes: Prefixes) {
    this.#members = members;
    this.#pointer = pointer;
    this.#prefixes = prefixes;
  }

  read(): EpcisEvent {
    const typeName = epcisName(this.#required("type"), this.#prefixes);
    const type = epcisEventTypes.find((known) => known === typeName);
    if (type === undefined) throw this.#problem("type", `${typeName} is no event type of EPCIS`);
    const action = type === "TransformationEvent" ? undefined : this.#action();
    const isParent = type === "AggregationEvent" || type === "AssociationEvent";
    const set = this.#object("persistentDisposition");
    const error = this.#error();
    return {
      type,
      ...optional("eventId", this.#text("eventID")),
      time: this.#time("eventTime"),
      offset: this.#offset(),
      ...optional("action", action),
      ...optional("bizStep", this.#word("bizStep", "bizstep")),
      ...optional("disposition", this.#word("disposition", "disp")),
      dispositionsSet: this.#words(set?.["set"], "persistentDisposition/set", "disp"),
      dispositionsUnset: this.#words(set?.["unset"], "persistentDisposition/unset", "disp"),
      ...optional("readPoint", this.#place("readPoint")),
      ...optional("bizLocation", this.#place("bizLocation")),
      things: isParent ? this.#things("childEPCs", "childQuantityList") : this.#things("epcList", "quantityList"),
      inputs: this.#things("inputEPCList", "inputQuantityList"),
      outputs: this.#things("outputEPCList", "outputQuantityList"),
      ...optional("parent", this.#text("parentID")),
      ...optional("transformation", this.#text("transformationID")),
      transactions: this.#references("bizTransactionList", "bizTransaction", "btt"),
      sources: this.#references("sourceList", "source", "sdt"),
      destinations: this.#references("destinationList", "destination", "sdt"),
      ...this.#masterData(),
      ...optional("error", error),
      rest: this.#rest(),
    };
  }

  #problem(member: string, detail: string): Unreadable {
    return new Unreadable(`${this.#pointer}/${member}`, detail);
  }

  #text(member: string): string | undefined {
    return this.#textOf(this.#members[member], member);
  }

  #textOf(value: unknown, member: string): string | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string") throw this.#problem(member, "is no text");
    return value.trim() === "" ? undefined : value.trim();
  }

  #required(member: string): string {
    const text = this.#text(member);
    if (text === undefined) throw this.#problem(member, "is missing");
    return text;
  }

  #object(member: string): Members | undefined {
    const value = this.#members[member];
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw this.#problem(member, "is no JSON object");
    return plainNames(value, this.#prefixes);
  }

  #list(member: string): readonly unknown[] {
    return this.#listOf(this.#members[member]);
  }

  /** JSON-LD lets a list of one stand for itself. */
  #listOf(value: unknown): readonly unknown[] {
    if (value === undefined || value === null) return [];
    return Array.isArray(value) ? value : [value];
  }

  #time(member: string): number {
    return this.#instant(this.#required(member), member);
  }

  #instant(text: string, member: string): number {
    const instant = parseInstant(text);
    if (instant === undefined)
      throw this.#problem(member, `${text} is no time with an offset, as 2026-11-21T09:30:00Z`);
    return instant;
  }

  #offset(): string {
    const offset = this.#required("eventTimeZoneOffset");
    if (/^[+-](0\d|1[0-3]):[0-5]\d$|^[+-]14:00$/.test(offset)) return offset;
    if (offset === "Z") return "+00:00";
    throw this.#problem("eventTimeZoneOffset", `${offset} is no offset, as +02:00`);
  }

  #action(): EpcisAction {
    const action = this.#required("action");
    if (action === "ADD" || action === "OBSERVE" || action === "DELETE") return action;
    throw this.#problem("action", `${action} is none of ADD, OBSERVE, DELETE`);
  }

  #word(member: string, vocabulary: Vocabulary): string | undefined {
    const text = this.#text(member);
    return text === undefined ? undefined : bareWord(text, vocabulary, this.#prefixes);
  }

  #words(value: unknown, member: string, vocabulary: Vocabulary): readonly string[] {
    return this.#listOf(value).flatMap((word, index) => {
      const text = this.#textOf(word, `${member}/${index}`);
      return text === undefined ? [] : [bareWord(text, vocabulary, this.#prefixes)];
    });
  }

  /** `{"id": …}`, or the id itself, as JSON-LD has it too. */
  #place(member: string): string | undefined {
    const value = this.#members[member];
    if (isObject(value)) return this.#textOf(plainNames(value, this.#prefixes)["id"], `${member}/id`);
    return this.#text(member);
  }

  #things(epcMember: string, quantityMember: string): EpcisThings {
    const epcs = this.#list(epcMember).flatMap((epc, index) => {
      const text = this.#textOf(epc, `${epcMember}/${index}`);
      return text === undefined ? [] : [expanded(text, this.#prefixes)];
    });
    const quantities = this.#list(quantityMember).map((element, index) =>
      this.#quantity(element, `${quantityMember}/${index}`),
    );
    return { epcs, quantities };
  }

  #quantity(element: unknown, member: string): EpcisQuantity {
    if (!isObject(element)) throw this.#problem(member, "is no JSON object");
    const { epcClass, quantity, uom } = plainNames(element, this.#prefixes);
    const uri = this.#textOf(epcClass, `${member}/epcClass`);
    if (uri === undefined) throw this.#problem(`${member}/epcClass`, "is missing");
    const isAbsent = quantity === undefined || quantity === null || quantity === "";
    const decimal =
      typeof quantity === "number" || typeof quantity === "string" ? decimalText(String(quantity)) : undefined;
    if (!isAbsent && decimal === undefined) throw this.#problem(`${member}/quantity`, "is no number");
    return {
      epcClass: expanded(uri, this.#prefixes),
      ...optional("quantity", isAbsent ? undefined : decimal),
      ...optional("uom", this.#textOf(uom, `${member}/uom`)),
    };
  }

  #references(list: string, idMember: string, vocabulary: Vocabulary): readonly EpcisReference[] {
    return this.#list(list).map((element, index) => {
      if (!isObject(element)) throw this.#problem(`${list}/${index}`, "is no JSON object");
      const { type, [idMember]: id } = plainNames(element, this.#prefixes);
      const uri = this.#textOf(id, `${list}/${index}/${idMember}`);
      if (uri === undefined) throw this.#problem(`${list}/${index}/${idMember}`, "is missing");
      const word = this.#textOf(type, `${list}/${index}/type`);
      return {
        ...(word !== undefined && { type: bareWord(word, vocabulary, this.#prefixes) }),
        id: expanded(uri, this.#prefixes),
      };
    });
  }

  #error(): EpcisErrorDeclaration | undefined {
    const declaration = this.#object("errorDeclaration");
    if (declaration === undefined) return undefined;
    const declaredAt = this.#textOf(declaration["declarationTime"], "errorDeclaration/declarationTime");
    if (declaredAt === undefined) throw this.#problem("errorDeclaration/declarationTime", "is missing");
    const reason = this.#textOf(declaration["reason"], "errorDeclaration/reason");
    const correctedBy = this.#listOf(declaration["correctiveEventIDs"]);
    return {
      declaredAt: this.#instant(declaredAt, "errorDeclaration/declarationTime"),
      ...(reason !== undefined && { reason: bareWord(reason, "er", this.#prefixes) }),
      correctedBy: correctedBy.flatMap(
        (id, index) => this.#textOf(id, `errorDeclaration/correctiveEventIDs/${index}`) ?? [],
      ),
    };
  }

  /** Of instance and lot master data, what stock goes by; names of other vocabularies may mean anything. */
  #masterData(): { readonly lot?: string; readonly expiresOn?: string } {
    const data = new Map<string, unknown>();
    for (const [name, value] of Object.entries(this.#object("ilmd") ?? {})) {
      const local = masterDataName(name, this.#prefixes);
      if (local !== undefined) data.set(local, isObject(value) ? (value["@value"] ?? value["value"]) : value);
    }
    const lot = this.#textOf(data.get("lotNumber"), "ilmd");
    for (const name of ["itemExpirationDate", "expirationDate", "sellByDate", "bestBeforeDate"]) {
      const told = this.#textOf(data.get(name), "ilmd");
      if (told === undefined) continue;
      const date = told.slice(0, 10);
      if (!isDate(date)) throw this.#problem("ilmd", `${name} ${told} is no date, as 2026-11-21`);
      return { ...optional("lot", lot), expiresOn: date };
    }
    return { ...optional("lot", lot), ...optional("expiresOn", this.#ownExpiry()) };
  }

  /** What Larder's own documents say where the standard has no place for it: on movements other than the first. */
  #ownExpiry(): string | undefined {
    for (const [name, value] of Object.entries(this.#members)) {
      if (expanded(name, this.#prefixes) === "urn:larder:epcis:expiresOn" && typeof value === "string" && isDate(value))
        return value;
    }
    return undefined;
  }

  #rest(): string {
    const left = Object.entries(this.#members).filter(([name]) => !knownMembers.has(name));
    const lines: string[] = [];
    for (const [name, value] of left) flatten(value, expanded(name, this.#prefixes), this.#prefixes, lines);
    return lines.sort().join("\n");
  }
}

/**
 * A line for each text in a value, with the names on the way to it in full, so that the notations agree: order, the type
 * of a number and the choice of prefixes say nothing.
 */
function flatten(value: unknown, path: string, prefixes: Prefixes, lines: string[], depth = 0): void {
  if (value === null || value === undefined || depth > nestingMax) return;
  if (Array.isArray(value)) {
    for (const item of value) flatten(item, path, prefixes, lines, depth + 1);
  } else if (!isObject(value)) {
    lines.push(`${path}=${String(value).trim()}`);
  } else if (Object.hasOwn(value, "@value")) {
    flatten(value["@value"], path, prefixes, lines, depth + 1);
  } else {
    for (const [name, inner] of Object.entries(value)) {
      flatten(inner, `${path} ${expanded(name, prefixes)}`, prefixes, lines, depth + 1);
    }
  }
}

const nestingMax = 32;

const knownMembers = new Set(
  (
    "@context type eventID eventTime recordTime eventTimeZoneOffset action bizStep disposition persistentDisposition " +
    "readPoint bizLocation epcList quantityList childEPCs childQuantityList inputEPCList inputQuantityList " +
    "outputEPCList outputQuantityList parentID transformationID bizTransactionList sourceList destinationList " +
    "errorDeclaration sensorElementList"
  ).split(" "),
);

/**
 * The name without its namespace when it is of the standard's master data (CBV 2.0, section 9) or the GS1 web vocabulary.
 * A namespace that ends in `cbvmda` counts as well: GS1's own examples have such.
 */
function masterDataName(name: string, prefixes: Prefixes): string | undefined {
  const full = expanded(name, prefixes);
  return masterDataForms.map((form) => form.exec(full)?.[1]).find((local) => local !== undefined);
}

const masterDataForms = [
  /^urn:epcglobal:cbv:mda[:#/](\w+)$/,
  /^https?:\/\/(?:ref\.gs1\.org\/cbv|(?:www\.)?gs1\.org\/voc|ns\.gs1\.org\/(?:cbv|voc))\/(\w+)$/,
  /^[^?]*[/:]cbvmda[/:#](\w+)$/,
];

/** Members of the standard under their plain names: `epcis:action`, `@type` and full URIs count as `action`, `type`. */
function plainNames(members: Members, prefixes: Prefixes): Members {
  const plain: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(members)) {
    const isKeyword = name === "@type" || name === "@id";
    plain[isKeyword ? name.slice(1) : epcisName(name, prefixes)] = value;
  }
  return plain;
}

export function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function optional<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [P in K]?: V });
}
