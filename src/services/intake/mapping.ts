import { readFile } from "node:fs/promises";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { once } from "../../kernel/index.ts";
import { Columns } from "./domain/columns.ts";
import { EpcisMapping } from "./domain/epcis/mapping.ts";
import { placeFinder } from "./domain/epcis/places.ts";
import { factMapper, itemMapper, type Surroundings } from "./domain/mapper.ts";
import { FactMapping, ItemMapping } from "./domain/mapping.ts";
import { MappingError } from "./domain/mapping-error.ts";

const ajv = new Ajv({
  allErrors: true,
  allowUnionTypes: true,
  verbose: true,
  strict: false,
  meta: false,
  validateSchema: false,
});
const isFactMapping = once(() => ajv.compile<FactMapping>(FactMapping));
const isItemMapping = once(() => ajv.compile<ItemMapping>(ItemMapping));
const isEpcisMapping = once(() => ajv.compile<EpcisMapping>(EpcisMapping));

/** Reads and checks a mapping of rows to facts. Throws `MappingError` with the place in it and what was expected there. */
export async function readMapping(path: string): Promise<FactMapping> {
  return checkMapping(await readJson(path));
}

/** As `readMapping`, for `larder import items`. */
export async function readItemMapping(path: string): Promise<ItemMapping> {
  return checkItemMapping(await readJson(path));
}

export function checkMapping(value: unknown): FactMapping {
  const mapping = checkShape(isFactMapping(), value);
  factColumns(mapping);
  return mapping;
}

export function checkItemMapping(value: unknown): ItemMapping {
  const mapping = checkShape(isItemMapping(), value);
  itemColumns(mapping);
  return mapping;
}

/** As `readMapping`, for `larder import --epcis`. */
export async function readEpcisMapping(path: string): Promise<EpcisMapping> {
  return checkEpcisMapping(await readJson(path));
}

export function checkEpcisMapping(value: unknown): EpcisMapping {
  const mapping = checkShape(isEpcisMapping(), value);
  const places = placeFinder(mapping.places);
  if (!places.ok) throw new MappingError("places", places.rejection);
  return mapping;
}

/** The columns of the file that a mapping names. Compiles it without its file, which finds what no schema can. */
export function factColumns(mapping: FactMapping): readonly string[] {
  return namedColumns(mapping, (around) => factMapper(mapping, around));
}

export function itemColumns(mapping: ItemMapping): readonly string[] {
  return namedColumns(mapping, (around) => itemMapper(mapping, around));
}

function namedColumns({ format }: FactMapping | ItemMapping, compile: (around: Surroundings) => unknown) {
  const csvOnly = (["delimiter", "columns"] as const).find((name) => format[name] !== undefined);
  if (format.type === "ndjson" && csvOnly !== undefined) throw new MappingError(`format.${csvOnly}`, "is for csv only");
  const columns = Columns.open();
  compile({ columns, lookups: [], digest: (text) => text });
  return columns.noted;
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new MappingError(
      "",
      cause.code === "ENOENT" ? `${path} does not exist` : `${path} can't be read: ${cause.code}`,
    );
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MappingError("", `${path} is not JSON: ${cause instanceof Error ? cause.message : "unreadable"}`);
  }
}

function checkShape<T>(validate: ValidateFunction<T>, value: unknown): T {
  if (validate(value)) return value;
  const [first, ...others] = (validate.errors ?? []).map(describe);
  const more = others.length === 0 ? "" : `\n${others.map(({ message }) => message).join("\n")}`;
  throw new MappingError(first?.path ?? "", `${first?.problem ?? "is no mapping"}${more}`);
}

function describe(error: ErrorObject): MappingError {
  const path = error.instancePath
    .slice(1)
    .split("/")
    .filter((part) => part !== "")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === "" ? part : `${path}.${part}`), "");
  return new MappingError(path, expectation(error));
}

function expectation({ keyword, params, message, parentSchema }: ErrorObject): string {
  if (keyword === "required") return `"${params["missingProperty"]}" is missing`;
  if (keyword === "enum") return `must be one of ${params["allowedValues"].join(", ")}`;
  if (keyword === "additionalProperties") {
    const known = Object.keys(parentSchema?.["properties"] ?? {}).join(", ");
    return `"${params["additionalProperty"]}" is unknown here; known are ${known}`;
  }
  return message ?? "is wrong";
}
