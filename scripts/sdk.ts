/**
 * Writes `sdk/src/operations.ts`: the types and methods of the client, as `api/openapi.json` has them. A test tells when
 * the file is out of step. A new route needs nothing here; what it can't describe stops with its name.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openApiFile } from "./openapi.ts";
import { commentOf, pascal, type Schema, typeDeclaration, typeOf } from "./sdk-types.ts";

export const sdkFile = fileURLToPath(new URL("../sdk/src/operations.ts", import.meta.url));

interface Content {
  readonly schema?: Schema;
}
interface Parameter {
  readonly in: "path" | "query" | "header";
  readonly name: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}
interface Described {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly "x-repeatable"?: true;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The whole file, for a document of ours. */
export function sdkText(document: Document): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => operationOf(method.toUpperCase(), path, described, document)),
  );
  const { schemas } = document.components;
  const called = operations.filter(({ isStream }) => !isStream);
  return [
    "// Written by scripts/sdk.ts from api/openapi.json: change the routes, not this.",
    'import { type CallOptions, pages, Transport } from "./transport.ts";',
    ...Object.entries(schemas).flatMap(([name, schema]) => typeDeclaration(name, schema)),
    `/** Every code of a problem. */\nexport type ErrorCode = Problem["code"];\n`,
    ...called.flatMap(({ types }) => types),
    `/** Operations whose answer is a stream; each has a method that is written by hand. */\nexport type StreamOperation = ${
      operations
        .filter(({ isStream }) => isStream)
        .map(({ id }) => JSON.stringify(id))
        .join(" | ") || "never"
    };\n`,
    `/** Every operation of Larder, as a method. */\nexport class Operations {\n  protected readonly transport: Transport;\n\n  constructor(transport: Transport) {\n    this.transport = transport;\n  }\n`,
    ...called.flatMap(({ methods }) => methods),
    "}\n",
  ].join("\n");
}

interface Generated {
  readonly id: string;
  readonly isStream: boolean;
  readonly types: readonly string[];
  readonly methods: readonly string[];
}

/** Headers that the client sees to itself. */
const ownHeaders = new Set(["accept", "last-event-id"]);

function operationOf(method: string, path: string, described: Described, document: Document): Generated {
  const { operationId: id, parameters = [], requestBody, responses } = described;
  const good = Object.entries(responses).filter(([status]) => Number(status) < 400);
  // A status that is an error elsewhere, with an answer of its own here: `503` of /readyz.
  const told = Object.entries(responses).filter(
    ([status, { content = {} }]) => Number(status) >= 400 && "application/json" in content,
  );
  const contents = [...good, ...told].flatMap(([, { content = {} }]) => Object.entries(content));
  const isStream = contents.some(([type]) => type === "text/event-stream");
  if (isStream) return { id, isStream, types: [], methods: [] };

  const types: string[] = [];
  const Name = pascal(id);
  const answers = new Set(contents.map(([type, { schema }]) => (isJson(type) ? typeOf(schema ?? {}) : "string")));
  let answer = [...answers].join(" | ") || "undefined";
  if (answer.includes("{")) {
    types.push(`export type ${Name}Answer = ${answer};\n`);
    answer = `${Name}Answer`;
  }

  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const query = parameters.filter((parameter) => parameter.in === "query");
  const headers = parameters.filter(({ in: where, name }) => where === "header" && !ownHeaders.has(name));
  if (query.length > 0) types.push(queryDeclaration(`${Name}Query`, query));
  if (headers.length > 0) {
    const members = headers.map(
      ({ name, description }) => `${commentOf(description, "  ")}  readonly ${optionOf(name)}?: string | undefined;`,
    );
    types.push(`export interface ${Name}Options extends CallOptions {\n${members.join("\n")}\n}\n`);
  }
  const body = bodyOf(requestBody, `${Name}Body`);
  if (body?.declaration !== undefined) types.push(body.declaration);

  const isQueryNeeded = query.some(({ required }) => required === true);
  const isBodyNeeded = requestBody?.required === true;
  const queryDefault = isQueryNeeded ? "" : " = {}";
  const options = `options: ${headers.length > 0 ? `${Name}Options` : "CallOptions"} = {}`;
  const signature = [
    ...inPath.map((name) => `${name}: string`),
    ...(body ? [`body: ${body.type}${isBodyNeeded ? "" : " = {}"}`] : []),
    ...(query.length > 0 ? [`query: ${Name}Query${queryDefault}`] : []),
    options,
  ];
  const key = headers.some(({ name }) => name === "idempotency-key");
  const isRepeatable = method !== "POST" || described["x-repeatable"] === true || key;
  const call = [
    `method: ${JSON.stringify(method)}`,
    `path: ${pathText(path)}`,
    `answer: ${JSON.stringify(answer === "string" ? "text" : answer === "undefined" ? "none" : "json")}`,
    ...(isRepeatable ? ["isRepeatable: true"] : []),
    ...(key ? ["takesKey: true"] : []),
    ...(told.length > 0 ? [`alsoAnswers: [${told.map(([status]) => status).join(", ")}]`] : []),
    ...(query.length > 0 ? ["query"] : []),
    ...(body ? [`body`, `bodyType: ${body.mediaType}`] : []),
    ...(headers.length > 0
      ? [`headers: { ${headers.map(({ name }) => `"${name}": options.${optionOf(name)}`).join(", ")} }`]
      : []),
  ];
  const comment = commentOf(`${described.summary}. ${described.description ?? ""}`, "  ");
  const methods = [
    `${comment}  ${id}(${signature.join(", ")}): Promise<${answer}> {\n    return this.transport.call({ ${call.join(", ")} }, options);\n  }\n`,
  ];

  const page = query.some(({ name }) => name === "cursor") ? pageOf(good[0]?.[1].content ?? {}, document) : undefined;
  if (page !== undefined) {
    const names = [...inPath, "{ ...query, cursor }", "options"];
    const all = `all${pascal(id.replace(/^(list|get)/, ""))}`;
    methods.push(
      `  /** Every row of \`${id}\`, fetched page by page as it is asked for. */\n  ${all}(${signature.join(", ")}): AsyncGenerator<${page.type}, void> {\n    return pages((cursor = query.cursor) => this.${id}(${names.join(", ")}), ({ ${page.member} }) => ${page.member});\n  }\n`,
    );
  }
  return { id, isStream, types, methods };
}

function queryDeclaration(name: string, query: readonly Parameter[]): string {
  const members = query.map(({ name: member, required, description, schema }) => {
    const comment = commentOf(description ?? schema.description, "  ");
    return `${comment}  readonly ${member}${required ? "" : "?"}: ${typeOf(schema, "  ")}${required ? "" : " | undefined"};`;
  });
  return `export interface ${name} {\n${members.join("\n")}\n}\n`;
}

interface Body {
  readonly type: string;
  readonly declaration?: string;
  /** An expression for the media type, which may depend on `body`. */
  readonly mediaType: string;
}

/** A body of one or two media types; where one is for lists or for text, what is sent tells which it is. */
function bodyOf(requestBody: Described["requestBody"], name: string): Body | undefined {
  if (requestBody === undefined) return undefined;
  const contents = Object.entries(requestBody.content);
  const [first] = contents;
  if (first === undefined) return undefined;
  const special =
    contents.find(([, { schema }]) => schema?.type === "array") ?? contents.find(([media]) => !isJson(media));
  const isSpecial = special?.[1].schema?.type === "array" ? "Array.isArray(body)" : 'typeof body === "string"';
  const [other] = contents.find((content) => content !== special) ?? first;
  const mediaType =
    special !== undefined && contents.length > 1
      ? `${isSpecial} ? ${JSON.stringify(special[0])} : ${JSON.stringify(other)}`
      : JSON.stringify(first[0]);
  const type = [
    ...new Set(contents.map(([media, { schema }]) => (isJson(media) ? typeOf(schema ?? {}) : "string"))),
  ].join(" | ");
  if (!type.includes("{")) return { type, mediaType };
  return { type: name, declaration: `export type ${name} = ${type};\n`, mediaType };
}

/** The rows of a page: its only list. */
function pageOf(
  content: Readonly<Record<string, Content>>,
  { components }: Document,
): { readonly member: string; readonly type: string } | undefined {
  const schema = content["application/json"]?.schema;
  const whole = schema?.$ref === undefined ? schema : components.schemas[schema.$ref.split("/").at(-1) ?? ""];
  const lists = Object.entries(whole?.properties ?? {}).filter(([, { type }]) => type === "array");
  const [rows] = lists;
  if (rows === undefined || lists.length > 1 || whole?.properties?.["next"] === undefined) return undefined;
  return { member: rows[0], type: typeOf(rows[1].items ?? {}) };
}

function isJson(mediaType: string): boolean {
  return /[/+]json$/.test(mediaType);
}

/** `Larder-Min-Position` as an option: `minPosition`. */
function optionOf(header: string): string {
  const name = pascal(header.replace(/^larder-/, ""));
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function pathText(path: string): string {
  return path.includes("{")
    ? `\`${path.replaceAll(/\{(\w+)\}/g, (_whole, name) => `\${encodeURIComponent(${name})}`)}\``
    : JSON.stringify(path);
}

/** The file for the committed document. */
export function currentSdkText(): string {
  return sdkText(JSON.parse(readFileSync(openApiFile, "utf8")) as Document);
}

if (import.meta.main) {
  writeFileSync(sdkFile, currentSdkText());
  process.stdout.write("sdk/src/operations.ts is written.\n");
}
