import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { Command, Option } from "commander";
import {
  flagOf,
  type Loaded,
  loadSettings,
  type SettingName,
  type Settings,
  settingNames,
  settingOf,
  shownValue,
  variableOf,
} from "../platform/config/index.ts";
import type { RunningServer, Target } from "../platform/runtime/index.ts";
import type { Logger } from "../platform/telemetry/index.ts";
import { Failure, messageOf, wrongUse } from "./failure.ts";
import { folderTrouble } from "./folder.ts";
import type { Io } from "./io.ts";
import { jsonOption, withExamples } from "./options.ts";
import { table } from "./table.ts";
import { larderVersion } from "./version.ts";

type ServeFlags = Readonly<Partial<Record<SettingName, string>>> & {
  readonly config?: string;
  readonly printConfig?: boolean;
  readonly listTargets?: boolean;
  readonly json?: boolean;
};

export function serveCommand(io: Io): Command {
  const command = new Command("serve")
    .description("Start a server. Every setting can also stand in a file or in the environment.")
    .option("--config <file>", "settings as a JSON object (env: LARDER_CONFIG)");
  for (const name of settingNames) {
    const { description, default: fallback } = settingOf(name);
    const more = [`env: ${variableOf(name)}`, ...(fallback === null ? [] : [`default: ${fallback}`])].join(", ");
    command.addOption(new Option(`${flagOf(name)} <value>`, `${description.replaceAll("`", "")} (${more})`));
  }
  command
    .option("--print-config", "show every setting and where it came from, and end")
    .option("--list-targets", "show the modules that --target can name, and end")
    .addOption(jsonOption())
    .action((flags: ServeFlags) => serve(flags, io));
  return withExamples(
    command,
    "larder serve",
    "larder serve --port 9000 --data /var/lib/larder",
    "LARDER_LOG_LEVEL=debug larder serve --config larder.json",
    "larder serve --print-config",
  );
}

async function serve(flags: ServeFlags, io: Io): Promise<void> {
  const early = hearEarly();
  try {
    await serveUntilSignal(flags, io, early);
  } finally {
    early.end();
  }
}

async function serveUntilSignal(flags: ServeFlags, io: Io, early: ReturnType<typeof hearEarly>): Promise<void> {
  const { listTargets, runUntilSignal } = await import("../platform/runtime/index.ts");
  if (flags.listTargets) {
    showTargets(listTargets(), flags, io);
    return;
  }
  const loaded = settingsFrom(flags, io);
  if (flags.printConfig) {
    showSettings(loaded, flags, io);
    return;
  }
  const { settings } = loaded;
  const { createLogger } = await import("../platform/telemetry/index.ts");
  const logger = createLogger({ level: settings.logLevel, format: settings.logFormat });
  const server = await start(loaded, logger);
  early.end();
  if (early.isAsked()) {
    logger.info("stopping: a signal came while it started");
    await server.stop();
    return;
  }
  const exitCode = await runUntilSignal(
    () => server.stop(),
    logger,
    () => greet(server, loaded, flags, io),
    () => server.drain(),
  );
  if (exitCode !== 0) throw new Failure("The server did not stop cleanly; its log says why.");
}

/**
 * A signal to stop that comes while the server starts is kept until it has: there is nothing to stop before, and the first process
 * of a container would not hear it at all. A second one ends the process as it does without this.
 */
function hearEarly(): { readonly isAsked: () => boolean; readonly end: () => void } {
  let isAsked = false;
  const hear = () => {
    isAsked = true;
    end();
  };
  const end = () => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.off(name, hear);
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, hear);
  return { isAsked: () => isAsked, end };
}

/** The settings of file, environment and flags; a wrong or unknown one is a wrong use. */
export function settingsFrom(flags: ServeFlags, io: Io): Loaded {
  const path = flags.config ?? (io.env["LARDER_CONFIG"] || undefined);
  const loaded = loadSettings({
    ...(path !== undefined && { file: { path, text: readSettingsFile(path) } }),
    env: io.env,
    flags: Object.fromEntries(settingNames.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]]))),
  });
  if (loaded.ok) return loaded.value;
  throw wrongUse(
    `${loaded.rejection.join("\n")}\nEvery setting: docs/reference/configuration.md, or \`larder serve --print-config\`.`,
  );
}

function readSettingsFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw wrongUse(`The settings file ${path} can't be read: ${messageOf(error)}.`);
  }
}

/** Another program listens on the port. */
export class PortTaken extends Failure {}

/** Starts a server; what an operator can mend comes as a `Failure` that says how. */
export async function start({ settings }: Pick<Loaded, "settings">, logger: Logger): Promise<RunningServer> {
  const { startServer, TargetError } = await import("../platform/runtime/index.ts");
  const trouble = settings.store === "memory:" ? undefined : folderTrouble(settings.data);
  if (trouble !== undefined)
    throw new Failure(`The data folder can't be used: ${trouble}, or name another one by LARDER_DATA or --data.`);
  try {
    return await startServer({ settings, logger, version: larderVersion() });
  } catch (error) {
    if (error instanceof TargetError) throw wrongUse(error.message);
    throw mendable(error, settings) ?? error;
  }
}

/** What a system error at the start means, with the setting that it came from; undefined when it is none of these. */
function mendable(error: unknown, settings: Settings): Failure | undefined {
  const { code, syscall, port = settings.port, path } = error as NodeJS.ErrnoException & { readonly port?: number };
  if (syscall === "getaddrinfo")
    return new Failure(
      `The name of the address to listen on, ${settings.host}, stands for none. Choose another by LARDER_HOST or --host.`,
    );
  if (syscall === "listen") {
    const setting = portNames.find((name) => settings[name] === port) ?? "port";
    const at = `${settings.host}:${port}`;
    const which = `${variableOf(setting)} or ${flagOf(setting)}`;
    if (code !== "EADDRINUSE")
      return new Failure(
        `The server may not listen on ${at}: ${messageOf(error)}. Choose others by LARDER_HOST, and ${which}.`,
      );
    const message = `${at} is taken by another program. Choose another port by ${which}.`;
    return setting === "port" ? new PortTaken(message) : new Failure(message);
  }
  const setting = pathNames.find((name) => path !== undefined && isWithin(path, settings[name]));
  return setting && new Failure(`${variableOf(setting)} (${flagOf(setting)}) can't be used: ${messageOf(error)}.`);
}

const portNames = ["port", "grpcPort", "clusterPort"] as const;
const pathNames = ["grpcTls", "clusterTls", "intakeFolder"] as const;

function isWithin(path: string, folder: string | null): boolean {
  return folder !== null && !relative(folder, path).startsWith("..");
}

/** Tells where the server is, once: for people on a terminal, else as one line of JSON. The key is told nowhere else. */
function greet(server: RunningServer, { settings }: Loaded, flags: ServeFlags, io: Io): void {
  const { url, grpcAddress, clusterAddress, adminKey } = server;
  const secret = adminKey?.state === "made" ? adminKey.secret : undefined;
  const hasApi = server.modules.includes("gateway");
  if (flags.json || !io.isTerminal.out) {
    const urls = url === undefined ? {} : { url, ...(hasApi && { docs: `${url}/docs` }), metrics: `${url}/metrics` };
    io.out(
      JSON.stringify({
        event: "listening",
        ...urls,
        ...(grpcAddress !== undefined && { grpc: grpcAddress }),
        ...(clusterAddress !== undefined && { cluster: clusterAddress }),
        ...(secret !== undefined && { adminKey: secret }),
        pid: process.pid,
        version: larderVersion(),
      }),
    );
  } else {
    io.out(
      `${io.paint("bold", "Larder")} ${larderVersion()} is running (${shownValue("store", settings)}${settings.store === "sqlite:" ? settings.data : ""}). Ctrl-C stops it.`,
    );
    if (url !== undefined && hasApi) for (const line of banner(url)) io.out(line);
    else io.out(`  metrics  ${url}/metrics`);
    if (grpcAddress !== undefined) io.out(`  gRPC     ${grpcAddress}`);
    if (clusterAddress !== undefined) io.out(`  cluster  ${clusterAddress}`);
    if (secret !== undefined) for (const line of keyNotice(secret, io)) io.out(line);
  }
  if (adminKey?.state === "revoked")
    io.note("LARDER_ADMIN_KEY names a key that was revoked; it stays so. Set another one.");
}

export function banner(url: string): readonly string[] {
  return [`  API      ${url}/v1`, `  docs     ${url}/docs`, `  metrics  ${url}/metrics`];
}

export function keyNotice(secret: string, io: Io): readonly string[] {
  return [
    "",
    "  The admin key, shown this once; Larder keeps only a hash of it:",
    `  ${io.paint("green", secret)}`,
    "",
  ];
}

function showTargets(targets: readonly Target[], flags: ServeFlags, io: Io): void {
  if (flags.json) {
    io.out(JSON.stringify(targets));
    return;
  }
  const lines = table(targets, [
    { title: "TARGET", of: ({ name }) => name },
    { title: "NEEDS", of: ({ needs }) => needs.join(", ") || "-" },
    { title: "BESIDE", of: ({ beside }) => beside.join(", ") || "-" },
    { title: "USES", of: ({ uses }) => uses.join(", ") || "-" },
    { title: "WHAT IT DOES", of: ({ about }) => about },
  ]);
  for (const line of lines) io.out(line);
}

function showSettings({ settings, origins }: Loaded, flags: ServeFlags, io: Io): void {
  if (flags.json) {
    const shown = settingNames.map((name) => {
      const value = typeof settings[name] === "string" ? shownValue(name, settings) : settings[name];
      return [name, { value, from: origins[name] }] as const;
    });
    io.out(JSON.stringify(Object.fromEntries(shown)));
    return;
  }
  const lines = table(settingNames, [
    { title: "SETTING", of: (name) => variableOf(name) },
    { title: "VALUE", of: (name) => shownValue(name, settings) },
    { title: "FROM", of: (name) => origins[name] },
  ]);
  for (const line of lines) io.out(line);
}
