import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  /** As Latin-1: what is beyond ASCII needs decoding. */
  readonly body: string;
}

/** One connection by a bare socket, of few microseconds a request; one request at a time, answers that say their length. */
export class Connection {
  readonly #socket: Socket;
  #received = "";
  #answer: ((answer: Answer) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  static open(host: string, port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, host, () => resolve(new Connection(socket)));
      socket.once("error", reject);
    });
  }

  constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", (error) => this.#fail?.(error));
    socket.on("close", () => this.#fail?.(new Error("the server closed the connection")));
  }

  /** Sends a whole request, and resolves once the whole answer has come. */
  ask(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      [this.#answer, this.#fail] = [resolve, reject];
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received += bytes.toString("latin1");
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd === -1) return;
    const length = /content-length: (\d+)/i.exec(this.#received.slice(0, headEnd))?.[1];
    if (this.#received.length < headEnd + 4 + Number(length ?? 0)) return;
    const answer = { status: Number(this.#received.slice(9, 12)), body: this.#received.slice(headEnd + 4) };
    this.#received = "";
    this.#answer?.(answer);
  }
}
