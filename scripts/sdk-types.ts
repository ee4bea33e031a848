/** JSON Schemas as TypeScript types: as much of JSON Schema as the API's document uses. */

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

/** The exported type of a named schema; variants that have titles become types of their own. */
export function typeDeclaration(name: string, schema: Schema): string[] {
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants?.every(({ title }) => title !== undefined)) {
    const named = variants.map((variant) => [titleName(variant.title ?? ""), variant] as const);
    return [
      ...named.flatMap(([title, variant]) => typeDeclaration(title, variant)),
      `${commentOf(schema.description)}export type ${name} = ${named.map(([title]) => title).join(" | ")};\n`,
    ];
  }
  const comment = commentOf(schema.description ?? schema.properties?.["data"]?.description);
  if (schema.properties !== undefined) return [`${comment}export interface ${name} ${typeOf(schema)}\n`];
  return [`${comment}export type ${name} = ${typeOf(schema)};\n`];
}

/** The type of a schema, as text. Throws for what it can't say, so that no type is a guess. */
export function typeOf(schema: Schema, indent = ""): string {
  if (schema.$ref !== undefined) return schema.$ref.split("/").at(-1) ?? "unknown";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants !== undefined) return unique(variants.map((variant) => typeOf(variant, indent)));
  if (schema.allOf !== undefined) return schema.allOf.map((part) => typeOf(part, indent)).join(" & ");
  if (Array.isArray(schema.type)) return unique(schema.type.map((type) => typeOf({ ...schema, type }, indent)));
  switch (schema.type) {
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array": {
      const of = typeOf(schema.items ?? {}, indent);
      return `readonly ${isCompound(schema.items ?? {}) ? `(${of})` : of}[]`;
    }
    case "object":
      return objectType(schema, indent);
    case undefined:
      return "unknown";
    default:
      throw new Error(`no TypeScript type is known for ${JSON.stringify(schema).slice(0, 200)}`);
  }
}

/** Whether the type of a schema needs brackets inside an array. */
function isCompound({ enum: values, oneOf, anyOf, allOf, type }: Schema): boolean {
  return (
    (values?.length ?? 0) > 1 ||
    oneOf !== undefined ||
    anyOf !== undefined ||
    allOf !== undefined ||
    Array.isArray(type)
  );
}

function unique(types: readonly string[]): string {
  return [...new Set(types)].join(" | ");
}

function objectType(schema: Schema, indent: string): string {
  const { properties, additionalProperties, patternProperties, required = [] } = schema;
  if (properties === undefined) {
    const values = Object.values(patternProperties ?? {});
    if (typeof additionalProperties === "object") values.push(additionalProperties);
    return values.length === 0
      ? "Readonly<Record<string, unknown>>"
      : `Readonly<Record<string, ${unique(values.map((value) => typeOf(value, indent)))}>>`;
  }
  if (Object.keys(properties).length === 0) return "Readonly<Record<string, never>>";
  const inner = `${indent}  `;
  const members = Object.entries(properties).map(([name, property]) => {
    const isRequired = required.includes(name);
    const key = /^[\w$]+$/.test(name) ? name : JSON.stringify(name);
    const type = `${typeOf(property, inner)}${isRequired ? "" : " | undefined"}`;
    return `${commentOf(property.description, inner)}${inner}readonly ${key}${isRequired ? "" : "?"}: ${type};`;
  });
  return `{\n${members.join("\n")}\n${indent}}`;
}

/** A doc comment with a line end behind it; empty for no text. */
export function commentOf(text: string | undefined, indent = ""): string {
  const said = text?.trim().replaceAll("*/", "* /");
  if (said === undefined || said === "") return "";
  const lines = said.split(/\n+/);
  if (lines.length === 1) return `${indent}/** ${said} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join(`${indent} *\n`)}${indent} */\n`;
}

export function pascal(name: string): string {
  return name.replace(/(?:^|[^a-zA-Z0-9]+)([a-zA-Z0-9])/g, (_whole, letter: string) => letter.toUpperCase());
}

/** `larder.stock.held-back.v1` is `StockHeldBackV1`. */
function titleName(title: string): string {
  return pascal(title.replace(/^larder\./, ""));
}
