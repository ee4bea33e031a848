/** A proxy between a client and its server that lets answers be lost: for what happens when nobody knows what happened. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

export class CuttingProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  #losesAnswerTo: string | undefined;
  #isSilent = false;
  #processId: number | undefined;
  #delayMs = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number): Promise<CuttingProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new CuttingProxy(server);
    server.on("connection", (client) => proxy.#join(client, connect({ port, host: "127.0.0.1", noDelay: true })));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /**
   * The next request with a text in it reaches the server, and instead of the answer the connection's end comes back. The text
   * tells the one that is meant from those that a pool or an engine sends of its own accord at any time.
   */
  loseNextAnswer(to: string): void {
    this.#losesAnswerTo = to;
  }

  /** As a pooler does, gives connections the number of another process of the server than the one that serves them. */
  rename(processId: number): void {
    this.#processId = processId;
  }

  /** Cuts all connections that stand. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  /** From now on nothing passes, in neither direction, and nobody is told. */
  silence(isSilent: boolean): void {
    this.#isSilent = isSilent;
    for (const pair of this.#pairs) for (const socket of pair) isSilent ? socket.pause() : socket.resume();
  }

  /** From now on everything comes so much later, in both directions and in order. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** A way for bytes in one direction, which keeps them in order whatever the delay becomes. */
  #way(to: Socket): (bytes: string | Uint8Array) => void {
    const waiting: (string | Uint8Array)[] = [];
    return (bytes) => {
      if (this.#delayMs === 0 && waiting.length === 0) {
        to.write(bytes);
        return;
      }
      waiting.push(bytes);
      setTimeout(() => to.write(waiting.shift() ?? ""), this.#delayMs);
    };
  }

  #join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const [toClient, toServer] = [this.#way(client), this.#way(server)];
    let losesAnswer = false;
    client.on("data", (bytes) => {
      if (this.#losesAnswerTo !== undefined && bytes.includes(this.#losesAnswerTo)) {
        this.#losesAnswerTo = undefined;
        losesAnswer = true;
      }
      toServer(bytes);
    });
    server.on("data", (bytes: Buffer) => {
      if (losesAnswer) client.destroy();
      else toClient(this.#processId === undefined ? bytes : renamed(bytes, this.#processId));
    });
    const end = () => {
      client.destroy();
      server.destroy();
      this.#pairs.delete(pair);
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    if (this.#isSilent) for (const socket of pair) socket.pause();
  }
}

/** Changes the process of a `BackendKeyData` message, if there is one. */
function renamed(bytes: Buffer, processId: number): Buffer {
  const at = bytes.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
  if (at >= 0) bytes.writeInt32BE(processId, at + 5);
  return bytes;
}
