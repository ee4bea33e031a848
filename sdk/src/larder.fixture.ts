/** For tests: a real server in this process, and a way to it that can be cut. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { loadSettings } from "../../src/platform/config/index.ts";
import { startServer } from "../../src/platform/runtime/index.ts";
import { silentLogger } from "../../src/platform/telemetry/index.ts";
import { type ClientOptions, Larder } from "./index.ts";

export const key = "a key for the tests of the client";

/** A server with an empty log in memory, and a client of it. */
export async function startLarder(options: Partial<ClientOptions> = {}) {
  const loaded = loadSettings({ env: {}, flags: { store: "memory:", port: "0", adminKey: key } });
  if (!loaded.ok) throw new Error(loaded.rejection.join());
  const server = await startServer({ settings: loaded.value.settings, logger: silentLogger(), version: "9.9.9" });
  const url = server.url ?? "";
  return { url, larder: new Larder({ url, key, source: "/tests", ...options }), stop: () => server.stop() };
}

/** Passes connections on to a server, whose address may change; can cut those that are open, and refuse new ones. */
export async function startProxy(target: string) {
  const open = new Set<Socket>();
  const state = { target, isRefusing: false };
  const server = createServer((from) => {
    if (state.isRefusing) {
      from.destroy();
      return;
    }
    const to = connect(Number(new URL(state.target).port), "127.0.0.1");
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => undefined);
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    cut,
    async stop() {
      server.close();
      cut();
      await once(server, "close");
    },
  };
}

const stockTypes = ["received", "sold", "counted"] as const;

/** A fact about one stock. */
export function fact(id: string, type: (typeof stockTypes)[number], sku: string, location: string, quantity: number) {
  return { id, type: `larder.stock.${type}.v1`, data: { sku, location, quantity } } as const;
}
