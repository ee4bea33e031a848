/** What tests of commands share. */
import { run } from "./index.ts";

/** Runs a command in this process: a dozen processes of their own take half a minute on a busy machine. */
export async function command(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let [out, err] = ["", ""];
  const code = await run(args, {
    env,
    out: (line) => (out += `${line}\n`),
    raw: (text) => (out += text),
    note: (line) => (err += `${line}\n`),
    isTerminal: { out: false, err: false },
    paint: (_style, text) => text,
  });
  return { code, out, err };
}
