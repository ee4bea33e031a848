import { accept, type Instant, limits, type Outcome, reject } from "../../kernel/index.ts";
import type { Credential } from "../../platform/auth/index.ts";
import { appendTo, type Storage } from "../../platform/storage/index.ts";
import type { Webhook, WebhookEvent } from "./domain/index.ts";
import { type Webhooks, webhookStream } from "./webhooks.ts";

export interface RecorderOptions {
  readonly storage: Storage;
  readonly clock: () => Instant;
  /** Cryptographically strong random bytes. */
  readonly random: (bytes: number) => Uint8Array;
}

/** Appends events of webhooks. */
export class Recorder {
  readonly #webhooks: Webhooks;
  readonly #options: RecorderOptions;

  constructor(webhooks: Webhooks, options: RecorderOptions) {
    this.#webhooks = webhooks;
    this.#options = options;
  }

  /**
   * Records what `decide` says of a webhook as it stands, or nothing when it says nothing. Without `by` the system asks, which
   * knows them all.
   */
  async record(
    id: string,
    actor: string,
    by: Credential | undefined,
    decide: (webhook: Webhook) => WebhookEvent | undefined,
  ): Promise<Outcome<undefined>> {
    for (let attempt = 0; attempt <= limits.conflictRetriesMax; attempt += 1) {
      const webhook = this.#webhooks.get(id);
      if (webhook === undefined || (by !== undefined && !mayKnow(webhook, by))) return noSuchWebhook;
      const event = decide(webhook);
      if (event === undefined || (await this.append(id, webhook.version, event, actor))) return accept(undefined);
    }
    return reject({ code: "version-conflict", detail: "Others changed this webhook meanwhile." });
  }

  /** False when the webhook is not at this version any more. */
  async append(id: string, version: number, event: WebhookEvent, actor: string): Promise<boolean> {
    const { storage, clock, random } = this.#options;
    return await appendTo(storage, {
      stream: webhookStream(id),
      version,
      events: [event],
      command: `webhook-${Buffer.from(random(12)).toString("hex")}`,
      actor,
      now: clock(),
    });
  }
}

export const noSuchWebhook = {
  ok: false,
  rejection: { code: "not-found", detail: "There is no such webhook." },
} as const;

/** Someone limited to locations knows what tells of nothing else; who may see its own reservations only knows none. */
export function mayKnow({ limitedTo }: Webhook, { locations, ownReservations }: Credential): boolean {
  if (ownReservations) return false;
  return locations === undefined || limitedTo?.every((location) => locations.has(location)) === true;
}
