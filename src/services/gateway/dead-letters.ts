import { limits, Type } from "../../kernel/index.ts";
import type { HttpServer } from "../../platform/http/index.ts";
import { type Intake, intakeWire as wire } from "../intake/index.ts";
import { answer } from "./answer.ts";
import { named, noMembers, operation, pageQuery, query } from "./docs.ts";

const access = { config: { access: ["dlq:admin"] } } as const;
const tag = "Dead letters";
const end = named("DeadLetterEnd", wire.DeadLetterEnd);

/** `/v1/dead-letters`: messages that could not be handled, of every queue. */
export function deadLetterRoutes(server: HttpServer, { deadLetters }: Intake): void {
  const params = Type.Object({ id: Type.String({ minLength: 1, maxLength: limits.identifierLengthMax }) });

  server.get(
    "/v1/dead-letters",
    { ...access, schema: { ...docs.list, querystring: listQuery } },
    async (request, reply) => {
      const { limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(reply, await deadLetters.list({ ...rest, limit }, request.credential));
    },
  );

  server.get("/v1/dead-letters/:id", { ...access, schema: { ...docs.read, params } }, async (request, reply) =>
    answer(reply, await deadLetters.read(request.params.id, request.credential)),
  );

  server.post(
    "/v1/dead-letters/:id/redrive",
    { ...access, schema: { ...docs.redrive, params, body: noMembers } },
    async (request, reply) => answer(reply, await deadLetters.redrive(request.params.id, request.credential)),
  );

  server.post(
    "/v1/dead-letters::redrive",
    { ...access, schema: { ...docs.redriveQueue, body: wire.RedriveRequest } },
    async (request, reply) => answer(reply, await deadLetters.redriveQueue(request.body.queue, request.credential)),
  );

  server.delete(
    "/v1/dead-letters/:id",
    { ...access, schema: { ...docs.discard, params, querystring: discardQuery } },
    async (request, reply) =>
      answer(reply, await deadLetters.discard(request.params.id, request.query.reason, request.credential)),
  );
}

const listQuery = query({
  queue: Type.Optional(
    Type.String({ minLength: 1, maxLength: limits.queueNameLengthMax, description: "Only of this queue." }),
  ),
  ...pageQuery,
});

const discardQuery = query({
  reason: Type.String({ minLength: 1, maxLength: limits.textLengthMax, description: "Why; it is kept." }),
});

const docs = {
  list: operation({
    operationId: "listDeadLetters",
    tag,
    summary: "List what could not be handled, newest first",
    description: "For keys without limits: dead letters show what others sent.",
    answers: { 200: { description: "A page.", schema: named("DeadLettersPage", wire.DeadLettersPage) } },
    problems: ["not-found"],
  }),
  read: operation({
    operationId: "getDeadLetter",
    tag,
    summary: "Read a dead letter with its message and the causes",
    answers: { 200: { description: "It.", schema: named("DeadLetterDetail", wire.DeadLetterDetail) } },
    problems: ["not-found"],
  }),
  redrive: operation({
    operationId: "redriveDeadLetter",
    tag,
    isRepeatable: true,
    summary: "Let a dead letter be handled again",
    description: "Repeated, it changes nothing more and is answered like the first time.",
    answers: { 200: { description: "It is handled again.", schema: end } },
    problems: ["not-found", "dead-letter-ended"],
  }),
  redriveQueue: operation({
    operationId: "redriveQueue",
    tag,
    isRepeatable: true,
    summary: "Let all dead letters of a queue be handled again",
    description: "Those that are there now, oldest first.",
    answers: { 200: { description: "How many.", schema: wire.RedriveAnswer } },
    problems: ["not-found"],
  }),
  discard: operation({
    operationId: "discardDeadLetter",
    tag,
    summary: "Remove a dead letter for good",
    description: "Repeated, it changes nothing more and is answered like the first time.",
    answers: { 200: { description: "It is gone; the reason is kept.", schema: end } },
    problems: ["not-found", "dead-letter-ended"],
  }),
};
