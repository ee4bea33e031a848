/** One push: its figures are read, it is signed and sent, and the answer is judged. */
import type { Instant } from "../../kernel/index.ts";
import { limits } from "../../kernel/index.ts";
import { parseRetryAfter } from "../../platform/messaging/index.ts";
import {
  type OutboundAnswer,
  type OutboundCall,
  OutboundError,
  signatureHeaders,
} from "../../platform/outbound/index.ts";
import { type AvailabilityItem, type Inventory, secretContext } from "../inventory/index.ts";
import type { Batch, Item } from "./domain/backlog.ts";
import { type Verdict, verdictOf } from "./domain/verdict.ts";
import type { Receiver } from "./receiver.ts";

/** Whoever makes the calls: the guarded client of this process, or a simulated network. */
export interface Courier {
  /** Throws `OutboundError` when there is no answer. */
  call(call: OutboundCall): Promise<Pick<OutboundAnswer, "status" | "headers">>;
}

export interface PushOptions {
  readonly inventory: Pick<Inventory, "availabilityOf">;
  readonly courier: Courier;
  readonly clock: () => Instant;
  readonly randomId: () => string;
  /** The secret that pushes to a location are signed with; undefined when it was sealed with another key. */
  readonly openSecret: (context: string, sealed: string) => string | undefined;
}

/** A record as the receiver gets it. */
export interface PushedRecord {
  readonly sku: string;
  readonly location: string;
  readonly available: number;
  readonly onHand: number;
  readonly version: number;
  /** RFC 3339: when the newest change of it was recorded. */
  readonly changedAt: string;
}

export type Pushed =
  /** `sent` says at which version each stock went out; of those `behind` whoever was asked has not heard yet. */
  | {
      readonly outcome: "taken";
      readonly sent: readonly { readonly item: Item; readonly version: number }[];
      readonly behind: Batch;
    }
  | {
      readonly outcome: "failed";
      readonly verdict: Exclude<Verdict, { readonly kind: "taken" }>;
      readonly retryAfterMs?: number;
    }
  /** There was nothing to send. */
  | { readonly outcome: "empty"; readonly behind: Batch };

/** Sends the newest figures of some stocks. Throws when they can't be read. */
export async function push(
  receiver: Receiver,
  batch: Batch,
  signal: AbortSignal,
  { inventory, courier, clock, randomId, openSecret }: PushOptions,
): Promise<Pushed> {
  const figures = await inventory.availabilityOf(batch);
  const sent: { readonly item: Item; readonly version: number }[] = [];
  const records: PushedRecord[] = [];
  const behind: Item[] = [];
  for (const [index, item] of batch.entries()) {
    const figure = figures[index];
    if (figure === undefined) {
      // Another process is asked, which may hear of a change later than this one. Without a change it is a name that someone asked for.
      if (item.version > 0) behind.push(item);
      continue;
    }
    sent.push({ item, version: figure.version });
    records.push(recordOf(figure));
  }
  if (records.length === 0) return { outcome: "empty", behind };

  const id = `push_${randomId()}`;
  const body = JSON.stringify({ location: receiver.location, batch: id, records });
  const { url, sealedSecret } = receiver.settings;
  const secret = sealedSecret && openSecret(secretContext(receiver.location), sealedSecret);
  if (sealedSecret !== undefined && secret === undefined) return { outcome: "failed", verdict: unreadableSecret };
  try {
    const { status, headers } = await courier.call({
      url: `${url}/stock`,
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(secret !== undefined && signatureHeaders([secret], { id, at: clock(), body })),
      },
      body,
      totalMs: limits.syncPushMs,
      signal,
    });
    const asked = headers["retry-after"];
    const retryAfterMs = asked === undefined ? undefined : parseRetryAfter(asked, clock());
    const verdict = verdictOf(status, retryAfterMs !== undefined);
    if (verdict.kind === "taken") return { outcome: "taken", sent, behind };
    return { outcome: "failed", verdict, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return { outcome: "failed", verdict: { kind: "failed", cause: error.message } };
  }
}

const unreadableSecret = {
  kind: "failed",
  cause: "its secret was sealed with another server key (secret.key): put that back, or set the secret again",
} as const;

function recordOf({ sku, location, available, onHand, version, updatedAt }: AvailabilityItem): PushedRecord {
  return { sku, location, available, onHand, version, changedAt: updatedAt };
}
