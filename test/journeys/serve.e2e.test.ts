import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { eventually, freePort, larder, serve, temporaryFolder } from "./larder.ts";

describe("larder serve", () => {
  it("prints the admin key at the first start only, never logs it, and stops with 0", async () => {
    const data = temporaryFolder(onTestFinished);
    const first = await serve(data, { LARDER_LOG_LEVEL: "trace" });
    const key = first.greeting["adminKey"] ?? "";
    expect(key).toMatch(/^lk_[\w-]{43}$/);
    const answer = await fetch(`${first.url}/v1/keys`, { headers: { authorization: `Bearer ${key}` } });
    expect(answer.status).toBe(200);
    expect(await first.end()).toBe(0);
    expect(first.log()).not.toContain(key.slice(3));
    for (const line of first.log().trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("level");

    const second = await serve(data);
    expect(second.greeting).not.toHaveProperty("adminKey");
    expect(await second.end("SIGINT")).toBe(0);
  });

  it("finishes what it has when it is told to stop: feeds end, answers come, within 10 s", async () => {
    const server = await serve(temporaryFolder(onTestFinished), { LARDER_ADMIN_KEY: "a key that is long enough" });
    const headers = { authorization: "Bearer a key that is long enough" };
    const feed = await fetch(`${server.url}/v1/changes`, { headers });
    const before = performance.now();
    const end = server.end();
    await feed.text();
    expect(await end).toBe(0);
    expect(performance.now() - before).toBeLessThan(10_000);
    await expect(fetch(`${server.url}/livez`)).rejects.toThrow();
  });

  it("says that it will stop before it does, and goes on answering for as long as it was told", async () => {
    const env = { LARDER_ADMIN_KEY: "a key that is long enough", LARDER_DRAIN_DELAY: "1500ms" };
    const server = await serve(temporaryFolder(onTestFinished), env);
    const headers = { authorization: "Bearer a key that is long enough" };
    const from = performance.now();
    const end = server.end();
    const ready = await eventually(async () => {
      const answer = await fetch(`${server.url}/readyz`);
      return answer.status === 503 ? answer : undefined;
    });
    expect(await ready?.json()).toMatchObject({ ok: false, checks: { server: { detail: "stopping" } } });
    const answer = await fetch(`${server.url}/v1/items`, { headers });
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    expect(await end).toBe(0);
    expect(performance.now() - from).toBeGreaterThan(1500);
  });

  it("says it is ready, and shows its metrics", async () => {
    const server = await serve(temporaryFolder(onTestFinished));
    onTestFinished(async () => void (await server.end()));
    const ready = await fetch(`${server.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready?.json()).toMatchObject({ ok: true, checks: { store: { ok: true }, consumers: { ok: true } } });
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/larder_build_info\{version="[\d.]+",node="[\d.]+",sqlite="[\d.]+",engine="sqlite"\} 1/);
    expect(metrics).toContain("larder_runtime_ready 1");
    expect(metrics).toContain('larder_gateway_requests_total{route="/readyz",method="GET",status="200"} 1');
  });

  it("refuses a folder that another server has, and a port that is taken, in a sentence", async () => {
    const data = temporaryFolder(onTestFinished);
    const server = await serve(data);
    onTestFinished(async () => void (await server.end()));
    const second = await larder(["serve"], { LARDER_DATA: data, LARDER_PORT: "0" });
    expect(second.code).toBe(1);
    expect(second.err).toContain("in use by another process");
    expect(
      second.err
        .trim()
        .split("\n")
        .map((line) => line[0]),
    ).not.toContain(" ");
    const { port } = new URL(server.url);
    const third = await larder(["serve", "--port", port], { LARDER_DATA: temporaryFolder(onTestFinished) });
    expect(third).toMatchObject({ code: 1, out: "" });
    expect(third.err).toContain(`127.0.0.1:${port} is taken`);
    const fourth = await larder(["serve", "--port", "0", "--grpc-port", port], {
      LARDER_DATA: temporaryFolder(onTestFinished),
    });
    expect(fourth).toMatchObject({ code: 1, err: expect.stringContaining(`127.0.0.1:${port} is taken`) });
    expect(fourth.err).toContain("LARDER_GRPC_PORT");
  });

  it("refuses settings that are wrong or unknown, before anything is started", async () => {
    const wrong = await larder(["serve", "--port", "http"], { LARDER_PROT: "1", LARDER_STORE: "dynamodb://db" });
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain("LARDER_PROT is no setting. Did you mean LARDER_PORT?");
    expect(wrong.err).toContain('--port is "http", and must be a whole number from 0 to 65535.');
    expect(wrong.err).toContain("comes later");
    const target = await larder(["serve", "--target", "gatway"], { LARDER_DATA: temporaryFolder(onTestFinished) });
    expect(target).toMatchObject({ code: 2, out: "" });
    expect(target.err).toContain("Did you mean gateway?");
  });

  it("names the setting that a file or folder of a wrong kind came from", async () => {
    const folder = temporaryFolder(onTestFinished);
    const file = join(folder, "afile");
    writeFileSync(file, "");
    const data = join(folder, "data");
    for (const [args, part] of [
      [
        ["--data", file],
        `${file} is a file, where a folder should be; move it away, or name another one by LARDER_DATA`,
      ],
      [["--data", data, "--grpc-port", "0", "--grpc-tls", file], "LARDER_GRPC_TLS (--grpc-tls) can't be used"],
      [["--data", data, "--intake-folder", file], "LARDER_INTAKE_FOLDER (--intake-folder) can't be used"],
      [["--data", data, "--host", "no-such-host.invalid"], "LARDER_HOST"],
      [["--data", "postgres://larder:hunter2@db/larder"], "LARDER_STORE"],
    ] as const) {
      const refused = await larder(["serve", "--port", "0", ...args]);
      expect(refused.err).toContain(part);
      expect([refused.code === 0, refused.err.includes("hunter2")]).toEqual([false, false]);
    }
  });

  it("shows its settings and where they came from, secrets masked", async () => {
    const folder = temporaryFolder(onTestFinished);
    const config = join(folder, "larder.json");
    writeFileSync(config, JSON.stringify({ port: 9, logLevel: "warn" }));
    const shown = await larder(["serve", "--print-config", "--json", "--config", config], {
      LARDER_ADMIN_KEY: "hunter2hunter2hunter2",
      LARDER_PORT: "10",
    });
    expect(shown.code).toBe(0);
    expect(JSON.parse(shown.out)).toMatchObject({
      port: { value: 10, from: "environment (LARDER_PORT)" },
      logLevel: { value: "warn", from: `file (${config})` },
      adminKey: { value: "(secret)" },
    });
    expect(shown.out + shown.err).not.toContain("hunter2");
    const targets = await larder(["serve", "--list-targets", "--json"]);
    const names = JSON.parse(targets.out).map(({ name }: { name: string }) => name);
    // None is lost; more may come.
    expect(names).toEqual(
      expect.arrayContaining(["inventory", "identity", "intake", "relay", "sync", "reconciliation", "gateway"]),
    );
  });

  it("listens where it is told to", async () => {
    const port = await freePort();
    const server = await serve(temporaryFolder(onTestFinished), { LARDER_PORT: String(port) });
    onTestFinished(async () => void (await server.end()));
    expect(server.url).toBe(`http://127.0.0.1:${port}`);
  });
});
