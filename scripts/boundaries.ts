import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

const floors = ["kernel", "platform", "services", "cli"] as const;

/**
 * What breaks the house's rule that imports point down (docs/architecture.md), a line each; empty when nothing does.
 *
 * Floors: kernel ← platform ← services ← cli. A service imports another one, or a folder of the platform, only by its
 * `index.ts`; `domain` folders import nothing above themselves but the kernel; only `platform/runtime` names an
 * engine, and it alone on its floor reaches up to the services, to put the house together; no service knows of it.
 * Tests may reach anything on their own floor and below. The client in `sdk` is published alone, so it imports nothing but
 * itself, and the house nothing of it. The simulator stands beside the house: it reaches anything, and
 * only tests reach it.
 */
export function boundaryErrors(home: string): string[] {
  const errors: string[] = [];
  for (const file of globSync("{src,sdk/src}/**/*.ts", { cwd: home })) {
    const text = readFileSync(join(home, file), "utf8");
    for (const match of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
      const target = relative(home, join(home, dirname(file), match[1] ?? ""));
      const reason = whyForbidden(file, target);
      if (reason !== undefined) errors.push(`${file}: imports ${target}: ${reason}`);
    }
    if (/FIXME/.test(text)) errors.push(`${file}: a FIXME does not land`);
  }
  return errors;
}

function whyForbidden(file: string, target: string): string | undefined {
  const simulator = join("src", "simulation") + sep;
  if (target.startsWith(simulator) && !file.startsWith(simulator)) return "nothing stands on the simulator";
  const client = join("sdk", "src") + sep;
  if (file.startsWith(client) !== target.startsWith(client) && !isTestFile(file)) return "the client stands alone";
  const from = place(file);
  const to = place(target);
  if (from === undefined || to === undefined) return undefined;
  const isTest = isTestFile(file);
  const isRuntime = from.floor === "platform" && from.room === "runtime";
  const isUpward = floors.indexOf(to.floor) > floors.indexOf(from.floor);
  if (isUpward && !(isRuntime && to.floor === "services")) return `${from.floor} is below ${to.floor}`;
  if (from.floor === "services" && to.floor === "platform" && to.room === "runtime")
    return "a service can't tell what else runs";
  if (from.isDomain && !(to.floor === "kernel" || (to.room === from.room && to.isDomain)))
    return "a domain stands on the kernel alone";
  if (isTest) return undefined;
  const sameRoom = to.floor === from.floor && to.room === from.room;
  if (!sameRoom && to.floor !== "cli" && !target.endsWith(`${sep}index.ts`))
    return "others are reached by their index.ts";
  const isEngine = /platform\/(storage|messaging|sink)\/(sqlite|memory|postgres|nats|redis)/.test(target);
  if (isEngine && !/platform\/(storage|messaging|sink|runtime)\//.test(file))
    return "only platform/runtime names an engine";
  return undefined;
}

function isTestFile(file: string): boolean {
  return /\.test\.ts$|\.contract\.ts$|fixture\.ts$/.test(file);
}

function place(file: string) {
  const [root, floor, ...rest] = file.split(sep);
  if (root !== "src") return undefined;
  const known = floors.find((name) => name === floor);
  // A file that lies on the floor itself is in no room, and so with its neighbours there.
  const room = rest.length > 1 ? (rest[0] ?? "") : "";
  return known && { floor: known, room, isDomain: rest.includes("domain") };
}
