import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import type { Answer, CallOptions, Server } from "./server.ts";

type Json = Readonly<Record<string, unknown>>;
interface Described {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Json }>> }>
  >;
}

const file = new URL("../../api/openapi.json", import.meta.url);
const document = JSON.parse(readFileSync(file, "utf8")) as {
  readonly paths: Record<string, Record<string, Described>>;
};
const ajv = new Ajv({ strict: false, formats: { identifier: true } });
ajv.addSchema(closed(document) as Json, "api");

/** A client of one server that holds every answer against the OpenAPI document: its status, its type, all its members. */
export function strictClient(server: Server) {
  return async (method: string, path: string, options?: CallOptions): Promise<Answer> => {
    const answer = await server.call(method, path, options);
    const problem = mismatch(method, path, answer);
    if (problem !== undefined) throw new Error(`${method} ${path}: ${problem}\n${JSON.stringify(answer.body)}`);
    return answer;
  };
}

function mismatch(method: string, path: string, { status, headers, body }: Answer): string | undefined {
  const operation = operationOf(method, path);
  if (operation === undefined) return "is not described";
  const described = operation.responses[status];
  if (described === undefined) return `answers ${status}, which is not described`;
  const [type = ""] = String(headers["content-type"] ?? "").split(";");
  if (described.content === undefined) return body === "" ? undefined : "has a body that is not described";
  const content = described.content[type];
  if (content === undefined) return `answers ${type}, which is not described`;
  if (typeof body === "string") return undefined;
  const schema = JSON.parse(JSON.stringify(closed(content.schema)).replaceAll('"#/', '"api#/')) as Json;
  return ajv.validate(schema, body) ? undefined : ajv.errorsText();
}

function operationOf(method: string, path: string): Described | undefined {
  const [plain = ""] = path.split("?");
  const fits = (template: string) => new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(plain);
  const exact = document.paths[plain] ?? Object.entries(document.paths).find(([template]) => fits(template))?.[1];
  return exact?.[method.toLowerCase()];
}

/** The same schemas, taking no member that they do not list; problems may carry more. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const inside = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, closed(part)]));
  const isOpen = "properties" in inside && inside["type"] === "object" && !("additionalProperties" in inside);
  const isProblem = "requestId" in ((inside["properties"] ?? {}) as object);
  return isOpen && !isProblem ? { ...inside, additionalProperties: false } : inside;
}
