import { catalogue, type ErrorCode, factRejections, Type } from "../../kernel/index.ts";
import type { HttpServer } from "../../platform/http/index.ts";
import { sendJson } from "./answer.ts";
import { operation } from "./docs.ts";

export interface Check {
  readonly ok: boolean;
  /** Someone has to do something, although the server does its work. */
  readonly needsSomeone?: boolean;
  /** For operators; no secrets. */
  readonly detail?: string;
}

/** What the parts of the server say about themselves, by name. Ready when all are `ok`. */
export type Readiness = () => Promise<Readonly<Record<string, Check>>>;

export interface MetricsPage {
  readonly contentType: string;
  readonly body: string;
}

export interface OperationsOptions {
  readonly readiness: Readiness;
  readonly metrics?: () => Promise<MetricsPage>;
  readonly isStopping: () => boolean;
}

/** `/livez`, `/readyz`, `/metrics`: for whoever runs the server. */
export function operationRoutes(server: HttpServer, { readiness, metrics, isStopping }: OperationsOptions): void {
  server.get("/livez", { schema: docs.live }, async (_request, reply) => sendJson(reply, { ok: true }));

  server.get("/readyz", { schema: docs.ready }, async (_request, reply) => {
    const checks = isStopping() ? { server: { ok: false, detail: "stopping" } } : await readiness();
    const ok = Object.values(checks).every((check) => check.ok);
    if (!ok) reply.code(503).header("retry-after", "1");
    return sendJson(reply, { ok, checks });
  });

  if (metrics === undefined) return;
  server.get("/metrics", { schema: docs.metrics }, async (_request, reply) => {
    const { contentType, body } = await metrics();
    return reply.header("content-type", contentType).send(body);
  });
}

/** `/docs/errors`: where the `type` of a problem points. */
export function errorsPage(server: HttpServer): void {
  const page = errorsHtml();
  server.get("/docs/errors", { schema: { hide: true } }, async (_request, reply) =>
    reply
      .header("content-type", "text/html; charset=utf-8")
      .header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
      .send(page),
  );
}

/** Every text in it is from the catalogue, so nothing needs escaping. */
function errorsHtml(): string {
  const codes = Object.keys(catalogue) as ErrorCode[];
  const rows = codes.map((code) => {
    const { http, title, retryable } = catalogue[code];
    return `<tr id="${code}"><td><code>${code}</code><td>${http}<td>${title}<td>${retryable ? "yes" : "no"}`;
  });
  const items = Object.entries(factRejections).map(([code, text]) => `<tr><td><code>${code}</code><td>${text}`);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Larder: errors</title>
<style>body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}td,th{text-align:left;padding:.3rem 1rem .3rem 0;vertical-align:top}:target{background:#fe9}</style>
<h1>Errors</h1><p>Codes are stable. "Again" says whether the same request may succeed later.
<table><tr><th>Code<th>Status<th>Meaning<th>Again
${rows.join("\n")}
</table><h2>Rejected facts</h2><p>Codes of single items in the answer to a batch of facts.
<table><tr><th>Code<th>Meaning
${items.join("\n")}
</table></html>
`;
}

const tag = "Operations";
const checks = Type.Object({
  ok: Type.Boolean(),
  checks: Type.Record(
    Type.String(),
    Type.Object({
      ok: Type.Boolean(),
      needsSomeone: Type.Optional(
        Type.Boolean({ description: "Someone has to do something, although the server does its work." }),
      ),
      detail: Type.Optional(Type.String()),
    }),
  ),
});

const docs = {
  live: operation({
    operationId: "isAlive",
    tag,
    summary: "Whether the process answers",
    answers: { 200: { description: "It does.", schema: Type.Object({ ok: Type.Boolean() }) } },
  }),
  ready: operation({
    operationId: "isReady",
    tag,
    summary: "Whether it can do its work",
    answers: {
      200: { description: "It can.", schema: checks },
      503: { description: "It can't: the checks say why.", schema: checks },
    },
  }),
  metrics: operation({
    operationId: "getMetrics",
    tag,
    summary: "Metrics in OpenMetrics",
    answers: { 200: { description: "Metrics.", schema: Type.String(), types: ["application/openmetrics-text"] } },
  }),
};
