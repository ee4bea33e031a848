import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { bugs, dueOn, planted } from "./bugs.ts";
import { runHistory } from "./history.ts";

const minute = 60_000;
const home = fileURLToPath(new URL("../../", import.meta.url));
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill();
});

/** Runs a script of the simulator by itself, as its npm script does. */
function run(script: string, ...args: string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(process.execPath, [`${home}bin/larder.js`, "--tool", `src/simulation/${script}`, ...args], {
    cwd: home,
  });
  children.add(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      text += data.toString();
    });
  }
  return new Promise((resolve) => {
    child.on("close", (code) => {
      children.delete(child);
      resolve({ code, text });
    });
  });
}

describe("histories", () => {
  it(
    "are the same, event by event, whenever a seed is run",
    async () => {
      for (const seed of [3, 14, 159]) {
        const { hash, units, failure } = await runHistory(seed, 200);
        expect(failure).toBeUndefined();
        expect(units).toBeGreaterThan(50);
        expect((await runHistory(seed, 200)).hash, `seed ${seed}`).toBe(hash);
        expect((await runHistory(seed, 199)).hash).not.toBe(hash);
        const again = await run("main.ts", "--seed", String(seed), "--steps", "200");
        expect(again.text, "in a process of its own").toContain(`trace ${hash}`);
      }
    },
    2 * minute,
  );

  it(
    "of 500 steps are right a thousand times, and come to every fault and every refusal",
    async () => {
      const { code, text } = await run("main.ts", "--seed", "1", "--histories", "1000", "--jobs", "2", "--cover");
      process.stdout.write(text);
      expect(code, text).toBe(0);
    },
    8 * minute,
  );

  it(
    "of several processes on one log are right too",
    async () => {
      const { code, text } = await run(
        "main.ts",
        "--several",
        "--seed",
        "1",
        "--histories",
        "120",
        "--jobs",
        "2",
        "--cover",
      );
      process.stdout.write(text);
      expect(code, text).toBe(0);
    },
    4 * minute,
  );
});

describe("planted bugs", () => {
  it("are many, and each has its place in the code", () => {
    expect(bugs.length).toBeGreaterThanOrEqual(25);
    expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length);
    for (const bug of bugs) {
      const source = readFileSync(`${home}src/${bug.file}`, "utf8");
      expect(planted(bug, source)).not.toBe(source);
    }
  });

  it("come up all in turn, ten a day", () => {
    const days = Math.ceil(bugs.length / 10);
    const due = Array.from({ length: days }, (_, day) => dueOn(20_000 + day)).flat();
    expect(new Set(due).size).toBe(bugs.length);
  });
});
