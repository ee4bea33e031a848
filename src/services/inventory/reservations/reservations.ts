import { accept, type Instant, normalise, type Outcome, reject, unreadableCursor } from "../../../kernel/index.ts";
import type { Caller, ReservationQuery } from "../api.ts";
import type { Command, Ledger } from "../ledger/index.ts";
import type { InventoryObserver } from "../observer.ts";
import type { Tokens } from "../positions.ts";
import type { FulfilLine, Page, Reservation, ReservationLine, ReserveRequest } from "../wire.ts";
import { maySee } from "./access.ts";
import {
  amendCommand,
  confirmCommand,
  extendCommand,
  fulfilCommand,
  placeCommand,
  planCommand,
  type ReservationAnswer,
  readCommand,
  releaseCommand,
} from "./commands.ts";
import type { ReservationLists } from "./lists.ts";
import { demandsOf, fulfilRequest, placeRequest, planView, reservationView } from "./requests.ts";

interface ReservationsParts {
  readonly ledger: Ledger;
  readonly lists: ReservationLists;
  readonly tokens: Tokens;
  readonly observer: InventoryObserver;
  readonly clock: () => Instant;
  readonly randomId: () => string;
}

/** What may be asked about reservations, from what clients write to what they are answered. */
export class Reservations {
  readonly #parts: ReservationsParts;
  readonly #ledger: Ledger;
  readonly #tokens: Tokens;
  readonly #observer: InventoryObserver;

  constructor(parts: ReservationsParts) {
    this.#parts = parts;
    this.#ledger = parts.ledger;
    this.#tokens = parts.tokens;
    this.#observer = parts.observer;
  }

  async place(
    request: ReserveRequest,
    caller: Caller,
    idempotencyKey?: string,
    unusedId?: string,
  ): Promise<Outcome<{ created: boolean; reservation: Reservation }>> {
    const newId = unusedId === undefined ? this.#parts.randomId : () => unusedId;
    const place = placeRequest(request, caller, idempotencyKey, newId);
    if (!place.ok) return place;
    const { value, seq } = await this.#ledger.submit(placeCommand(place.value, caller), caller.within);
    this.#observer.reservationAnswered("reserve", value.ok ? "ok" : value.rejection.code);
    if (!value.ok) return value;
    return accept({ created: value.value.created, reservation: reservationView(value.value, this.#tokens.of(seq)) });
  }

  async plan(request: ReserveRequest, caller: Caller) {
    const place = placeRequest(request, caller, undefined, () => "plan");
    if (!place.ok) return place;
    const { value, seq } = await this.#ledger.submit(planCommand(place.value, caller));
    return value.ok ? accept(planView(value.value, place.value.allowPartial, this.#tokens.of(seq))) : value;
  }

  extend(id: string, ttlSeconds: number, caller: Caller) {
    return this.#change("extend", extendCommand(normalise(id), ttlSeconds * 1000, caller), caller);
  }

  async amend(id: string, lines: readonly ReservationLine[], caller: Caller): Promise<Outcome<Reservation>> {
    const demands = demandsOf(lines, caller);
    return demands.ok
      ? await this.#change("amend", amendCommand(normalise(id), demands.value, caller), caller)
      : demands;
  }

  confirm(id: string, { reacquire = false }: { readonly reacquire?: boolean }, caller: Caller) {
    return this.#change("confirm", confirmCommand(normalise(id), reacquire, caller), caller);
  }

  async fulfil(
    id: string,
    lines: readonly FulfilLine[] | undefined,
    caller: Caller,
    idempotencyKey?: string,
  ): Promise<Outcome<Reservation>> {
    if (lines !== undefined && idempotencyKey === undefined) {
      return reject({
        code: "idempotency-key-required",
        detail: "Fulfilling part of a reservation needs an Idempotency-Key, so that a retry is told from another part.",
      });
    }
    const request = { ...fulfilRequest(lines), ...(idempotencyKey !== undefined && { key: idempotencyKey }) };
    return await this.#change("fulfil", fulfilCommand(normalise(id), request, caller), caller);
  }

  release(id: string, caller: Caller) {
    return this.#change("release", releaseCommand(normalise(id), caller), caller);
  }

  read(id: string, caller: Caller) {
    return this.#change("read", readCommand(normalise(id), caller), caller);
  }

  async #change(
    operation: string,
    command: Command<Outcome<ReservationAnswer>>,
    { within }: Caller,
  ): Promise<Outcome<Reservation>> {
    const { value, seq } = await this.#ledger.submit(command, within);
    if (operation !== "read") this.#observer.reservationAnswered(operation, value.ok ? "ok" : value.rejection.code);
    return value.ok ? accept(reservationView(value.value, this.#tokens.of(seq))) : value;
  }

  async list(query: ReservationQuery, caller: Caller): Promise<Outcome<Page<Reservation>>> {
    if (query.cursor !== undefined && !/^\d{16}$/.test(query.cursor)) return unreadableCursor();
    const now = this.#parts.clock();
    const position = this.#tokens.head();
    const { found, next } = await this.#parts.lists.list(
      query,
      (state) => maySee(state, caller),
      query.cursor === undefined ? undefined : Number(query.cursor),
      query.limit,
      now,
    );
    return accept({
      items: found.map(({ id, state }) => reservationView({ id, state, now }, position)),
      ...(next !== undefined && { next: String(next).padStart(16, "0") }),
      position,
    });
  }
}
