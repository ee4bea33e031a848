import { limits, Type } from "../../kernel/index.ts";
import { type HttpServer, sendProblem } from "../../platform/http/index.ts";
import { wire as inventoryWire } from "../inventory/index.ts";
import { type Reconciliations, reconciliationWire as wire } from "../sync/index.ts";
import { answer, sendJson } from "./answer.ts";
import { named, operation, pageQuery, query } from "./docs.ts";

const access = { config: { access: ["sync:admin"] } } as const;
const tag = "Reconciliations";
const reconciliation = named("Reconciliation", wire.Reconciliation);

/** `/v1/reconciliations`: our figures held against those of the other side. */
export function reconciliationRoutes(server: HttpServer, reconciliations: Reconciliations): void {
  const params = Type.Object({ id: inventoryWire.Identifier });

  server.post(
    "/v1/reconciliations",
    {
      ...access,
      schema: { ...docs.request, body: named("ReconciliationRequest", wire.ReconciliationRequest) },
    },
    async (request, reply) => {
      const outcome = await reconciliations.request(request.body, request.credential);
      if (!outcome.ok) return sendProblem(reply, outcome.rejection);
      reply.code(202).header("location", `/v1/reconciliations/${encodeURIComponent(outcome.value.id)}`);
      return sendJson(reply, outcome.value);
    },
  );

  server.get(
    "/v1/reconciliations",
    { ...access, schema: { ...docs.list, querystring: listQuery } },
    async (request, reply) => {
      const { limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(reply, await reconciliations.reconciliations({ ...rest, limit }, request.credential));
    },
  );

  server.get(
    "/v1/reconciliations::accuracy",
    { ...access, schema: { ...docs.accuracy, querystring: listQuery } },
    async (request, reply) => {
      const { limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(reply, await reconciliations.accuracy({ ...rest, limit }, request.credential));
    },
  );

  server.get("/v1/reconciliations/:id", { ...access, schema: { ...docs.read, params } }, async (request, reply) =>
    answer(reply, await reconciliations.reconciliation(request.params.id, request.credential)),
  );
}

const listQuery = query({
  location: Type.Optional(
    Type.String({ minLength: 1, maxLength: limits.locationLengthMax, description: "Only of this location." }),
  ),
  ...pageQuery,
});

const pageOf = (name: string, item: Parameters<typeof Type.Array>[0]) =>
  Type.Object({ items: Type.Array(named(name, item)), next: Type.Optional(Type.String()) });

const docs = {
  request: operation({
    operationId: "reconcile",
    tag,
    summary: "Compare with what locations hold",
    description:
      "It takes some seconds at least, for what is under way is let arrive: ask for it again until `endedAt` is there. `correct` sends ours again, or counts theirs where the location's `authority` is `theirs`.",
    answers: { 202: { description: "It waits for its turn.", schema: reconciliation } },
    problems: ["not-found"],
  }),
  list: operation({
    operationId: "listReconciliations",
    tag,
    summary: "List reconciliations, newest first",
    description: `The newest ${limits.reconciliationsKeptMax}, without their findings.`,
    answers: {
      200: { description: "A page.", schema: pageOf("ReconciliationSummary", wire.ReconciliationSummary) },
    },
  }),
  accuracy: operation({
    operationId: "getAccuracy",
    tag,
    summary: "How well locations agreed with us, over time",
    answers: { 200: { description: "A page.", schema: pageOf("LocationAccuracy", wire.LocationAccuracy) } },
  }),
  read: operation({
    operationId: "getReconciliation",
    tag,
    summary: "Read a reconciliation with its findings",
    answers: { 200: { description: "It, as far as it has come.", schema: reconciliation } },
    problems: ["not-found"],
  }),
};
