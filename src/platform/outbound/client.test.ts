import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { certificate, key } from "./certificate.fixture.ts";
import { type OutboundCall, OutboundClient, OutboundError, type OutboundOptions } from "./index.ts";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function listening(server: TcpServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endings.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function receiver(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  endings.push(() => server.closeAllConnections());
  return await listening(server);
}

/** A server that speaks bytes. */
async function speaker(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onSocket(socket);
  });
  endings.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  return await listening(server);
}

function client(options: Partial<OutboundOptions> = {}): OutboundClient {
  const made = new OutboundClient({ allow: "127.0.0.1", ...options });
  endings.push(() => made.close());
  return made;
}

const get = (url: string, rest: Partial<OutboundCall> = {}): OutboundCall => ({ url, method: "GET", ...rest });

async function failureOf(answer: Promise<unknown>): Promise<string> {
  const error = await answer.then(
    () => new Error("it was answered"),
    (thrown) => thrown,
  );
  if (!(error instanceof OutboundError)) throw error;
  expect(error.message).not.toMatch(/\d+\.\d+|::|internal|shop/);
  return error.code;
}

describe("an outgoing call", () => {
  it("sends what it is given and answers with status, headers and body", async () => {
    const seen: unknown[] = [];
    const port = await receiver(async (request, response) => {
      const body = (await request.toArray()).join("");
      const { host, "content-length": length, "x-a": header, "user-agent": agent } = request.headers;
      seen.push({ method: request.method, url: request.url, host, length, header, agent, body });
      response.writeHead(418, { "retry-after": "7", "set-cookie": ["a=1", "b=2"] }).end("short and stout");
    });
    const call = {
      url: `http://localhost:${port}/hooks?x=1#y`,
      method: "POST",
      headers: { "x-a": "1" },
      body: "süß",
    } as const;
    const answer = await client().call(call);
    expect(answer).toMatchObject({
      status: 418,
      headers: { "retry-after": "7", "set-cookie": "a=1, b=2" },
      isCut: false,
    });
    expect(answer.body.toString()).toBe("short and stout");
    expect(answer.tookMs).toBeGreaterThan(0);
    expect(seen).toEqual([
      {
        method: "POST",
        url: "/hooks?x=1",
        host: `localhost:${port}`,
        length: "5",
        header: "1",
        agent: "Larder",
        body: "süß",
      },
    ]);
  });

  it("follows no redirect", async () => {
    let calls = 0;
    const port = await receiver((_request, response) => {
      calls += 1;
      response.writeHead(307, { location: "http://169.254.169.254/" }).end();
    });
    expect((await client().call(get(`http://127.0.0.1:${port}/`))).status).toBe(307);
    expect(calls).toBe(1);
  });

  it("reaches nothing that is not allowed: by address, by name, by what a name stands for", async () => {
    let connections = 0;
    const port = await speaker(() => (connections += 1));
    const resolve = async (name: string) =>
      name === "none.test" ? [] : ["10.0.0.1", "169.254.169.254", "127.0.0.1", "::1"];
    const guarded = client({ allow: null, resolve });
    for (const host of ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "internal.shop.test", "2130706433"])
      expect(await failureOf(guarded.call(get(`http://${host}:${port}/`))), host).toBe("forbidden-address");
    expect(await failureOf(guarded.call(get(`https://internal.shop.test:${port}/`)))).toBe("forbidden-address");
    expect(await failureOf(guarded.call(get("http://none.test/")))).toBe("name-not-found");
    expect(connections).toBe(0);
  });

  it("connects to the address that was checked, when the name stands for another one at the next look", async () => {
    const port = await receiver((_request, response) => response.end("the public one"));
    let looks = 0;
    // 127.0.0.1 plays the public address, 127.0.0.2 what is behind the wall: it listens there too.
    const inside = createServer((_request, response) => response.end("a secret"));
    inside.listen(port, "127.0.0.2");
    await once(inside, "listening");
    endings.push(() => inside.close());
    const resolve = async () => {
      looks += 1;
      return looks === 1 ? ["127.0.0.1"] : ["127.0.0.2"];
    };
    const rebound = client({ resolve });
    const url = `http://rebind.test:${port}/`;
    expect((await rebound.call(get(url))).body.toString()).toBe("the public one");
    expect(looks).toBe(1);
    // The kept connection is to the address that was checked; a new one is judged by the new answer.
    expect((await rebound.call(get(url))).body.toString()).toBe("the public one");
    expect(looks).toBe(1);
    rebound.close();
    expect(await failureOf(client({ resolve }).call(get(url)))).toBe("forbidden-address");
  });

  it("takes of a name's addresses those that are allowed", async () => {
    const port = await receiver((request, response) => response.end(request.socket.localAddress));
    const answer = await client({ resolve: async () => ["10.0.0.1", "127.0.0.1"] }).call(
      get(`http://both.test:${port}/`),
    );
    expect(answer.body.toString()).toBe("127.0.0.1");
  });

  it("says why there is no answer, in words that tell nothing of the inside", async () => {
    const free = await speaker(() => {});
    await endings.pop()?.();
    const failing = (code: string) => async () => {
      throw Object.assign(new Error(`query internal.shop 10.0.0.1 ${code}`), { code });
    };
    expect(await failureOf(client().call(get(`http://127.0.0.1:${free}/`)))).toBe("refused");
    expect(await failureOf(client({ resolve: failing("ENOTFOUND") }).call(get("http://a.test/")))).toBe(
      "name-not-found",
    );
    expect(await failureOf(client({ resolve: failing("ETIMEOUT") }).call(get("http://a.test/")))).toBe(
      "name-not-found",
    );
    const garbage = await speaker((socket) => socket.end("220 mail.internal ESMTP\r\n"));
    expect(await failureOf(client().call(get(`http://127.0.0.1:${garbage}/`)))).toBe("malformed");
    const closing = await speaker((socket) => socket.destroy());
    expect(await failureOf(client().call(get(`http://127.0.0.1:${closing}/`)))).toBe("broken");
    const half = await speaker((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"));
    expect(await failureOf(client().call(get(`http://127.0.0.1:${half}/`)))).toBe("broken");
    const upgrading = await speaker((socket) =>
      socket.write("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    );
    expect(await failureOf(client().call(get(`http://127.0.0.1:${upgrading}/`)))).toBe("malformed");
    const headers = await speaker((socket) => socket.write(`HTTP/1.1 200 OK\r\na: ${"x".repeat(100_000)}\r\n\r\n`));
    expect(await failureOf(client().call(get(`http://127.0.0.1:${headers}/`)))).toBe("malformed");
  });

  it("gives up on a connection, and on an answer that never ends, in the time it was given", async () => {
    const silent = client({ resolve: () => new Promise<never>(() => {}) });
    expect(await failureOf(silent.call(get("http://slow.test/", { connectMs: 20 })))).toBe("connect-timeout");
    expect(await failureOf(silent.call(get("http://slow.test/", { totalMs: 20 })))).toBe("timeout");
    const deaf = await speaker(() => {});
    expect(await failureOf(client().call(get(`http://127.0.0.1:${deaf}/`, { totalMs: 30 })))).toBe("timeout");
    expect(await failureOf(client().call(get(`https://127.0.0.1:${deaf}/`, { connectMs: 30 })))).toBe(
      "connect-timeout",
    );
    const dripping = await speaker((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
      const drip = setInterval(() => socket.write("x"), 5);
      socket.on("close", () => clearInterval(drip));
    });
    expect(await failureOf(client().call(get(`http://127.0.0.1:${dripping}/`, { totalMs: 60 })))).toBe("timeout");
  });

  it("reads no more of an answer than asked, and says that it cut it", async () => {
    let hungUp = Promise.resolve<unknown>(undefined);
    const port = await speaker((socket) => {
      hungUp = new Promise((resolve) => socket.on("close", resolve));
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const more = () => {
        while (socket.writable && socket.write("x".repeat(65_536)));
      };
      socket.on("drain", more);
      more();
    });
    const answer = await client().call(get(`http://127.0.0.1:${port}/`, { answerBytesMax: 10 }));
    expect(answer).toMatchObject({ status: 200, isCut: true, body: Buffer.from("xxxxxxxxxx") });
    await hungUp;
  });

  it("can be called off, before and while it is under way", async () => {
    const controller = new AbortController();
    const port = await speaker(() => controller.abort());
    const call = get(`http://127.0.0.1:${port}/`, { signal: controller.signal });
    expect(await failureOf(client().call(call))).toBe("aborted");
    expect(await failureOf(client().call(call))).toBe("aborted");
  });

  it("keeps connections, and is sent again when the other side had ended one", async () => {
    const sockets: Socket[] = [];
    let answered = 0;
    const port = await receiver((_request, response) => {
      answered += 1;
      response.end(String(answered));
    });
    const keeping = client();
    const answers = async () => (await keeping.call(get(`http://127.0.0.1:${port}/`))).body.toString();
    expect([await answers(), await answers()]).toEqual(["1", "2"]);

    const ending = await speaker((socket) => {
      sockets.push(socket);
      // Answers the first request of each connection, and hangs up on the second as it comes.
      let requests = 0;
      socket.on("data", () => {
        requests += 1;
        if (requests === 2) socket.resetAndDestroy();
        else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      });
    });
    for (let call = 0; call < 3; call += 1)
      expect((await keeping.call(get(`http://127.0.0.1:${ending}/`))).body.toString()).toBe("ok");
    expect(sockets).toHaveLength(3);
  });

  it("waits for a place when a host has all its connections in use, and no other host waits for it", async () => {
    const held: (() => void)[] = [];
    const slow = await receiver((_request, response) => held.push(() => response.end()));
    const quick = await receiver((_request, response) => response.end());
    const sharing = client();
    const calls = Array.from({ length: 20 }, () => sharing.call(get(`http://127.0.0.1:${slow}/`)));
    await expect.poll(() => held.length).toBe(16);
    expect((await sharing.call(get(`http://127.0.0.1:${quick}/`))).status).toBe(200);
    expect(held).toHaveLength(16);
    for (const release of held.splice(0)) release();
    await expect.poll(() => held.length).toBe(4);
    for (const release of held) release();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(Array(20).fill(200));
  });

  it("takes over TLS only what the system trusts, under the name it asked for", async () => {
    const server = createTlsServer({ key, cert: certificate }, (_request, response) => response.end("safe"));
    endings.push(() => server.closeAllConnections());
    const port = await listening(server);
    const tls = () => client({ resolve: async () => ["127.0.0.1"] });
    expect(await failureOf(tls().call(get(`https://shop.test:${port}/`)))).toBe("tls");

    const trusted = getCACertificates("default");
    setDefaultCACertificates([...trusted, certificate]);
    endings.push(() => setDefaultCACertificates(trusted));
    expect((await tls().call(get(`https://shop.test:${port}/`))).body.toString()).toBe("safe");
    expect((await tls().call(get(`https://shop.test.:${port}/`))).body.toString()).toBe("safe");
    expect(await failureOf(tls().call(get(`https://other.test:${port}/`)))).toBe("tls");
    expect(await failureOf(tls().call(get(`https://127.0.0.1:${port}/`)))).toBe("tls");
  });
});
