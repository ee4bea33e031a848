import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { beforeAll, describe, expect, it } from "vitest";
import { openApiFile, openApiText } from "../../../scripts/openapi.ts";
import { catalogue } from "../../kernel/index.ts";
import { factSchemas } from "../inventory/index.ts";

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
  readonly security: unknown;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: object }[];
}
interface Document {
  readonly openapi: string;
  readonly servers?: unknown;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly tags: readonly { readonly name: string }[];
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

let text: string;
let document: Document;
let operations: Operation[];

beforeAll(async () => {
  text = await openApiText();
  document = JSON.parse(text) as Document;
  operations = Object.values(document.paths).flatMap((path) => Object.values(path));
});

/** Every object inside a value, itself included. */
function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const inner of Object.values(value)) yield* objectsIn(inner);
}

describe("the OpenAPI document", () => {
  it("is the committed one (else: node bin/larder.js --tool scripts/openapi.ts)", () => {
    expect(readFileSync(openApiFile, "utf8")).toBe(text);
  });

  it("is the same each time, and names no server", async () => {
    expect(await openApiText()).toBe(text);
    expect(document.openapi).toBe("3.1.0");
    expect(document.servers).toBeUndefined();
    expect(text).not.toMatch(/localhost|127\.0\.0\.1/);
  });

  it("describes every operation, once", () => {
    const tags = new Set(document.tags.map(({ name }) => name));
    for (const { summary, tags: own, security } of operations) {
      expect(summary).toBeTruthy();
      expect(own.every((tag) => tags.has(tag))).toBe(true);
      expect(security).toEqual([{ key: [] }]);
    }
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    // None is lost; more may come.
    expect(ids.length).toBeGreaterThanOrEqual(59);
  });

  it("lists exactly the codes of the catalogue, each with its own status where it can occur", () => {
    const { properties } = document.components.schemas["Problem"] as { properties: { code: { enum: string[] } } };
    expect(properties.code.enum).toEqual(Object.keys(catalogue));
    for (const { responses } of operations) {
      for (const [status, { description }] of Object.entries(responses)) {
        for (const [, code = ""] of description.matchAll(/`([a-z-]+)`: /g))
          expect(catalogue[code as keyof typeof catalogue]?.http).toBe(Number(status));
      }
    }
  });

  it("promises no 404 of a policy that is read, for each sku has one", () => {
    const { get, put } = document.paths["/v1/stock/{sku}/policy"] ?? {};
    expect(Object.keys(get?.responses ?? {})).toContain("200");
    expect(Object.keys(get?.responses ?? {})).not.toContain("404");
    expect(Object.keys(put?.responses ?? {})).toContain("404");
  });

  it("bounds every number in paths and queries, which alone keeps endless ones out", () => {
    const asked = operations.flatMap(({ parameters = [] }) => parameters).filter((one) => one.in !== "header");
    const numbers = asked.flatMap(({ name, schema }) =>
      [...objectsIn(schema)]
        .filter(({ type }) => type === "integer" || type === "number")
        .map((one) => ({ name, ...one })),
    );
    expect(numbers.length).toBeGreaterThan(5);
    for (const number of numbers)
      expect(number).toMatchObject({ minimum: expect.any(Number), maximum: expect.any(Number) });
  });

  it("refers only to what is in it", () => {
    const names = Object.keys(document.components.schemas);
    for (const { $ref } of objectsIn(document)) {
      if ($ref !== undefined) expect(names.map((name) => `#/components/schemas/${name}`)).toContain($ref);
    }
  });

  it("has the data of every type of fact", () => {
    const { oneOf } = document.components.schemas["Fact"] as { oneOf: { title: string }[] };
    expect(oneOf.map(({ title }) => title)).toEqual(Object.keys(factSchemas));
  });

  it("has schemas that are right by the schema of schemas, and known to the validator word by word", () => {
    const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, formats: { identifier: true } });
    ajv.addVocabulary(["components", "info", "openapi", "paths", "security", "tags"]).addSchema(document, "api");
    const texts = new Set<string>();
    for (const { schema } of objectsIn(document.paths))
      if (typeof schema === "object") texts.add(JSON.stringify(schema).replaceAll('"#/', '"api#/'));
    for (const text of texts) {
      expect(ajv.validateSchema(JSON.parse(text)), `${text} ${JSON.stringify(ajv.errors)}`).toBe(true);
      ajv.compile(JSON.parse(text));
    }
    for (const schema of Object.values(document.components.schemas))
      expect(ajv.validateSchema(schema), JSON.stringify([schema, ajv.errors])).toBe(true);
    expect(texts.size).toBeGreaterThan(50);
  });

  it("gives examples that its own schemas take", () => {
    const ajv = new Ajv({ strict: false, formats: { identifier: true } });
    ajv.addSchema(document, "api");
    let seen = 0;
    for (const schema of objectsIn(document)) {
      if (!Array.isArray(schema["examples"])) continue;
      const { examples, ...rest } = schema;
      const inlined = JSON.parse(JSON.stringify(rest).replaceAll('"#/', '"api#/')) as object;
      for (const example of examples as unknown[]) {
        seen += 1;
        expect(ajv.validate(inlined, example), JSON.stringify([example, ajv.errors])).toBe(true);
      }
    }
    expect(seen).toBeGreaterThan(8);
  });
});
