import type { Instant } from "../../../kernel/index.ts";

/** Where a webhook's events go, and which they are: all that are named by every list that is there. */
export interface Choice {
  readonly url: string;
  /** CloudEvents types. */
  readonly types?: readonly string[];
  readonly skus?: readonly string[];
  readonly locations?: readonly string[];
}

/** Which secret is meant: secrets are made from the server's key and this number, and `print` tells whether it is that key. */
export interface SecretMark {
  readonly generation: number;
  /** SHA-256 of the secret, hexadecimal. */
  readonly print: string;
}

/** What is recorded of a webhook. Shapes never change: a new one gets a new schema version. */
export type WebhookEvent =
  | {
      readonly type: "WebhookCreated";
      readonly data: Choice & {
        /** The locations that its maker was limited to. */
        readonly limitedTo?: readonly string[];
        readonly secret: SecretMark;
        /** The position that its first event comes after. */
        readonly after: string;
      };
    }
  | { readonly type: "WebhookChanged"; readonly data: Choice }
  | {
      readonly type: "WebhookSecretRotated";
      readonly data: { readonly secret: SecretMark; readonly formerUntil: Instant };
    }
  | { readonly type: "WebhookPaused"; readonly data: object }
  | { readonly type: "WebhookEnabled"; readonly data: object }
  | { readonly type: "WebhookDeleted"; readonly data: object }
  /** Its receiver is gone, or has failed for too long. */
  | { readonly type: "WebhookDisabled"; readonly data: { readonly reason: string } }
  /** All its events up to a position are delivered: recorded now and then, for when the exact place is lost. */
  | { readonly type: "WebhookAdvanced"; readonly data: { readonly after: string } }
  /** What came after a position is to be sent again. */
  | { readonly type: "WebhookReplayed"; readonly data: { readonly after: string } };

/** A webhook as it stands. */
export interface Webhook extends Choice {
  readonly id: string;
  /** Of its stream. */
  readonly version: number;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  readonly limitedTo?: readonly string[];
  readonly status: "active" | "paused" | "disabled";
  /** The version with which somebody last said what is sent where, or set it to work: what was answered before says nothing since. */
  readonly setIn?: number;
  /** Why it is disabled. */
  readonly reason?: string;
  readonly secret: SecretMark;
  /** Secrets that it had before, the newest first, each with the end of the time in which it signs too. */
  readonly formers: readonly { readonly secret: SecretMark; readonly until: Instant }[];
  /** All its events up to this position are delivered; they are read from here when nothing newer is known. */
  readonly after: string;
  /** When that was recorded. */
  readonly placedAt: Instant;
  /** How often it has been replayed: places that were kept before a replay count no more. */
  readonly replays: number;
}

export interface Recorded {
  readonly id: string;
  readonly version: number;
  readonly at: Instant;
}

/** As many as sign beside the newest, however often it is replaced within a day. */
const formersMax = 4;

/** The webhook after an event; undefined once it is deleted. A recorded event is never refused. */
export function evolve(before: Webhook | undefined, event: WebhookEvent, recorded: Recorded): Webhook | undefined {
  if (event.type === "WebhookCreated") {
    const { id, version, at } = recorded;
    const since = { createdAt: at, updatedAt: at, placedAt: at };
    return { ...event.data, id, version, ...since, status: "active", setIn: version, replays: 0, formers: [] };
  }
  if (before === undefined || event.type === "WebhookDeleted") return undefined;
  const { reason: _reason, ...rest } = before;
  const same = { ...before, version: recorded.version };
  const changed = { ...rest, version: recorded.version, updatedAt: recorded.at };
  switch (event.type) {
    case "WebhookChanged": {
      const { types: _types, skus: _skus, locations: _locations, ...kept } = same;
      return { ...kept, ...event.data, updatedAt: recorded.at, setIn: recorded.version };
    }
    case "WebhookSecretRotated": {
      const { secret, formerUntil } = event.data;
      const formers = [{ secret: before.secret, until: formerUntil }, ...before.formers].slice(0, formersMax);
      return { ...same, updatedAt: recorded.at, secret, formers };
    }
    case "WebhookPaused":
      return { ...changed, status: "paused" };
    case "WebhookEnabled":
      return { ...changed, status: "active", setIn: recorded.version };
    case "WebhookDisabled":
      return { ...changed, status: "disabled", reason: event.data.reason };
    case "WebhookAdvanced":
      return { ...same, after: event.data.after, placedAt: recorded.at };
    case "WebhookReplayed":
      return { ...same, ...event.data, updatedAt: recorded.at, placedAt: recorded.at, replays: before.replays + 1 };
    default:
      event satisfies never;
      return same;
  }
}
