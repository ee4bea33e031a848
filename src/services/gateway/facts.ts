import type { FastifyRequest } from "fastify";
import Type, { type TSchema } from "typebox";
import { invariant, limits } from "../../kernel/index.ts";
import { acceptJson, type HttpServer, RequestError, sendProblem } from "../../platform/http/index.ts";
import { type Inventory, wire } from "../inventory/index.ts";
import { sendJson } from "./answer.ts";
import { named, operation } from "./docs.ts";

const single = "application/cloudevents+json";
const batch = "application/cloudevents-batch+json";

/**
 * `POST /v1/events`: facts, as one CloudEvent or a batch (structured mode), or one in binary mode (`ce-…` headers around
 * its data). Plain `application/json` is taken as what it holds, an event or a list of them. Facts are not validated
 * here: the inventory judges each by itself, so that one bad fact spoils no other.
 */
export function factRoutes(server: HttpServer, inventory: Inventory): void {
  server.register(async (scope: HttpServer) => {
    acceptJson(scope, [single, batch]);
    const { validatorCompiler: compile } = server;
    invariant(compile !== undefined, "the HTTP base compiles schemas");
    // The schema of the body documents it; what it says is not enforced here.
    scope.setValidatorCompiler((part) => (part.httpPart === "body" ? () => true : compile(part)));
    scope.post(
      "/v1/events",
      { config: { access: ["stock:write"] }, schema: { ...documentation, body: documentedBody } },
      async (request, reply) => {
        const facts = factsOf(request);
        if (facts.length > limits.batchItemsMax)
          throw new RequestError("payload-too-large", `At most ${limits.batchItemsMax} facts at once.`);
        const receipt = await inventory.recordFacts(facts, request.credential);
        const { accepted, duplicates, rejected } = receipt;
        if (accepted > 0 || duplicates > 0 || rejected.length === 0) return sendJson(reply.code(202), receipt);
        const detail = `${rejected.length === 1 ? "The fact was" : `All ${rejected.length} facts were`} rejected; nothing was recorded.`;
        return sendProblem(reply, { code: "all-rejected", detail, extra: { ...receipt } });
      },
    );
  });
}

function factsOf(request: FastifyRequest): readonly unknown[] {
  const { body, headers } = request;
  const mediaType = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (mediaType !== single && mediaType !== batch && headers["ce-specversion"] !== undefined)
    return [binaryEvent(headers, body)];
  if (Array.isArray(body) && mediaType !== single) return body;
  if (typeof body === "object" && body !== null && !Array.isArray(body) && mediaType !== batch) return [body];
  throw new RequestError(
    "invalid-request",
    `The body must be a CloudEvent (${single}) or a list of up to ${limits.batchItemsMax} (${batch}).`,
  );
}

/** CloudEvents' HTTP binding, binary mode: attributes in percent-encoded `ce-…` headers, the data in the body. */
function binaryEvent(headers: FastifyRequest["headers"], data: unknown): Record<string, unknown> {
  const event: Record<string, unknown> = { datacontenttype: "application/json", data };
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith("ce-") && typeof value === "string") event[name.slice(3)] = headerText(name, value);
  }
  return event;
}

function headerText(name: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    const detail = "is not percent-encoded UTF-8";
    throw new RequestError("invalid-request", `Header ${name} ${detail}.`, [
      { in: "header", pointer: `/${name}`, detail },
    ]);
  }
}

const example = {
  specversion: "1.0",
  id: "receipt-4711",
  source: "/tills/4",
  type: "larder.stock.sold.v1",
  time: "2026-11-21T09:30:00Z",
  data: { sku: "milk-1l", location: "store-1", quantity: 2 },
};

/** A fact of any type, as CloudEvents carries it. */
export function factSchema(factSchemas: Readonly<Record<string, TSchema>>): TSchema {
  const types = Object.entries(factSchemas).map(([type, data]) =>
    Type.Object({ ...envelope, type: Type.Literal(type), data }, { title: type }),
  );
  return Type.Unsafe({ oneOf: types, examples: [example] });
}

const fact = { $ref: "Fact#" };
const documentedBody = {
  content: {
    [single]: { schema: fact },
    [batch]: { schema: { type: "array", items: fact, maxItems: limits.batchItemsMax } },
  },
};

const envelope = {
  specversion: Type.Literal("1.0"),
  id: Type.String({
    minLength: 1,
    maxLength: limits.identifierLengthMax,
    description: "With `source`, names the fact for ever.",
  }),
  source: Type.String({ minLength: 1, maxLength: limits.identifierLengthMax }),
  time: Type.Optional(Type.String({ description: "RFC 3339: when it happened; the time of receipt when absent." })),
};

const documentation = operation({
  operationId: "recordFacts",
  tag: "Facts",
  isRepeatable: true,
  summary: "Record what has happened",
  description:
    "A well-formed fact is never refused, however late or surprising. `source` and `id` identify it for ever: the same one again has no effect and is counted in `duplicates`. Each item of a batch is judged by itself; 400 means that all were rejected, and its `rejected` says why.",
  answers: { 202: { description: "Every valid fact is durable.", schema: named("FactsReceipt", wire.FactsReceipt) } },
  problems: ["all-rejected"],
});
