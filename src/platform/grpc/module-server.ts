import { create } from "@bufbuild/protobuf";
import {
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { codeOf, type ErrorCode, limits, NotBegun, type Outcome, PlatformError } from "../../kernel/index.ts";
import { drained } from "./drained.ts";
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

/** The metadata that says for which module a stream is opened. */
export const wantedModule = "larder-module";

type Exchange = ServerDuplexStream<ExchangeRequest, ExchangeResponse>;
type Follow = ServerWritableStream<FollowRequest, FollowResponse>;

export interface OfferedModule {
  /** What the methods are called on. */
  readonly offer: object;
  /** Its table (`Methods`). */
  readonly methods: object;
  /** Whether another process does its work now, and knows about it: calls are to go there. Never unless given. */
  readonly isElsewhere?: (() => boolean) | undefined;
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
  readonly #modules = new Map<string, Offering>();
  readonly #exchanges = new Set<AnswerWriter>();
  readonly #feeds = new Set<AbortController>();
  #inFlight = 0;
  #isLeaving = false;
  #whenIdle: (() => void) | undefined;

  constructor(options: ModuleServerOptions) {
    this.#options = options;
  }

  offer(name: string, { offer, methods, isElsewhere = () => false }: OfferedModule): void {
    const found = entriesOf(methods).map(([path, spec]) => [path, { spec, call: methodAt(offer, path) }] as const);
    this.#modules.set(name, { methods: new Map(found), isElsewhere });
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
    if (!this.#admits(stream) || !this.#offersWanted(stream)) return;
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
    const offering = this.#modules.get(module);
    const found = offering?.methods.get(method);
    if (found?.call === undefined || isFeed(found.spec)) {
      writer.add(failure(id, "internal", `${module}.${method} is not offered here`));
      return;
    }
    if (offering?.isElsewhere() === true) {
      writer.add(failure(id, "peer-unavailable", `no process that was asked does the work of ${module}`, true));
      return;
    }
    this.#inFlight += 1;
    try {
      const value = encodeValue(await found.call(...decodeArguments(bytes)));
      checkSize(value);
      writer.add(create(AnswerSchema, { id, outcome: { case: "value", value } }));
    } catch (error) {
      const fault = codeOf(error);
      if (fault !== undefined) writer.add(failure(id, fault, messageOf(error), error instanceof NotBegun));
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
    const found = this.#modules.get(module)?.methods.get(method);
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
        if (codeOf(error) === undefined) this.#options.onDefect(`${module}.${method}`, error);
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

  /**
   * Whether the module that the other side looks for is here: an address changes hands, and a process of another kind may
   * stand where that one stood. Older versions do not say what they look for.
   */
  #offersWanted(stream: Exchange): boolean {
    const wanted = stream.metadata.get(wantedModule)[0]?.toString();
    if (wanted === undefined || this.#modules.has(wanted)) return true;
    stream.emit("error", { code: status.UNAVAILABLE, details: `it does not offer ${wanted}` });
    return false;
  }
}

type Callable = (...args: unknown[]) => unknown;

interface Offering {
  readonly methods: ReadonlyMap<string, Offered>;
  readonly isElsewhere: () => boolean;
}

interface Offered {
  readonly spec: AnySpec;
  readonly call: Callable | undefined;
}

/**
 * Writes answers: all that are there in one turn of the event loop together, as they come from one append. Much is cut into
 * several messages, as a message beyond what the other side takes ends the stream, and with it every call that waits there.
 */
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
    const all = this.#answers;
    this.#answers = [];
    let answers: Answer[] = [];
    let bytes = 0;
    for (const answer of all) {
      bytes += sizeOf(answer);
      if (answers.length > 0 && bytes > limits.peerMessageBytesGoal) {
        this.#write({ answers, isLeaving: false });
        answers = [];
        bytes = sizeOf(answer);
      }
      answers.push(answer);
    }
    if (answers.length > 0) this.#write({ answers, isLeaving: false });
  }

  #write(message: { answers: Answer[]; isLeaving: boolean }): void {
    if (!this.#isEnded) this.#stream.write(create(ExchangeResponseSchema, message));
  }
}

function sizeOf({ outcome }: Answer): number {
  return outcome.case === "value" ? outcome.value.length : (outcome.value?.detail.length ?? 0);
}

/** Bytes that a message has beside the one value in it, at most. */
const frameBytesMax = 32;

/** Throws when a value does not fit into a message: to ask again, here or elsewhere, would come to the same. */
function checkSize(value: Uint8Array): void {
  const max = limits.peerMessageBytesMax - frameBytesMax;
  if (value.length <= max) return;
  throw new PlatformError(
    "internal",
    `the answer has ${value.length} bytes, and between processes it may have at most ${max}`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function failure(id: number, code: ErrorCode, detail: string, isUnbegun = false): Answer {
  return create(AnswerSchema, { id, outcome: { case: "failure", value: { code, detail, isUnbegun } } });
}

function stepOf(step: unknown): FollowResponse {
  return create(FollowResponseSchema, { step: encodeValue(step) });
}
