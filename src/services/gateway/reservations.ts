import type { FastifyReply, FastifyRequest } from "fastify";
import { limits, Type } from "../../kernel/index.ts";
import { type HttpServer, sendProblem } from "../../platform/http/index.ts";
import { type Inventory, wire } from "../inventory/index.ts";
import { answer, idempotencyKey, sendJson } from "./answer.ts";
import { named, noMembers, operation, pageQuery, query } from "./docs.ts";

const writing = { config: { access: ["reservations:write"] } } as const;
const reading = { config: { access: ["reservations:write", "stock:read"] } } as const;
const tag = "Reservations";
const params = Type.Object({ id: wire.Identifier });
const reservation = named("Reservation", wire.Reservation);
const asItIs = { 200: { description: "The reservation as it now is.", schema: reservation } };
const ended = [
  "reservation-already-confirmed",
  "reservation-already-fulfilled",
  "reservation-already-released",
  "reservation-already-expired",
] as const;

/** `/v1/reservations`: promises, decided at once against the truth. */
export function reservationRoutes(server: HttpServer, inventory: Inventory): void {
  const reserveBody = named("ReserveRequest", wire.ReserveRequest);

  server.post("/v1/reservations", { ...writing, schema: { ...docs.reserve, body: reserveBody } }, reserve);

  async function reserve(request: FastifyRequest<{ Body: wire.ReserveRequest }>, reply: FastifyReply) {
    const outcome = await inventory.reserve(request.body, request.credential, idempotencyKey(request));
    if (!outcome.ok) return sendProblem(reply, outcome.rejection);
    const { created, reservation: made } = outcome.value;
    if (created) reply.code(201).header("location", `/v1/reservations/${encodeURIComponent(made.id)}`);
    return sendJson(reply, made);
  }

  server.post(
    "/v1/reservations::plan",
    { ...writing, schema: { ...docs.plan, body: reserveBody } },
    async (request, reply) => answer(reply, await inventory.plan(request.body, request.credential)),
  );

  server.get(
    "/v1/reservations",
    { ...reading, schema: { ...docs.list, querystring: listQuery } },
    async (request, reply) => {
      const { limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(reply, await inventory.reservations({ ...rest, limit }, request.credential));
    },
  );

  server.get("/v1/reservations/:id", { ...reading, schema: { ...docs.get, params } }, async (request, reply) =>
    answer(reply, await inventory.reservation(request.params.id, request.credential)),
  );

  server.post(
    "/v1/reservations/:id/extend",
    { ...writing, schema: { ...docs.extend, params, body: wire.ExtendRequest } },
    async ({ params: { id }, body, credential }, reply) =>
      answer(reply, await inventory.extend(id, body.ttlSeconds, credential)),
  );

  server.put(
    "/v1/reservations/:id/lines",
    { ...writing, schema: { ...docs.amend, params, body: wire.AmendRequest } },
    async ({ params: { id }, body, credential }, reply) =>
      answer(reply, await inventory.amend(id, body.lines, credential)),
  );

  server.post(
    "/v1/reservations/:id/confirm",
    { ...writing, schema: { ...docs.confirm, params, body: wire.ConfirmRequest } },
    async ({ params: { id }, body, credential }, reply) => answer(reply, await inventory.confirm(id, body, credential)),
  );

  server.post(
    "/v1/reservations/:id/fulfil",
    { ...writing, schema: { ...docs.fulfil, params, body: wire.FulfilRequest } },
    async (request, reply) => {
      const { lines } = request.body;
      const key = idempotencyKey(request);
      if (lines !== undefined && key === undefined) return sendProblem(reply, keyRequired);
      return answer(reply, await inventory.fulfil(request.params.id, lines, request.credential, key));
    },
  );

  server.post(
    "/v1/reservations/:id/release",
    { ...writing, schema: { ...docs.release, params, body: noMembers } },
    async ({ params: { id }, credential }, reply) => answer(reply, await inventory.release(id, credential)),
  );
}

const keyRequired = {
  code: "idempotency-key-required",
  detail: "Fulfilling some lines twice would count twice: send an Idempotency-Key, so that a retry is safe.",
} as const;

const listQuery = query({
  owner: Type.Optional(wire.Identifier),
  reference: Type.Optional(wire.Identifier),
  sku: Type.Optional(wire.Sku),
  status: Type.Optional(wire.ReservationStatus),
  ...pageQuery,
});

const retryKey = {
  "idempotency-key": `1 to ${limits.idempotencyKeyLengthMax} printable ASCII characters; makes a retry safe.`,
};

const docs = {
  reserve: operation({
    headers: retryKey,
    operationId: "reserve",
    tag,
    summary: "Reserve stock",
    description:
      "All lines or none, unless `allowPartial`. Safe to retry with the same `id`, or the same `Idempotency-Key` header of the same credential: the same body is answered 200 with the reservation as it now is. Where both are sent, the `id` decides. A refusal spends neither. `insufficient-stock` carries `lines`: for each short one `sku`, `location`, `requested` and `available`.",
    answers: {
      201: { description: "Held.", schema: reservation },
      200: { description: "Asked before: the reservation as it now is.", schema: reservation },
    },
    problems: ["insufficient-stock", "idempotency-key-reused", "too-many-allocations", "version-conflict", "not-found"],
  }),
  plan: operation({
    operationId: "planReservation",
    tag,
    isRepeatable: true,
    summary: "See what a reservation would get, and why",
    description: "The same body as a reservation; nothing is held.",
    answers: { 200: { description: "The plan.", schema: named("SourcingPlan", wire.SourcingPlan) } },
    problems: ["too-many-allocations", "not-found"],
  }),
  list: operation({
    operationId: "listReservations",
    tag,
    summary: "List reservations",
    answers: { 200: { description: "A page.", schema: wire.page(reservation) } },
  }),
  get: operation({
    operationId: "getReservation",
    tag,
    summary: "Read a reservation",
    description: "Judged exactly: one whose time is over is `expired`, whether or not that was recorded yet.",
    answers: asItIs,
    problems: ["not-found"],
  }),
  extend: operation({
    operationId: "extendReservation",
    tag,
    isRepeatable: true,
    summary: "Hold for longer",
    description: "From now on; never shortens.",
    answers: asItIs,
    problems: ["not-found", ...ended],
  }),
  amend: operation({
    operationId: "amendReservation",
    tag,
    summary: "Change the lines",
    description: "The new lines as a whole or not at all; what is unchanged is never let go. `expiresAt` stays.",
    answers: asItIs,
    problems: ["not-found", "insufficient-stock", "too-many-allocations", ...ended],
  }),
  confirm: operation({
    operationId: "confirmReservation",
    tag,
    isRepeatable: true,
    summary: "Confirm for an order",
    description:
      "Reserved becomes committed and expires no more. `reacquire` revives an expired one if stock still allows.",
    answers: asItIs,
    problems: ["not-found", "insufficient-stock", ...ended],
  }),
  fulfil: operation({
    headers: retryKey,
    operationId: "fulfilReservation",
    tag,
    summary: "Hand over, whole or in part",
    description: "With `lines` an `Idempotency-Key` header is needed, so that a retry counts once.",
    answers: asItIs,
    problems: ["not-found", "idempotency-key-required", "exceeds-reservation", "idempotency-key-reused", ...ended],
  }),
  release: operation({
    operationId: "releaseReservation",
    tag,
    isRepeatable: true,
    summary: "Let go of what remains",
    answers: asItIs,
    problems: ["not-found", ...ended],
  }),
};
