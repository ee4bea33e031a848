import { type HttpServer, sendProblem } from "../../platform/http/index.ts";
import { type Archive, ArchivePlan, ArchiveRequest, ArchiveStatus } from "../archive/index.ts";
import { sendJson } from "./answer.ts";
import { named, operation } from "./docs.ts";

const admin = { config: { access: ["admin"] } } as const;
const tag = "Archive";

/** `/v1/archive`: old days of the log in cold files. */
export function archiveRoutes(server: HttpServer, archive: Archive): void {
  server.get("/v1/archive", { ...admin, schema: docs.status }, async (_request, reply) =>
    sendJson(reply, await archive.status()),
  );

  server.post(
    "/v1/archive",
    { ...admin, schema: { ...docs.start, body: named("ArchiveRequest", ArchiveRequest) } },
    async (request, reply) => {
      const outcome = await archive.start(request.body);
      if (!outcome.ok) return sendProblem(reply, outcome.rejection);
      return sendJson(reply.code("isRunning" in outcome.value ? 202 : 200), outcome.value);
    },
  );
}

const docs = {
  status: operation({
    operationId: "getArchive",
    tag,
    summary: "What lies in cold files, and how the last run went",
    answers: { 200: { description: "As it is now.", schema: named("ArchiveStatus", ArchiveStatus) } },
  }),
  start: operation({
    operationId: "startArchive",
    tag,
    summary: "Move old days of the log into cold files",
    description:
      "Begins a run and answers at once; `GET /v1/archive` tells how far it is. A run that is under way already goes on. All reads go on giving the same answers.",
    answers: {
      200: { description: "With `dryRun`: what would be moved.", schema: named("ArchivePlan", ArchivePlan) },
      202: { description: "It runs.", schema: named("ArchiveStatus", ArchiveStatus) },
    },
    problems: ["not-found"],
  }),
};
