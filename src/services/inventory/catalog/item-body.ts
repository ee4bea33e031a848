import { Ajv } from "ajv";
import { identifierProblem, limits, once, Type } from "../../../kernel/index.ts";
import { countingStoredForm } from "../../../platform/http/index.ts";
import { ItemBody, Sku } from "../wire.ts";

const ajv = countingStoredForm(
  new Ajv({ strict: false, formats: { identifier: true }, meta: false, validateSchema: false }),
);
const compiled = once(() =>
  ajv.compile(Type.Object({ sku: Sku, ...ItemBody.properties }, { additionalProperties: false })),
);

/** Why an entry of a batch of items is malformed; undefined when it is not. */
export function itemProblem(item: unknown): string | undefined {
  const validate = compiled();
  if (!validate(item)) {
    const [error] = validate.errors ?? [];
    const extra =
      error?.keyword === "additionalProperties"
        ? ` ("${String(error.params["additionalProperty"]).slice(0, 50)}")`
        : "";
    return `${error?.instancePath || "/"}: ${error?.message ?? "is wrong"}${extra}`;
  }
  const problem = identifierProblem((item as { sku: string }).sku, limits.skuLengthMax);
  return problem && `/sku: ${problem}`;
}
