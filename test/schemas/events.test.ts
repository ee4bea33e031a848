/** The schemas of events in `api/events/`, against the code, against what was released, and against samples. */
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { breaksOf, eventSchemaErrors } from "../../scripts/event-schemas.ts";
import type { Schema } from "../../scripts/schema-compatibility.ts";
import { recordedTypes, reservationType } from "../../src/services/inventory/changes/index.ts";
import { caller, openInventory } from "../../src/services/inventory/fixture.ts";
import { eventSchemas, factSchemas, recordedChanges } from "../../src/services/inventory/index.ts";
import { recordScenario } from "../golden/scenario.ts";
import { storageOf } from "../golden/state.ts";

const home = fileURLToPath(new URL("../..", import.meta.url));
const current = eventSchemas() as Readonly<Record<"facts" | "recorded", Readonly<Record<string, Schema>>>>;

type Json = Record<string, unknown>;

function filesOf(...place: string[]): [name: string, content: Json][] {
  const paths = globSync(join(home, "api", "events", ...place, "*.json")).sort();
  return paths.map((path) => [basename(path, ".json"), JSON.parse(readFileSync(path, "utf8"))]);
}

function validatorOf(schema: Schema): ValidateFunction {
  return new Ajv2020({ strict: false, formats: { identifier: true } }).compile(schema);
}

/** A schema that takes no member which it does not describe: clients pass over them, we want to know. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  const isObject = inner["type"] === "object" && typeof inner["properties"] === "object";
  return isObject ? { ...inner, additionalProperties: false } : inner;
}

describe("the schemas of events", () => {
  it("are those of the code, and break nothing that was released", () => {
    expect(eventSchemaErrors(home)).toEqual([]);
  });

  it("are there for every type that is sent or told", () => {
    const told = [...Object.keys(factSchemas), ...Object.values(recordedTypes).map(([type]) => type), reservationType];
    expect(Object.keys(current.facts).sort()).toEqual(Object.keys(factSchemas).sort());
    expect(Object.keys(current.recorded).sort()).toEqual([...new Set(told)].sort());
  });

  it.each(filesOf("released", "recorded").concat(filesOf("released", "facts")))(
    "%s says what it is",
    (type, schema) => {
      expect(schema).toMatchObject({ title: type, properties: { type: { const: type } } });
    },
  );
});

describe("the samples", () => {
  it.each(["facts", "recorded"] as const)(
    "of %s are there for every type, and fit each schema that it ever had",
    (kind) => {
      const samples = filesOf("samples", kind);
      expect(samples.map(([type]) => type)).toEqual(Object.keys(current[kind]).sort());
      const released = Object.fromEntries(filesOf("released", kind));
      for (const [type, sample] of samples) {
        for (const schema of [current[kind][type], released[type]]) {
          const validate = validatorOf(schema ?? {});
          expect(validate(sample), `${type}: ${JSON.stringify(validate.errors)}`).toBe(true);
        }
      }
    },
  );

  it("of facts are recorded by the server of today", async () => {
    const { inventory } = await openInventory();
    await inventory.putItem("milk-1l", { name: "Milk", unit: "each", gtins: ["5000112637922"] }, caller);
    const samples = filesOf("samples", "facts").map(([, sample]) => sample);
    expect(await inventory.recordFacts(samples, caller)).toMatchObject({ accepted: samples.length, rejected: [] });
    await inventory.stop();
  });
});

describe("what is told", () => {
  const told = async (units: readonly string[]) => {
    const events: Json[] = [];
    for await (const event of recordedChanges(await storageOf(units))) events.push(event as unknown as Json);
    return events;
  };
  const check = (events: readonly Json[]) => {
    const validators = new Map(
      Object.entries(current.recorded).map(([type, schema]) => [type, validatorOf(closed(schema) as Schema)]),
    );
    for (const event of events) {
      const validate = validators.get(String(event["type"]));
      expect(validate?.(event), `${JSON.stringify(event)}: ${JSON.stringify(validate?.errors)}`).toBe(true);
    }
  };

  it("is described by its schema to the last member: a history with every type", async () => {
    const events = await told(await recordScenario());
    check(events);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(Object.keys(current.recorded)));
  });

  it.each(globSync(join(home, "test", "golden", "samples", "*.ndjson")))("is so of the log of %s", async (path) => {
    check(await told(readFileSync(path, "utf8").split("\n").filter(Boolean)));
  });
});

describe("the gate", () => {
  const released = {
    facts: Object.fromEntries(filesOf("released", "facts")),
    recorded: Object.fromEntries(filesOf("released", "recorded")),
  };
  /** The present schemas, of which one was changed by hand. */
  const changed = (kind: "facts" | "recorded", type: string, change: (data: Json) => void) => {
    const all = structuredClone(current) as unknown as Record<string, Record<string, { properties: { data: Json } }>>;
    change(all[kind]?.[type]?.properties.data ?? {});
    return breaksOf(released, all as never);
  };
  const members = (data: Json) => data["properties"] as Record<string, Json>;
  const sold = "larder.stock.sold.v1";

  it("lets through what breaks nobody", () => {
    expect(breaksOf(released, current)).toEqual([]);
    expect(changed("facts", sold, (data) => Object.assign(members(data), { till: { type: "string" } }))).toEqual([]);
    expect(changed("recorded", sold, (data) => Object.assign(members(data), { till: { type: "string" } }))).toEqual([]);
  });

  it.each([
    ["a new required field", "facts", (data: Json) => (data["required"] as string[]).push("lot")],
    ["a narrower quantity", "facts", (data: Json) => Object.assign(members(data)["quantity"] ?? {}, { maximum: 9 })],
    ["a field that was taken", "facts", (data: Json) => delete members(data)["reference"]],
    ["a member that was told", "recorded", (data: Json) => delete members(data)["balance"]],
    [
      "a member of another type",
      "recorded",
      (data: Json) => Object.assign(members(data)["version"] ?? {}, { type: "string" }),
    ],
    ["a member that may be missing now", "recorded", (data: Json) => (data["required"] as string[]).splice(0, 1)],
  ] as const)("refuses %s of %s", (_what, kind, change) => {
    const breaks = changed(kind, sold, (data) => void change(data));
    expect(breaks[0]).toMatch(new RegExp(`^${sold} breaks those who ${kind === "facts" ? "send" : "read"} it, /`));
  });

  it("refuses that a type goes", () => {
    const { [sold]: _gone, ...facts } = current.facts;
    expect(breaksOf(released, { ...current, facts })).toEqual([`${sold} breaks those who send it, it is gone`]);
  });
});
