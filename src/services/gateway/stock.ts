import { limits, Type } from "../../kernel/index.ts";
import { type HttpServer, RequestError } from "../../platform/http/index.ts";
import { type Inventory, wire } from "../inventory/index.ts";
import { answer } from "./answer.ts";
import { named, operation, pageQuery, query } from "./docs.ts";

const reading = { config: { access: ["stock:read"] } } as const;
const writing = { config: { access: ["stock:write"] } } as const;
const tag = "Stock";
const params = Type.Object({ sku: wire.Sku });

/** `/v1/availability` from the read side, `/v1/stock` from the truth, and policies. */
export function stockRoutes(server: HttpServer, inventory: Inventory): void {
  const batchBody = named("AvailabilityBatchRequest", wire.AvailabilityBatchRequest);

  server.get(
    "/v1/availability",
    { ...reading, schema: { ...docs.availability, querystring: availabilityQuery } },
    async ({ query: { sku, location }, headers, credential }, reply) =>
      answer(reply, await inventory.availability(sku, location, credential, minPosition(headers))),
  );

  server.post(
    "/v1/availability::batch",
    { ...reading, schema: { ...docs.availabilityBatch, body: batchBody } },
    async ({ body: { skus, locations }, headers, credential }, reply) =>
      answer(reply, await inventory.availability(skus, locations, credential, minPosition(headers))),
  );

  server.get(
    "/v1/stock/:sku",
    { ...reading, schema: { ...docs.stock, params, querystring: stockQuery } },
    async (request, reply) =>
      answer(reply, await inventory.stock(request.params.sku, request.query, request.credential)),
  );

  server.get(
    "/v1/stock/:sku/events",
    { ...reading, schema: { ...docs.events, params, querystring: eventsQuery } },
    async (request, reply) => {
      const { limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(reply, await inventory.stockEvents(request.params.sku, { ...rest, limit }, request.credential));
    },
  );

  server.get("/v1/stock/:sku/policy", { ...reading, schema: { ...docs.policy, params } }, async (request, reply) =>
    answer(reply, await inventory.policy(request.params.sku, request.credential)),
  );

  server.put(
    "/v1/stock/:sku/policy",
    { ...writing, schema: { ...docs.setPolicy, params, body: named("PolicyBody", wire.PolicyBody) } },
    async (request, reply) =>
      answer(reply, await inventory.setPolicy(request.params.sku, request.body, request.credential)),
  );
}

function minPosition(headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined {
  const position = headers["larder-min-position"];
  if (position === undefined) return undefined;
  if (typeof position === "string" && position.length <= limits.positionLengthMax) return position;
  throw new RequestError("invalid-position", "Larder-Min-Position is no position.", [
    { in: "header", pointer: "/larder-min-position", detail: `has at most ${limits.positionLengthMax} characters` },
  ]);
}

const many = { minItems: 1, maxItems: limits.batchItemsMax } as const;
const availabilityQuery = query({
  sku: Type.Array(wire.Sku, { ...many, description: "Once for each sku." }),
  location: Type.Optional(Type.Array(wire.LocationId, { ...many, description: "All when absent." })),
});
const stockQuery = query({
  lots: Type.Optional(Type.Boolean({ description: "Whether each location lists its lots." })),
  at: Type.Optional({
    ...wire.Time,
    description:
      "RFC 3339: what was there then, by what is known now; `version` and `updatedAt` are those of what is known.",
  }),
  knownAt: Type.Optional({ ...wire.Time, description: "RFC 3339: what Larder would have answered then." }),
});
const eventsQuery = query({ location: Type.Optional(wire.LocationId), ...pageQuery });
const minPositionHeader = {
  "larder-min-position":
    "A position to wait for, up to 2 s, until the read side has seen it: so a read that follows a write sees it.",
};
const available = { 200: { description: "What is there.", schema: named("Availability", wire.Availability) } };
const policyView = { 200: { description: "The policy.", schema: named("PolicyView", wire.PolicyView) } };
const behind = ["invalid-position", "position-from-another-history", "read-side-behind"] as const;

const docs = {
  availability: operation({
    headers: minPositionHeader,
    operationId: "getAvailability",
    tag,
    summary: "See what can be promised",
    description: `From the read side, which follows the log and never slows a write down. An unknown sku is an item with \`known: false\`; a known one has no item for a location that never had any of it.`,
    answers: available,
    problems: behind,
  }),
  availabilityBatch: operation({
    headers: minPositionHeader,
    operationId: "getAvailabilityBatch",
    tag,
    isRepeatable: true,
    summary: "See what can be promised of up to 1,000 skus",
    answers: available,
    problems: behind,
  }),
  stock: operation({
    operationId: "getStock",
    tag,
    summary: "Read the stock of one sku from the truth",
    description: "`at` and `knownAt` look back, each by itself or both together.",
    answers: { 200: { description: "Its quantities at each location.", schema: named("StockView", wire.StockView) } },
    problems: ["not-found"],
  }),
  events: operation({
    operationId: "getStockEvents",
    tag,
    summary: "Read the audit trail of one sku",
    description:
      "What, when it happened, when it was recorded, by whom, from which source, why, and the balance after it.",
    answers: { 200: { description: "A page, newest first.", schema: named("StockEvents", wire.StockEvents) } },
    problems: ["not-found"],
  }),
  policy: operation({
    operationId: "getPolicy",
    tag,
    summary: "Read the policy of one sku",
    answers: policyView,
  }),
  setPolicy: operation({
    operationId: "setPolicy",
    tag,
    summary: "Set the policy of one sku",
    description:
      "In general, or for one location, whose fields override the general ones, field by field. Absent fields stay.",
    answers: policyView,
    problems: ["not-found"],
  }),
};
