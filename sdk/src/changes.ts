import { isLarderError, LarderError } from "./errors.ts";
import { limits } from "./limits.ts";
import type { RecordedCloudEvent } from "./operations.ts";
import { delayMs, sleep, type Transport, unreachable } from "./transport.ts";

export interface ChangesOptions {
  /** The position to go on from; from the beginning of the log when absent. */
  readonly after?: string | undefined;
  /** Only what concerns these; up to 1,000 of each, as far as the address of a request can hold them. */
  readonly skus?: readonly string[] | undefined;
  readonly locations?: readonly string[] | undefined;
  /** Only events of these CloudEvents types. */
  readonly types?: readonly string[] | undefined;
  /** Whether to go on past the present; true unless given. */
  readonly follow?: boolean | undefined;
  /** Seconds between signs of life, 1 to 15: after three times that in silence the connection counts as lost. */
  readonly heartbeatSeconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of each lost connection; the feed goes on by itself. */
  readonly onLost?: ((error: LarderError) => void) | undefined;
}

/** A sign of life: everything up to `position` that the feed was asked for has been given. */
export interface Heartbeat {
  readonly type: "heartbeat";
  readonly position: string;
  /** Whether that is the present. */
  readonly caughtUp: boolean;
}

export function isHeartbeat(said: RecordedCloudEvent | Heartbeat): said is Heartbeat {
  return said.type === "heartbeat";
}

/** An event of a stock, which carries the quantities after it. */
export interface StockChange extends RecordedCloudEvent {
  readonly data: Readonly<Record<string, unknown>> & {
    readonly sku: string;
    readonly location: string;
    readonly balance: StockQuantities;
    readonly version: number;
    readonly recordedAt: string;
  };
}

/** The quantities of one sku at one location, in whole base units. */
export interface StockQuantities {
  readonly available: number;
  readonly onHand: number;
  readonly unavailable: number;
  readonly reserved: number;
  readonly committed: number;
  readonly safetyStock: number;
  readonly incoming: number;
}

/** Whether an event is of a stock: reservations, items, policies and locations have events of their own. */
export function isStockChange(event: RecordedCloudEvent): event is StockChange {
  const { sku, location, balance, version } = event.data;
  return (
    typeof sku === "string" &&
    typeof location === "string" &&
    typeof balance === "object" &&
    typeof version === "number"
  );
}

/**
 * Follows the change feed: every event once, in order per sku and location, and signs of life between. A lost
 * connection is opened again after a while, from where it was. Rejects with what opening it again can't help, such as
 * `position-from-another-history`: then read the present state, and follow from its position.
 */
export async function* followChanges(
  transport: Transport,
  options: ChangesOptions,
): AsyncGenerator<RecordedCloudEvent | Heartbeat, void> {
  const { follow = true, signal } = options;
  let { after } = options;
  for (let failures = 0; ; failures += 1) {
    let lost: LarderError;
    try {
      for await (const line of feedLines(transport, { ...options, after })) {
        const said = parsed(line);
        failures = 0;
        after = said.position;
        yield said;
      }
      if (!follow) return;
      lost = new LarderError("unreachable", "Larder ended the change feed.");
    } catch (error) {
      signal?.throwIfAborted();
      if (!isLarderError(error) || !mayReturn(error)) throw error;
      lost = error;
    }
    options.onLost?.(lost);
    const askedMs = Math.min(lost.retryAfterMs ?? 0, limits.retryAfterMsMax);
    await sleep(delayMs(failures, limits.reconnectMsMax, askedMs), signal);
  }
}

/** Whether a feed may come back after this. */
function mayReturn({ status }: LarderError): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

function parsed(line: string): RecordedCloudEvent | Heartbeat {
  try {
    return JSON.parse(line) as RecordedCloudEvent | Heartbeat;
  } catch (cause) {
    throw new LarderError("unexpected-answer", "The change feed holds a line that is no JSON.", { cause });
  }
}

/** The lines of one connection. Silence for too long ends it. */
async function* feedLines(transport: Transport, options: ChangesOptions): AsyncGenerator<string> {
  const { after, skus, locations, types, follow, heartbeatSeconds = limits.heartbeatSeconds, signal } = options;
  const query = { after, sku: skus, location: locations, type: types, follow, heartbeatSeconds };
  const silenceMs = heartbeatSeconds * 1000 * limits.heartbeatsMissed + limits.heartbeatGraceMs;
  const connection = new AbortController();
  const silent = () => connection.abort(new LarderError("timeout", `The change feed was silent for ${silenceMs} ms.`));
  let watch = setTimeout(silent, silenceMs);
  try {
    const both = signal ? AbortSignal.any([signal, connection.signal]) : connection.signal;
    const headers = new Headers({ accept: "application/x-ndjson" });
    const response = await transport.open("/v1/changes", query, headers, both);
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) return; // A last line without an end may be cut.
      clearTimeout(watch);
      watch = setTimeout(silent, silenceMs);
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      if (rest.length > limits.feedLineCharsMax)
        throw new LarderError("unexpected-answer", "A line of the change feed has no end.");
      for (const line of parts) if (line !== "") yield line;
    }
  } catch (error) {
    if (isLarderError(error)) throw error;
    if (isLarderError(connection.signal.reason)) throw connection.signal.reason;
    throw unreachable(error);
  } finally {
    clearTimeout(watch);
    connection.abort();
  }
}
