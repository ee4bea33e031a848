import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServerDuplexStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import { accept, limits, type Outcome, Type } from "../../../kernel/index.ts";
import type { Credential } from "../../../platform/auth/index.ts";
import { bodyCheck, RequestError } from "../../../platform/http/index.ts";
import {
  type FulfilLine,
  type Inventory,
  type Reservation,
  type ReservationLine,
  type ReserveRequest,
  wire,
} from "../../inventory/index.ts";
import { isIdempotencyKey, keyProblem } from "../answer.ts";
import {
  type CallRules,
  listed,
  Refused,
  revoked,
  type Streaming,
  stoppingRejection,
  streaming,
  toldOf,
  unary,
} from "./calls.ts";
import * as proto from "./generated/larder/v1/reservations_pb.js";
import { problemOf } from "./problem.ts";
import { refuseUnknown } from "./unknown-fields.ts";

const writing = ["reservations:write"] as const;
const reading = ["reservations:write", "stock:read"] as const;

const check = {
  reserve: bodyCheck(wire.ReserveRequest),
  id: bodyCheck(Type.Object({ id: wire.Identifier })),
  extend: bodyCheck(wire.ExtendRequest),
  amend: bodyCheck(wire.AmendRequest),
  fulfil: bodyCheck(wire.FulfilRequest),
};

/** What each request asks of the inventory. */
class Calls {
  readonly #inventory: Inventory;

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  async reserve(request: proto.ReserveRequest, caller: Credential) {
    const asked = check.reserve(reserveRequestOf(request)) as ReserveRequest;
    return await this.#inventory.reserve(asked, caller, keyOf(request));
  }

  async getReservation(request: proto.GetReservationRequest, caller: Credential) {
    return await this.#inventory.reservation(idOf(request), caller);
  }

  async extend(request: proto.ExtendRequest, caller: Credential) {
    const { ttlSeconds } = check.extend({ ttlSeconds: request.ttlSeconds });
    return await this.#inventory.extend(idOf(request), ttlSeconds, caller);
  }

  async amend(request: proto.AmendRequest, caller: Credential) {
    const { lines } = check.amend({ lines: request.lines.map(lineOf) });
    return await this.#inventory.amend(idOf(request), lines, caller);
  }

  async confirm(request: proto.ConfirmRequest, caller: Credential) {
    return await this.#inventory.confirm(idOf(request), { reacquire: request.reacquire }, caller);
  }

  async fulfil(request: proto.FulfilRequest, caller: Credential) {
    const { lines } = check.fulfil(listed("lines", request.lines.map(fulfilLineOf)));
    return await this.#inventory.fulfil(idOf(request), lines, caller, keyOf(request));
  }

  async release(request: proto.ReleaseRequest, caller: Credential) {
    return await this.#inventory.release(idOf(request), caller);
  }
}

export function reservationService(inventory: Inventory, rules: CallRules): UntypedServiceImplementation {
  const calls = new Calls(inventory);
  const answered = async (outcome: Promise<Outcome<Reservation>>) => ({
    reservation: messageOf(ensured(await outcome)),
  });
  return {
    Reserve: unary(rules, writing, async (request: proto.ReserveRequest, caller) => {
      const { created, reservation } = ensured(await calls.reserve(request, caller));
      return create(proto.ReserveResponseSchema, { created, reservation: messageOf(reservation) });
    }),
    GetReservation: unary(rules, reading, async (request: proto.GetReservationRequest, caller) =>
      create(proto.GetReservationResponseSchema, await answered(calls.getReservation(request, caller))),
    ),
    Extend: unary(rules, writing, async (request: proto.ExtendRequest, caller) =>
      create(proto.ExtendResponseSchema, await answered(calls.extend(request, caller))),
    ),
    Amend: unary(rules, writing, async (request: proto.AmendRequest, caller) =>
      create(proto.AmendResponseSchema, await answered(calls.amend(request, caller))),
    ),
    Confirm: unary(rules, writing, async (request: proto.ConfirmRequest, caller) =>
      create(proto.ConfirmResponseSchema, await answered(calls.confirm(request, caller))),
    ),
    Fulfil: unary(rules, writing, async (request: proto.FulfilRequest, caller) =>
      create(proto.FulfilResponseSchema, await answered(calls.fulfil(request, caller))),
    ),
    Release: unary(rules, writing, async (request: proto.ReleaseRequest, caller) =>
      create(proto.ReleaseResponseSchema, await answered(calls.release(request, caller))),
    ),
    Converse: streaming(rules, writing, (stream: Conversation, { credential, signal }) =>
      new Conversing(stream, calls, rules, { credential, signal }).run(),
    ),
  };
}

type Conversation = ServerDuplexStream<proto.ConverseRequest, proto.ConverseResponse>;

/** One conversation: reads while there is room, and writes what is decided in one turn of the event loop as one message. */
class Conversing {
  readonly #stream: Conversation;
  readonly #calls: Calls;
  readonly #rules: CallRules;
  readonly #streaming: Streaming;
  readonly #done = Promise.withResolvers<void>();
  #answers: proto.ReservationAnswer[] = [];
  #inFlight = 0;
  #hasEnded = false;
  #isFull = false;

  constructor(stream: Conversation, calls: Calls, rules: CallRules, streaming: Streaming) {
    this.#stream = stream;
    this.#calls = calls;
    this.#rules = rules;
    this.#streaming = streaming;
  }

  /** Resolves when the client has ended and all is answered; rejects when it has to be ended from here. */
  async run(): Promise<void> {
    const stream = this.#stream;
    const { signal } = this.#streaming;
    const stop = () => {
      stream.pause();
      this.#end();
    };
    signal.addEventListener("abort", stop);
    stream.on("data", (message: proto.ConverseRequest) => this.#receive(message));
    stream.on("end", () => this.#end());
    stream.on("error", () => this.#done.resolve());
    stream.on("drain", () => {
      this.#isFull = false;
      this.#readOn();
    });
    await this.#done.promise.finally(() => signal.removeEventListener("abort", stop));
    if (signal.aborted) throw new Refused(stoppingRejection);
    stream.end();
  }

  #receive(message: proto.ConverseRequest): void {
    const { credential } = this.#streaming;
    try {
      if (!this.#rules.authenticator.stands(credential)) throw new Refused(revoked);
      refuseUnknown(message);
      if (message.calls.length > limits.grpcConversationCallsMax)
        throw new RequestError("payload-too-large", `At most ${limits.grpcConversationCallsMax} calls in one message.`);
    } catch (error) {
      this.#done.reject(error);
      return;
    }
    for (const call of message.calls) {
      this.#inFlight += 1;
      void this.#answer(call).then((answer) => {
        this.#inFlight -= 1;
        this.#answers.push(answer);
        if (this.#answers.length === 1) setImmediate(() => this.#flush());
      });
    }
    if (this.#inFlight >= limits.grpcConversationInFlightMax) this.#stream.pause();
  }

  async #answer({ callId, call }: proto.ReservationCall): Promise<proto.ReservationAnswer> {
    try {
      const outcome = await this.#decide(call);
      if (!outcome.ok)
        return create(proto.ReservationAnswerSchema, {
          callId,
          outcome: { case: "problem", value: problemOf(outcome.rejection) },
        });
      const { created, reservation } = outcome.value;
      return create(proto.ReservationAnswerSchema, {
        callId,
        created,
        outcome: { case: "reservation", value: messageOf(reservation) },
      });
    } catch (error) {
      const problem = problemOf(toldOf(error, this.#stream, this.#rules));
      return create(proto.ReservationAnswerSchema, { callId, outcome: { case: "problem", value: problem } });
    }
  }

  async #decide(
    call: proto.ReservationCall["call"],
  ): Promise<Outcome<{ readonly created: boolean; readonly reservation: Reservation }>> {
    const { credential } = this.#streaming;
    if (call.case === undefined)
      throw new RequestError("invalid-request", "The message holds no call that is known here.");
    if (call.case === "reserve") return await this.#calls.reserve(call.value, credential);
    const outcome = await this.#change(call, credential);
    return outcome.ok ? accept({ created: false, reservation: outcome.value }) : outcome;
  }

  #change(
    call: Exclude<proto.ReservationCall["call"], { case: "reserve" } | { case: undefined }>,
    credential: Credential,
  ) {
    switch (call.case) {
      case "extend":
        return this.#calls.extend(call.value, credential);
      case "amend":
        return this.#calls.amend(call.value, credential);
      case "confirm":
        return this.#calls.confirm(call.value, credential);
      case "fulfil":
        return this.#calls.fulfil(call.value, credential);
      case "release":
        return this.#calls.release(call.value, credential);
      case "getReservation":
        return this.#calls.getReservation(call.value, credential);
    }
  }

  #flush(): void {
    const answers = this.#answers;
    this.#answers = [];
    if (!this.#stream.cancelled && !this.#stream.write(create(proto.ConverseResponseSchema, { answers }))) {
      // Who reads no answers is asked for no more calls.
      this.#isFull = true;
      this.#stream.pause();
    }
    this.#readOn();
    if (this.#hasEnded) this.#end();
  }

  #readOn(): void {
    if (!this.#hasEnded && !this.#isFull && this.#inFlight < limits.grpcConversationInFlightMax) this.#stream.resume();
  }

  #end(): void {
    this.#hasEnded = true;
    if (this.#inFlight === 0 && this.#answers.length === 0) this.#done.resolve();
  }
}

/** Its value; what was rejected ends the call. */
function ensured<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Refused(outcome.rejection);
}

function idOf({ id }: { readonly id: string }): string {
  return check.id({ id }).id;
}

function keyOf({ idempotencyKey }: { readonly idempotencyKey?: string | undefined }): string | undefined {
  if (idempotencyKey === undefined || isIdempotencyKey(idempotencyKey)) return idempotencyKey;
  throw new RequestError("invalid-request", `idempotency_key ${keyProblem}.`, [
    { in: "body", pointer: "/idempotencyKey", detail: keyProblem },
  ]);
}

const strategies: Readonly<Record<number, string>> = {
  [proto.Strategy.PRIORITY]: "priority",
  [proto.Strategy.FEWEST_SPLITS]: "fewest-splits",
  [proto.Strategy.MOST_STOCK]: "most-stock",
  [proto.Strategy.NEAREST]: "nearest",
  [proto.Strategy.EARLIEST_EXPIRY]: "earliest-expiry",
};

const statuses: Readonly<Record<Reservation["status"], proto.ReservationStatus>> = {
  active: proto.ReservationStatus.ACTIVE,
  confirmed: proto.ReservationStatus.CONFIRMED,
  "partly-fulfilled": proto.ReservationStatus.PARTLY_FULFILLED,
  fulfilled: proto.ReservationStatus.FULFILLED,
  released: proto.ReservationStatus.RELEASED,
  expired: proto.ReservationStatus.EXPIRED,
};

/** The request as it would come over HTTP, not yet checked. */
function reserveRequestOf(request: proto.ReserveRequest): Record<string, unknown> {
  const { id, owner, reference, ttlSeconds, allowPartial, strategy, near } = request;
  return {
    ...(id !== undefined && { id }),
    ...(owner !== undefined && { owner }),
    ...(reference !== undefined && { reference }),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    ...(allowPartial && { allowPartial }),
    ...(strategy !== proto.Strategy.UNSPECIFIED && { strategy: strategies[strategy] ?? `number ${strategy}` }),
    ...(near !== undefined && { near: { lat: near.lat, lon: near.lon } }),
    lines: request.lines.map(lineOf),
  };
}

function lineOf({ sku, quantity, location, locations, sellableUntil, lot }: proto.RequestedLine): ReservationLine {
  return {
    sku,
    quantity: Number(quantity),
    ...(location !== undefined && { location }),
    ...(locations.length > 0 && { locations }),
    ...(sellableUntil !== undefined && { sellableUntil }),
    ...(lot !== undefined && { lot }),
  };
}

function fulfilLineOf({ sku, location, quantity }: proto.FulfilLine): FulfilLine {
  return { sku, quantity: Number(quantity), ...(location !== undefined && { location }) };
}

function messageOf(reservation: Reservation): proto.Reservation {
  const { id, status, createdAt, expiresAt, owner, reference, lines, releasedLines = [], position } = reservation;
  return create(proto.ReservationSchema, {
    id,
    status: statuses[status],
    createdAt: timestampOf(createdAt),
    ...(expiresAt !== null && { expiresAt: timestampOf(expiresAt) }),
    ...(owner !== null && { owner }),
    ...(reference !== null && { reference }),
    lines: lines.map(({ quantity, fulfilled = 0, ...line }) => ({
      ...line,
      quantity: BigInt(quantity),
      fulfilled: BigInt(fulfilled),
    })),
    releasedLines: releasedLines.map(({ quantity, ...line }) => ({ ...line, quantity: BigInt(quantity) })),
    position,
  });
}

/** A time as our JSON has it, which is exact to the millisecond. */
export function timestampOf(time: string): Timestamp {
  return timestampFromMs(Date.parse(time));
}
