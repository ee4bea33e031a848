/** Bytes on a real connection: what Node's parser, the edge and the WebSocket make of them. */
import { type AddressInfo, connect, type Socket } from "node:net";
import { readAnswers } from "./answers.ts";
import type { Area, Case, Counts, Step } from "./area.ts";
import { checkAnswer, insist } from "./check.ts";
import { House } from "./house.ts";
import { errorsToo } from "./http-area.ts";
import { nothingTold } from "./meanings.ts";
import type { Random } from "./random.ts";
import { Requests } from "./requests.ts";
import { shaped, webSocketBytes } from "./shapes.ts";

/** Milliseconds without a byte after which an answer is no longer waited for, and the sender ends. */
const quietMs = 12;
/** Milliseconds that the server may then take to end too. */
const endMsMax = 10_000;

interface Input {
  readonly kind: string;
  readonly bytes: Buffer;
  /** Sent one after the other. */
  readonly cuts: readonly number[];
}

let requests: Requests | undefined;

export const socketArea: Area = {
  name: "socket",
  share: 0.08,
  inputsPerCase: 300,
  async open(index, counts) {
    const house = await House.open(index % 8 === 7 ? "sqlite" : "memory");
    requests ??= new Requests(house.gateway.openapi());
    requests.beginCase(index);
    await house.gateway.listen("127.0.0.1", 0);
    return new SocketCase(house, requests, counts, await house.inventory.position());
  },
  missing(counts) {
    const wanted = [
      "answered 200",
      "answered 400",
      "answered 404",
      "answered 405",
      "answered 413",
      "answered 431",
      "upgraded",
      "closed without an answer",
    ];
    return wanted.filter((name) => counts.of(name) === 0).map((name) => `never ${name}`);
  },
};

class SocketCase implements Case {
  readonly #house: House;
  readonly #requests: Requests;
  readonly #counts: Counts;
  readonly #port: number;
  readonly #told = nothingTold();
  #state: string | undefined;

  constructor(house: House, requests: Requests, counts: Counts, position: string) {
    this.#house = house;
    this.#requests = requests;
    this.#counts = counts;
    this.#port = (house.gateway.server.server.address() as AddressInfo).port;
    this.#told.positions.push(position);
  }

  next(random: Random): Step {
    const input = this.#input(random);
    const show = () =>
      JSON.stringify({ kind: input.kind, cuts: input.cuts, base64: input.bytes.toString("base64").slice(0, 8000) });
    return { show, run: () => this.#send(input) };
  }

  #input(random: Random): Input {
    const make = () => this.#requests.make(random, this.#house, this.#told);
    const query = random.pick(["", "?sku=milk", "?after=x", `?after=${this.#told.positions[0]}`, "?follow=true"]);
    const cutsOf = (bytes: Buffer) =>
      random.chance(0.3) ? random.list(1, 5, () => random.below(bytes.length + 1)).sort((a, b) => a - b) : [];
    if (random.chance(0.12)) {
      const bytes = webSocketBytes(this.#house.keys.reader, query, random);
      return { kind: "websocket", bytes, cuts: cutsOf(bytes) };
    }
    if (random.chance(0.05)) {
      const lines = [
        `GET /v1/changes${query} HTTP/1.1`,
        "Host: x",
        `Authorization: Bearer ${this.#house.keys.reader}`,
        `Last-Event-ID: ${random.pick(["", "x", this.#told.positions[0]!, "\u00ff", "1, 2"])}`,
      ];
      return { kind: "feed", bytes: Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), cuts: [] };
    }
    const { kind, bytes } = shaped(make(), random.list(1, 6, make), random);
    return { kind, bytes, cuts: cutsOf(bytes) };
  }

  async #send(input: Input): Promise<void> {
    const house = this.#house;
    this.#state ??= await house.state();
    const before = this.#state;
    const { bytes, isEndedByServer } = await exchange(this.#port, input);
    const { answers, upgraded } = readAnswers(bytes);
    for (const answer of answers) {
      this.#counts.add(`answered ${answer.status}`);
      // Node closes after its answer whatever is still to come, and what is unread then resets the connection; so does
      // a body that turns out to be broken while the answer is on its way.
      const mayBeCut = !isEndedByServer || ["great body", "odd chunk"].includes(input.kind);
      insist(answer.isWhole || mayBeCut, `an answer was cut off: ${answer.body.slice(0, 200)}`);
      if (answer.isWhole) checkAnswer(answer, answer.hasBody);
    }
    this.#counts.add(`sent ${input.kind}`);
    if (upgraded !== undefined) this.#counts.add("upgraded");
    else if (answers.length === 0) this.#counts.add("closed without an answer");
    insist(house.errors.length === 0, `the server logged an error: ${JSON.stringify(house.errors, errorsToo)}`);
    const isRefused = answers.every(({ status }) => status >= 400);
    // Whoever leaves before the answer can't know, nor who pipelines and is told that the connection closes: what they
    // asked for may have been done.
    const isTold = isEndedByServer && !input.kind.startsWith("pipelined");
    if (isRefused && isTold)
      insist((await house.state()) === before, "nothing was answered by 2xx, and yet something changed");
    else this.#state = await settled(house);
  }

  async close(): Promise<readonly string[]> {
    const alive = await exchange(this.#port, {
      bytes: Buffer.from("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"),
      cuts: [],
    });
    const isAlive = alive.bytes.toString().startsWith("HTTP/1.1 200");
    const open = await new Promise<number>((resolve) => {
      this.#house.gateway.server.server.getConnections((_error, count) => resolve(count));
    });
    return [
      ...(isAlive ? [] : ["/livez is not answered any more"]),
      ...(open > 1 ? [`${open} connections were left open`] : []),
      ...(await this.#house.close()),
    ];
  }
}

/** What was asked by someone who left may still be under way, and what was answered 202 still waits in a queue. */
async function settled(house: House): Promise<string> {
  await house.recorded();
  let last = await house.state();
  for (let [calm, looks] = [0, 0]; calm < 2 && looks < 50; looks += 1) {
    const from = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 3));
    const now = await house.state();
    // A machine that stood still meanwhile shows nothing.
    if (now !== last) calm = 0;
    else if (performance.now() - from < 20) calm += 1;
    last = now;
  }
  return last;
}

/** Sends bytes and takes what comes until either side ends. */
async function exchange(
  port: number,
  { bytes, cuts }: Pick<Input, "bytes" | "cuts">,
): Promise<{ readonly bytes: Buffer; readonly isEndedByServer: boolean }> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const got: Buffer[] = [];
  let isEndedByServer = true;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const limit = setTimeout(() => reject(new Error("the server does not end the connection")), endMsMax);
  let quiet = setTimeout(leave, endMsMax);
  function leave(): void {
    isEndedByServer = false;
    socket.end();
  }
  const wait = () => {
    clearTimeout(quiet);
    quiet = setTimeout(leave, quietMs);
  };
  // A server that refuses may reset what is still on its way.
  socket.on("error", () => {});
  socket.on("data", (piece: Buffer) => {
    got.push(piece);
    wait();
  });
  socket.on("end", () => socket.end());
  socket.on("close", () => resolve());
  try {
    await sendPieces(socket, bytes, cuts);
    wait();
    await promise;
  } finally {
    clearTimeout(limit);
    clearTimeout(quiet);
    socket.destroy();
  }
  return { bytes: Buffer.concat(got), isEndedByServer };
}

async function sendPieces(socket: Socket, bytes: Buffer, cuts: readonly number[]): Promise<void> {
  for (const [index, from] of [0, ...cuts].entries()) {
    const piece = bytes.subarray(from, cuts[index] ?? bytes.length);
    if (!socket.writable) return;
    if (piece.length > 0) socket.write(piece);
    if (cuts.length > 0) await new Promise((resolve) => setImmediate(resolve));
  }
}
