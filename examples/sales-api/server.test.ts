import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished, vi } from "vitest";
import { fact, key, startLarder } from "../../sdk/src/larder.fixture.ts";

async function startApi(url: string): Promise<string> {
  const script = fileURLToPath(new URL("server.ts", import.meta.url));
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    env: { ...process.env, LARDER_URL: url, LARDER_KEY: key, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(async () => {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    // It stops by itself, its connection to Larder and all.
    expect(await ended).toEqual([0, null]);
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return line;
}

const ask = async (api: string, path: string) => {
  const response = await fetch(`${api}${path}`, { headers: { connection: "close" } });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

it("answers from memory what can be sold", async () => {
  const { url, larder, stop } = await startLarder();
  onTestFinished(stop);
  await larder.record([fact("in", "received", "milk", "leeds", 5)]);
  const api = await startApi(url);
  await vi.waitFor(async () => expect((await ask(api, "/health")).body["isFollowing"]).toBe(true), { timeout: 15_000 });
  await vi.waitFor(async () => expect((await ask(api, "/availability?sku=milk&location=leeds")).status).toBe(200));
  await larder.record([fact("out", "sold", "milk", "leeds", 7)]);
  await vi.waitFor(
    async () =>
      expect((await ask(api, "/availability?sku=milk&location=leeds")).body).toMatchObject({
        available: 0,
        stale: false,
      }),
    { timeout: 15_000 },
  );
  await vi.waitFor(async () =>
    expect(await ask(api, "/availability?sku=none&location=leeds")).toMatchObject({
      status: 404,
      body: { reason: "no-such-sku" },
    }),
  );
  expect((await ask(api, "/availability?sku=milk")).status).toBe(404);
});

it("starts without Larder, and says that it does not know", async () => {
  const api = await startApi("http://127.0.0.1:9");
  expect(await ask(api, "/availability?sku=milk&location=leeds")).toMatchObject({
    status: 503,
    body: { reason: "pending" },
  });
  expect((await ask(api, "/health")).body).toMatchObject({ isFollowing: false, pending: 1 });
});
