import { readFile } from "node:fs/promises";
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  headers,
  type NatsConnection,
  RequestError,
} from "@nats-io/transport-node";
import { limits } from "../../../kernel/index.ts";
import { type Sink, type SinkEvent, SinkMoved, type SinkSession } from "../port.ts";
import { subjectOf, subjectRoot } from "./subjects.ts";

export interface NatsSinkOptions {
  /** Servers of one NATS system, by comma, as `nats://user:password@host:4222`; `tls:` with TLS. */
  readonly url: string;
  /** Path of a file of credentials (`.creds`), read at each connection. */
  readonly credentials?: string;
  /** Milliseconds for which the stream keeps events; undefined for ever. */
  readonly keepMs: number | undefined;
  /** Copies of the stream in a cluster of NATS servers, when Larder makes it. */
  readonly replicas: number;
}

/** The stream that Larder publishes to, and makes when it is not there. */
export const streamName = "LARDER";
/** The header of each message that says up to where in the log the stream is, with it. */
export const positionHeader = "Larder-Position";

/**
 * Every recorded change as a message of a JetStream stream (docs/guides/nats.md). Order and completeness come from the
 * stream's own numbers: each message states the number of the one before it, so that the server takes none after a gap, a
 * loss or another writer's. How far it came is what its last message says.
 */
export class NatsSink implements Sink {
  readonly name = "nats";
  readonly #options: NatsSinkOptions;

  constructor(options: NatsSinkOptions) {
    this.#options = options;
  }

  async open(): Promise<SinkSession> {
    const { url, credentials, keepMs, replicas } = this.#options;
    const connection = await connect({
      ...addressesIn(url),
      ...(credentials !== undefined && { authenticator: credsAuthenticator(await readFile(credentials)) }),
      name: "larder",
      timeout: limits.sinkCallMs,
      pingInterval: limits.sinkCheckMs,
      // A connection that broke is not trusted: another one looks first how far the stream is.
      reconnect: false,
      noAsyncTraces: true,
    });
    try {
      const manager = await jetstreamManager(connection, { timeout: limits.sinkCallMs });
      await ensureStream(manager, keepMs, replicas);
      return new NatsSession(connection, manager, await placeIn(manager), keepMs);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }
}

/** How a stream stands. */
interface Place {
  readonly created: string;
  /** The number of the last message there ever was. */
  readonly lastSequence: number;
  readonly isEmpty: boolean;
  /** Undefined when it holds no message. */
  readonly position: string | undefined;
}

class NatsSession implements SinkSession {
  readonly position: string | undefined;
  readonly filling: SinkSession["filling"];
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #created: string;
  #lastSequence: number;
  #isEmpty: boolean;

  constructor(connection: NatsConnection, manager: JetStreamManager, place: Place, keepMs: number | undefined) {
    this.#connection = connection;
    this.#manager = manager;
    this.#client = jetstream(connection, { timeout: limits.sinkCallMs });
    this.#created = place.created;
    this.#lastSequence = place.lastSequence;
    this.#isEmpty = place.isEmpty;
    this.position = place.position;
    this.filling = { from: "events", keepMs };
  }

  async write(events: readonly SinkEvent[]): Promise<void> {
    if (events.length === 0) await this.#check();
    for (let at = 0; at < events.length; ) {
      const end = endOfRound(events, at);
      await this.#publish(events.slice(at, end));
      at = end;
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Sends events one behind the other without waiting, then waits for all: what follows one that was refused is refused. */
  async #publish(events: readonly SinkEvent[]): Promise<void> {
    const answers = events.map((event, index) => this.#send(event, this.#lastSequence + index));
    const outcomes = await Promise.allSettled(answers);
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw asMoved(failed.reason);
    this.#lastSequence += events.length;
    this.#isEmpty = false;
  }

  async #send(event: SinkEvent, after: number): Promise<void> {
    const named = headers();
    named.set(positionHeader, event.position);
    named.set("Content-Type", "application/cloudevents+json; charset=utf-8");
    const { seq, duplicate } = await this.#client.publish(subjectOf(event), event.body, {
      msgID: event.id,
      headers: named,
      expect: { streamName, lastSequence: after },
    });
    if (duplicate || seq !== after + 1)
      throw new SinkMoved("the stream knows the id of an event that it does not hold: it was purged a moment ago");
  }

  async #check(): Promise<void> {
    const { created, state } = await this.#manager.streams.info(streamName).catch((error) => {
      throw isStreamMissing(error) ? new SinkMoved("the stream is gone") : error;
    });
    if (created !== this.#created) throw new SinkMoved("the stream was made anew");
    if (state.last_seq !== this.#lastSequence)
      throw new SinkMoved(
        `the stream ends with message ${state.last_seq}, and ${this.#lastSequence} was the last one sent`,
      );
    // It was purged, or all that it held has become too old: whoever opens it again finds out.
    if (state.messages === 0 && !this.#isEmpty) throw new SinkMoved("the stream is empty");
  }
}

/** Makes the stream when it is not there; of one that is there only the time for which it keeps events is set. */
async function ensureStream(manager: JetStreamManager, keepMs: number | undefined, replicas: number): Promise<void> {
  const max_age = (keepMs ?? 0) * 1e6;
  const subjects = [`${subjectRoot}.>`];
  try {
    const { config } = await manager.streams.info(streamName);
    if (config.subjects?.includes(subjects[0] ?? "") !== true)
      throw new Error(`there is a stream ${streamName}, and it does not take ${subjects[0]}`);
    if (config.max_age !== max_age) await manager.streams.update(streamName, { max_age });
  } catch (error) {
    if (!isStreamMissing(error)) throw error;
    await manager.streams.add({
      name: streamName,
      description: "What Larder recorded. It is filled again from Larder's log when it is lost.",
      subjects,
      max_age,
      num_replicas: replicas,
      // Repeats are kept out by the numbers of messages; a longer memory would keep out what is sent again after a purge.
      duplicate_window: duplicatesKnownNs,
    });
  }
}

/** The least that NATS servers take without remark: 1 s. */
const duplicatesKnownNs = 1e9;

async function placeIn(manager: JetStreamManager): Promise<Place> {
  const { created, state } = await manager.streams.info(streamName);
  const place = { created, lastSequence: state.last_seq, isEmpty: state.messages === 0 };
  const last = await manager.streams.getMessage(streamName, { last_by_subj: `${subjectRoot}.>` });
  if (last === null) return { ...place, position: undefined };
  const position = last.header.get(positionHeader);
  if (position === "")
    throw new Error(
      `message ${last.seq} of the stream ${streamName} is not Larder's: only Larder may publish to ${subjectRoot}.>`,
    );
  return { ...place, position };
}

/** How far one round of sending goes: bounded in number and in bytes. */
function endOfRound(events: readonly SinkEvent[], from: number): number {
  let bytes = 0;
  let end = from;
  while (end < events.length && end - from < limits.natsInFlightMax && bytes < limits.natsInFlightBytesMax) {
    bytes += events[end]?.body.length ?? 0;
    end += 1;
  }
  return end;
}

/** A refusal because of the numbers, or a stream that is gone, is for whoever opens it again. */
function asMoved(error: unknown): unknown {
  // The library says that JetStream is off wherever nobody takes a message.
  if (error instanceof Error && error.cause instanceof RequestError && error.cause.isNoResponders())
    return new SinkMoved("no stream takes the events: it is gone");
  if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence)
    return new SinkMoved("the stream does not end where it was left: it lost messages, or others publish to it", {
      cause: error,
    });
  return error;
}

function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
}

/** What the library takes apart: addresses, log-in, TLS. The first address that has a log-in gives it for all. */
function addressesIn(url: string): ConnectionOptions {
  const urls = url.split(",").map((text) => new URL(text.trim()));
  const { username, password } = urls.find((one) => one.username !== "") ?? {};
  const user = decodeURIComponent(username ?? "");
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || "4222"}`),
    ...(urls.some(({ protocol }) => protocol === "tls:") && { tls: {} }),
    ...(user !== "" && (password ? { user, pass: decodeURIComponent(password) } : { token: user })),
  };
}
