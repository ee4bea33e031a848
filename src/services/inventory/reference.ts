/** The pages of docs/reference/ about events and errors, written from the code. */
import { catalogue, factRejections } from "../../kernel/index.ts";
import { recordedTypes, reservationType } from "./changes/index.ts";
import { factSchemas } from "./facts/schemas.ts";

const generated = (source: string) =>
  `<!-- Written by scripts/reference.ts from ${source}; edit that, then run \`node bin/larder.js --tool scripts/reference.ts\`. -->`;

/** What the page needs of a fact's JSON Schema. */
interface FactSchema {
  readonly description?: string;
  readonly properties: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
}

export function eventsReference(): string {
  const facts = (Object.entries(factSchemas) as [string, FactSchema][]).flatMap(([type, schema]) => [
    `### \`${type}\``,
    "",
    schema.description ?? "",
    "",
    "| member of `data` | required | value |",
    "| --- | --- | --- |",
    ...Object.entries(schema.properties).map(([name, member]) => {
      const isRequired = schema.required?.includes(name) ? "yes" : name === "sku" ? "unless `gtin`" : "";
      return `| \`${name}\` | ${isRequired} | ${describe(member)} |`;
    }),
    "",
  ]);
  const recorded = Object.entries(recordedTypes).map(
    ([stored, [type, meaning]]) => `| \`${type}\` | \`${stored}\` | ${meaning} |`,
  );
  return [
    "# Events",
    "",
    generated("src/services/inventory/facts/schemas.ts and changes/cloud-events.ts"),
    "",
    "## Facts that Larder takes in",
    "",
    "CloudEvents 1.0 with `specversion`, `id`, `source`, `type`, `data`, and `time` (when it happened; default: receipt).",
    "`source` and `id` name a fact for ever. Unknown members of `data` are refused; CloudEvents extension attributes are not.",
    "",
    ...facts,
    "## Events that Larder records",
    "",
    "What the change feed and the audit trail show, as CloudEvents. A fact keeps its type. `data` carries `sku` and `location`",
    "where it is about one stock, what was told, the resolved `change`, the `balance` after it, `version`, `recordedAt`,",
    "`actor` and `cause`: the fact (`source`, `id`), or the `reservation`, the expired `lot` or the `policy` (its sku) that",
    "brought it about. *Stored as* is the name in the log.",
    "",
    "| type | stored as | meaning |",
    "| --- | --- | --- |",
    ...recorded,
    `| \`${reservationType}\` | \`Reservation…\` | A reservation took a step (\`data.step\`: placed, extended, amended, confirmed, reacquired, fulfilled, released, expired). |`,
    "",
  ].join("\n");
}

function describe(member: object): string {
  const { description, type, minimum, maximum, pattern, maxLength } = member as Record<string, unknown>;
  const range = minimum === undefined && maximum === undefined ? "" : ` from ${String(minimum)} to ${String(maximum)}`;
  const length = maxLength === undefined ? "" : `, at most ${String(maxLength)} characters`;
  const form = pattern === undefined ? "" : ` like \`${String(pattern).replaceAll("|", "\\|")}\``;
  return `${String(type ?? "")}${range}${length}${form}${description === undefined ? "" : `. ${String(description)}`}`;
}

export function errorsReference(): string {
  const errors = Object.entries(catalogue).map(
    ([code, { http, grpc, retryable, title }]) =>
      `| <a id="${code}"></a>\`${code}\` | ${http} | ${grpc} | ${retryable ? "yes" : "no"} | ${title}. |`,
  );
  const rejections = Object.entries(factRejections).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return [
    "# Errors",
    "",
    generated("src/kernel/errors.ts"),
    "",
    "Every error is a problem document (RFC 9457) whose `code` is stable and never reused. *Again* says whether the same",
    "request may succeed later without being changed; `Retry-After` then says when.",
    "",
    "| code | HTTP | gRPC | again | meaning |",
    "| --- | --- | --- | --- | --- |",
    ...errors,
    "",
    "## Codes of rejected facts",
    "",
    "`POST /v1/events` judges each item by itself; an item that can't be recorded stands in `rejected` with one of these.",
    "",
    "| code | meaning |",
    "| --- | --- |",
    ...rejections,
    "",
  ].join("\n");
}
