import { type ChildProcess, spawn } from "node:child_process";

/** Waits for the end of its input, which comes when this process is gone; then ends the other one, with its children, and its folder. */
const script = `cat > /dev/null; kill -KILL "$1" $(pgrep -P "$1"); [ -z "$2" ] || rm -rf "$2"`;

/**
 * Lets a child not outlive this process, however this one ends: a listener of `exit` is not called when it is killed, which is how
 * tests that hang are ended. A folder that is of no use without the child goes with it.
 */
export function leash(child: ChildProcess, folder = ""): void {
  // It could not be started; it says so itself.
  if (child.pid === undefined) return;
  const args = ["-c", script, "leash", String(child.pid), folder];
  // A group of its own: what ends ours, as Ctrl-C does, must not end it first.
  const watcher = spawn("/bin/sh", args, { stdio: ["pipe", "ignore", "ignore"], detached: true });
  watcher.unref();
  (watcher.stdin as unknown as { unref(): void }).unref();
  watcher.on("error", () => undefined);
  child.once("exit", () => {
    if (watcher.pid !== undefined && watcher.exitCode === null) process.kill(-watcher.pid, "SIGKILL");
  });
}
