import { create } from "@bufbuild/protobuf";
import {
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { type ErrorCode, NotBegun, type Outcome, PlatformError } from "../../kernel/index.ts";
import { decodeArguments, encodeValue } from "./encoding.ts";
import {
  type Answer,
  AnswerSchema,
  type Call,
  type ExchangeRequest,
  type ExchangeResponse,
  ExchangeResponseSchema,
  type FollowRequest,
  type FollowResponse,
  FollowResponseSchema,
} from "./generated/larder/internal/v1/modules_pb.js";
import { type AnySpec, entriesOf, isFeed, methodAt } from "./methods.ts";

type Exchange = ServerDuplexStream<ExchangeRequest, ExchangeResponse>;
type Follow = ServerWritableStream<FollowRequest, FollowResponse>;

export interface OfferedModule {
  /** What the methods are called on. */
  readonly offer: object;
  /** Its table (`Methods`). */
  readonly methods: object;
}

export interface ModuleServerOptions {
  /** Whether who asks belongs to the cluster, by the metadata of its stream. */
  readonly isMember: (authorization: string | undefined) => boolean;
  /** A method threw what is no `PlatformError`: a defect, whose message stays here. */
  readonly onDefect: (method: string, error: unknown) => void;
}

/** Offers the modules of this process to others: the other half of `Peer`. */
export class ModuleServer {
  readonly #options: ModuleServerOptions;
  readonly #modules = new Map<string, ReadonlyMap<string, Offered>>();
  readonly #exchanges = new Set<AnswerWriter>();
  readonly #feeds = new Set<AbortController>();
  #inFlight = 0;
  #isLeaving = false;
  #whenIdle: (() => void) | undefined;

  constructor(options: ModuleServerOptions) {
    this.#options = options;
  }

  offer(name: string, { offer, methods }: OfferedModule): void {
    const found = entriesOf(methods).map(([path, spec]) => [path, { spec, call: methodAt(offer, path) }] as const);
    this.#modules.set(name, new Map(found));
  }

  /** Handlers for `ModuleService`. */
  implementation(): UntypedServiceImplementation {
    return { Exchange: (stream: Exchange) => this.#exchange(stream), Follow: (stream: Follow) => this.#follow(stream) };
  }

  /**
   * Tells all that call that nothing more is begun here, ends the feeds, which are resumed elsewhere, and waits up to `ms` for
   * what is under way. The streams are ended then.
   */
  async leave(ms: number): Promise<void> {
    this.#isLeaving = true;
    for (const exchange of this.#exchanges) exchange.leave();
    for (const feed of this.#feeds) feed.abort();
    if (this.#inFlight > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#whenIdle = resolve;
      const timer = setTimeout(resolve, ms);
      await promise;
      clearTimeout(timer);
    }
    for (const exchange of this.#exchanges) exchange.end();
  }

  #exchange(stream: Exchange): void {
    if (!this.#admits(stream)) return;
    const writer = new AnswerWriter(stream);
    this.#exchanges.add(writer);
    writer.greet(this.#isLeaving);
    stream.on("data", ({ calls }: ExchangeRequest) => {
      for (const call of calls) void this.#answer(call, writer);
    });
    stream.on("end", () => writer.end());
    stream.on("error", () => stream.end());
    stream.on("close", () => this.#exchanges.delete(writer));
    stream.on("cancelled", () => this.#exchanges.delete(writer));
  }

  async #answer({ id, module, method, arguments: bytes }: Call, writer: AnswerWriter): Promise<void> {
    if (this.#isLeaving) {
      writer.add(failure(id, "shutting-down", "it is stopping", true));
      return;
    }
    const found = this.#modules.get(module)?.get(method);
    if (found?.call === undefined || isFeed(found.spec)) {
      writer.add(failure(id, "internal", `${module}.${method} is not offered here`));
      return;
    }
    this.#inFlight += 1;
    try {
      const value = await found.call(...decodeArguments(bytes));
      writer.add(create(AnswerSchema, { id, outcome: { case: "value", value: encodeValue(value) } }));
    } catch (error) {
      if (error instanceof PlatformError) writer.add(failure(id, error.code, error.message, error instanceof NotBegun));
      else {
        this.#options.onDefect(`${module}.${method}`, error);
        writer.add(failure(id, "internal", "the server's log says why"));
      }
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#whenIdle?.();
    }
  }

  #follow(stream: Follow): void {
    if (!this.#admits(stream)) return;
    const { module, method, arguments: bytes } = stream.request;
    const found = this.#modules.get(module)?.get(method);
    if (this.#isLeaving || found?.call === undefined || !isFeed(found.spec)) {
      stream.emit("error", {
        code: status.UNAVAILABLE,
        details: this.#isLeaving ? "it is stopping" : "not offered here",
      });
      return;
    }
    const ending = new AbortController();
    this.#feeds.add(ending);
    stream.on("cancelled", () => ending.abort());
    stream.on("close", () => ending.abort());
    void this.#feed(stream, found.call, bytes, ending.signal)
      .catch((error: unknown) => {
        if (ending.signal.aborted) return stream.end();
        if (!(error instanceof PlatformError)) this.#options.onDefect(`${module}.${method}`, error);
        return stream.emit("error", { code: status.UNAVAILABLE, details: "the feed broke" });
      })
      .finally(() => this.#feeds.delete(ending));
  }

  async #feed(stream: Follow, call: Callable, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const args = decodeArguments(bytes);
    const options = args.pop() as object;
    const opened = (await call(...args, { ...options, signal })) as Outcome<AsyncIterable<unknown>>;
    stream.write(stepOf(opened.ok ? { ok: true } : opened));
    if (opened.ok) {
      for await (const step of opened.value) {
        if (signal.aborted) break;
        // The log is read only as fast as the other side takes what was read.
        if (!stream.write(stepOf(step))) await drained(stream, signal);
      }
    }
    stream.end();
  }

  #admits(stream: Exchange | Follow): boolean {
    const [authorization] = stream.metadata.get("authorization");
    if (this.#options.isMember(authorization?.toString())) return true;
    stream.emit("error", { code: status.UNAUTHENTICATED, details: "the secret of the cluster is another one" });
    return false;
  }
}

type Callable = (...args: unknown[]) => unknown;

interface Offered {
  readonly spec: AnySpec;
  readonly call: Callable | undefined;
}

/** Writes answers: all that are there in one turn of the event loop as one message, as they come from one append. */
class AnswerWriter {
  readonly #stream: Exchange;
  #answers: Answer[] = [];
  #isEnded = false;

  constructor(stream: Exchange) {
    this.#stream = stream;
  }

  greet(isLeaving: boolean): void {
    this.#write({ answers: [], isLeaving });
  }

  leave(): void {
    this.#write({ answers: [], isLeaving: true });
  }

  add(answer: Answer): void {
    this.#answers.push(answer);
    if (this.#answers.length === 1) setImmediate(() => this.#flush());
  }

  end(): void {
    if (this.#isEnded) return;
    this.#flush();
    this.#isEnded = true;
    this.#stream.end();
  }

  #flush(): void {
    const answers = this.#answers;
    if (answers.length === 0) return;
    this.#answers = [];
    this.#write({ answers, isLeaving: false });
  }

  #write(message: { answers: Answer[]; isLeaving: boolean }): void {
    if (!this.#isEnded) this.#stream.write(create(ExchangeResponseSchema, message));
  }
}

function failure(id: number, code: ErrorCode, detail: string, isUnbegun = false): Answer {
  return create(AnswerSchema, { id, outcome: { case: "failure", value: { code, detail, isUnbegun } } });
}

function stepOf(step: unknown): FollowResponse {
  return create(FollowResponseSchema, { step: encodeValue(step) });
}

/** Waits until a slow reader has taken what was written. */
function drained(stream: Follow, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stream.on("drain", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
