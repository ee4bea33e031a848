import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Child, pause } from "../../scripts/cluster/index.ts";
import { eventually, temporaryFolder } from "../journeys/larder.ts";

/** A process that runs a script, and is ready once the script has made a file. */
function childOf(script: string, more: Partial<ConstructorParameters<typeof Child>[0]> = {}) {
  const folder = temporaryFolder(onTestFinished);
  const ready = join(folder, "ready");
  const said: string[] = [];
  const start = `require("node:fs").appendFileSync(${JSON.stringify(ready)}, process.pid + "\\n");`;
  const child = new Child(
    {
      name: "it",
      command: process.execPath,
      args: ["-e", script.replace("READY", start)],
      log: join(folder, "log"),
      isReady: async () => existsSync(ready),
      ...more,
    },
    (line) => said.push(line),
  );
  onTestFinished(() => child.kill());
  return { child, said, starts: () => readFileSync(ready, "utf8").trim().split("\n"), folder };
}

const idle = "READY setInterval(() => {}, 1000);";

describe("a process of a cluster", () => {
  it("is started again when it dies of itself, and stays down once it was stopped", async () => {
    const { child, said, starts } = childOf(idle);
    await child.start();
    const first = child.pid;
    process.kill(first, "SIGKILL");
    await eventually(() => child.isRunning && child.pid !== first && starts().length === 2);
    expect(said[0]).toContain("it ended (SIGKILL); it starts again");
    await child.stop();
    await pause(600);
    expect([child.isRunning, starts().length]).toEqual([false, 2]);
  });

  it("that dies before it is ready makes the start fail, with what it said last", async () => {
    const { child } = childOf('console.error("the reason"); process.exit(3);');
    await expect(child.start()).rejects.toThrow(/it ended: .*the reason/);
  });

  it("is waited for while it is paused, and let go on", async () => {
    const { child } = childOf(idle);
    await child.start();
    child.pause();
    const ended = child.stop();
    expect(await Promise.race([ended.then(() => "ended"), pause(5000).then(() => "hangs")])).toBe("ended");
  });

  it("that won't end is killed", async () => {
    const { child, said } = childOf(`process.on("SIGTERM", () => {}); ${idle}`, { stopMsMax: 200 });
    await child.start();
    expect(await child.stop()).toBe(null);
    expect(said).toEqual(["it did not end in time and is killed"]);
  });

  it.each([
    ["went without ending it", 'throw new Error("a defect");'],
    ["was killed", 'process.kill(process.pid, "SIGKILL");'],
  ])("does not outlive a launcher that %s", async (_how, end) => {
    const { folder } = childOf(idle);
    const file = join(folder, "launcher.ts");
    const home = new URL("../../scripts/cluster/index.ts", import.meta.url).href;
    const spec = `{ name: "it", command: process.execPath, args: ["-e", "setInterval(() => {}, 1000)"], log: ${JSON.stringify(join(folder, "log"))}, isReady: async () => true }`;
    writeFileSync(
      file,
      `import { writeFileSync } from "node:fs";
import { Child } from "${home}";
const child = new Child(${spec}, () => {});
await child.start();
writeFileSync(${JSON.stringify(join(folder, "pid"))}, String(child.pid));
${end}`,
    );
    expect(spawnSync(process.execPath, [file]).status).not.toBe(0);
    const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
    await eventually(() => !isAlive(pid));
  });
});

describe("a leash", () => {
  it("ends a process with its children and removes its folder when the one that holds it is killed", async () => {
    const folder = temporaryFolder(onTestFinished);
    const made = join(folder, "made");
    mkdirSync(made);
    const file = join(folder, "holder.ts");
    const home = new URL("../../scripts/cluster/index.ts", import.meta.url).href;
    writeFileSync(
      file,
      `import { spawn } from "node:child_process";
import { leash } from "${home}";
const script = "sleep 60 & echo $! > ${join(folder, "pids")}; echo $$ >> ${join(folder, "pids")}; wait";
leash(spawn("/bin/sh", ["-c", script], { stdio: "ignore" }), ${JSON.stringify(made)});
setInterval(() => {}, 1000);`,
    );
    const holder = spawn(process.execPath, [file], { stdio: "ignore" });
    const both = () => (existsSync(join(folder, "pids")) ? readFileSync(join(folder, "pids"), "utf8") : "");
    await eventually(() => both().split("\n").length === 3);
    const pids = both().trim().split("\n").map(Number);
    expect(pids.map(isAlive)).toEqual([true, true]);
    holder.kill("SIGKILL");
    await eventually(() => !pids.some(isAlive) && !existsSync(made));
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
