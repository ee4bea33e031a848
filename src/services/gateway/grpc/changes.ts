import { create, type JsonObject } from "@bufbuild/protobuf";
import type { ServerWritableStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import { limits, normalise, Type } from "../../../kernel/index.ts";
import { drained } from "../../../platform/grpc/index.ts";
import { bodyCheck } from "../../../platform/http/index.ts";
import {
  type ChangesStep,
  type Inventory,
  type RecordedCloudEvent,
  unknownTypeIn,
  wire,
} from "../../inventory/index.ts";
import { type CallRules, listed, Refused, revoked, type Streaming, stoppingRejection, streaming } from "./calls.ts";
import * as proto from "./generated/larder/v1/changes_pb.js";
import { timestampOf } from "./reservations.ts";
import { refuseUnknown } from "./unknown-fields.ts";

const many = { minItems: 1, maxItems: limits.batchItemsMax } as const;
const secondsMax = limits.feedHeartbeatMs / 1000;
const check = bodyCheck(
  Type.Object({
    skus: Type.Optional(Type.Array(wire.Sku, many)),
    locations: Type.Optional(Type.Array(wire.LocationId, many)),
    types: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), many)),
    heartbeatSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: secondsMax })),
  }),
);

type Feed = ServerWritableStream<proto.FollowChangesRequest, proto.FollowChangesResponse>;

export function changeService(
  inventory: Inventory,
  rules: CallRules,
  heartbeatMs: number,
): UntypedServiceImplementation {
  return {
    FollowChanges: streaming(rules, ["stock:read"], async (feed: Feed, { credential, signal }: Streaming) => {
      const { request } = feed;
      refuseUnknown(request);
      const { skus, locations, types, heartbeatSeconds } = check({
        ...listed("skus", request.skus),
        ...listed("locations", request.locations),
        ...listed("types", request.types),
        ...(request.heartbeatSeconds !== undefined && { heartbeatSeconds: request.heartbeatSeconds }),
      });
      const unknown = unknownTypeIn(types);
      if (unknown !== undefined) throw new Refused(unknown);
      const filter = {
        ...(skus && { skus: new Set(skus.map(normalise)) }),
        ...(locations && { locations: new Set(locations.map(normalise)) }),
        ...(types && { types: new Set(types) }),
      };
      const every = heartbeatSeconds === undefined ? heartbeatMs : Math.min(heartbeatSeconds * 1000, heartbeatMs);
      const opened = await inventory.changes(request.after, filter, credential, { signal, heartbeatMs: every });
      if (!opened.ok) throw new Refused(opened.rejection);
      for await (const step of inMessages(opened.value)) {
        if (signal.aborted) break;
        if (!rules.authenticator.stands(credential)) throw new Refused(revoked);
        if (!feed.write(messageOf(step))) await taken(feed, signal);
        if (request.untilPresent && step.caughtUp) {
          feed.end();
          return;
        }
      }
      // Whoever follows goes on at another server, from the position that it has.
      throw new Refused(stoppingRejection);
    }),
  };
}

/** Steps that a message can take: of one in parts, each says the position after its events, and the last what the whole said. */
async function* inMessages(steps: AsyncIterable<ChangesStep>): AsyncGenerator<ChangesStep> {
  for await (const { events, position, caughtUp } of steps) {
    let [first, chars, reached] = [0, 0, position];
    for (const [index, event] of events.entries()) {
      const more = events.length > 1 ? JSON.stringify(event).length : 0;
      if (index > first && chars + more > limits.grpcFeedCharsGoal) {
        yield { events: events.slice(first, index), position: reached, caughtUp: false };
        [first, chars] = [index, 0];
      }
      chars += more;
      reached = event.position;
    }
    yield { events: events.slice(first), position, caughtUp };
  }
}

function messageOf({ events, position, caughtUp }: ChangesStep): proto.FollowChangesResponse {
  return create(proto.FollowChangesResponseSchema, { events: events.map(eventOf), position, caughtUp });
}

function eventOf({ id, source, type, time, subject, position, data }: RecordedCloudEvent): proto.RecordedEvent {
  return create(proto.RecordedEventSchema, {
    ...{ id, source, type, position },
    time: timestampOf(time),
    ...(subject !== undefined && { subject }),
    data: data as JsonObject,
  });
}

/** Waits until a slow reader has taken what was written; gives up on one that takes nothing at all. */
async function taken(feed: Feed, signal: AbortSignal): Promise<void> {
  const stalled = setTimeout(() => feed.destroy(new Error("the reader took nothing")), limits.feedStallMs);
  await drained(feed, signal);
  clearTimeout(stalled);
}
