import { limits, Type } from "../../kernel/index.ts";
import { type HttpServer, sendProblem } from "../../platform/http/index.ts";
import { CreatedKey, type Identity, KeyRequest, KeysPage } from "../identity/index.ts";
import { answer, sendJson } from "./answer.ts";
import { named, operation, pageQuery, query } from "./docs.ts";

const admin = { config: { access: ["admin"] } } as const;
const tag = "Keys";

/** `/v1/keys`: who may speak to this server. */
export function keyRoutes(server: HttpServer, identity: Identity): void {
  server.post(
    "/v1/keys",
    { ...admin, schema: { ...docs.create, body: named("KeyRequest", KeyRequest) } },
    async (request, reply) => {
      const outcome = await identity.createKey(request.body, request.credential);
      if (!outcome.ok) return sendProblem(reply, outcome.rejection);
      // The one answer that holds a secret.
      reply.code(201).header("location", `/v1/keys/${outcome.value.id}`).header("cache-control", "no-store");
      return sendJson(reply, outcome.value);
    },
  );

  server.get(
    "/v1/keys",
    { ...admin, schema: { ...docs.list, querystring: query(pageQuery) } },
    async (request, reply) => {
      const { limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(reply, identity.keys({ ...rest, limit }, request.credential));
    },
  );

  const params = Type.Object({ id: Type.String({ minLength: 1, maxLength: limits.identifierLengthMax }) });
  server.delete("/v1/keys/:id", { ...admin, schema: { ...docs.revoke, params } }, async (request, reply) => {
    const outcome = await identity.revokeKey(request.params.id, request.credential);
    return outcome.ok ? reply.code(204).send() : sendProblem(reply, outcome.rejection);
  });
}

const docs = {
  create: operation({
    operationId: "createKey",
    tag,
    summary: "Make an API key",
    description: "The answer holds the secret, this once. Only a key that is not limited itself may manage keys.",
    answers: { 201: { description: "Made.", schema: named("CreatedKey", CreatedKey) } },
  }),
  list: operation({
    operationId: "listKeys",
    tag,
    summary: "List the keys that stand",
    answers: { 200: { description: "A page.", schema: named("KeysPage", KeysPage) } },
  }),
  revoke: operation({
    operationId: "revokeKey",
    tag,
    summary: "Revoke a key at once",
    description: "Also ends the change feeds that are open with it.",
    answers: { 204: { description: "Revoked." } },
    problems: ["not-found"],
  }),
};
