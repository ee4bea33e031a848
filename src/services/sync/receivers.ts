import type { Instant } from "../../kernel/index.ts";
import { limits } from "../../kernel/index.ts";
import type { Consumer } from "../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedUnit, Sequence, Storage } from "../../platform/storage/index.ts";
import {
  type LocationDescribed,
  locationDescribedBy,
  publicVersion,
  type StockPair,
  stockChangedBy,
  streamOfStock,
} from "../inventory/index.ts";
import { isSameRoute, wantsPlace, wantsSku } from "./domain/route.ts";
import { Receiver, type ReceiverOptions } from "./receiver.ts";

/** What is kept of a location. */
interface Kept extends Omit<LocationDescribed, "location"> {
  /** Everything that was recorded before has been acknowledged by it. */
  readonly told?: Instant;
}

/** What the process that tells leaves for the one that goes on. */
interface Word {
  /** All that locations ask for was heard up to here. */
  readonly upTo: Sequence;
  /** As `told` of each receiver. */
  readonly told: Readonly<Record<string, Instant>>;
}

export interface ReceiversOptions extends Pick<ReceiverOptions, "policy" | "random"> {
  readonly epochs: () => Storage["epochs"];
  /** Whether no other process tells receivers, ever. */
  readonly isAlone: boolean;
  /** How far the log had been heard when what is loaded was kept. */
  readonly checkpoint: () => Sequence;
  /** Something waits for the receiver, or it was set up anew. Must be quick. */
  readonly onNews: (receiver: Receiver) => void;
  readonly onRemoved: (receiver: Receiver) => void;
}

/**
 * Who gets changes pushed, and what each of them lacks: follows the log. It keeps what locations ask for, and for each
 * receiver one instant: all that was recorded before it is acknowledged. After a crash everything that changed since is
 * found by a sweep and sent again, so that nothing else has to be kept, however many stocks wait.
 */
export class Receivers implements Consumer {
  readonly name = "sync";
  readonly #options: ReceiversOptions;
  readonly #places = new Map<string, Kept>();
  readonly #receivers = new Map<string, Receiver>();
  /** Who wants the changes of a location. */
  readonly #routes = new Map<string, readonly Receiver[]>();
  /** Places whose document may have changed. */
  readonly #touched = new Set<string>();
  /** The recording time of the newest unit that was applied, or an earlier one. */
  #reached: Instant = 0;
  /** Whether it is this process that tells them: only then is it known what they lack. */
  #isTelling: boolean;
  #heard: Sequence = 0;
  /** The newest event that says what a location asks for; or a later one. */
  #described: Sequence = 0;

  constructor(options: ReceiversOptions) {
    this.#options = options;
    this.#isTelling = options.isAlone;
  }

  /**
   * This process tells them from now on, on top of what the one before has left. What a location asks for may have
   * changed since it did: then each receiver is told what it may lack by what is known here.
   */
  takeUp(text: string | undefined): void {
    const word = text === undefined ? undefined : (JSON.parse(text) as Word);
    for (const { location, backlog } of this.#receivers.values()) {
      const known = backlog.sweep?.since ?? 0;
      const left = word !== undefined && word.upTo >= this.#described ? (word.told[location] ?? 0) : 0;
      backlog.startOver(Math.max(known, left));
    }
    this.#isTelling = true;
  }

  /** Another process tells them from now on; nothing may be in flight. */
  leave(): void {
    for (const { backlog } of this.#receivers.values()) backlog.startOver(backlog.toldUntil(this.#reached));
    this.#isTelling = false;
  }

  /** What to leave for the process that goes on (`takeUp`). */
  word(): string {
    const told = [...this.#receivers].map(([location, { backlog }]) => [location, backlog.toldUntil(this.#reached)]);
    return JSON.stringify({ upTo: this.#heard, told: Object.fromEntries(told) } satisfies Word);
  }

  /** How far the log was heard. */
  get heard(): Sequence {
    return this.#heard;
  }

  all(): IterableIterator<Receiver> {
    return this.#receivers.values();
  }

  get(location: string): Receiver | undefined {
    return this.#receivers.get(location);
  }

  /** Whether a receiver is to be told of a stock. */
  wants({ location, settings }: Receiver, stock: { readonly location: string; readonly sku: string }): boolean {
    return wantsPlace(settings, location, this.#place(stock.location)) && wantsSku(settings, stock.sku);
  }

  /** A receiver is to be told of a stock again, as it is by then; false when too much waits already. */
  again(receiver: Receiver, { location, sku }: StockPair): boolean {
    const isRoom = receiver.backlog.again({ key: streamOfStock({ location, sku }), location, sku }, this.#reached);
    this.#news(receiver);
    return isRoom;
  }

  /** Something about a receiver has changed that may be worth keeping. */
  touch(receiver: Receiver): void {
    this.#touched.add(receiver.location);
  }

  load(documents: Iterable<DerivedDocument>): void {
    this.#described = this.#options.checkpoint();
    this.#heard = this.#described;
    for (const { id, body } of documents) {
      const kept = JSON.parse(body) as Kept;
      this.#places.set(id, kept);
      if (kept.sync !== undefined) this.#add(id, kept.sync, kept.told ?? 0);
      this.#reached = Math.max(this.#reached, kept.told ?? 0);
    }
  }

  apply({ events, meta }: RecordedUnit): void {
    this.#reached = meta.recordedAt;
    for (const event of events) {
      this.#heard = event.seq;
      const stock = this.#receivers.size > 0 ? stockChangedBy(event) : undefined;
      if (stock !== undefined) {
        if (!this.#isTelling) continue;
        const version = publicVersion(this.#options.epochs(), event.version);
        for (const receiver of this.#routesOf(stock.location)) {
          if (!wantsSku(receiver.settings, stock.sku)) continue;
          receiver.backlog.changed({ key: event.stream, ...stock }, version, meta.recordedAt);
          this.#news(receiver);
        }
      } else {
        const described = locationDescribedBy(event);
        if (described !== undefined) {
          this.#described = event.seq;
          this.#describe(described);
        }
      }
    }
  }

  hasChanges(): boolean {
    return this.#touched.size > 0;
  }

  changes(): { put: DerivedDocument[]; remove: string[] } {
    const put: DerivedDocument[] = [];
    for (const location of this.#touched) {
      const place = this.#places.get(location) ?? {};
      const backlog = this.#receivers.get(location)?.backlog;
      // Of what others have told since, only the sweep's beginning is known.
      const told = this.#isTelling ? backlog?.toldUntil(this.#reached) : backlog?.sweep?.since;
      const kept = { ...place, ...(told !== undefined && { told }) };
      this.#places.set(location, kept);
      put.push({ id: location, body: JSON.stringify(kept) });
    }
    this.#touched.clear();
    return { put, remove: [] };
  }

  #describe({ location, ...described }: LocationDescribed): void {
    const before = this.#place(location);
    const { told } = this.#places.get(location) ?? {};
    this.#places.set(location, { ...described, ...(told !== undefined && { told }) });
    this.#touched.add(location);
    this.#routes.clear();
    this.#setUp(location, described.sync);
    for (const receiver of this.#receivers.values()) {
      const { settings } = receiver;
      // Who had no interest in the location before has its stocks to learn.
      if (wantsPlace(settings, receiver.location, before)) continue;
      if (!wantsPlace(settings, receiver.location, this.#place(location))) continue;
      receiver.backlog.sweepSince(0);
      this.#news(receiver);
    }
  }

  #setUp(location: string, settings: Receiver["settings"] | undefined): void {
    const known = this.#receivers.get(location);
    if (settings === undefined) {
      if (known === undefined) return;
      this.#receivers.delete(location);
      this.#places.set(location, withoutTold(this.#places.get(location)));
      this.#options.onRemoved(known);
      return;
    }
    if (known === undefined) {
      this.#news(this.#add(location, settings, 0));
      return;
    }
    const isSameAddress = known.settings.url === settings.url;
    const isSame = isSameAddress && isSameRoute(known.settings, settings);
    known.settings = settings;
    if (!isSameAddress) known.forgetAnswers();
    if (!isSame) known.backlog.sweepSince(0);
    this.#news(known);
  }

  #add(location: string, settings: Receiver["settings"], told: Instant): Receiver {
    const { policy, random } = this.#options;
    const capacity = () =>
      Math.max(limits.syncReceiverWaitingMin, Math.floor(limits.syncWaitingMax / this.#receivers.size));
    const receiver = new Receiver(location, settings, { policy, random, capacity });
    receiver.backlog.sweepSince(told);
    this.#receivers.set(location, receiver);
    return receiver;
  }

  #news(receiver: Receiver): void {
    this.#touched.add(receiver.location);
    this.#options.onNews(receiver);
  }

  #place(location: string) {
    const { group } = this.#places.get(location) ?? {};
    return { location, ...(group !== undefined && { group }) };
  }

  #routesOf(location: string): readonly Receiver[] {
    const known = this.#routes.get(location);
    if (known !== undefined) return known;
    const place = this.#place(location);
    const receivers = [...this.#receivers.values()].filter((receiver) =>
      wantsPlace(receiver.settings, receiver.location, place),
    );
    this.#routes.set(location, receivers);
    return receivers;
  }
}

function withoutTold(kept: Kept | undefined): Kept {
  const { told: _told, ...rest } = kept ?? {};
  return rest;
}
