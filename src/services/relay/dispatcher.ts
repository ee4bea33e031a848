import { hash } from "node:crypto";
import { isLongerThan, limits } from "../../kernel/index.ts";
import type { Messaging, OutgoingMessage } from "../../platform/messaging/index.ts";
import { pause, type Timers } from "../../platform/timers/index.ts";
import type { ChangesFilter, Inventory, RecordedCloudEvent } from "../inventory/index.ts";
import { orderKeyOf, type Webhook } from "./domain/index.ts";

export interface DispatcherOptions {
  readonly inventory: Pick<Inventory, "changes">;
  readonly messaging: Messaging;
  readonly timers: Timers;
  readonly queue: string;
  readonly webhook: Webhook;
  /** Where it begins. */
  readonly after: string;
  /** Where to go on from a position of a history that a restore has left. */
  readonly goOnFrom: (position: string) => string;
  readonly signal: AbortSignal;
  /** All matching events up to here are in the queue, `sent` of them since the last call. */
  readonly onMoved: (after: string, sent: number) => void;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Follows the log for one webhook and moves its events into its queue, until the signal is aborted. A full queue makes
 * it wait: what is not queued yet is safe in the log.
 */
export async function dispatch(options: DispatcherOptions): Promise<void> {
  const { inventory, webhook, signal, onMoved } = options;
  const { id, limitedTo } = webhook;
  const caller = { id, ownReservations: false, ...(limitedTo && { locations: new Set(limitedTo) }) };
  const following = { signal, heartbeatMs: limits.feedHeartbeatMs };
  const follow = (after: string) => inventory.changes(after, filterOf(webhook), caller, following);
  let after = options.after;
  while (!signal.aborted) {
    try {
      const found = await follow(after);
      const steps = found.ok ? found : await follow(options.goOnFrom(after));
      if (!steps.ok) throw new Error(`the log can't be followed: ${steps.rejection.detail}`);
      for await (const { events, position } of steps.value) {
        await sendAll(events, options);
        if (signal.aborted) return;
        after = position;
        onMoved(after, events.length);
      }
      // The log has come to its end: the inventory stops.
      return;
    } catch (error) {
      options.onFailure(error);
      await pause(limits.webhookRoomMs, options.signal, options.timers);
    }
  }
}

function filterOf({ types, skus, locations }: Webhook): ChangesFilter {
  return {
    ...(types && { types: new Set(types) }),
    ...(skus && { skus: new Set(skus) }),
    ...(locations && { locations: new Set(locations) }),
  };
}

async function sendAll(events: readonly RecordedCloudEvent[], options: DispatcherOptions): Promise<void> {
  const { messaging, queue, webhook, signal, onFailure } = options;
  for (let at = 0; at < events.length && !signal.aborted; ) {
    const messages = batchOf(events.slice(at, at + limits.webhookBatchMax), webhook.replays);
    try {
      await messaging.send(queue, messages);
      at += messages.length;
    } catch (error) {
      // What may have been sent is sent again: its ids make that safe.
      if (!isFull(error)) onFailure(error);
      await pause(limits.webhookRoomMs, options.signal, options.timers);
    }
  }
}

/** The first of some events, at least one, that a queue takes together. */
function batchOf(events: readonly RecordedCloudEvent[], replays: number): readonly OutgoingMessage[] {
  const messages: OutgoingMessage[] = [];
  let bytes = 0;
  for (const event of events) {
    const message = messageOf(event, replays);
    bytes += Buffer.byteLength(message.body) + besideBody;
    if (messages.length > 0 && bytes > limits.messageBatchBytesMax) break;
    messages.push(message);
  }
  return messages;
}

/** Bytes that a message takes beside its body, at most. */
const besideBody = 4096;

/** Ids name the replay too, so that what is sent again on purpose is not taken for a repeat. */
function messageOf(event: RecordedCloudEvent, replays: number): OutgoingMessage {
  const key = orderKeyOf(event);
  const body = JSON.stringify(event);
  return {
    id: `${replays}:${event.id}`,
    key: isLongerThan(key, limits.identifierLengthMax) ? hash("sha256", key) : key,
    // One that no queue takes is read again when it is delivered.
    body: Buffer.byteLength(body) + besideBody > limits.messageBytesMax ? "" : body,
    headers: { event: event.id, type: event.type, recorded: String(event.data["recordedAt"]) },
  };
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "overloaded";
}
