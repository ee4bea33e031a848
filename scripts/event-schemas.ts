/**
 * Writes `api/events/`: the schema of every event from the code. `--release` makes the present ones the released ones,
 * which later ones are held against. The gate asks `eventSchemaErrors`.
 */
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventSchemas } from "../src/services/inventory/index.ts";
import { inputBreaks, outputBreaks, type Schema } from "./schema-compatibility.ts";

type Kind = "facts" | "recorded";
type Schemas = Readonly<Record<Kind, Readonly<Record<string, Schema>>>>;

const kinds = ["facts", "recorded"] as const;

/** What is wrong with the schemas of `home`, a line each: files that are not the code's, and breaks of what was released. */
export function eventSchemaErrors(home: string): readonly string[] {
  const [current, written, released] = [present(), read(home, ""), read(home, "released")];
  const errors: string[] = [];
  for (const kind of kinds) {
    for (const type of new Set([...Object.keys(current[kind]), ...Object.keys(written[kind])])) {
      if (textOf(current[kind][type]) !== textOf(written[kind][type]))
        errors.push(`${fileOf("", kind, type)} is not as the code: node bin/larder.js --tool scripts/event-schemas.ts`);
    }
    if (Object.keys(released[kind]).length === 0)
      errors.push(`api/events/released/${kind} holds nothing to compare with`);
  }
  return [...errors, ...breaksOf(released, current)];
}

/** What of the released schemas the present ones break. */
export function breaksOf(released: Schemas, current: Schemas): readonly string[] {
  const errors: string[] = [];
  for (const kind of kinds) {
    for (const [type, was] of Object.entries(released[kind])) {
      const is = current[kind][type];
      const found = is === undefined ? ["it is gone"] : kind === "facts" ? inputBreaks(was, is) : outputBreaks(was, is);
      const whom = kind === "facts" ? "those who send" : "those who read";
      errors.push(...found.map((problem) => `${type} breaks ${whom} it, ${problem}`));
    }
  }
  return errors;
}

function present(): Schemas {
  return eventSchemas() as Schemas;
}

function read(home: string, folder: string): Schemas {
  const of = (kind: Kind) =>
    Object.fromEntries(
      globSync(join(home, "api", "events", folder, kind, "*.json"))
        .sort()
        .map((path) => {
          const schema = JSON.parse(readFileSync(path, "utf8")) as Schema;
          return [String(schema["title"]), schema] as const;
        }),
    );
  return { facts: of("facts"), recorded: of("recorded") };
}

function textOf(schema: Schema | undefined): string {
  return schema === undefined ? "" : `${JSON.stringify(schema, null, 2)}\n`;
}

function fileOf(folder: string, kind: Kind, type: string): string {
  return join("api", "events", folder, kind, `${type}.json`);
}

function write(home: string, folder: string, schemas: Schemas): void {
  for (const kind of kinds) {
    for (const [type, schema] of Object.entries(schemas[kind])) {
      const path = join(home, fileOf(folder, kind, type));
      if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, textOf(schema));
    }
  }
}

if (import.meta.main) {
  const home = fileURLToPath(new URL("..", import.meta.url));
  write(home, "", present());
  process.stdout.write("api/events/ is written.\n");
  if (process.argv.includes("--release")) {
    const breaks = breaksOf(read(home, "released"), present());
    for (const line of breaks) process.stdout.write(`${line}\n`);
    if (breaks.length > 0) process.exit(1);
    write(home, "released", present());
    process.stdout.write("They are the released ones now.\n");
  }
}
