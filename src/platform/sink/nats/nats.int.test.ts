import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SinkMoved } from "../port.ts";
import { event, positionOf, run } from "../samples.ts";
import { findServer, natsArguments, TestServer } from "../server.fixture.ts";
import { sinkContract } from "../sink.contract.ts";
import { NatsSink, streamName } from "./index.ts";

const program = findServer("nats-server");

describe.skipIf(program === undefined)("NATS, on a real server", () => {
  let server: TestServer;
  let connection: NatsConnection;
  beforeAll(async () => {
    server = await TestServer.start(program ?? "", natsArguments);
    connection = await connect({ servers: `127.0.0.1:${server.port}` });
  });
  afterAll(async () => {
    await connection.close();
    await server.remove();
  });

  const url = () => `nats://127.0.0.1:${server.port}`;
  const sink = (keepMs?: number) => new NatsSink({ url: url(), keepMs, replicas: 1 });
  const manager = () => jetstreamManager(connection);
  const wipe = async () => {
    const { streams } = await manager();
    for await (const name of streams.names()) await streams.delete(name);
  };

  /** All messages of the stream, in order. */
  async function messages() {
    const { streams } = await manager();
    const state = await streams.info(streamName).then(
      (info) => info.state,
      () => ({ first_seq: 1, last_seq: 0 }),
    );
    const found = [];
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq += 1) {
      const message = await streams.getMessage(streamName, { seq });
      if (message !== null) found.push(message);
    }
    return found;
  }

  sinkContract("NATS", async () => ({
    sink: sink(),
    held: async () => ({ events: (await messages()).map((message) => message.json<{ id: string }>().id), stocks: [] }),
    wipe,
    remove: wipe,
  }));

  it("publishes the event as it is, under a subject that can be filtered", async () => {
    const session = await sink().open();
    await session.write([event(1, "milk", 4)], positionOf(1));
    const [message] = await messages();
    expect(message?.subject).toBe("larder.changes.7.leeds.milk.stock.sold.v1");
    expect(message?.header.get("Nats-Msg-Id")).toBe("log-1");
    expect(message?.header.get("Content-Type")).toBe("application/cloudevents+json; charset=utf-8");
    expect(message?.string()).toBe(event(1, "milk", 4).body);
    await session.close();
    await wipe();
  });

  it("finds out that the stream was purged, and fills it again, though the server knows the ids", async () => {
    const one = await sink().open();
    await one.write(run(1, 5), positionOf(5));
    await (await manager()).streams.purge(streamName);
    await expect(one.write([], positionOf(5))).rejects.toThrow(SinkMoved);
    await one.close();
    expect((await messages()).length).toBe(0);
    // As long as the server knows the ids of what it lost it drops them, and takes nothing that comes behind them.
    for (let place = 0; place < 5; ) {
      const two = await sink().open();
      place = Number(/\d+$/.exec(two.position ?? "0")?.[0]);
      const error = await two.write(run(place + 1, 5), positionOf(5)).catch((reason: unknown) => reason);
      if (error !== undefined) expect(error).toBeInstanceOf(SinkMoved);
      await two.close();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect((await messages()).map((message) => [message.seq, message.json<{ id: string }>().id])).toEqual(
      run(1, 5).map(({ id }, index) => [6 + index, id]),
    );
    await wipe();
  });

  it("keeps events for as long as it is told, also in a stream that was there", async () => {
    await (await sink().open()).close();
    const { streams } = await manager();
    expect((await streams.info(streamName)).config.max_age).toBe(0);
    await (await sink(86_400_000).open()).close();
    expect((await streams.info(streamName)).config.max_age).toBe(86_400_000 * 1e6);
    await wipe();
  });

  it("leaves a stream alone that is not its own", async () => {
    const { streams } = await manager();
    await streams.add({ name: streamName, subjects: ["orders.>"] });
    await expect(sink().open()).rejects.toThrow("it does not take larder.changes.>");
    await wipe();
    const session = await sink().open();
    connection.publish("larder.changes.by-hand", "{}");
    await connection.flush();
    await expect(session.write(run(1, 1), positionOf(1))).rejects.toThrow(SinkMoved);
    await session.close();
    await expect(sink().open()).rejects.toThrow("is not Larder's");
    await wipe();
  });

  it("loses nothing that a killed server had, and goes on behind it", async () => {
    const one = await sink().open();
    await one.write(run(1, 100), positionOf(100));
    await server.kill();
    await expect(one.write(run(101, 102), positionOf(102))).rejects.toThrow();
    await one.close();
    await expect(sink().open()).rejects.toThrow();
    await server.start();
    await connection.close();
    connection = await connect({ servers: `127.0.0.1:${server.port}` });
    const two = await sink().open();
    expect(two.position).toBe(positionOf(100));
    await two.write(run(101, 102), positionOf(102));
    await two.close();
    expect(await messages()).toHaveLength(102);
    await wipe();
  });
});
