import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { larderProgram } from "./program.ts";

function scriptFor(shell: string): string {
  const parts: string[] = [];
  const program = larderProgram({
    env: {},
    out: () => {},
    note: () => {},
    raw: (part) => void parts.push(part),
    isTerminal: { out: false, err: false },
    paint: (_style, plain) => plain,
  });
  program.parse(["completion", shell], { from: "user" });
  return parts.join("");
}

/** What bash offers for a line whose last word is being typed. */
function bashOffers(script: string, ...words: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "larder-completion-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "larder.bash");
  writeFileSync(file, script);
  const typed = words.map((word) => `'${word}'`).join(" ");
  const ask = `source ${file}; COMP_WORDS=(${typed}); COMP_CWORD=${words.length - 1}; _larder; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", ask], { encoding: "utf8" }).trim().split("\n");
}

/** What zsh would describe for a line whose last word is being typed; zsh itself leaves out what does not begin as the word does. */
function zshOffers(script: string, ...words: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "larder-completion-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "_larder");
  writeFileSync(file, script);
  const typed = words.map((word) => `'${word}'`).join(" ");
  const ask = `compdef() {}; _files() { print files }; _describe() { print -l -- "\${found[@]}" }
    source ${file}; words=(${typed}); CURRENT=${words.length}; _larder; command -v ls > /dev/null || print 'PATH is gone'`;
  const { stdout, stderr } = spawnSync("zsh", ["-f", "-c", ask], { encoding: "utf8" });
  return `${stderr}${stdout}`.trim().split("\n");
}

const hasBash = spawnSync("bash", ["--version"]).status === 0;
const hasZsh = spawnSync("zsh", ["--version"]).status === 0;
if (!hasZsh) console.warn("SKIPPED: what zsh offers is not tried, for there is no zsh here");

describe("completion", () => {
  it.skipIf(!hasBash)("offers commands, what stands under them, and their options, in bash", () => {
    const script = scriptFor("bash");
    expect(bashOffers(script, "larder", "re")).toEqual(["reserve", "reconcile", "restore", "resume"]);
    expect(bashOffers(script, "larder", "reserve", "con")).toEqual(["confirm"]);
    expect(bashOffers(script, "larder", "reserve", "confirm", "--re")).toEqual(["--reacquire"]);
    expect(bashOffers(script, "larder", "completion", "f")).toEqual(["fish"]);
  });

  it.skipIf(!hasZsh)("offers the same in zsh", () => {
    const script = scriptFor("zsh");
    const offered = (...words: string[]) => zshOffers(script, ...words).map((line) => line.replace(/:.*/, ""));
    expect(offered("larder", "re")).toEqual(expect.arrayContaining(["reserve", "reconcile", "restore", "resume"]));
    const underReserve = offered("larder", "reserve", "con");
    expect(underReserve).toContain("confirm");
    expect(underReserve).not.toContain("doctor");
    expect(offered("larder", "reserve", "confirm", "--re")).toContain("--reacquire");
    expect(offered("larder", "completion", "f")).toEqual(expect.arrayContaining(["bash", "zsh", "fish"]));
  });

  it("takes neither a name nor a length from zsh that means something else there", () => {
    const script = scriptFor("zsh");
    expect(script).not.toMatch(/local path|\$path/);
    expect(script).toContain(`"\${words[@]:1:$((CURRENT-2))}"`);
  });

  it.each(["zsh", "fish"])("names every command for %s", (shell) => {
    const script = scriptFor(shell);
    for (const name of ["serve", "reserve fulfil", "keys create", "doctor"]) expect(script).toContain(name);
  });
});
