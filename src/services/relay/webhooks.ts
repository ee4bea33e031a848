import type { Consumer } from "../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedUnit } from "../../platform/storage/index.ts";
import { evolve, type Webhook, type WebhookEvent } from "./domain/index.ts";

const family = "webhook";
const streamPrefix = `${family}-`;

export function webhookStream(id: string): string {
  return streamPrefix + id;
}

/** The webhooks there are, in memory: a consumer of the log. */
export class Webhooks implements Consumer {
  readonly name = "relay";
  readonly family = family;
  readonly #byId = new Map<string, Webhook>();
  readonly #changed = new Set<string>();
  readonly #onEvent: (id: string, type: WebhookEvent["type"]) => void;

  /** `onEvent` is called once an event has been applied, whoever recorded it. Must be quick. */
  constructor(onEvent: (id: string, type: WebhookEvent["type"]) => void = () => undefined) {
    this.#onEvent = onEvent;
  }

  load(documents: Iterable<DerivedDocument>): void {
    for (const { id, body } of documents) {
      // Kept before there could be several.
      const { former, ...rest } = JSON.parse(body) as Webhook & { readonly former?: Webhook["formers"][number] };
      this.#byId.set(id, { ...rest, formers: rest.formers ?? (former === undefined ? [] : [former]) });
    }
  }

  apply(unit: RecordedUnit): void {
    for (const { stream, type, data, version } of unit.events) {
      if (!stream.startsWith(streamPrefix)) continue;
      const id = stream.slice(streamPrefix.length);
      const event = { type, data } as WebhookEvent;
      const after = evolve(this.#byId.get(id), event, { id, version, at: unit.meta.recordedAt });
      if (after === undefined) this.#byId.delete(id);
      else this.#byId.set(id, after);
      this.#changed.add(id);
      this.#onEvent(id, event.type);
    }
  }

  changes(): { readonly put: readonly DerivedDocument[]; readonly remove: readonly string[] } {
    const put: DerivedDocument[] = [];
    const remove: string[] = [];
    for (const id of this.#changed) {
      const webhook = this.#byId.get(id);
      if (webhook === undefined) remove.push(id);
      else put.push({ id, body: JSON.stringify(webhook) });
    }
    this.#changed.clear();
    return { put, remove };
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Webhook | undefined {
    return this.#byId.get(id);
  }

  /** By id, which is by time of creation. */
  all(): readonly Webhook[] {
    return [...this.#byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
