import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { TSchema } from "../../kernel/index.ts";
import type { HttpServer } from "../../platform/http/index.ts";
import { ArchivePlan, ArchiveRequest, ArchiveStatus } from "../archive/index.ts";
import { CreatedKey, KeyRequest, KeysPage } from "../identity/index.ts";
import { CaptureJobView, intakeWire } from "../intake/index.ts";
import { wire } from "../inventory/index.ts";
import {
  CreatedWebhook,
  ReplayRequest,
  WebhookAttempt,
  WebhookDeliveries,
  WebhookRequest,
  WebhooksPage,
  WebhookView,
} from "../relay/index.ts";
import { reconciliationWire, SyncStatus } from "../sync/index.ts";
import { describeAccess, Problem, relaxBodies } from "./docs.ts";

/** The schemas that stand in the document by name, so that clients made from it get types with names. */
export const namedSchemas = {
  ArchivePlan,
  ArchiveRequest,
  ArchiveStatus,
  Availability: wire.Availability,
  AvailabilityBatchRequest: wire.AvailabilityBatchRequest,
  CaptureJobView,
  CreatedKey,
  DeadLetterDetail: intakeWire.DeadLetterDetail,
  DeadLetterEnd: intakeWire.DeadLetterEnd,
  DeadLettersPage: intakeWire.DeadLettersPage,
  CreatedWebhook,
  FactsReceipt: wire.FactsReceipt,
  Item: wire.Item,
  ItemBody: wire.ItemBody,
  ItemsReceipt: wire.ItemsReceipt,
  KeyRequest,
  KeysPage,
  LocationAccuracy: reconciliationWire.LocationAccuracy,
  LocationBody: wire.LocationBody,
  LocationView: wire.LocationView,
  PolicyBody: wire.PolicyBody,
  PolicyView: wire.PolicyView,
  Problem,
  Reconciliation: reconciliationWire.Reconciliation,
  ReconciliationRequest: reconciliationWire.ReconciliationRequest,
  ReconciliationSummary: reconciliationWire.ReconciliationSummary,
  RecordedCloudEvent: wire.RecordedCloudEvent,
  ReplayRequest,
  Reservation: wire.Reservation,
  ReserveRequest: wire.ReserveRequest,
  SourcingPlan: wire.SourcingPlan,
  StockEvents: wire.StockEvents,
  StockView: wire.StockView,
  WebhookAttempt,
  WebhookDeliveries,
  WebhookRequest,
  WebhooksPage,
  WebhookView,
  SyncStatus,
} as const satisfies Record<string, TSchema>;

/** `/openapi.json`, and `/docs` which shows it. To be called before the routes that it describes. */
export async function documentApi(server: HttpServer): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Larder",
        version: "1.0.0",
        description:
          "Real-time inventory. **Facts** say what has already happened and are never refused; **requests** ask for a promise and are decided at once. Errors are RFC 9457 problems with a stable `code`; 429 and 503 say in `Retry-After` when to come again. Times are RFC 3339 in UTC, quantities whole numbers of the sku's base unit. Unknown request fields are refused.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      tags: tags.map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          key: { type: "http", scheme: "bearer", description: "An API key: `Authorization: Bearer lk_…`." },
        },
      },
    },
    refResolver: { buildLocalReference: ({ $id }, _base, _fragment, index) => String($id ?? `def-${index}`) },
    transform: describeAccess,
    transformObject: (described) => {
      const document = "openapiObject" in described ? described.openapiObject : described.swaggerObject;
      relaxBodies(document);
      return document;
    },
  });
  await server.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP:
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    uiConfig: { docExpansion: "list", persistAuthorization: false, validatorUrl: null },
    theme: { title: "Larder API" },
  });
  let text: string | undefined;
  server.get("/openapi.json", { schema: { hide: true } }, async (_request, reply) => {
    text ??= JSON.stringify(server.swagger());
    return reply.header("content-type", "application/json; charset=utf-8").send(text);
  });
}

const tags = [
  ["Facts", "What has already happened in the world."],
  ["Reservations", "Promises of stock, decided at once against the truth."],
  ["Stock", "What is there, and what can be promised."],
  ["Items", "What a sku is, and its barcodes."],
  ["Locations", "The places that hold stock."],
  ["EPCIS", "Movements as GS1 EPCIS 2.0, in and out."],
  ["Sync", "Pushing changes to the locations that ask for them."],
  ["Reconciliations", "Our figures held against those of the other side."],
  ["Changes", "Every recorded event, as it happens."],
  ["Dead letters", "Messages that could not be handled."],
  ["Webhooks", "Recorded events, posted to others."],
  ["Keys", "Who may speak to this server."],
  ["Archive", "Old days of the log in cold files."],
  ["Operations", "For whoever runs the server."],
] as const;
