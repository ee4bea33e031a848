/** Settings as an operator may get them wrong: in the file, in the environment and by flags. */

import { run } from "../../src/cli/program.ts";
import {
  flagOf,
  loadSettings,
  type SettingName,
  settingNames,
  settingOf,
  shownValue,
  variableOf,
} from "../../src/platform/config/index.ts";
import type { Area, Case, Counts, Step } from "./area.ts";
import { insist } from "./check.ts";
import { jsonText, mutateBytes, mutateValue, oddText } from "./odd.ts";
import type { Random } from "./random.ts";

const secret = "a secret that nobody may see";
const right = {
  port: 8080,
  host: "127.0.0.1",
  data: "./data",
  store: "memory:",
  adminKey: secret,
  logLevel: "info",
  target: "all",
  cachedStates: 1000,
  outboundAllow: "127.0.0.1,10.0.0.0/8",
  archiveAfter: "90d",
  operatorsFrom: "10.0.0.0/8,fd00::/8",
  drainDelay: "2s",
  deliveryMaxAttempts: 5,
  deliveryBackoff: "500ms",
  reconcileEvery: "2h",
  reconcileMode: "report",
};

export const configArea: Area = {
  name: "config",
  share: 0.25,
  inputsPerCase: 1000,
  async open(_index, counts) {
    return new ConfigCase(counts);
  },
  missing(counts) {
    const wanted = [
      "taken",
      "refused",
      "command 0",
      "command 2",
      ...["file", "environment", "flag"].map((source) => `from ${source}`),
    ];
    return wanted.filter((name) => counts.of(name) === 0).map((name) => `never ${name}`);
  },
};

interface Sources {
  readonly text: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly flags: Readonly<Partial<Record<SettingName, string>>>;
}

/** Whether a text, cut in its middle, gives the secret to a setting that is none: nobody could know that it is one. */
function isMisplaced(text = ""): boolean {
  try {
    const given = Object.entries(JSON.parse(text) as object);
    return given.some(([name, value]) => String(value).includes(secret) && !secretNames.has(name));
  } catch {
    return false;
  }
}

const secretNames: ReadonlySet<string> = new Set(settingNames.filter((name) => settingOf(name).secret === true));

class ConfigCase implements Case {
  readonly #counts: Counts;

  constructor(counts: Counts) {
    this.#counts = counts;
  }

  next(random: Random): Step {
    const sources = someSources(random);
    const isCommand = random.chance(0.1);
    const show = () => jsonText({ ...sources, text: sources.text?.slice(0, 5000) });
    return { show, run: async () => (isCommand ? await this.#command(sources) : this.#load(sources)) };
  }

  #load({ text, env, flags }: Sources): void {
    const loaded = loadSettings({ ...(text !== undefined && { file: { path: "larder.json", text } }), env, flags });
    if (!loaded.ok) {
      this.#counts.add("refused");
      insist(loaded.rejection.length > 0, "it is refused without a reason");
      for (const problem of loaded.rejection) {
        insist(problem.length < 20_000, `a problem has ${problem.length} characters`);
        insist(isMisplaced(text) || !problem.includes(secret), `a problem tells the secret: ${problem}`);
      }
      return;
    }
    this.#counts.add("taken");
    const { settings, origins } = loaded.value;
    for (const name of settingNames) {
      this.#counts.add(`from ${origins[name].split(" ", 1)[0]}`);
      const value = settings[name];
      const { default: fallback } = settingOf(name);
      // One that may be left out has null for that, and says nothing of its own type.
      insist(fallback === null || typeof value === typeof fallback, `${name} is a ${typeof value}`);
      insist(isMisplaced(text) || !shownValue(name, settings).includes(secret), `${name} shows the secret`);
    }
    insist(
      Number.isInteger(settings.port) && settings.port >= 0 && settings.port <= 65_535,
      `the port is ${settings.port}`,
    );
    insist(Object.keys(settings).length === settingNames.length, `there are ${Object.keys(settings)}`);
  }

  /** The same by the command line, as far as `--print-config`. */
  async #command({ env, flags }: Sources): Promise<void> {
    const said: string[] = [];
    const say = (line: string) => void said.push(line);
    const io = {
      env,
      out: say,
      note: say,
      raw: say,
      isTerminal: { out: false, note: false },
      paint: (_style: unknown, text: string) => text,
    };
    const args = settingNames.flatMap((name) => (flags[name] === undefined ? [] : [flagOf(name), flags[name]]));
    const code = await run(["serve", "--print-config", "--json", ...args], io as unknown as Parameters<typeof run>[1]);
    this.#counts.add(`command ${code}`);
    insist(code === 0 || code === 2, `it ends with ${code}: ${said.join("\n")}`);
    insist(!said.join("\n").includes(secret), `it tells the secret: ${said.join("\n")}`);
  }

  async close(): Promise<readonly string[]> {
    return [];
  }
}

function someSources(random: Random): Sources {
  const kind = random.next();
  const odd = () => oddText(random).replaceAll("\u0000", "");
  const value = (name: SettingName) =>
    random.chance(0.7) ? String(right[name as keyof typeof right] ?? settingOf(name).default) : odd();
  const env: Record<string, string> = {};
  for (const name of settingNames) if (random.chance(0.2)) env[variableOf(name)] = value(name);
  if (random.chance(0.1))
    env[
      random.pick([
        "LARDER_",
        "LARDER_PROT",
        "LARDER_constructor",
        "LARDER___PROTO__",
        "larder_port",
        "LARDER_ADMIN_KEY",
      ])
    ] = random.pick([odd(), `${secret}\n`, secret]);
  const flags = Object.fromEntries(settingNames.filter(() => random.chance(0.1)).map((name) => [name, value(name)]));
  if (kind < 0.3) return { text: undefined, env, flags };
  const spoilt = random.chance(0.5) ? mutateValue(right, random) : right;
  const text = kind < 0.8 ? jsonText(spoilt) : mutateBytes(Buffer.from(jsonText(right)), random).toString();
  return { text, env, flags };
}
