import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { openApiFile } from "../../scripts/openapi.ts";
import { currentSdkText, sdkFile, sdkText } from "../../scripts/sdk.ts";
import { Larder } from "./index.ts";
import type { StreamOperation } from "./operations.ts";

const document = JSON.parse(readFileSync(openApiFile, "utf8")) as Parameters<typeof sdkText>[0];

/** The methods written by hand for operations that are streams; a missing one does not compile. */
const streams = { followChanges: "changes" } as const satisfies Record<StreamOperation, keyof Larder>;

it("the client is in step with the OpenAPI document (else: node bin/larder.js --tool scripts/sdk.ts)", () => {
  expect(readFileSync(sdkFile, "utf8")).toBe(currentSdkText());
});

it("every operation is a method", () => {
  const methods = new Larder({ url: "http://127.0.0.1:1" }) as unknown as Record<string, unknown>;
  const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((each) => each.operationId));
  expect(ids.length).toBeGreaterThanOrEqual(30);
  for (const id of ids) expect([id, typeof methods[streams[id as StreamOperation] ?? id]]).toEqual([id, "function"]);
});

it("a new route becomes a method, its schemas types", () => {
  const ok = (type: string, schema: object) => ({ responses: { 200: { content: { [type]: { schema } } } } });
  const named = { type: "object", required: ["items"], properties: { items: { type: "array", items: {} }, next: {} } };
  const text = sdkText({
    components: { schemas: { Shelf: { type: "object", required: ["a"], properties: { a: { enum: [1, "b"] } } } } },
    paths: {
      "/v1/shelves/{id}": {
        get: {
          ...{ operationId: "listShelves", summary: "List", tags: [] },
          ...ok("application/json", named),
          parameters: [
            { in: "path", name: "id", required: true, schema: { type: "string" } },
            { in: "query", name: "cursor", schema: { type: "string" } },
            { in: "query", name: "many", schema: { type: "array", items: { type: ["string", "null"] } } },
            { in: "header", name: "larder-min-position", schema: { type: "string" } },
          ],
        },
      },
      "/v1/capture": {
        post: {
          ...{ operationId: "capture", summary: "Capture", tags: [] },
          ...ok("text/plain", { type: "string" }),
          requestBody: {
            required: true,
            content: {
              "application/ld+json": { schema: { $ref: "#/components/schemas/Shelf" } },
              "application/xml": { schema: { type: "string" } },
            },
          },
        },
      },
    },
  });
  for (const part of [
    'export interface Shelf {\n  readonly a: 1 | "b";\n}',
    "readonly many?: readonly (string | null)[] | undefined;",
    "listShelves(id: string, query: ListShelvesQuery = {}, options: ListShelvesOptions = {})",
    'encodeURIComponent(id)}`, answer: "json"',
    'headers: { "larder-min-position": options.minPosition }',
    "allShelves(id: string, query: ListShelvesQuery = {}, options: ListShelvesOptions = {}): AsyncGenerator<unknown, void>",
    "capture(body: Shelf | string, options: CallOptions = {}): Promise<string>",
    'bodyType: typeof body === "string" ? "application/xml" : "application/ld+json"',
  ])
    expect(text).toContain(part);
  // A POST of which nothing is known is not sent twice.
  expect(text).toContain('{ method: "POST", path: "/v1/capture", answer: "text", body');
});
