import type { Agent, IncomingMessage } from "node:http";
import { isIPv6, type LookupFunction } from "node:net";
import { limits } from "../../kernel/index.ts";
import { systemTimers, type Timers } from "../timers/index.ts";
import { type AddressRule, addressRule } from "./addresses.ts";
import { codeOf, OutboundError, outboundError } from "./failure.ts";
import { type Resolve, systemResolver } from "./resolver.ts";
import { fixedAddresses, parseTarget } from "./target.ts";

// Imported, they would bring all that they load only when it is first asked for, WebSocket among it: a thirtieth of a start.
const http = process.getBuiltinModule("node:http");
const https = process.getBuiltinModule("node:https");

export interface OutboundOptions {
  /** Addresses and CIDRs that may be reached beside public ones: the setting `outboundAllow`. */
  readonly allow: string | null;
  /** Asks the name servers unless given. */
  readonly resolve?: Resolve;
  /** The system's unless given. */
  readonly timers?: Timers;
}

export interface OutboundCall {
  /** What a user configured; judged anew with each call. */
  readonly url: string;
  readonly method: "GET" | "POST";
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds from a free place to a connection, name look-up and TLS included. */
  readonly connectMs?: number;
  /** Milliseconds for all of it, waiting for a free place included. */
  readonly totalMs?: number;
  /** Bytes of the answer's body that are read. */
  readonly answerBytesMax?: number;
  readonly signal?: AbortSignal;
}

export interface OutboundAnswer {
  readonly status: number;
  /** Names in lower case; of a header that came twice, both by comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whether the body was longer than asked for: `body` is its beginning. */
  readonly isCut: boolean;
  /** Milliseconds it took. */
  readonly tookMs: number;
}

/**
 * Calls addresses that users configure, so that nobody can make Larder call what only Larder can reach.
 *
 * Only http and https, only addresses that the rule allows. A name is looked up once for each connection; the connection
 * is made to one of the addresses of that answer that are allowed, so an answer that changes a moment later gains nothing.
 * Redirects are answers like any other. Connections are kept for a while and shared by those who call the same host, up
 * to `limits.outboundSocketsPerHostMax`; who comes later waits, and no host waits for another.
 *
 * A call is sent again at once when a kept connection turns out to have been ended by the other side: what is called must
 * bear a repeat.
 */
export class OutboundClient {
  readonly #mayReach: AddressRule;
  readonly #timers: Timers;
  readonly #http: Agent;
  readonly #https: Agent;

  constructor({ allow, resolve = systemResolver(), timers = systemTimers }: OutboundOptions) {
    this.#mayReach = addressRule(allow);
    this.#timers = timers;
    const options = {
      keepAlive: true,
      maxSockets: limits.outboundSocketsPerHostMax,
      maxFreeSockets: limits.outboundSocketsPerHostMax,
      timeout: limits.outboundIdleMs,
      lookup: guardedLookup(resolve, this.#mayReach),
    };
    this.#http = new http.Agent(options);
    this.#https = new https.Agent(options);
  }

  /** Why a URL can't be called, as a clause after the name of its field; undefined when nothing shows without a look-up. */
  problemOf(url: string): string | undefined {
    // Of what is called paths and queries may be put behind it, so there it counts no more.
    if (url.length > limits.outboundUrlLengthMax) return `must have at most ${limits.outboundUrlLengthMax} characters.`;
    const target = parseTarget(url, this.#mayReach);
    return target.ok ? undefined : target.rejection;
  }

  /** Throws `OutboundError` when there is no answer; every status is one. */
  async call(call: OutboundCall): Promise<OutboundAnswer> {
    const target = parseTarget(call.url, this.#mayReach);
    if (!target.ok) throw new OutboundError("forbidden-address", target.rejection);
    const startedMs = this.#timers.elapsedMs();
    try {
      return await this.#attempt(target.value, call, startedMs);
    } catch (error) {
      if (error !== connectionHadEnded) throw error;
      return await this.#attempt(target.value, call, startedMs).catch((again) => {
        throw again === connectionHadEnded ? new OutboundError("broken") : again;
      });
    }
  }

  /** Ends the kept connections; calls under way break. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #attempt(url: URL, call: OutboundCall, startedMs: number): Promise<OutboundAnswer> {
    const { method, headers, body, signal, answerBytesMax = limits.outboundAnswerBytesMax } = call;
    const { connectMs = limits.outboundConnectMs, totalMs = limits.outboundTotalMs } = call;
    if (signal?.aborted === true) return Promise.reject(new OutboundError("aborted"));
    return new Promise((resolve, reject) => {
      const isTls = url.protocol === "https:";
      const request = (isTls ? https : http).request(url, {
        agent: isTls ? this.#https : this.#http,
        method,
        headers: {
          "user-agent": "Larder",
          "accept-encoding": "identity",
          ...headers,
          ...(body !== undefined && { "content-length": Buffer.byteLength(body) }),
        },
      });
      const leftMs = Math.max(0, totalMs - (this.#timers.elapsedMs() - startedMs));
      const callOffs = [this.#timers.after(leftMs, () => fail(new OutboundError("timeout")))];
      const end = () => {
        for (const callOff of callOffs) callOff();
        signal?.removeEventListener("abort", abort);
      };
      const fail = (error: unknown) => {
        end();
        reject(error);
        request.destroy();
      };
      const abort = () => fail(new OutboundError("aborted"));
      signal?.addEventListener("abort", abort);

      let readBefore = 0;
      request.on("socket", (socket) => {
        readBefore = socket.bytesRead;
        if (!socket.connecting) return;
        const callOff = this.#timers.after(connectMs, () => fail(new OutboundError("connect-timeout")));
        callOffs.push(callOff);
        socket.once(isTls ? "secureConnect" : "connect", callOff);
      });
      request.on("error", (error) => {
        const hadEnded = request.reusedSocket && request.socket?.bytesRead === readBefore && isReset(error);
        fail(hadEnded ? connectionHadEnded : outboundError(error));
      });
      request.on("upgrade", (_response, socket) => {
        socket.destroy();
        fail(new OutboundError("malformed"));
      });
      request.on("response", (response) => {
        readBody(response, answerBytesMax).then(({ body, isCut }) => {
          end();
          const tookMs = this.#timers.elapsedMs() - startedMs;
          resolve({ status: response.statusCode ?? 0, headers: headersOf(response), body, isCut, tookMs });
        }, fail);
      });
      request.end(body);
    });
  }
}

/** What those who call through it need of it. */
export type Outbound = Pick<OutboundClient, "problemOf" | "call">;

/** Thrown when a kept connection ended before any of an answer came. */
const connectionHadEnded = Symbol("connection had ended");

function isReset(error: Error): boolean {
  return codeOf(error) === "ECONNRESET" || codeOf(error) === "EPIPE";
}

async function readBody(
  response: IncomingMessage,
  bytesMax: number,
): Promise<{ readonly body: Buffer; readonly isCut: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      chunks.push(chunk);
      // Leaving the loop ends the connection.
      if (bytes > bytesMax) break;
    }
  } catch (error) {
    throw outboundError(error);
  }
  return { body: Buffer.concat(chunks).subarray(0, bytesMax), isCut: bytes > bytesMax };
}

function headersOf({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
  );
}

/** Answers `node:net` with the addresses of a name that may be reached: it connects to one of them and asks no more. */
function guardedLookup(resolve: Resolve, mayReach: AddressRule): LookupFunction {
  const addressesOf = async (hostname: string) => {
    const found = fixedAddresses(hostname) ?? (await resolve(hostname));
    const allowed = found.filter(mayReach);
    if (allowed.length === 0) throw new OutboundError(found.length === 0 ? "name-not-found" : "forbidden-address");
    return allowed.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  };
  return (hostname, { all }, callback) => {
    addressesOf(hostname).then(
      (addresses) => {
        const [{ address, family } = { address: "", family: 0 }] = addresses;
        if (all === true) callback(null, addresses);
        else callback(null, address, family);
      },
      (error) => callback(error, ""),
    );
  };
}
