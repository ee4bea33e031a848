import type { FastifyRequest } from "fastify";
import { invariant, limits, type TSchema, Type } from "../../kernel/index.ts";
import { acceptJson, type HttpServer, RequestError, sendProblem } from "../../platform/http/index.ts";
import type { Intake } from "../intake/index.ts";
import { type Inventory, type RunningInventory, wire } from "../inventory/index.ts";
import { sendJson } from "./answer.ts";
import { named, operation } from "./docs.ts";
import { prefers } from "./prefer.ts";

const single = "application/cloudevents+json";
const batch = "application/cloudevents-batch+json";

/**
 * `POST /v1/events`: facts, as one CloudEvent or a batch (structured mode), or one in binary mode (`ce-…` headers around
 * its data). Plain `application/json` is taken as what it holds, an event or a list of them. Facts are not validated
 * here: the inventory judges each by itself, so that one bad fact spoils no other. With `Prefer: respond-async` they are
 * put into the queue of intake, and judged later.
 */
export function factRoutes(
  server: HttpServer,
  inventory: Inventory,
  intake: Intake,
  readFacts?: RunningInventory["readFacts"],
): void {
  server.register(async (scope: HttpServer) => {
    acceptJson(scope, [single]);
    // A queue keeps facts as they came.
    acceptJson(scope, [batch], (request, body) => (prefers(request, "respond-async") ? undefined : readFacts?.(body)));
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
        if (prefers(request, "respond-async")) {
          const outcome = await intake.enqueueFacts(facts, request.credential, traceparent(request));
          if (!outcome.ok) return sendProblem(reply, outcome.rejection);
          return sendJson(reply.code(202).header("preference-applied", "respond-async"), outcome.value);
        }
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

/** The W3C trace context of a request, when it has one that can be read. */
function traceparent({ headers }: FastifyRequest): string | undefined {
  const { traceparent } = headers;
  const isReadable =
    typeof traceparent === "string" && /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(traceparent);
  return isReadable ? traceparent : undefined;
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

const Queued = Type.Object({ queued: Type.Integer({ description: "Facts that wait to be judged." }) });

const documentation = operation({
  operationId: "recordFacts",
  tag: "Facts",
  isRepeatable: true,
  summary: "Record what has happened",
  description:
    'A well-formed fact is never refused, however late or surprising. `source` and `id` identify it for ever: the same one again has no effect and is counted in `duplicates`. Each item of a batch is judged by itself; 400 means that all were rejected, and its `rejected` says why. With `Prefer: respond-async` the facts are taken into a queue, whatever they hold, and answered with `{"queued": n}` once they are durable there; each counts as of its receipt, and one that is rejected becomes a dead letter.',
  headers: { prefer: "`respond-async` (RFC 7240): take the facts in now, judge them later." },
  answers: {
    202: {
      description: "Every valid fact is durable; with `Preference-Applied: respond-async`, every fact in the queue.",
      schema: Type.Unsafe({ anyOf: [named("FactsReceipt", wire.FactsReceipt), Queued] }),
    },
  },
  problems: ["all-rejected"],
});
