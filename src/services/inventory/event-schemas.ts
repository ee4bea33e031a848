/** The public JSON Schemas of every event, whole CloudEvents: what is sent (`facts`), and what is told (`recorded`). */

import { limits, type TSchema, Type } from "../../kernel/index.ts";
import { recordedSchemas } from "./changes/recorded-schemas.ts";
import { eventOfFact, type FactType, factSchemas } from "./facts/schemas.ts";
import { RecordedCloudEvent } from "./wire.ts";

export interface EventSchemas {
  /** By type; every version that is taken. */
  readonly facts: Readonly<Record<string, object>>;
  /** By type. */
  readonly recorded: Readonly<Record<string, object>>;
}

/** Plain JSON: the same each time. */
export function eventSchemas(): EventSchemas {
  const facts = Object.entries(factSchemas).map(([type, data]) => [type, factSchema(type as FactType, data)] as const);
  const recorded = Object.entries(recordedSchemas).map(([type, data]) => [type, recordedSchema(type, data)] as const);
  return { facts: Object.fromEntries(facts), recorded: Object.fromEntries(recorded) };
}

const name = (description: string) =>
  Type.String({ minLength: 1, maxLength: limits.identifierLengthMax, format: "identifier", description });

function factSchema(type: FactType, data: TSchema): object {
  const isAboutOneStock = eventOfFact[type] !== undefined;
  return plain({
    ...header("facts", type, (data as { description?: string }).description),
    ...Type.Object({
      specversion: Type.Literal("1.0"),
      id: name("With `source`, names the fact for ever."),
      source: name("Who says so: a till, a warehouse."),
      type: Type.Literal(type),
      time: Type.Optional(
        Type.String({ maxLength: 64, description: "RFC 3339: when it happened; its receipt when absent." }),
      ),
      datacontenttype: Type.Optional(Type.String({ pattern: "^application/(?:.+\\+)?json\\b" })),
      data: isAboutOneStock ? { ...data, oneOf: [{ required: ["sku"] }, { required: ["gtin"] }] } : data,
    }),
  });
}

function recordedSchema(type: string, data: TSchema): object {
  const { properties, required } = RecordedCloudEvent;
  return plain({
    ...header("recorded", type),
    type: "object",
    properties: { ...properties, type: Type.Literal(type), data },
    required,
  });
}

function header(kind: keyof EventSchemas, type: string, description?: string): object {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `urn:larder:${kind}:${type}`,
    title: type,
    ...(description !== undefined && { description }),
  };
}

/** Without what TypeBox keeps beside the schema. */
function plain(schema: object): object {
  return JSON.parse(JSON.stringify(schema));
}
