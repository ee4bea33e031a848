import { accept, type Result, reject } from "../../kernel/index.ts";
import { didYouMean, nearest } from "./nearest.ts";
import {
  flagOf,
  isSecret,
  otherVariables,
  type SettingName,
  type Settings,
  schema,
  settingNames,
  variableOf,
} from "./settings.ts";
import { type Given, parseValue, withoutLogin } from "./value.ts";

/** Where settings come from; of several that give one setting the later one here wins. */
export interface Sources {
  readonly file?: { readonly path: string; readonly text: string };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Texts by setting; absent when the flag was not given. */
  readonly flags: Readonly<Partial<Record<SettingName, string>>>;
}

export interface Loaded {
  readonly settings: Settings;
  /** For each setting where its value came from, as `default` or `environment (LARDER_PORT)`. */
  readonly origins: Readonly<Record<SettingName, string>>;
}

/**
 * Reads every setting from its sources. Rejects with a sentence for each thing that is wrong or unknown, so that nobody
 * runs for weeks on a default because of a typing error. An empty variable counts as absent.
 */
export function loadSettings(sources: Sources): Result<Loaded, readonly string[]> {
  const problems: string[] = [];
  const values: Record<string, unknown> = Object.fromEntries(settingNames.map((name) => [name, schema[name].default]));
  const origins: Record<string, string> = Object.fromEntries(settingNames.map((name) => [name, "default"]));
  const take = (name: SettingName, given: Given, label: string, origin: string) => {
    const parsed = parseValue(name, given);
    if ("problem" in parsed) problems.push(`${label} ${parsed.problem}.`);
    else [values[name], origins[name]] = [parsed.value, origin];
  };

  if (sources.file !== undefined) {
    const { path } = sources.file;
    const members = readMembers(sources.file, problems);
    for (const [name, json] of Object.entries(members)) {
      if (name === "$schema") continue;
      if (isSetting(name)) take(name, { json }, `${path}: ${name}`, `file (${path})`);
      else problems.push(`${path}: ${name} is no setting.${didYouMean(name, settingNames)}`);
    }
  }

  const variables = new Map(settingNames.map((name) => [variableOf(name), name]));
  for (const [variable, text] of Object.entries(sources.env).toSorted()) {
    if (!variable.startsWith(prefix) || variable in otherVariables) continue;
    const name = variables.get(variable);
    if (name === undefined) {
      problems.push(`${variable} is no setting.${variableMeant(variable, variables)}`);
    } else if (text !== undefined && text !== "") {
      take(name, { text }, variable, `environment (${variable})`);
    }
  }

  for (const name of settingNames) {
    const text = sources.flags[name];
    if (text !== undefined) take(name, { text }, flagOf(name), `flag (${flagOf(name)})`);
  }
  if (problems.length > 0) return reject(problems);
  return accept({ settings: values as Settings, origins: origins as Record<SettingName, string> });
}

/** What all variables begin with makes none alike. */
function variableMeant(variable: string, variables: ReadonlyMap<string, SettingName>): string {
  const names = [...variables.keys(), ...Object.keys(otherVariables)].map((name) => name.slice(prefix.length));
  const meant = nearest(variable.slice(prefix.length), names);
  return meant === undefined ? "" : ` Did you mean ${prefix}${meant}?`;
}

const prefix = "LARDER_";

/** One setting as it may be shown: secrets masked. */
export function shownValue(name: SettingName, settings: Settings): string {
  const value = settings[name];
  if (value === null) return "(none)";
  return isSecret(name) ? "(secret)" : withoutLogin(String(value));
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(schema, name);
}

function readMembers(file: { path: string; text: string }, problems: string[]): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(file.text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return { ...parsed };
    problems.push(`${file.path} holds no JSON object; write one, as {"port": 8080}.`);
  } catch (error) {
    problems.push(`${file.path} is not valid JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  return {};
}
