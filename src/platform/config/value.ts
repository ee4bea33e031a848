import { shortened, type TSchema } from "../../kernel/index.ts";
import { isSecret, type SettingName, settingOf } from "./settings.ts";

/** What a source gives: a typed value from the file, a text from everywhere else. */
export type Given = { readonly text: string } | { readonly json: unknown };

export type Parsed = { readonly value: unknown } | { readonly problem: string };

/** Checks what a source gives for a setting; the problem says what it was and what is allowed. */
export function parseValue(name: SettingName, given: Given): Parsed {
  const { type, check } = settingOf(name);
  const value = "text" in given ? fromText(type, given.text) : given.json;
  const problem = fits(type, value) ? check?.(value) : allowed(name);
  if (problem === undefined) return { value };
  const shown = "text" in given ? given.text : jsonText(given.json);
  return {
    problem: isSecret(name)
      ? `is not what it must be: ${problem}`
      : `is "${shortened(withoutLogin(shown), shownCharsMax)}", and must be ${problem}`,
  };
}

/** What the schemas of settings may say, and no more. */
interface SettingSchema {
  readonly anyOf?: readonly SettingSchema[];
  readonly enum?: readonly unknown[];
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** Whether a value is valid by the schema of a setting. Commands that ask a server load nothing more for that. */
export function fits(schema: SettingSchema, value: unknown): boolean {
  if (schema.anyOf !== undefined) return schema.anyOf.some((other) => fits(other, value));
  if (schema.enum !== undefined) return schema.enum.includes(value);
  const { minimum = -Infinity, maximum = Infinity, minLength = 0, maxLength = Infinity, pattern = "" } = schema;
  switch (schema.type) {
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum;
    case "string": {
      if (typeof value !== "string") return false;
      const length = Array.from(value).length;
      return length >= minLength && length <= maxLength && new RegExp(pattern, "u").test(value);
    }
  }
  throw new Error(`no setting may be of the type ${schema.type}`);
}

function jsonText(value: unknown): string {
  try {
    return String(JSON.stringify(value));
  } catch {
    return "nested too deep to be shown";
  }
}

/** Characters of a wrong value that are shown: enough to find it. */
const shownCharsMax = 201;

/** A text that may be shown: what stands before the host of an address may hold a password, and so may its parameters. */
export function withoutLogin(text: string): string {
  return text.replace(/:\/\/.*@/s, "://***@").replace(/([?&][^=&]*password=)[^&]*/gi, "$1***");
}

/** What a setting may be, in words. */
export function allowed(name: SettingName): string {
  const setting = settingOf(name);
  if (setting.allowed !== undefined) return setting.allowed;
  if (!isInteger(setting.type)) return "a text that is not empty";
  const { minimum, maximum } = setting.type as { minimum?: number; maximum?: number };
  return `a whole number from ${minimum} to ${maximum}`;
}

function fromText(type: TSchema, text: string): unknown {
  return isInteger(type) && /^\d{1,15}$/.test(text) ? Number(text) : text;
}

function isInteger(type: TSchema): boolean {
  if ("anyOf" in type) return (type.anyOf as readonly TSchema[]).some(isInteger);
  return "type" in type && type.type === "integer";
}
