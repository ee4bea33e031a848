/** What processes use, as the kernel counts it (Linux; elsewhere there is nothing to read, and figures are undefined). */
import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds of a tick of /proc's clocks: 100 a second on every Linux that matters. */
const tickMs = 10;

/** Milliseconds of CPU that a process has used by now, with those of its children that have ended. */
export function cpuMs(pid: number): number | undefined {
  const fields = stat(pid);
  if (fields === undefined) return undefined;
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15).map(Number);
  return (user + system + endedUser + endedSystem) * tickMs;
}

/** Milliseconds of CPU of a process and all that descend from it. */
export function treeCpuMs(pid: number): number | undefined {
  const own = cpuMs(pid);
  if (own === undefined) return undefined;
  return descendants(pid).reduce((sum, each) => sum + (cpuMs(each) ?? 0), own);
}

/** Bytes that a process, and all that descend from it, have had the disk write by now. A file system in memory counts none. */
export function treeWrittenBytes(pid: number): number | undefined {
  const own = writtenBytes(pid);
  if (own === undefined) return undefined;
  return descendants(pid).reduce((sum, each) => sum + (writtenBytes(each) ?? 0), own);
}

function writtenBytes(pid: number): number | undefined {
  const written = read(`/proc/${pid}/io`)?.match(/^write_bytes: (\d+)$/m)?.[1];
  return written === undefined ? undefined : Number(written);
}

/** Milliseconds of CPU of this process's children that have ended and been waited for. */
export function endedChildrenCpuMs(): number | undefined {
  const fields = stat(process.pid);
  if (fields === undefined) return undefined;
  const [user = 0, system = 0] = fields.slice(13, 15).map(Number);
  return (user + system) * tickMs;
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number | undefined {
  const kilobytes = read(`/proc/${pid}/status`)?.match(/^VmRSS:\s+(\d+) kB/m)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of processes()) {
    const parent = Number(stat(Number(name))?.[1]);
    if (Number.isNaN(parent)) continue;
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [...(children.get(root) ?? [])];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

function processes(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** The fields of /proc/PID/stat after the name, which may itself hold spaces: state, parent, … */
function stat(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
