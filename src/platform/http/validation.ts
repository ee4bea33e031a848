import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { FastifySchemaCompiler } from "fastify";
import { identifierProblem, limits, normalise, once, type Static, type TSchema } from "../../kernel/index.ts";
import { countingStoredForm } from "./identifier-length.ts";
import { type Finding, RequestError } from "./problem.ts";

/** Our own schemas are held against the schema of schemas by a test (openapi.test.ts), and not at every start: it takes longer than they do. */
const settings = {
  strict: true,
  strictTypes: false,
  strictRequired: false,
  formats: { identifier },
  meta: false,
  validateSchema: false,
} as const;

/** An identifier as contract.md has it: no control characters, no white space at either end. Lengths are the schema's. */
function identifier(text: string): boolean {
  return identifierProblem(text, Number.POSITIVE_INFINITY) === undefined;
}

/**
 * Compiles the schemas of requests. Bodies are taken as they are: nothing is coerced, dropped or filled in, and a
 * missing body counts as `{}`. Queries and paths are texts, so theirs are coerced (`sku=a` is a list of one where a
 * list is asked for), and their texts are brought to NFC.
 *
 * A bad body gives its first finding, or all of them when it is small: looking on costs what the body weighs.
 *
 * A schema is compiled when the first request comes for it: all together they took a quarter of the time of a start.
 */
export function requestValidation(named: Readonly<Record<string, TSchema>>): FastifySchemaCompiler<TSchema> {
  const schemas = Object.entries(named).map(([$id, schema]) => ({ ...schema, $id }));
  const first = countingStoredForm(new Ajv({ ...settings, schemas }));
  const all = countingStoredForm(new Ajv({ ...settings, schemas, allErrors: true }));
  // A text such as 1e400 is coerced to Infinity, which is no whole number, and yet held against bounds only where it may be one.
  const texts = new Ajv({ ...settings, allErrors: true, coerceTypes: "array", strictNumbers: false });

  return ({ schema, httpPart }) => {
    if (httpPart === "body") {
      return bodyValidator(
        once(() => first.compile(schema)),
        once(() => all.compile(schema)),
      );
    }
    const part = httpPart === "params" ? "path" : httpPart === "headers" ? "header" : "query";
    return textsValidator(
      once(() => texts.compile(schema)),
      part,
    );
  };
}

/** Checks what came by another way than HTTP as a body is checked; throws `RequestError`. */
export function bodyCheck<Schema extends TSchema>(schema: Schema): (value: unknown) => Static<Schema> {
  const validate = requestValidation({})({ schema, httpPart: "body", method: "", url: "" });
  return (value) => {
    const result = validate(value) as { readonly value?: unknown; readonly error?: Error };
    if (result.error !== undefined) throw result.error;
    return value as Static<Schema>;
  };
}

function bodyValidator(compiled: () => ValidateFunction, compiledForAll: () => ValidateFunction) {
  return (body: unknown) => {
    const isValid = compiled();
    const value = body ?? {};
    if (isValid(value)) return { value };
    let errors = isValid.errors ?? [];
    if (isSmall(value)) {
      const findAll = compiledForAll();
      findAll(value);
      errors = findAll.errors ?? errors;
    }
    return { error: requestError(errors, "body") };
  };
}

function textsValidator(compiled: () => ValidateFunction, part: Finding["in"]) {
  return (values: Record<string, unknown>) => {
    const isValid = compiled();
    for (const name in values) values[name] = normalised(values[name]);
    return isValid(values) ? { value: values } : { error: requestError(isValid.errors ?? [], part) };
  };
}

function normalised(value: unknown): unknown {
  if (typeof value === "string") return normalise(value);
  return Array.isArray(value) ? value.map(normalised) : value;
}

function isSmall(value: unknown): boolean {
  return JSON.stringify(value).length <= limits.allFindingsBytesMax;
}

function requestError(errors: readonly ErrorObject[], part: Finding["in"]): RequestError {
  const findings = errors.slice(0, limits.problemErrorsMax).map((error) => finding(error, part));
  const tooMany = errors.some(
    ({ keyword, params }) => keyword === "maxItems" && params["limit"] === limits.batchItemsMax,
  );
  if (tooMany) return new RequestError("payload-too-large", `At most ${limits.batchItemsMax} items at once.`, findings);
  const [head] = findings;
  const place = head === undefined ? `The ${part}` : `${placeNames[part]} ${head.pointer || "as a whole"}`;
  return new RequestError("invalid-request", `${place}: ${head?.detail ?? "is not valid"}.`, findings);
}

const placeNames = { body: "Body", path: "Path parameter", query: "Query parameter", header: "Header" } as const;

function finding({ keyword, instancePath, params, message }: ErrorObject, part: Finding["in"]): Finding {
  const at = (name: unknown) => `${instancePath}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
  const said = (pointer: string, detail: string): Finding => ({ in: part, pointer: pointer.slice(0, 256), detail });
  switch (keyword) {
    case "additionalProperties":
      return said(at(params["additionalProperty"]), "is not known here");
    case "required":
      return said(at(params["missingProperty"]), "is required");
    case "enum":
      return said(instancePath, `must be one of ${(params["allowedValues"] as unknown[]).join(", ")}`);
    case "format":
      return said(instancePath, "holds a control character or half a character, or white space at an end");
    default:
      return said(instancePath, message ?? "is not valid");
  }
}
