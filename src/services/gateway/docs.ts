/** How routes say what they do: the words of the OpenAPI document. */
import type { SwaggerTransform } from "@fastify/swagger";
import type { FastifySchema } from "fastify";
import {
  catalogue,
  type ErrorCode,
  limits,
  type Static,
  type TSchema,
  type TUnsafe,
  Type,
} from "../../kernel/index.ts";
import type { Access } from "./access.ts";

const closed = { additionalProperties: false } as const;

export const Problem = Type.Object(
  {
    type: Type.String({ description: "Where the code is explained; relative to this server." }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.Enum(Object.keys(catalogue) as ErrorCode[], { description: "Stable: decide by this one." }),
    detail: Type.String({ description: "For people; may be reworded." }),
    instance: Type.String({ description: "Names this occurrence." }),
    requestId: Type.String(),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          in: Type.Enum(["body", "path", "query", "header"]),
          pointer: Type.String({ description: "JSON pointer to what is wrong." }),
          detail: Type.String(),
        }),
        { maxItems: limits.problemErrorsMax },
      ),
    ),
  },
  { description: "RFC 9457. Some codes carry more members, described where they occur." },
);

/** The body of a call that says all by its path: one that says more is refused. */
export const noMembers = Type.Object({}, closed);

/** Another schema by its name in the document's components. */
export function named<T extends TSchema>(name: string, _schema: T): TUnsafe<Static<T>> {
  return Type.Unsafe<Static<T>>({ $ref: `${name}#` });
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: string;
  /**
   * Whether a POST may be sent again when its answer was lost: it only reads, or the second time changes nothing more.
   * What takes an `Idempotency-Key` needs no such word, nor do GET, PUT and DELETE. Clients retry by it.
   */
  readonly isRepeatable?: true;
  /** Codes beyond those that any route may answer. */
  readonly problems?: readonly ErrorCode[];
  /** Headers that it reads, with what they do. Handlers check them; the framework does not. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly answers: Readonly<Record<number, Answer>>;
}

/** An answer by its media types, JSON when it names none; without a schema it has no body. */
interface Answer {
  readonly description: string;
  readonly schema?: object;
  readonly types?: readonly string[];
}

/** The part of a route's schema that only documents. */
export function operation(said: Operation): FastifySchema {
  const { operationId, summary, description, tag, isRepeatable, problems = [], headers, answers } = said;
  const good = Object.entries(answers).map(([status, answer]) => [status, answerOf(answer)] as const);
  return {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    ...(isRepeatable && { "x-repeatable": true }),
    ...(headers && { [headersNote]: headers }),
    tags: [tag],
    response: { ...Object.fromEntries(good), ...problemAnswers(problems) },
  } as FastifySchema;
}

/** Where a route's schema keeps its headers until they are described: `headers` itself would be validated. */
const headersNote = "x-headers";

function answerOf({ description, schema, types = ["application/json"] }: Answer): object {
  if (schema === undefined) return { type: "null", description };
  return { description, content: Object.fromEntries(types.map((type) => [type, { schema }])) };
}

function problemAnswers(codes: readonly ErrorCode[]): Record<string, object> {
  const byStatus = Map.groupBy(new Set(codes), (code) => String(catalogue[code].http));
  const described = [...byStatus].map(([status, group]) => {
    const description = group.map((code) => `\`${code}\`: ${catalogue[code].title}.`).join(" ");
    return [
      status,
      { description, content: { "application/problem+json": { schema: { $ref: "Problem#" } } } },
    ] as const;
  });
  return Object.fromEntries(described);
}

const always = ["invalid-request", "unauthenticated", "forbidden", "too-many-requests", "overloaded"] as const;
const withBody = ["payload-too-large", "unsupported-media-type"] as const;
const broken = ["shutting-down", "storage-unavailable", "internal"] as const;

/** Adds to each documented route what holds for all: the common problems, and who may use it. */
export const describeAccess: SwaggerTransform = ({ schema, url, route }) => {
  const access: Access = route.config?.access ?? "operators";
  if (schema === undefined || schema.hide === true || schema.response === undefined)
    return { schema: { ...schema, hide: true }, url };
  const own = schema.response as Record<string, { readonly description: string }>;
  const common = problemAnswers([...always, ...(schema.body === undefined ? [] : withBody), ...broken]) as typeof own;
  const response: Record<string, object> = { ...own };
  for (const [status, answer] of Object.entries(common)) {
    const mine = own[status];
    const isProblem = mine !== undefined && "content" in mine && "application/problem+json" in (mine.content as object);
    const description = isProblem ? joined(mine.description, answer.description) : answer.description;
    // A status that a route uses for an answer of its own (`503` of /readyz) keeps it.
    if (mine === undefined || isProblem) response[status] = { ...answer, description };
  }
  const who =
    access === "operators"
      ? "Open on loopback; elsewhere by any key."
      : `Needs ${access.map((scope) => `\`${scope}\``).join(" or ")}.`;
  const description = [schema.description, who].filter((text) => text !== undefined).join("\n\n");
  const { [headersNote]: headers, ...rest } = schema as typeof schema & {
    [headersNote]?: Readonly<Record<string, string>>;
  };
  return {
    schema: {
      ...rest,
      ...(headers && { headers: headersSchema(headers) }),
      description,
      response,
      security: [{ key: [] }],
    },
    url,
  };
};

function headersSchema(headers: Readonly<Record<string, string>>): object {
  const properties = Object.entries(headers).map(([name, text]) => [name, { type: "string", description: text }]);
  return { type: "object", properties: Object.fromEntries(properties) };
}

interface DescribedBody {
  required?: boolean;
  readonly content: Readonly<
    Record<string, { readonly schema?: { readonly type?: string; readonly required?: readonly string[] } }>
  >;
}

/** A body of which nothing is required may be left out: it counts as `{}`. */
export function relaxBodies(document: object): void {
  const { paths } = document as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly requestBody?: DescribedBody }>>>>;
  };
  for (const { requestBody } of Object.values(paths).flatMap((path) => Object.values(path))) {
    const schema = requestBody?.content["application/json"]?.schema;
    if (requestBody !== undefined && schema?.type === "object" && schema.required === undefined)
      requestBody.required = false;
  }
}

/** Two descriptions without saying a code twice. */
function joined(own: string, common: string): string {
  const more = common.split(/(?<=\.) (?=`)/).filter((sentence) => !own.includes(sentence));
  return [own, ...more].join(" ");
}

export const pageQuery = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: limits.pageRowsMax,
      description: `Rows; ${limits.pageRowsDefault} when absent.`,
    }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 4096, description: "The `next` of the page before." })),
};

/** A query that knows only these parameters. */
export function query<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, closed);
}
