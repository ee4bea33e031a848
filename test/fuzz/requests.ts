/** Requests for every operation of the OpenAPI document: right, nearly right, and spoilt. */
import { epcisXml } from "./epcis-bodies.ts";
import type { House } from "./house.ts";
import { meaningOf, type Told, tampered } from "./meanings.ts";
import { jsonText, mutateBytes, mutateValue, oddNumbers, oddText, oddTexts, oddValue } from "./odd.ts";
import type { Random } from "./random.ts";
import { type Schema, valueFor } from "./schema-values.ts";

export interface Sent {
  readonly method: string;
  /** Path and query, encoded. */
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | undefined;
  /** The documented operation that it asks for; undefined for any other route or method. */
  readonly operation: string | undefined;
}

interface Parameter {
  readonly in: "path" | "query" | "header";
  readonly name: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** By media type. */
  readonly bodies: readonly (readonly [mediaType: string, schema: Schema])[];
}

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

export const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] as const;
/** Routes that the document leaves out. */
const undocumented = [
  "/openapi.json",
  "/docs",
  "/docs/",
  "/docs/json",
  "/docs/errors",
  "/docs/static/index.html",
  "/v1/changes/ws",
];

export class Requests {
  readonly operations: readonly Operation[];
  /** Every path, documented or not. */
  readonly paths: readonly string[];
  readonly #named: Readonly<Record<string, Schema>>;
  /** Where the walk over all paths and methods stands. */
  #walked = 0;

  constructor(document: object) {
    const { paths, components } = document as {
      readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
      readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
    };
    this.#named = components.schemas;
    this.operations = Object.entries(paths).flatMap(([path, byMethod]) =>
      Object.entries(byMethod).map(([method, { operationId, parameters = [], requestBody }]) => ({
        id: operationId,
        method: method.toUpperCase(),
        path,
        parameters,
        bodies: Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) => [type, schema] as const),
      })),
    );
    this.paths = [...Object.keys(paths), ...undocumented];
  }

  /** Lets the walk of a case begin where the one before it ends, also when only this case is run. */
  beginCase(index: number): void {
    this.#walked = index * 70;
  }

  /** The next request of a case. */
  make(random: Random, house: House, told: Told): Sent {
    if (random.chance(0.14)) return this.#anyMethod(random, house, told);
    const operation = random.pick(this.operations);
    const kind = random.next();
    if (kind < 0.45) return this.#right(operation, random, house, told);
    const sent = this.#right(
      operation,
      random,
      house,
      told,
      kind < 0.8 ? random.pick(["body", "query", "path", "header"]) : "all",
    );
    return kind > 0.95 && sent.body !== undefined ? { ...sent, body: mutateBytes(sent.body, random) } : sent;
  }

  /** One method after the other on one path after the other; mostly not one that the path has. */
  #anyMethod(random: Random, house: House, told: Told): Sent {
    const path = this.paths[this.#walked % this.paths.length]!;
    const method = methods[Math.floor(this.#walked / this.paths.length) % methods.length]!;
    this.#walked += 1;
    const url = path.replace(/\{(\w+)\}/g, () => pathPart(random.chance(0.5) ? "a" : oddText(random)));
    const headers = this.#headers([], random, house, told, random.chance(0.3));
    const body =
      method === "GET" || method === "HEAD" || method === "TRACE" || random.chance(0.5)
        ? undefined
        : jsonBuffer(oddValue(random));
    const typed = body === undefined ? headers : [...headers, ["content-type", "application/json"] as const];
    return {
      method,
      url: path === "/v1/changes" ? `${url}?follow=false` : url,
      headers: typed,
      body,
      operation: undefined,
    };
  }

  #right(operation: Operation, random: Random, house: House, told: Told, spoil?: string): Sent {
    const meanings = (name: string) => meaningOf(name, operation.id, random, house, told);
    const spoils = (part: string) => spoil === part || (spoil === "all" && random.chance(0.5));
    const make = (schema: Schema, name: string) => valueFor(schema, name, random, meanings, this.#named);

    let url = operation.path;
    const query: string[] = [];
    for (const { in: where, name, required = false, schema } of operation.parameters) {
      if (where === "path") {
        const value = spoils("path") ? oddText(random) : String(make(schema, name));
        url = url.replace(`{${name}}`, () => pathPart(value));
      } else if (where === "query" && (required || random.chance(0.4))) {
        const values = [make(schema, name)].flat();
        query.push(...values.map((value) => `${name}=${encode(String(value))}`));
      }
    }
    if (operation.id === "followChanges" && !query.some((part) => part.startsWith("follow=")))
      query.push("follow=false");
    if (spoils("query")) spoilQuery(query, random);
    // A feed that goes on would hold up the case; the socket area follows some.
    const asked =
      operation.id === "followChanges"
        ? query.map((part) => part.replace(/^follow=(?:true|1)$/, "follow=false"))
        : query;

    const [mediaType, bodySchema] =
      operation.bodies.length === 0 ? [undefined, undefined] : random.pick(operation.bodies);
    let body: Buffer | undefined;
    if (bodySchema !== undefined) {
      const isXml = mediaType?.endsWith("xml") === true;
      const value = isXml ? epcisXml(random, house) : make(bodySchema, operation.id);
      if (isXml) body = Buffer.from(value as string);
      else body = jsonBuffer(spoils("body") ? mutateValue(value, random) : value);
      if (isXml && spoils("body")) body = mutateBytes(body, random);
    }
    const headers = [...this.#headers(operation.parameters, random, house, told, spoils("header"))];
    if (mediaType !== undefined) {
      const odd = [
        "text/plain",
        "application/xml",
        "application/json; charset=utf-16",
        "application/json;",
        "",
        "multipart/form-data; boundary=x",
      ];
      headers.push(["content-type", spoils("header") && random.chance(0.3) ? random.pick(odd) : mediaType]);
    }
    if (operation.id === "fulfilReservation" && random.chance(0.8))
      headers.push(["idempotency-key", `k${random.below(50)}`]);
    const search = asked.length === 0 ? "" : `?${asked.join("&")}`;
    return { method: operation.method, url: url + search, headers, body, operation: operation.id };
  }

  #headers(parameters: readonly Parameter[], random: Random, house: House, told: Told, isSpoilt: boolean) {
    const headers: [string, string][] = [];
    const { admin, till, reader } = house.keys;
    const bearer = random.chance(0.85) ? admin : random.pick([till, reader]);
    if (!isSpoilt || random.chance(0.7)) headers.push(["authorization", `Bearer ${bearer}`]);
    else
      headers.push([
        "authorization",
        random.pick([
          "Bearer",
          "Basic YTpi",
          `bearer ${bearer}`,
          `Bearer ${headerText(oddText(random))}`,
          "Bearer lk_x",
        ]),
      ]);
    for (const { in: where, name } of parameters) {
      if (where !== "header" || !random.chance(0.4)) continue;
      headers.push([name, String(meaningOf(name, "", random, house, told) ?? "k1")]);
    }
    if (isSpoilt) headers.push(...random.list(1, 3, () => oddHeader(random, told)));
    return headers;
  }
}

function spoilQuery(query: string[], random: Random): void {
  const odd = () => random.pick([...oddTexts, ...oddNumbers.map(({ text }) => text)]);
  const kind = random.below(5);
  if (kind === 0) query.push(`${encode(random.pick(oddTexts))}=${encode(odd())}`);
  else if (kind === 1 && query.length > 0) query.push(random.pick(query));
  else if (kind === 2)
    query.push(random.pick(["%", "%ff=1", "sku=%c3%28", "a[b]=1", "&&", "=", "sku", "__proto__[x]=1", "limit=1;2"]));
  else
    query.push(
      `${random.pick(["sku", "location", "limit", "cursor", "at", "knownAt", "status", "after", "type", "gtin", "lots", "owner"])}=${encode(odd())}`,
    );
}

function oddHeader(random: Random, told: Told): [string, string] {
  const text = () =>
    headerText(random.pick([oddText(random), "\u00ff\u00fe", "x".repeat(3000), "\t", "a, b", "1", "chunked"]));
  const name = random.pick([
    ..."idempotency-key last-event-id larder-min-position x-request-id accept accept-encoding content-encoding cookie range".split(
      " ",
    ),
    ..."if-none-match if-match host forwarded origin referer user-agent x-forwarded-for prefer expect te trailer".split(
      " ",
    ),
    ..."ce-specversion ce-id ce-type ce-source ce-time ce-data ce-__proto__ __proto__ constructor x-http-method-override".split(
      " ",
    ),
    ..."accept-version content-language sec-websocket-key sec-websocket-protocol".split(" "),
  ]);
  if (name === "expect") return [name, "100-continue"];
  if (name === "last-event-id" && random.chance(0.5)) return [name, headerText(tampered(told.positions, random))];
  return [name, text()];
}

/** What a header can carry: bytes but line ends and control characters, one character each. */
function headerText(text: string): string {
  return Buffer.from(text)
    .toString("latin1")
    .replace(/[\u0000-\u0008\u000a-\u001f\u007f]/g, "?")
    .trim();
}

function jsonBuffer(value: unknown): Buffer {
  return Buffer.from(jsonText(value));
}

/** A lone surrogate has no percent-encoding: the server gets what a sloppy client would send. */
export function encode(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : "%ED%A0%80";
}

function pathPart(text: string): string {
  return encode(text) || "%20";
}
