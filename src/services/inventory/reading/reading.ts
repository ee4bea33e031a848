import {
  accept,
  identifierProblem,
  limits,
  normalise,
  type Outcome,
  PlatformError,
  type Rejection,
  reject,
} from "../../../kernel/index.ts";
import type { ConsumerHost } from "../../../platform/consumer/index.ts";
import type { Storage } from "../../../platform/storage/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import type { Caller, Inventory, StockOptions, StockPair, StocksStep, ThenQuestion } from "../api.ts";
import { type AvailabilityModel, availabilityItem } from "../availability/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { InventoryObserver } from "../observer.ts";
import { parsePosition, publicVersion, reachOf, type Tokens } from "../positions.ts";
import type { Availability, AvailabilityItem, UnknownSku } from "../wire.ts";
import { pastView, presentView, stockCommand, trail } from "./stock.ts";
import { onHandThen } from "./then.ts";

interface ReadingParts {
  readonly storage: Storage;
  readonly ledger: Ledger;
  readonly host: ConsumerHost;
  readonly availability: AvailabilityModel;
  /** Whether an item has been put under a sku, stock or not. */
  readonly isItem: (sku: string) => boolean;
  readonly tokens: Tokens;
  readonly observer: InventoryObserver;
  readonly timers: Timers;
}

/** What may be asked about stocks, of the present and of the past. */
export class Reading {
  readonly #parts: ReadingParts;
  readonly #storage: Storage;
  readonly #availability: AvailabilityModel;
  readonly #host: ConsumerHost;
  readonly #tokens: Tokens;

  constructor(parts: ReadingParts) {
    this.#parts = parts;
    this.#storage = parts.storage;
    this.#availability = parts.availability;
    this.#host = parts.host;
    this.#tokens = parts.tokens;
  }

  async availability(
    skus: readonly string[],
    locations: readonly string[] | undefined,
    caller: Caller,
    minPosition?: string,
  ): Promise<Outcome<Availability>> {
    const behind = minPosition === undefined ? undefined : await this.#waitFor(minPosition);
    if (behind !== undefined) return behind;
    const items: (Availability["items"][number] | UnknownSku)[] = [];
    const wanted = locations && new Set(locations.map(normalise));
    for (const sku of new Set(skus.map(normalise))) this.#addItems(items, sku, wanted, caller);
    this.#parts.observer.availabilityRead(skus.length);
    return accept({ items, position: this.#tokens.of(this.#host.position()) });
  }

  async availabilityOf(pairs: readonly StockPair[]): Promise<readonly (AvailabilityItem | undefined)[]> {
    this.#mustFollow();
    const { epochs } = this.#storage;
    return pairs.map(({ location, sku }) => {
      const row = this.#availability.row(location, sku);
      return row && availabilityItem(row, publicVersion(epochs, row.version));
    });
  }

  async stocks({ after = 0, count, changedSince, heard = 0 }: Parameters<Inventory["stocks"]>[0]): Promise<StocksStep> {
    this.#mustFollow();
    if (this.#host.position() < heard && !(await this.#host.reached(heard, limits.minPositionWaitMs)))
      throw new PlatformError("read-side-behind", "the read side has not heard what whoever asks has heard");
    const { epochs } = this.#storage;
    const rows = this.#availability.slice(after, count);
    const stocks = rows.flatMap(({ location, sku, updatedAt: changedAt, version }) =>
      changedAt >= changedSince ? [{ location, sku, changedAt, version: publicVersion(epochs, version) }] : [],
    );
    const end = after + rows.length;
    const of = this.#availability.size;
    return { stocks, of, ...(end < of && { next: end }) };
  }

  /** Whoever goes by these figures on its own must not go by old ones. */
  #mustFollow(): void {
    if (!this.#host.failures().includes(this.#availability.name)) return;
    throw new PlatformError("read-side-behind", "the read side has failed and stands still: restart the server");
  }

  #addItems(
    items: (Availability["items"][number] | UnknownSku)[],
    sku: string,
    wanted: ReadonlySet<string> | undefined,
    { locations }: Caller,
  ): void {
    const { epochs } = this.#storage;
    let isKnown = false;
    for (const row of this.#availability.ofSku(sku)) {
      if (locations !== undefined && !locations.has(row.location)) continue;
      isKnown = true;
      if (wanted !== undefined && !wanted.has(row.location)) continue;
      items.push(availabilityItem(row, publicVersion(epochs, row.version)));
    }
    if (!isKnown) items.push({ sku, known: false });
  }

  async #waitFor(token: string): Promise<{ readonly ok: false; readonly rejection: Rejection } | undefined> {
    const seq = parsePosition(token, this.#storage.epochs, reachOf(this.#storage));
    if (!seq.ok) return seq;
    if (seq.value > this.#storage.head()) await this.#storage.shared?.catchUp();
    if (await this.#host.reached(seq.value, limits.minPositionWaitMs)) return undefined;
    return reject({
      code: "read-side-behind",
      detail: `The read side has not reached that position within ${limits.minPositionWaitMs} ms.`,
    });
  }

  async stock(sku: string, options: StockOptions, caller: Caller) {
    const name = normalise(sku);
    const locations = this.#locationsOf(name, caller);
    const position = this.#tokens.head();
    if (options.at !== undefined || options.knownAt !== undefined) {
      if (locations.length === 0 && !this.#parts.isItem(name)) return unknownSku(name);
      const past = await pastView(this.#storage, name, locations, options, this.#parts.timers);
      return past.ok ? accept({ ...past.value, position }) : past;
    }
    const { value, seq } = await this.#parts.ledger.submit(stockCommand(name, caller));
    if (value.length === 0 && !this.#parts.isItem(name)) return unknownSku(name);
    return accept({
      ...presentView(name, value, this.#availability, this.#storage.epochs, options),
      position: this.#tokens.of(seq),
    });
  }

  async onHandThen(questions: readonly ThenQuestion[]): Promise<readonly (number | undefined)[]> {
    const answers: (number | undefined)[] = [];
    for (const question of questions) {
      answers.push(await onHandThen(this.#storage, question, this.#parts.timers));
      // Reads of the log keep this thread busy: others get their turn in between.
      if (answers.length % pastReadsInTurn === 0)
        await new Promise<void>((resolve) => this.#parts.timers.soon(resolve));
    }
    return answers;
  }

  async stockEvents(
    sku: string,
    query: { readonly location?: string; readonly cursor?: string; readonly limit: number },
    caller: Caller,
  ) {
    const name = normalise(sku);
    const all = this.#locationsOf(name, caller);
    if (all.length === 0) return unknownSku(name);
    const wanted =
      query.location === undefined ? all : all.filter((location) => location === normalise(query.location ?? ""));
    const found = await trail(this.#storage, name, wanted, query, caller);
    return found.ok ? accept({ ...found.value, position: this.#tokens.head() }) : found;
  }

  #locationsOf(sku: string, caller: Caller): string[] {
    const locations = this.#availability.ofSku(sku).map(({ location }) => location);
    return locations.filter((location) => caller.locations?.has(location) ?? true);
  }
}

/** Stocks whose past is read before others get their turn: about half a millisecond. */
const pastReadsInTurn = 5;

function unknownSku(sku: string): Outcome<never> {
  const problem = identifierProblem(sku, limits.skuLengthMax);
  if (problem !== undefined) return reject({ code: "invalid-request", detail: `sku: ${problem}` });
  return reject({ code: "not-found", detail: "No location has ever had this sku." });
}
