import { limits, Type } from "../../kernel/index.ts";
import { type HttpServer, sendProblem } from "../../platform/http/index.ts";
import {
  CreatedWebhook,
  type Relay,
  ReplayRequest,
  WebhookAttempt,
  WebhookDeliveries,
  WebhookRequest,
  WebhooksPage,
  WebhookView,
} from "../relay/index.ts";
import { answer, sendJson } from "./answer.ts";
import { named, noMembers, operation, pageQuery, query } from "./docs.ts";

/** As for the addresses that warehouses are pushed to: whoever may set those may have every change sent anywhere. */
const managing = { config: { access: ["sync:admin"] } } as const;
const params = Type.Object({ id: Type.String({ minLength: 1, maxLength: limits.identifierLengthMax }) });

/** `/v1/webhooks`: recorded events, posted to others. */
export function webhookRoutes(server: HttpServer, relay: Relay): void {
  const body = named("WebhookRequest", WebhookRequest);

  server.post("/v1/webhooks", { ...managing, schema: { ...docs.create, body } }, async (request, reply) => {
    const outcome = await relay.create(request.body, request.credential);
    if (!outcome.ok) return sendProblem(reply, outcome.rejection);
    reply.code(201).header("location", `/v1/webhooks/${outcome.value.id}`).header("cache-control", "no-store");
    return sendJson(reply, outcome.value);
  });

  server.get(
    "/v1/webhooks",
    { ...managing, schema: { ...docs.list, querystring: query(pageQuery) } },
    async (request, reply) => {
      const { limit = limits.pageRowsDefault, ...rest } = request.query;
      return answer(reply, await relay.list({ ...rest, limit }, request.credential));
    },
  );

  server.get("/v1/webhooks/:id", { ...managing, schema: { ...docs.read, params } }, async (request, reply) =>
    answer(reply, await relay.read(request.params.id, request.credential)),
  );

  server.put("/v1/webhooks/:id", { ...managing, schema: { ...docs.update, params, body } }, async (request, reply) =>
    answer(reply, await relay.update(request.params.id, request.body, request.credential)),
  );

  server.delete("/v1/webhooks/:id", { ...managing, schema: { ...docs.remove, params } }, async (request, reply) => {
    const outcome = await relay.remove(request.params.id, request.credential);
    return outcome.ok ? reply.code(204).send() : sendProblem(reply, outcome.rejection);
  });

  server.post(
    "/v1/webhooks/:id/pause",
    { ...managing, schema: { ...docs.pause, params, body: noMembers } },
    async (request, reply) => answer(reply, await relay.pause(request.params.id, request.credential)),
  );

  server.post(
    "/v1/webhooks/:id/enable",
    { ...managing, schema: { ...docs.enable, params, body: noMembers } },
    async (request, reply) => answer(reply, await relay.enable(request.params.id, request.credential)),
  );

  server.post(
    "/v1/webhooks/:id/rotate-secret",
    { ...managing, schema: { ...docs.rotate, params, body: noMembers } },
    async (request, reply) => {
      const outcome = await relay.rotateSecret(request.params.id, request.credential);
      return answer(reply.header("cache-control", "no-store"), outcome);
    },
  );

  const kept = limits.webhookDeliveriesKept;
  const deliveriesQuery = query({
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: limits.pageRowsMax,
        description: `Rows; all that are kept, ${kept}, when absent.`,
      }),
    ),
  });
  server.get(
    "/v1/webhooks/:id/deliveries",
    { ...managing, schema: { ...docs.deliveries, params, querystring: deliveriesQuery } },
    async (request, reply) => {
      const { limit = kept } = request.query;
      return answer(reply, await relay.deliveries(request.params.id, limit, request.credential));
    },
  );

  server.post(
    "/v1/webhooks/:id/replay",
    { ...managing, schema: { ...docs.replay, params, body: named("ReplayRequest", ReplayRequest) } },
    async (request, reply) =>
      answer(reply, await relay.replay(request.params.id, request.body.after, request.credential)),
  );

  server.post(
    "/v1/webhooks/:id/test",
    { ...managing, schema: { ...docs.test, params, body: noMembers } },
    async (request, reply) => answer(reply, await relay.test(request.params.id, request.credential)),
  );
}

const tag = "Webhooks";
const view = named("WebhookView", WebhookView);
const made = named("CreatedWebhook", CreatedWebhook);
const changed = (description: string) => ({ 200: { description, schema: view } });

const docs = {
  create: operation({
    operationId: "createWebhook",
    tag,
    summary: "Have events posted to a URL",
    description:
      "Every event that is recorded from now on and matches is posted as one CloudEvent, signed per Standard Webhooks: at least once, in order per sku and location, retried for hours. The answer holds the secret, this once. A webhook of a key that is limited to locations tells only of them, for ever.",
    answers: { 201: { description: "Made.", schema: made } },
    problems: ["not-found"],
  }),
  list: operation({
    operationId: "listWebhooks",
    tag,
    summary: "List webhooks",
    answers: { 200: { description: "A page.", schema: named("WebhooksPage", WebhooksPage) } },
  }),
  read: operation({
    operationId: "getWebhook",
    tag,
    summary: "Read a webhook and how it does",
    answers: { 200: { description: "The webhook.", schema: view } },
    problems: ["not-found"],
  }),
  update: operation({
    operationId: "putWebhook",
    tag,
    summary: "Give it another URL and choice of events",
    description: "What is queued already goes to the new URL, whether it matches the new choice or not.",
    answers: changed("As it is now."),
    problems: ["not-found", "version-conflict"],
  }),
  remove: operation({
    operationId: "deleteWebhook",
    tag,
    summary: "End a webhook, with all that waits for it",
    answers: { 204: { description: "Ended." } },
    problems: ["not-found", "version-conflict"],
  }),
  pause: operation({
    operationId: "pauseWebhook",
    tag,
    isRepeatable: true,
    summary: "Send nothing until it is enabled",
    description: "What happens meanwhile is sent then.",
    answers: changed("Paused."),
    problems: ["not-found", "version-conflict"],
  }),
  enable: operation({
    operationId: "enableWebhook",
    tag,
    isRepeatable: true,
    summary: "Send again",
    description: "Also its dead letters, each before what waits behind it.",
    answers: changed("Enabled."),
    problems: ["not-found", "version-conflict"],
  }),
  rotate: operation({
    operationId: "rotateWebhookSecret",
    tag,
    summary: "Get another secret",
    description: "For a day each delivery is signed with both. The answer holds the new one, this once.",
    answers: { 200: { description: "Rotated.", schema: made } },
    problems: ["not-found", "version-conflict"],
  }),
  deliveries: operation({
    operationId: "listWebhookDeliveries",
    tag,
    summary: "List the newest attempts to deliver",
    answers: { 200: { description: "Newest first.", schema: named("WebhookDeliveries", WebhookDeliveries) } },
    problems: ["not-found"],
  }),
  replay: operation({
    operationId: "replayWebhook",
    tag,
    summary: "Send again what was recorded after a position",
    description: "With the ids it had, behind what waits already; receivers keep the highest `version`.",
    answers: changed("Being sent again."),
    problems: ["not-found", "version-conflict", "invalid-position", "position-from-another-history"],
  }),
  test: operation({
    operationId: "testWebhook",
    tag,
    summary: "Send a test event now",
    description: "Of type `larder.webhook.test.v1`, signed like any other, whatever state the webhook is in.",
    answers: { 200: { description: "What became of it.", schema: named("WebhookAttempt", WebhookAttempt) } },
    problems: ["not-found"],
  }),
};
