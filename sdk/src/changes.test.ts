import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Larder, type RecordedCloudEvent } from "./index.ts";
import { fact, key, startLarder, startProxy } from "./larder.fixture.ts";

/** A real server behind a connection that can be cut. */
async function behindProxy() {
  const server = await startLarder();
  const proxy = await startProxy(server.url);
  onTestFinished(async () => {
    await proxy.stop();
    await server.stop();
  });
  return { server, proxy, larder: new Larder({ url: proxy.url, key, retries: 8 }) };
}

/** A server that answers each request for changes as told. */
async function scripted(...answers: ((response: ServerResponse) => void)[]) {
  const asked: (string | undefined)[] = [];
  const server: Server = createServer((request, response) => {
    asked.push(request.url);
    answers[Math.min(asked.length, answers.length) - 1]?.(response);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { asked, larder: new Larder({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }) };
}

const line = (position: string) => `${JSON.stringify({ type: "t", position, data: {} })}\n`;

async function take(changes: AsyncIterable<RecordedCloudEvent>, count: number): Promise<RecordedCloudEvent[]> {
  const taken: RecordedCloudEvent[] = [];
  for await (const event of changes) if (taken.push(event) === count) break;
  return taken;
}

describe("a change feed", () => {
  it("gives every event once and in order, however often the connection is cut", async () => {
    const { server, proxy, larder } = await behindProxy();
    const total = 100;
    const onLost = vi.fn();
    const reading = take(larder.changes({ skus: ["milk"], heartbeatSeconds: 1, onLost }), total);
    for (let index = 0; index < total; index += 1) {
      await server.larder.record([fact(`f${index}`, "received", "milk", "leeds", 1)]);
      if (index % 25 === 20) proxy.cut();
    }
    const balances = (await reading).map(({ data }) => (data["balance"] as { onHand: number }).onHand);
    expect(balances).toEqual(Array.from({ length: total }, (_, index) => index + 1));
    expect(onLost).toHaveBeenCalled();
  });

  it("tells its reader that the position is of another history", async () => {
    const { server, proxy, larder } = await behindProxy();
    const { position } = await server.larder.record([fact("f", "received", "milk", "leeds", 1)]);
    const other = await startLarder();
    onTestFinished(other.stop);
    // Far enough that only the history tells that there is no such place.
    for (const id of ["g", "h", "i"]) await other.larder.record([fact(id, "received", "milk", "leeds", 1)]);
    proxy.state.target = other.url;
    const feed = larder.changes({ after: position });
    await expect(feed.next()).rejects.toMatchObject({ code: "position-from-another-history", status: 410 });
  });

  it("ends at once for who may not read it, instead of coming back for ever", async () => {
    const { proxy } = await behindProxy();
    const feed = new Larder({ url: proxy.url, key: "wrong" }).changes();
    await expect(feed.next()).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("leaves when its reader does, and when its signal says so", async () => {
    const { server, larder } = await behindProxy();
    const open = async () => /larder_gateway_open_feeds (\d+)/.exec(await server.larder.getMetrics())?.[1];
    await server.larder.record([fact("f", "received", "milk", "leeds", 1)]);
    await take(larder.changes(), 1);
    await vi.waitFor(async () => expect(await open()).toBe("0"));
    const stop = new AbortController();
    const waiting = take(larder.changes({ signal: stop.signal }), 2);
    await vi.waitFor(async () => expect(await open()).toBe("1"));
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await vi.waitFor(async () => expect(await open()).toBe("0"));
  });

  it("resumes after the last whole line, whatever the pieces it came in", async () => {
    const [first, second] = [line("p1"), line("p2")];
    const { asked, larder } = await scripted(
      (response) => {
        response.write(first.slice(0, 7));
        setImmediate(() => response.end(first.slice(7) + second.slice(0, 9)));
      },
      (response) => response.end(`${second}${line("p3")}`),
    );
    const seen = await take(larder.changes({ after: "p0", types: ["t", "u"] }), 3);
    expect(seen.map(({ position }) => position)).toEqual(["p1", "p2", "p3"]);
    const rest = "type=t&type=u&heartbeatSeconds=15";
    expect(asked).toEqual([`/v1/changes?after=p0&${rest}`, `/v1/changes?after=p1&${rest}`]);
  });

  it("counts a connection that is silent for too long as lost", async () => {
    const onLost = vi.fn();
    const { asked, larder } = await scripted(
      (response) => response.write(line("p1")),
      (response) => response.write(line("p2")),
    );
    await take(larder.changes({ heartbeatSeconds: 1, onLost }), 2);
    expect(onLost.mock.calls).toMatchObject([[{ code: "timeout" }]]);
    expect(asked[1]).toContain("after=p1");
  });
});
