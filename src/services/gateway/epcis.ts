import type { FastifyReply, FastifyRequest } from "fastify";
import { invariant, limits, parseInstant, type Static, Type } from "../../kernel/index.ts";
import { acceptJson, acceptText, type HttpServer, RequestError, sendProblem } from "../../platform/http/index.ts";
import { CaptureJobView, type Epcis, type EventsQuery, errorBehaviours } from "../intake/index.ts";
import { wire } from "../inventory/index.ts";
import { answer, sendJson } from "./answer.ts";
import { named, operation, query } from "./docs.ts";

const tag = "EPCIS";
const jsonTypes = ["application/json", "application/ld+json"] as const;
const xmlTypes = ["application/xml", "text/xml"] as const;

/**
 * `/v1/epcis`: GS1 EPCIS 2.0 documents come in, and jobs tell what became of them; Larder's own log goes out.
 *
 * Source: GS1 EPCIS 2.0, section 12 (REST bindings), and its OpenAPI document.
 */
export function epcisRoutes(server: HttpServer, { capture, events }: Epcis): void {
  server.register(async (scope: HttpServer) => {
    scope.addHook("onRequest", (_request, reply, done) => {
      reply.headers(versions);
      done();
    });
    acceptJson(scope, ["application/ld+json"]);
    acceptText(scope, xmlTypes);
    const { validatorCompiler: compile } = server;
    invariant(compile !== undefined, "the HTTP base compiles schemas");
    // The body is documented here, and judged event by event.
    scope.setValidatorCompiler((part) => (part.httpPart === "body" ? () => true : compile(part)));
    scope.post(
      "/v1/epcis/capture",
      {
        config: { access: ["stock:write"] },
        schema: { ...docs.capture, querystring: captureQuery, body: captureBody },
      },
      async (request, reply) => {
        const { source, leaveOut = [], ownNames = false } = request.query;
        const behaviour = errorBehaviour(request);
        const understanding = { behaviour, ...(source !== undefined && { source }), leaveOut, ownNames };
        const outcome = await capture.capture(documentIn(request), understanding, request.credential);
        if (!outcome.ok) return sendProblem(reply, outcome.rejection);
        const location = `/v1/epcis/capture/${outcome.value.id}`;
        reply.headers({ location, ...captureLimits, "gs1-capture-error-behaviour": behaviour });
        return sendJson(reply.code(202), { captureID: outcome.value.id });
      },
    );

    const reading = { config: { access: ["stock:read"] } } as const;
    scope.get(
      "/v1/epcis/capture",
      { ...reading, schema: { ...docs.jobs, querystring: query(pageQuery) } },
      async (request, reply) => {
        const { perPage = limits.epcisPageRowsDefault, nextPageToken } = request.query;
        const after = nextPageToken === undefined ? {} : { after: nextPageToken };
        const outcome = await capture.jobs({ limit: perPage, ...after }, request.credential);
        if (!outcome.ok) return sendProblem(reply, outcome.rejection);
        linkNext(request, reply, outcome.value.next);
        return sendJson(reply, outcome.value.items);
      },
    );
    scope.get(
      "/v1/epcis/capture/:id",
      { ...reading, schema: { ...docs.job, params: Type.Object({ id: wire.Identifier }) } },
      async (request, reply) => answer(reply, await capture.job(request.params.id, request.credential)),
    );

    scope.get(
      "/v1/epcis/events",
      { ...reading, schema: { ...docs.events, querystring: eventsQuery } },
      async (request, reply) => {
        const outcome = await events.events(wantedIn(request.query), request.credential);
        if (!outcome.ok) return sendProblem(reply, outcome.rejection);
        linkNext(request, reply, outcome.value.next);
        return sendDocument(reply, outcome.value.document);
      },
    );
    scope.get(
      "/v1/epcis/events/:eventID",
      { ...reading, schema: { ...docs.event, params: Type.Object({ eventID: Type.String({ maxLength: 512 }) }) } },
      async (request, reply) => {
        const outcome = await events.event(request.params.eventID, request.credential);
        return outcome.ok ? sendDocument(reply, outcome.value) : sendProblem(reply, outcome.rejection);
      },
    );
  });
}

function sendDocument(reply: FastifyReply, document: object): FastifyReply {
  return reply.header("content-type", "application/ld+json; charset=utf-8").send(JSON.stringify(document));
}

const versions = { "gs1-epcis-version": "2.0.0", "gs1-cbv-version": "2.0.0" } as const;
const captureLimits = {
  "gs1-epcis-capture-limit": String(limits.captureEventsMax),
  "gs1-epcis-capture-file-size-limit": String(limits.bodyBytesMax),
};

function documentIn({ body, headers }: FastifyRequest) {
  const given = headers["gs1-epcis-version"];
  if (typeof given === "string" && !/^(?:1\.2|2\.\d+)(?:\.\d+)?$/.test(given))
    throw wrongHeader("gs1-epcis-version", "must be 2.0.0, or 1.2.0 for XML");
  if (body === undefined) throw new RequestError("invalid-request", "The body must be an EPCIS document.");
  const mediaType = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  const isXml = xmlTypes.some((type) => type === mediaType);
  return isXml ? { xml: String(body) } : { json: body };
}

/** Some clients write the name of the header with `EPCIS`, as the others of the standard have it. */
function errorBehaviour({ headers }: FastifyRequest): (typeof errorBehaviours)[number] {
  const name = "gs1-capture-error-behaviour";
  const given = headers[name] ?? headers["gs1-epcis-capture-error-behaviour"] ?? "rollback";
  const found = errorBehaviours.find((behaviour) => behaviour === given);
  if (found === undefined) throw wrongHeader(name, `must be one of ${errorBehaviours.join(", ")}`);
  return found;
}

function wrongHeader(name: string, detail: string): RequestError {
  return new RequestError("invalid-request", `Header ${name} ${detail}.`, [
    { in: "header", pointer: `/${name}`, detail },
  ]);
}

/** `Link` with the query that gives the next page (RFC 8288; EPCIS 2.0, section 12.5). */
function linkNext({ url }: FastifyRequest, reply: FastifyReply, token: string | undefined): void {
  if (token === undefined) return;
  const [path = ""] = url.split("?", 1);
  // Of the first question mark on: others stand in values, as in Digital Links.
  const parameters = new URLSearchParams(url.slice(path.length));
  parameters.set("nextPageToken", token);
  reply.header("link", `<${path}?${parameters}>; rel="next"`);
}

const pageQuery = {
  perPage: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: limits.pageRowsMax,
      description: `Rows; ${limits.epcisPageRowsDefault} when absent.`,
    }),
  ),
  nextPageToken: Type.Optional(
    Type.String({
      maxLength: limits.positionLengthMax,
      description: "As the `Link` header of the page before has it.",
    }),
  ),
};

const captureQuery = query({
  source: Type.Optional({
    ...wire.Identifier,
    description:
      "CloudEvents source of the facts: `epcis` when absent, or the only source that the key may speak for. With the ids of the events it names the facts for ever.",
  }),
  leaveOut: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: limits.identifierLengthMax }), {
      maxItems: 100,
      description: "A business step to record nothing for, once for each: the partner tells it by another step too.",
    }),
  ),
  ownNames: Type.Optional(
    Type.Boolean({
      description:
        "Whether `urn:larder:item:` and `urn:larder:location:` name our own items and locations: the document was written by a Larder that has the same.",
    }),
  ),
});

const list = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 2048, description: `${description}; several by \`|\`.` }));
const time = (description: string) => Type.Optional({ ...wire.Time, description: `RFC 3339: ${description}` });

/** The names are those of the standard. */
const eventsQuery = query({
  eventType: list("A type of event; Larder writes `ObjectEvent`"),
  GE_eventTime: time("happened then or later."),
  LT_eventTime: time("happened before."),
  GE_recordTime: time("recorded then or later: the log is in this order, so it bounds what is read."),
  LT_recordTime: time("recorded before."),
  EQ_eventID: list("The id of an event"),
  EQ_action: list("ADD, OBSERVE or DELETE"),
  EQ_bizStep: list("A business step, as `shipping`"),
  EQ_disposition: list("A disposition, as `in_transit`"),
  EQ_bizLocation: list("A place by its URI, in any notation"),
  EQ_readPoint: list("A place by its URI, in any notation"),
  MATCH_epcClass: list("An item, or an item and lot, by its URI; `urn:epc:idpat:sgtin:…*` for any lot"),
  MATCH_anyEPCClass: list("The same"),
  ...pageQuery,
});

function wantedIn(asked: Static<typeof eventsQuery>): EventsQuery {
  const classes = [asked.MATCH_epcClass, asked.MATCH_anyEPCClass].filter((text) => text !== undefined);
  return given({
    eventTypes: parts(asked.eventType),
    eventIds: parts(asked.EQ_eventID),
    from: instant("GE_eventTime", asked.GE_eventTime),
    before: instant("LT_eventTime", asked.LT_eventTime),
    recordedFrom: instant("GE_recordTime", asked.GE_recordTime),
    recordedBefore: instant("LT_recordTime", asked.LT_recordTime),
    actions: parts(asked.EQ_action),
    bizSteps: parts(asked.EQ_bizStep),
    dispositions: parts(asked.EQ_disposition),
    bizLocations: parts(asked.EQ_bizLocation),
    readPoints: parts(asked.EQ_readPoint),
    epcClasses: classes.length === 0 ? undefined : classes.map((text) => text.split("|")),
    limit: asked.perPage ?? limits.epcisPageRowsDefault,
    after: asked.nextPageToken,
  });
}

function parts(text: string | undefined): readonly string[] | undefined {
  return text?.split("|");
}

function instant(name: string, text: string | undefined): number | undefined {
  const at = text === undefined ? undefined : parseInstant(text);
  if (text === undefined || at !== undefined) return at;
  const detail = "must be an RFC 3339 time with an offset, as 2026-11-21T09:30:00Z";
  throw new RequestError("invalid-request", `Query parameter ${name}: ${detail}.`, [
    { in: "query", pointer: `/${name}`, detail },
  ]);
}

/** Without the members that say nothing. */
function given<T extends object>(members: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}

const example = {
  "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
  type: "EPCISDocument",
  schemaVersion: "2.0",
  creationDate: "2026-11-21T09:30:00Z",
  epcisBody: {
    eventList: [
      {
        type: "ObjectEvent",
        eventID: "urn:uuid:1f9a3c1e-7a55-4c0b-9a0e-0c2a3c7d9e11",
        eventTime: "2026-11-21T10:30:00+01:00",
        eventTimeZoneOffset: "+01:00",
        action: "OBSERVE",
        bizStep: "receiving",
        readPoint: { id: "https://id.gs1.org/414/9506000134352" },
        quantityList: [{ epcClass: "https://id.gs1.org/01/04006381333931/10/L7", quantity: 24 }],
      },
    ],
  },
};
const jsonSchema = {
  description: "An EPCIS document, one event, or a list of events, by the JSON Schema of GS1.",
  anyOf: [
    { type: "object", required: ["type"] },
    { type: "array", items: { type: "object" }, maxItems: limits.captureEventsMax },
  ],
  examples: [example],
};
const xmlSchema = { type: "string", description: "An EPCIS document in XML 2.0 or 1.2." };
const captureBody = {
  content: {
    ...Object.fromEntries(jsonTypes.map((type) => [type, { schema: jsonSchema }])),
    ...Object.fromEntries(xmlTypes.map((type) => [type, { schema: xmlSchema }])),
  },
};

const document = { type: "object", description: "An EPCISQueryDocument, by the JSON Schema of GS1." };
const job = named("CaptureJobView", CaptureJobView);
const docs = {
  capture: operation({
    operationId: "captureEpcis",
    tag,
    summary: "Capture an EPCIS document",
    description: `A whole document, one event, or a list of events, of at most ${limits.captureEventsMax} events. What it says of stock is recorded in the background, also when the server ends meanwhile; the job of the \`Location\` header tells what became of it.`,
    headers: {
      "gs1-capture-error-behaviour":
        "`rollback` (default): when an event can't be recorded, none is. `proceed`: what can be recorded is.",
      "gs1-epcis-version": "2.0.0; 1.2.0 for XML.",
    },
    answers: {
      202: { description: "The document is durable.", schema: Type.Object({ captureID: Type.String() }) },
    },
  }),
  jobs: operation({
    operationId: "listEpcisCaptureJobs",
    tag,
    summary: "List capture jobs, newest first",
    description: "A limited key sees its own. The `Link` header leads to the next page.",
    answers: { 200: { description: "A page.", schema: Type.Array(job) } },
  }),
  events: operation({
    operationId: "queryEpcisEvents",
    tag,
    summary: "Read the log as EPCIS",
    description:
      "Movements and states of goods as an EPCISQueryDocument, in the order in which they were recorded. A page may come short, or empty: go on while the `Link` header leads to a next one. A key that is limited to locations sees what happened there.",
    answers: { 200: { description: "A page.", schema: document, types: ["application/ld+json"] } },
    problems: ["invalid-position", "position-from-another-history"],
  }),
  event: operation({
    operationId: "getEpcisEvent",
    tag,
    summary: "Read one event as EPCIS",
    description: "When it was voided, the declaration of its error stands after it, under the same id.",
    answers: { 200: { description: "The event.", schema: document, types: ["application/ld+json"] } },
    problems: ["not-found"],
  }),
  job: operation({
    operationId: "getEpcisCaptureJob",
    tag,
    summary: "See what became of a document",
    answers: { 200: { description: "The job.", schema: job } },
    problems: ["not-found"],
  }),
};
