/** Leaves nothing behind, also when someone interrupts: processes that were started end, and their folders go. */
import type { ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const running = new Set<ChildProcess>();

/** Remembers a process until it has ended. */
export function started<T extends ChildProcess>(child: T): T {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/**
 * Puts all temporary folders of this process and of those it starts into one, which goes away with this process. Others
 * may look into it: databases run under users of their own.
 */
export function tidyUp(): void {
  const folder = mkdtempSync(join(tmpdir(), "larder-bench-"));
  chmodSync(folder, 0o755);
  process.env["TMPDIR"] = folder;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
  process.on("exit", () => {
    // To PostgreSQL SIGQUIT is "at once", its sessions included; the others know no better.
    for (const child of running) child.kill("SIGQUIT");
    for (const child of running) if (!child.spawnargs[0]?.endsWith("postgres")) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
}
