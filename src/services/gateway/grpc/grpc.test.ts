/** The API over gRPC, on an inventory in memory, as a client sees it. */
import { getEventListeners } from "node:events";
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { anyUnpack, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type CallOptions,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { accept, catalogue } from "../../../kernel/index.ts";
import { definitionOf } from "../../../platform/grpc/index.ts";
import { InFlight } from "../../../platform/http/index.ts";
import { numbers } from "../../../platform/storage/samples.ts";
import { silentLogger } from "../../../platform/telemetry/index.ts";
import { accepted, fact, openInventory } from "../../inventory/fixture.ts";
import { credential, FakeIdentity, recorded } from "../fixture.ts";
import { StatusSchema } from "./generated/google/rpc/status_pb.js";
import { AvailabilityService } from "./generated/larder/v1/availability_pb.js";
import {
  ChangeService,
  FollowChangesRequestSchema,
  type FollowChangesResponse,
  FollowChangesResponseSchema,
} from "./generated/larder/v1/changes_pb.js";
import { FactSchema, FactService, StreamFactsRequestSchema } from "./generated/larder/v1/facts_pb.js";
import { type Problem, ProblemSchema } from "./generated/larder/v1/problem_pb.js";
import {
  ConverseRequestSchema,
  type ConverseResponse,
  type ReservationAnswer,
  ReservationService,
  ReservationStatus,
  ReserveRequestSchema as ReserveRequest,
  type ReserveRequestSchema,
  type Strategy,
} from "./generated/larder/v1/reservations_pb.js";
import { createGrpcGateway, type GrpcGatewayOptions } from "./server.ts";

// A client of grpc-js has the methods of the service it was made for.
// biome-ignore lint/suspicious/noExplicitAny: the description, not the type, says what there is
type AnyClient = any;

async function open(options: Partial<GrpcGatewayOptions> = {}) {
  const opened = await openInventory();
  const identity = new FakeIdentity();
  const everything = ["stock:read", "stock:write", "reservations:write"] as const;
  for (const each of [
    credential("till", everything),
    credential("reader", ["stock:read"]),
    credential("leeds", everything, { locations: new Set(["leeds"]) }),
    credential("own", everything, { ownReservations: true }),
  ])
    identity.credentials.set(each.id, each);
  const observed: string[] = [];
  const gateway = createGrpcGateway({
    inventory: opened.inventory,
    authenticator: identity,
    logger: silentLogger(),
    observe: (method, name) => observed.push(`${method.split("/").at(-1)} ${name}`),
    ...options,
  });
  const address = await gateway.listen("127.0.0.1", 0);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= gateway.close();
    return closed;
  };
  onTestFinished(async () => {
    await close();
    await opened.inventory.stop();
  });
  const clientOf = (service: Parameters<typeof definitionOf>[0]): AnyClient => {
    const Client = makeGenericClientConstructor(definitionOf(service), service.typeName);
    const client = new Client(address, credentials.createInsecure());
    onTestFinished(() => client.close());
    schemas.set(client, Object.fromEntries(service.methods.map(({ name, input }) => [name, input])));
    return client;
  };
  const reservations = clientOf(ReservationService);
  const facts = clientOf(FactService);
  return { ...opened, identity, gateway, address, close, observed, clientOf, reservations, facts };
}

function metadataOf(key: string | undefined): Metadata {
  const metadata = new Metadata();
  if (key !== undefined) metadata.set("authorization", `Bearer ${key}`);
  return metadata;
}

interface Ended {
  readonly error: ServiceError | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: each test reads its own message out of it
  readonly answer: any;
}

/** What goes into the methods of a client, by their names. */
const schemas = new WeakMap<object, Record<string, DescMessage>>();

/** One unary call. */
function call(
  client: AnyClient,
  method: string,
  request: object,
  key?: string,
  options: CallOptions = {},
): Promise<Ended> {
  return new Promise((resolve) =>
    client[method](
      create(schemas.get(client)![method]!, request as Record<string, unknown>),
      metadataOf(key),
      options,
      (error: ServiceError | null, answer: unknown) => resolve({ error: error ?? undefined, answer }),
    ),
  );
}

/** The problem that ended a call, out of the details of its status. */
function problemIn(error: ServiceError | undefined): Problem {
  const [bytes] = error?.metadata.get("grpc-status-details-bin") ?? [];
  const [detail] = fromBinary(StatusSchema, bytes as Buffer).details;
  const problem = detail && anyUnpack(detail, ProblemSchema);
  if (problem === undefined) throw new Error("there is no problem in the status");
  expect(error?.metadata.get("larder-code")).toEqual([problem.code]);
  return problem;
}

const order = (init: MessageInitShape<typeof ReserveRequestSchema> = {}) =>
  create(ReserveRequest, { lines: [{ sku: "milk", quantity: 1n, location: "leeds" }], ...init });

async function stocked(quantity = 10) {
  const house = await open();
  const receipt = await house.inventory.recordFacts(
    [fact("stock.received", { sku: "milk", location: "leeds", quantity })],
    { id: "test", ownReservations: false },
  );
  return { ...house, receipt };
}

const messageOf = (id: string, data: Record<string, string | number>, type = "larder.stock.received.v1") =>
  create(FactSchema, { id, source: "/tills/4", type, data });

describe("a reservation over gRPC", () => {
  it("goes its way from active to released, with the same figures as over HTTP", async () => {
    const { reservations, inventory } = await stocked();
    const { answer } = await call(
      reservations,
      "Reserve",
      order({ id: "cart", owner: "anna", ttlSeconds: 60 }),
      "till",
    );
    expect(answer).toMatchObject({
      created: true,
      reservation: {
        id: "cart",
        status: ReservationStatus.ACTIVE,
        owner: "anna",
        lines: [{ sku: "milk", location: "leeds", quantity: 1n, lineIndex: 0, fulfilled: 0n }],
      },
    });
    const { reference, position } = answer.reservation;
    expect([reference, position]).toEqual([undefined, expect.any(String)]);
    const view = accepted(await inventory.reservation("cart", { id: "till", ownReservations: false }));
    expect(timestampDate(answer.reservation.expiresAt).toISOString()).toBe(view.expiresAt);

    const again = await call(reservations, "Reserve", order({ id: "cart", owner: "anna", ttlSeconds: 60 }), "till");
    expect(again.answer.created).toBe(false);
    const ask = async (method: string, request: object) => (await call(reservations, method, request, "till")).answer;
    expect(await ask("Extend", { id: "cart", ttlSeconds: 120 })).toMatchObject({ reservation: { status: 1 } });
    const lines = [{ sku: "milk", quantity: 3n, location: "leeds", locations: [] }];
    expect(await ask("Amend", { id: "cart", lines })).toMatchObject({ reservation: { lines: [{ quantity: 3n }] } });
    const confirmed = await ask("Confirm", { id: "cart", reacquire: false });
    expect(confirmed.reservation).toMatchObject({ status: ReservationStatus.CONFIRMED });
    expect(confirmed.reservation.expiresAt).toBeUndefined();
    const part = { id: "cart", lines: [{ sku: "milk", quantity: 1n }], idempotencyKey: "hand-1" };
    expect(await ask("Fulfil", part)).toMatchObject({ reservation: { status: 3, lines: [{ fulfilled: 1n }] } });
    expect(await ask("Release", { id: "cart" })).toMatchObject({
      reservation: { status: ReservationStatus.FULFILLED, releasedLines: [{ sku: "milk", quantity: 2n }] },
    });
    expect(await ask("GetReservation", { id: "cart" })).toMatchObject({ reservation: { id: "cart" } });
  });

  it("is refused with the code, the status and the numbers that the catalogue and HTTP give", async () => {
    const { reservations, observed } = await stocked();
    const { error } = await call(reservations, "Reserve", order({ lines: [{ sku: "milk", quantity: 11n }] }), "till");
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION });
    expect(problemIn(error)).toMatchObject({
      code: "insufficient-stock",
      isRetryable: false,
      shortLines: [{ sku: "milk", requested: 11n, available: 10n }],
    });
    expect(observed).toEqual(["Reserve FAILED_PRECONDITION"]);
    const codeOf = async (method: string, request: object, key?: string) => {
      const { error } = await call(reservations, method, request, key);
      return [error?.code, problemIn(error).code];
    };
    expect(await codeOf("Confirm", { id: "nobody's" }, "till")).toEqual([status.NOT_FOUND, "not-found"]);
    expect(await codeOf("Confirm", { id: "" }, "till")).toEqual([status.INVALID_ARGUMENT, "invalid-request"]);
    expect(await codeOf("Reserve", order(), undefined)).toEqual([status.UNAUTHENTICATED, "unauthenticated"]);
    expect(await codeOf("Reserve", order(), "nobody")).toEqual([status.UNAUTHENTICATED, "unauthenticated"]);
    expect(await codeOf("Reserve", order(), "reader")).toEqual([status.PERMISSION_DENIED, "forbidden"]);
    expect(await codeOf("Fulfil", { id: "x", lines: [{ sku: "milk", quantity: 1n }] }, "till")).toEqual([
      status.INVALID_ARGUMENT,
      "idempotency-key-required",
    ]);
    await call(reservations, "Reserve", order({ id: "cart" }), "till");
    expect(await codeOf("Reserve", order({ id: "cart", owner: "eve" }), "till")).toEqual([
      status.ALREADY_EXISTS,
      "idempotency-key-reused",
    ]);
  });

  it("is checked as over HTTP, and told what is wrong where", async () => {
    const { reservations } = await stocked();
    const findings = async (request: object) =>
      problemIn((await call(reservations, "Reserve", request, "till")).error).findings.map(({ pointer }) => pointer);
    expect(await findings(order({ lines: [] }))).toEqual(["/lines"]);
    expect(await findings(order({ lines: [{ sku: "milk", quantity: 0n }] }))).toEqual(["/lines/0/quantity"]);
    expect(await findings(order({ lines: [{ sku: " ", quantity: 2n ** 62n }] }))).toEqual([
      "/lines/0/sku",
      "/lines/0/quantity",
    ]);
    expect(await findings(order({ ttlSeconds: 0 }))).toEqual(["/ttlSeconds"]);
    expect(await findings(order({ strategy: 77 as Strategy }))).toEqual(["/strategy"]);
    expect(await findings(order({ idempotencyKey: "ä" }))).toEqual(["/idempotencyKey"]);
    const unknown = order();
    unknown.lines[0]!.$unknown = [{ no: 99, wireType: 0, data: new Uint8Array([1]) }];
    const { error } = await call(reservations, "Reserve", unknown, "till");
    expect(problemIn(error)).toMatchObject({ code: "invalid-request", detail: expect.stringContaining("99") });
  });

  it("is told of as many short lines as trailers of any client hold, and of how many there are", async () => {
    const { reservations } = await stocked();
    const lines = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...{ sku: `${"é".repeat(90)}-${index}`, location: "y".repeat(64), quantity: 5n },
      }));
    const few = problemIn((await call(reservations, "Reserve", order({ lines: lines(3) }), "till")).error);
    expect(few.shortLines).toHaveLength(3);
    expect(few.detail).not.toContain("listed");
    const { error } = await call(reservations, "Reserve", order({ lines: lines(80) }), "till");
    const { shortLines, detail } = problemIn(error);
    expect(shortLines.length).toBeGreaterThan(3);
    expect(shortLines.length).toBeLessThan(80);
    expect(detail).toContain(`The first ${shortLines.length} of 80 are listed.`);
    const [details] = error?.metadata.get("grpc-status-details-bin") ?? [];
    // 8 KiB are what grpc-java and the libraries on gRPC's core take, of all trailers together and in base64.
    const inAll = (details as Buffer).toString("base64").length + encodeURIComponent(error?.details ?? "").length;
    expect(inAll).toBeLessThan(7500);
  });

  it("is bound to what its key may see", async () => {
    const { reservations } = await stocked();
    const elsewhere = order({ lines: [{ sku: "milk", quantity: 1n, location: "york" }] });
    expect((await call(reservations, "Reserve", elsewhere, "leeds")).error?.code).toBe(status.NOT_FOUND);
    await call(reservations, "Reserve", order({ id: "others" }), "till");
    expect((await call(reservations, "GetReservation", { id: "others" }, "own")).error?.code).toBe(status.NOT_FOUND);
    expect((await call(reservations, "GetReservation", { id: "others" }, "reader")).error).toBeUndefined();
  });

  it("is not begun when its deadline has passed, and takes no more than its share of places", async () => {
    const { reservations, inventory } = await open({ requestsInFlight: new InFlight(0, 10) });
    const reserve = vi.spyOn(inventory, "reserve");
    const { error } = await call(reservations, "Reserve", order(), "till");
    expect(error?.code).toBe(status.RESOURCE_EXHAUSTED);
    const late = await call(reservations, "Reserve", order(), "till", { deadline: Date.now() - 1 });
    expect(late.error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(reserve).not.toHaveBeenCalled();
  });
});

describe("a conversation", () => {
  function converse(client: AnyClient, key = "till") {
    const stream = client.Converse(metadataOf(key));
    const answers: ReservationAnswer[] = [];
    const messages: number[] = [];
    const ended = Promise.withResolvers<ServiceError | undefined>();
    stream.on("data", (message: ConverseResponse) => {
      messages.push(message.answers.length);
      answers.push(...message.answers);
    });
    stream.on("error", (error: ServiceError) => ended.resolve(error));
    stream.on("end", () => ended.resolve(undefined));
    return { stream, answers, messages, ended: ended.promise };
  }
  const message = (calls: MessageInitShape<typeof ConverseRequestSchema>["calls"] = []) =>
    create(ConverseRequestSchema, { calls });
  const reserve = (callId: number, init = {}) => ({
    callId: BigInt(callId),
    call: { case: "reserve" as const, value: order(init) },
  });

  it("answers each call by its id, acceptances and refusals alike, and ends when the client does", async () => {
    const { reservations } = await stocked(2);
    const { stream, answers, ended } = converse(reservations);
    stream.write(message([reserve(1, { id: "a" }), reserve(2, { id: "b" }), reserve(3, { id: "c" })]));
    await vi.waitFor(() => expect(answers).toHaveLength(3));
    stream.write(message([{ callId: 4n, call: { case: "confirm", value: { id: "a" } } }]));
    stream.write(message([{ callId: 5n, call: { case: "release", value: { id: "b" } } }, { callId: 6n }]));
    stream.write(message([{ callId: 7n, call: { case: "extend", value: { id: "a", ttlSeconds: 0 } } }]));
    stream.end();
    expect(await ended).toBeUndefined();
    const byId = new Map(answers.map((answer) => [Number(answer.callId), answer]));
    expect(byId.get(1)).toMatchObject({ created: true, outcome: { case: "reservation", value: { id: "a" } } });
    expect(byId.get(3)).toMatchObject({ outcome: { case: "problem", value: { code: "insufficient-stock" } } });
    expect(byId.get(4)).toMatchObject({ created: false, outcome: { value: { status: ReservationStatus.CONFIRMED } } });
    expect(byId.get(5)).toMatchObject({ outcome: { value: { status: ReservationStatus.RELEASED } } });
    expect(byId.get(6)).toMatchObject({ outcome: { value: { code: "invalid-request" } } });
    expect(byId.get(7)).toMatchObject({ outcome: { value: { findings: [{ pointer: "/ttlSeconds" }] } } });
  });

  it("takes ten thousand calls as fast as it answers them, many answers in a message", async () => {
    const { reservations, inventory } = await stocked(6000);
    let [open, most] = [0, 0];
    const plain = inventory.reserve.bind(inventory);
    vi.spyOn(inventory, "reserve").mockImplementation(async (...args) => {
      open += 1;
      most = Math.max(most, open);
      return await plain(...args).finally(() => {
        open -= 1;
      });
    });
    const { stream, answers, messages, ended } = converse(reservations);
    for (let index = 0; index < 100; index += 1)
      stream.write(message(Array.from({ length: 100 }, (_, call) => reserve(index * 100 + call))));
    stream.end();
    expect(await ended).toBeUndefined();
    expect(new Set(answers.map(({ callId }) => callId)).size).toBe(10_000);
    expect(answers.filter(({ outcome }) => outcome.case === "reservation")).toHaveLength(6000);
    expect(messages.length).toBeLessThan(5000);
    // A message that was read is decided whole; the next one waits.
    expect(most).toBeLessThan(600);
  });

  it("ends when its key is revoked, or a message can't be taken", async () => {
    const { reservations, identity } = await stocked();
    const first = converse(reservations);
    first.stream.write(message([reserve(1)]));
    await vi.waitFor(() => expect(first.answers).toHaveLength(1));
    const big = converse(reservations);
    big.stream.write(message(Array.from({ length: 101 }, (_, call) => reserve(call))));
    expect((await big.ended)?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(big.answers).toEqual([]);
    identity.credentials.delete("till");
    first.stream.write(message([reserve(2)]));
    expect((await first.ended)?.code).toBe(status.UNAUTHENTICATED);
  });

  it("is given what was decided before the server stops, and told to go elsewhere", async () => {
    const { reservations, inventory, close } = await stocked();
    const gate = Promise.withResolvers<void>();
    const plain = inventory.reserve.bind(inventory);
    vi.spyOn(inventory, "reserve").mockImplementation(async (...args) => {
      await gate.promise;
      return await plain(...args);
    });
    const { stream, answers, ended } = converse(reservations);
    stream.write(message([reserve(1), reserve(2)]));
    await vi.waitFor(() => expect(inventory.reserve).toHaveBeenCalledTimes(2));
    const closing = close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    gate.resolve();
    expect((await ended)?.code).toBe(status.UNAVAILABLE);
    expect(answers.map(({ outcome }) => outcome.case)).toEqual(["reservation", "reservation"]);
    await closing;
  });
});

describe("facts over gRPC", () => {
  it("are recorded once, each judged by itself", async () => {
    const { facts, inventory } = await open();
    const sent = [
      messageOf("1", { sku: "milk", location: "leeds", quantity: 5 }),
      messageOf("2", { sku: "milk", location: "leeds", quantity: 1.5 }),
      messageOf("1", { sku: "milk", location: "leeds", quantity: 5 }),
    ];
    const { answer } = await call(facts, "RecordFacts", { facts: sent }, "till");
    expect(answer).toMatchObject({
      accepted: 1,
      duplicates: 1,
      rejected: [{ index: 1n, id: "2", code: "invalid-fact" }],
    });
    const view = accepted(await inventory.availability(["milk"], undefined, { id: "t", ownReservations: false }));
    expect(view.items).toMatchObject([{ onHand: 5 }]);
    const { error } = await call(facts, "RecordFacts", { facts: [messageOf("3", {})] }, "till");
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    expect(problemIn(error)).toMatchObject({ code: "all-rejected", findings: [{ pointer: "/facts/0" }] });
    const many = Array.from({ length: 1001 }, (_, index) => messageOf(`m${index}`, {}));
    expect((await call(facts, "RecordFacts", { facts: many }, "till")).error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect((await call(facts, "RecordFacts", { facts: sent }, "reader")).error?.code).toBe(status.PERMISSION_DENIED);
  });

  it("come from whoever has a key that another process has just made, by a stream too", async () => {
    const { facts, identity } = await open();
    for (const token of ["new", "newer"]) identity.elsewhere.set(token, credential(token, ["stock:write"]));
    const sent = { facts: [messageOf("1", { sku: "milk", location: "leeds", quantity: 1 })] };
    expect((await call(facts, "RecordFacts", sent, "new")).answer).toMatchObject({ accepted: 1 });
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const stream = facts.StreamFacts(metadataOf("newer"), (_: unknown, answer: unknown) => resolve(answer));
    stream.write(create(StreamFactsRequestSchema, sent));
    stream.end();
    expect(await promise).toMatchObject({ duplicates: 1n });
    expect((await call(facts, "RecordFacts", sent, "nobody's")).error?.code).toBe(status.UNAUTHENTICATED);
  });

  it("come by a stream in any number, with one answer at the end", async () => {
    const { facts, inventory } = await open();
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const stream = facts.StreamFacts(metadataOf("till"), (error: ServiceError | null, answer: unknown) =>
      resolve({ error: error ?? undefined, answer }),
    );
    for (let batch = 0; batch < 20; batch += 1) {
      const sent = Array.from({ length: 100 }, (_, index) =>
        messageOf(`${batch}-${index}`, { sku: "milk", location: "leeds", quantity: index === 7 ? -1 : 1 }),
      );
      stream.write(create(StreamFactsRequestSchema, { facts: sent }));
    }
    stream.end();
    const { error, answer } = await promise;
    expect(error).toBeUndefined();
    expect(answer).toMatchObject({ accepted: 1980n, duplicates: 0n, rejectedCount: 20n });
    expect(answer.rejected.map(({ index }: { index: bigint }) => Number(index))).toEqual(
      Array.from({ length: 20 }, (_, batch) => batch * 100 + 7),
    );
    expect(answer.position).toBe(await inventory.position());
  });

  it.each([
    ["before anything was sent", 0],
    ["after what was sent is recorded", 3],
  ])("hold no stop up by a stream on which nothing comes, and are told to go elsewhere, %s", async (_when, count) => {
    const { facts, inventory, close } = await open();
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    const stream = facts.StreamFacts(metadataOf("till"), resolve);
    const sent = Array.from({ length: count }, (_, index) =>
      messageOf(`i${index}`, { sku: "milk", location: "leeds", quantity: 1 }),
    );
    if (count > 0) stream.write(create(StreamFactsRequestSchema, { facts: sent }));
    const before = await inventory.position();
    await vi.waitFor(async () => expect((await inventory.position()) === before).toBe(count === 0));
    await new Promise((passed) => setTimeout(passed, 100));
    const startedAt = performance.now();
    await close();
    expect(performance.now() - startedAt).toBeLessThan(1000);
    const error = await promise;
    expect(error?.code).toBe(status.UNAVAILABLE);
    expect(problemIn(error ?? undefined).code).toBe("shutting-down");
  });
});

describe("reading over gRPC", () => {
  it("shows availability as HTTP does, and waits for a position", async () => {
    const { clientOf, receipt } = await stocked();
    const client = clientOf(AvailabilityService);
    const request = { skus: ["milk", "never"], locations: [], minPosition: receipt.position };
    const { answer } = await call(client, "GetAvailability", request, "reader");
    expect(answer.items).toMatchObject([
      { sku: "milk", known: true, location: "leeds", available: 10n, onHand: 10n, reserved: 0n, version: 1n },
      { sku: "never", known: false },
    ]);
    const behind = { ...request, minPosition: "not a position" };
    expect(problemIn((await call(client, "GetAvailability", behind, "reader")).error).code).toBe("invalid-position");
    expect((await call(client, "GetAvailability", { skus: [], locations: [] }, "reader")).error?.code).toBe(
      status.INVALID_ARGUMENT,
    );
  });

  it("follows changes from where it was, each once, with all that HTTP gives", async () => {
    const { clientOf, inventory, reservations } = await stocked();
    await call(reservations, "Reserve", order({ id: "cart" }), "till");
    await call(reservations, "Confirm", { id: "cart", reacquire: false }, "till");
    const client = clientOf(ChangeService);
    const follow = async (
      init: MessageInitShape<typeof FollowChangesRequestSchema>,
      count = Number.POSITIVE_INFINITY,
    ) => {
      const stream = client.FollowChanges(create(FollowChangesRequestSchema, init), metadataOf("reader"));
      const steps: FollowChangesResponse[] = [];
      for await (const step of stream) {
        steps.push(step);
        if (steps.length >= count) stream.cancel();
        if (steps.length >= count) break;
      }
      return steps;
    };
    const events = (steps: FollowChangesResponse[]) => steps.flatMap((step) => step.events);
    const all = events(await follow({ untilPresent: true }));
    const plain = accepted(await inventory.readChanges(undefined, 1000, { id: "t", ownReservations: false })).events;
    expect(all.map(({ id }) => id)).toEqual(plain.map(({ id }) => id));
    expect(all.map(({ data }) => data)).toEqual(plain.map(({ data }) => JSON.parse(JSON.stringify(data))));
    expect(all.length).toBeGreaterThan(2);
    const rest = events(await follow({ untilPresent: true, after: all[1]!.position }));
    expect(rest.map(({ id }) => id)).toEqual(all.slice(2).map(({ id }) => id));
    const some = events(await follow({ untilPresent: true, types: ["larder.stock.received.v1"], skus: ["milk"] }));
    expect(some.map(({ type }) => type)).toEqual(["larder.stock.received.v1"]);
    await expect(follow({ types: ["larder.stock.solt.v1"] })).rejects.toThrow("Did you mean larder.stock.sold.v1?");
    const beats = await follow({ after: all.at(-1)!.position, heartbeatSeconds: 1 }, 2);
    expect(beats).toMatchObject([
      { events: [], caughtUp: true },
      { events: [], caughtUp: true },
    ]);
    const wrong = client.FollowChanges(create(FollowChangesRequestSchema, { after: "?" }), metadataOf("reader"));
    await expect(wrong.toArray()).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it("tells a step that is too large for a message in several, each with its position", async () => {
    const { clientOf, inventory } = await open();
    const sizes = [...numbers(400).map(() => 15_000), 2_000_000, 10];
    const events = sizes.map((size, at) => recorded(String(at), { padding: "x".repeat(size), digits: numbers(9) }));
    vi.spyOn(inventory, "changes").mockImplementation(async () => {
      async function* steps() {
        yield { events, position: "seen", caughtUp: true };
      }
      return accept(steps());
    });
    const request = create(FollowChangesRequestSchema, { untilPresent: true });
    const stream = clientOf(ChangeService).FollowChanges(request, metadataOf("reader"));
    const messages: FollowChangesResponse[] = await stream.toArray();
    expect(messages.flatMap((message) => message.events.map(({ id }) => id))).toEqual(events.map(({ id }) => id));
    for (const message of messages)
      if (message.events.length > 1)
        expect(toBinary(FollowChangesResponseSchema, message).length).toBeLessThan(1_048_576);
    const last = messages.pop();
    expect(last).toMatchObject({ position: "seen", caughtUp: true });
    for (const { events, position, caughtUp } of messages)
      expect([position, caughtUp]).toEqual([events.at(-1)?.position, false]);
  });

  it("waits for a slow reader again and again, and keeps nothing of it", async () => {
    const { clientOf, inventory } = await open();
    let left = 0;
    vi.spyOn(inventory, "changes").mockImplementation(async (_after, _filter, _caller, { signal }) => {
      async function* steps() {
        for (let at = 1; at <= 1000; at += 1) {
          yield {
            events: [recorded(String(at), { padding: "x".repeat(1000) })],
            position: String(at),
            caughtUp: true,
          };
          left = getEventListeners(signal, "abort").length;
        }
      }
      return accept(steps());
    });
    const stream = clientOf(ChangeService).FollowChanges(create(FollowChangesRequestSchema, {}), metadataOf("reader"));
    await expect(stream.toArray()).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(left).toBeLessThan(5);
  });
});

it("has a status of gRPC for every code of the catalogue", () => {
  const names = Object.values(catalogue).map(({ grpc }) => grpc);
  expect(names.filter((name) => typeof status[name as keyof typeof status] !== "number")).toEqual([]);
});

it("refuses a message that is larger than a body may be", async () => {
  const { facts } = await open();
  const sent = [messageOf("1", { sku: "x".repeat(1_100_000), location: "leeds", quantity: 1 })];
  expect((await call(facts, "RecordFacts", { facts: sent }, "till")).error?.code).toBe(status.RESOURCE_EXHAUSTED);
});
