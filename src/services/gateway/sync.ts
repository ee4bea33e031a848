import { limits, Type } from "../../kernel/index.ts";
import type { HttpServer } from "../../platform/http/index.ts";
import { wire } from "../inventory/index.ts";
import { type Sync, SyncStatus } from "../sync/index.ts";
import { answer } from "./answer.ts";
import { named, noMembers, operation, pageQuery, query } from "./docs.ts";

const admin = { config: { access: ["sync:admin"] } } as const;
const tag = "Sync";

/** `/v1/sync`: how it stands with the locations that get changes pushed. */
export function syncRoutes(server: HttpServer, sync: Sync): void {
  server.get(
    "/v1/sync",
    { ...admin, schema: { ...docs.list, querystring: query(pageQuery) } },
    async (request, reply) => {
      const { limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(reply, await sync.status({ ...rest, limit }, request.credential));
    },
  );

  const params = Type.Object({ location: wire.LocationId });
  server.post(
    "/v1/sync/:location/resend",
    { ...admin, schema: { ...docs.resend, params, body: noMembers } },
    async (request, reply) => answer(reply.code(202), await sync.resend(request.params.location, request.credential)),
  );
}

const status = named("SyncStatus", SyncStatus);

const docs = {
  list: operation({
    operationId: "getSync",
    tag,
    summary: "See how it stands with each location that gets changes pushed",
    description:
      "What waits, how long changes take, how many pushes fail, whether the location counts as down, and which alarms ring.",
    answers: {
      200: {
        description: "A page, by location.",
        schema: Type.Object({ items: Type.Array(status), next: Type.Optional(Type.String()) }),
      },
    },
  }),
  resend: operation({
    operationId: "resendSync",
    tag,
    isRepeatable: true,
    summary: "Push everything that a location asks for again",
    description:
      "Whatever it has been told before: after the other side has lost what it held. Changes go first. Asking again begins anew.",
    answers: { 202: { description: "Begun; `fullPush` of `GET /v1/sync` tells how far it is.", schema: status } },
    problems: ["not-found"],
  }),
};
