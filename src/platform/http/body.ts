import { isUtf8 } from "node:buffer";
import type { FastifyBodyParser, FastifyInstance, FastifyRequest } from "fastify";
import { limits } from "../../kernel/index.ts";
import { isTooDeep, jsonFaultOffset, lineAndColumn } from "./json.ts";
import { RequestError } from "./problem.ts";

/**
 * Reads a body in a way of its own: well-formed UTF-8, in a coding that is taken. Undefined, or a rejection, leaves it to the
 * ordinary way.
 */
export type BodyReader = (request: FastifyRequest, body: Buffer) => Promise<unknown> | undefined;

/**
 * Takes JSON of these media types, and says where a text that is none goes wrong. Keys that would reach into the
 * prototype (`__proto__`, `constructor.prototype`) are refused. An empty body is undefined. A `reader` is asked first.
 */
export function acceptJson(server: FastifyInstance, mediaTypes: readonly string[], reader?: BodyReader): void {
  const parse = server.getDefaultJsonParser("error", "error");

  take(server, mediaTypes, (request, body, done) => {
    try {
      checkCoding(request);
      if (!isUtf8(body)) throw new RequestError("invalid-request", "The body is not UTF-8.");
    } catch (error) {
      done(error as Error);
      return;
    }
    const reading = reader?.(request, body);
    if (reading === undefined) readHere(request, body, done);
    else {
      reading
        .catch(() => undefined)
        .then((value) => (value === undefined ? readHere(request, body, done) : done(null, value)));
    }
  });

  function readHere(request: FastifyRequest, body: Buffer, done: Done): void {
    if (body.length === 0) {
      done(null, undefined);
      return;
    }
    const text = body.toString("utf8");
    if (isTooDeep(text, limits.jsonDepthMax)) {
      done(new RequestError("invalid-request", `The body nests deeper than ${limits.jsonDepthMax} levels.`));
      return;
    }
    if (!mayReachPrototype(text) && text.charCodeAt(0) !== byteOrderMark) {
      parsePlain(text, done);
      return;
    }
    // The default parser calls back at once; its own error does not say where.
    parse(request, text, (error, value) => done(error && parseError(text), value));
  }
}

/** Media types that some part of a server takes. */
const takenSomewhere = new Set<string>();

/** What the part of the server that a request came to takes. */
export function mediaTypesTaken({ server }: Pick<FastifyRequest, "server">): readonly string[] {
  return [...takenSomewhere].filter((mediaType) => server.hasContentTypeParser(mediaType));
}

function take(server: FastifyInstance, mediaTypes: readonly string[], parser: Parser): void {
  for (const mediaType of mediaTypes) takenSomewhere.add(mediaType);
  server.addContentTypeParser([...mediaTypes], { parseAs: "buffer" }, parser);
}

type Parser = FastifyBodyParser<Buffer>;
type Done = (error: Error | null, value?: unknown) => void;

/** Takes text of these media types as it is. An empty body is undefined. */
export function acceptText(server: FastifyInstance, mediaTypes: readonly string[]): void {
  take(server, mediaTypes, (request, body, done) => {
    try {
      checkCoding(request);
      if (!isUtf8(body)) throw new RequestError("invalid-request", "The body is not UTF-8.");
      done(null, body.length === 0 ? undefined : body.toString("utf8"));
    } catch (error) {
      done(error as Error);
    }
  });
}

/** The default parser passes over one. */
const byteOrderMark = 0xfeff;

/**
 * Whether a key of a text may be one that is not allowed, in plain letters or escaped ones. Looking for these words costs
 * a tenth of the default parser's own look at every string, a microsecond for each fact of a batch.
 */
export function mayReachPrototype(text: string): boolean {
  return text.includes("__proto__") || text.includes("constructor") || text.includes("\\u");
}

function parsePlain(text: string, done: Done): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    done(parseError(text));
    return;
  }
  done(null, value);
}

function checkCoding({ headers }: FastifyRequest): void {
  const coding = headers["content-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "identity")
    throw new RequestError("unsupported-media-type", "Encoded bodies are not taken; send it without Content-Encoding.");
  if (headers["content-type"] === "application/json") return;
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(headers["content-type"] ?? "")?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    throw new RequestError("unsupported-media-type", "Text is taken in UTF-8 only.");
}

function parseError(text: string): RequestError {
  const offset = jsonFaultOffset(text);
  return offset === undefined
    ? new RequestError(
        "invalid-request",
        "The body holds a key that is not allowed (`__proto__`, or `prototype` in `constructor`).",
      )
    : new RequestError("invalid-request", `The body is not JSON: it goes wrong at ${lineAndColumn(text, offset)}.`);
}
