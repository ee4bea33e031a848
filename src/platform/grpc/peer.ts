import { create } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, type ClientDuplexStream, type Metadata } from "@grpc/grpc-js";
import { catalogue, type ErrorCode, limits, PlatformError } from "../../kernel/index.ts";
import { methodDefinition } from "./definition.ts";
import {
  type Answer,
  type Call,
  CallSchema,
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  type FollowRequest,
  FollowRequestSchema,
  type FollowResponse,
  ModuleService,
} from "./generated/larder/internal/v1/modules_pb.js";

const exchange = methodDefinition(ModuleService.method.exchange);
const followed = methodDefinition(ModuleService.method.follow);

/** Nobody answered. Whether the call was carried out is unknown, unless it was `unsent`. */
export class PeerLost extends Error {
  readonly isUnsent: boolean;

  constructor(message: string, isUnsent: boolean) {
    super(message);
    this.name = "PeerLost";
    this.isUnsent = isUnsent;
  }
}

export interface PeerOptions {
  /** `host:port`, the host an address or a name with one address. */
  readonly address: string;
  readonly credentials: ChannelCredentials;
  /** Sent with every stream; shows that we belong to the same cluster. */
  readonly metadata: Metadata;
  /** Called when it begins or ceases to take calls. */
  readonly onChange: (peer: Peer) => void;
}

interface Waiting {
  readonly resolve: (value: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Another process: one connection, and one stream on it that carries all calls. It takes calls while that stream stands
 * and the other side has not said that it is leaving, so a peer that dies, hangs (its pings are not answered) or stops is known as such without
 * being asked.
 */
export class Peer {
  readonly address: string;
  readonly #options: PeerOptions;
  readonly #client: Client;
  #stream: ClientDuplexStream<ExchangeRequest, ExchangeResponse> | undefined;
  #isReady = false;
  #isLeaving = false;
  #isClosed = false;
  #lastId = 0;
  #attempts = 0;
  #lives = 0;
  #again: NodeJS.Timeout | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #queue: Call[] = [];
  #isFlushing = false;
  #lastFault = "not connected yet";

  constructor(options: PeerOptions) {
    this.address = options.address;
    this.#options = options;
    this.#client = new Client(options.address, options.credentials, {
      "grpc.keepalive_time_ms": limits.peerPingMs,
      "grpc.keepalive_timeout_ms": limits.peerPingMs,
      "grpc.keepalive_permit_without_calls": 1,
      "grpc.initial_reconnect_backoff_ms": limits.peerAgainMsFirst,
      "grpc.min_reconnect_backoff_ms": limits.peerAgainMsFirst,
      "grpc.max_reconnect_backoff_ms": limits.peerAgainMsMax,
      "grpc.max_receive_message_length": limits.peerMessageBytesMax,
      "grpc.max_send_message_length": -1,
      // Processes come and go at addresses: what the certificate says is that they belong to the cluster.
      "grpc.ssl_target_name_override": "larder",
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_http_proxy": 0,
    });
    this.#open();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Names this process at this address while it lives: another text after it was away. */
  get place(): string {
    return `${this.address}#${this.#lives}`;
  }

  /** Why it takes no calls, for operators. */
  get fault(): string {
    return this.#lastFault;
  }

  /** Calls that wait for their answer. */
  get inFlight(): number {
    return this.#waiting.size;
  }

  /**
   * Calls a method. Rejects with what the method threw, as `PlatformError` with the same code; and with `PeerLost` when no answer
   * came, which may take `timeoutMs`.
   */
  call(module: string, method: string, args: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (!this.#isReady) return Promise.reject(new PeerLost(this.#lastFault, true));
    return new Promise((resolve, reject) => {
      this.#lastId = (this.#lastId + 1) % 0x1_0000_0000;
      const id = this.#lastId;
      const timer = setTimeout(() => this.#giveUp(id), timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#queue.push(create(CallSchema, { id, module, method, arguments: args }));
      this.#flushSoon();
    });
  }

  /** Opens a feed and gives the messages of it. Ends with the signal; throws `PeerLost` when the peer is lost. */
  async *follow(module: string, method: string, args: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (signal.aborted) return;
    if (!this.#isReady) throw new PeerLost(this.#lastFault, true);
    const { path, requestSerialize, responseDeserialize } = followed;
    const request = create(FollowRequestSchema, { module, method, arguments: args });
    const stream = this.#client.makeServerStreamRequest<FollowRequest, FollowResponse>(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.#options.metadata,
    );
    const cancel = () => stream.cancel();
    signal.addEventListener("abort", cancel);
    try {
      for await (const { step } of stream as AsyncIterable<FollowResponse>) yield step;
    } catch (error) {
      if (!signal.aborted) throw lost(error);
    } finally {
      signal.removeEventListener("abort", cancel);
      stream.cancel();
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#again);
    this.#stream?.cancel();
    this.#fail(new Error("this process stops"));
    this.#client.close();
  }

  #open(): void {
    this.#isLeaving = false;
    const { path, requestSerialize, responseDeserialize } = exchange;
    const stream = this.#client.makeBidiStreamRequest<ExchangeRequest, ExchangeResponse>(
      path,
      requestSerialize,
      responseDeserialize,
      this.#options.metadata,
    );
    this.#stream = stream;
    stream.on("data", (message: ExchangeResponse) => this.#receive(message));
    // A stream that ends always says why; one that the other side has ended in order comes as its end.
    stream.on("error", (error) => this.#broken(stream, error));
    stream.on("end", () => this.#broken(stream, new Error("it has ended the stream")));
  }

  #receive({ answers, isLeaving }: ExchangeResponse): void {
    if (isLeaving) {
      this.#isLeaving = true;
      this.#lastFault = "it is stopping";
    } else this.#attempts = 0;
    this.#setReady(!this.#isLeaving);
    for (const answer of answers) this.#settle(answer);
  }

  #settle({ id, outcome }: Answer): void {
    const waiting = this.#take(id);
    if (waiting === undefined) return;
    if (outcome.case === "value") waiting.resolve(outcome.value);
    else if (outcome.case === "failure" && outcome.value.isUnbegun)
      waiting.reject(new PeerLost(outcome.value.detail, true));
    else if (outcome.case === "failure")
      waiting.reject(new PlatformError(codeOf(outcome.value.code), outcome.value.detail));
    else waiting.reject(new PlatformError("internal", `${this.address} answered with nothing`));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    return waiting;
  }

  #giveUp(id: number): void {
    const isUnsent = this.#queue.some((call) => call.id === id);
    if (isUnsent) this.#queue = this.#queue.filter((call) => call.id !== id);
    this.#take(id)?.reject(new PeerLost(`${this.address} did not answer in time`, isUnsent));
  }

  /** All that is called in one turn of the event loop goes out as one message. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const stream = this.#stream;
    while (this.#queue.length > 0 && stream !== undefined && this.#isReady) {
      const calls = this.#nextMessage();
      if (stream.write(create(ExchangeRequestSchema, { calls }))) continue;
      this.#isFlushing = true;
      stream.once("drain", () => {
        this.#isFlushing = false;
        this.#flush();
      });
      return;
    }
    if (this.#queue.length > 0) this.#failUnsent();
  }

  #nextMessage(): Call[] {
    let bytes = 0;
    let count = 0;
    for (const call of this.#queue) {
      bytes += call.arguments.length;
      if (count > 0 && bytes > limits.peerMessageBytesGoal) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #setReady(isReady: boolean): void {
    if (this.#isReady === isReady) return;
    this.#isReady = isReady;
    if (isReady) this.#lives += 1;
    else this.#failUnsent();
    this.#options.onChange(this);
  }

  #failUnsent(): void {
    for (const { id } of this.#queue.splice(0)) this.#take(id)?.reject(new PeerLost(this.#lastFault, true));
  }

  #broken(stream: ClientDuplexStream<ExchangeRequest, ExchangeResponse>, error: Error): void {
    if (stream !== this.#stream) return;
    this.#stream = undefined;
    this.#isFlushing = false;
    this.#lastFault = error.message;
    this.#setReady(false);
    this.#fail(error);
    if (this.#isClosed) return;
    const waitMs = Math.min(limits.peerAgainMsMax, limits.peerAgainMsFirst * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 10);
    this.#again = setTimeout(() => this.#open(), waitMs);
  }

  #fail(error: Error): void {
    this.#failUnsent();
    for (const id of [...this.#waiting.keys()])
      this.#take(id)?.reject(new PeerLost(`${this.address} was lost: ${error.message}`, false));
  }
}

function lost(error: unknown): PeerLost {
  return new PeerLost(error instanceof Error ? error.message : String(error), false);
}

function codeOf(code: string): ErrorCode {
  return Object.hasOwn(catalogue, code) ? (code as ErrorCode) : "internal";
}
