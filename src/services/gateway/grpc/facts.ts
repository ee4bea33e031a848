import { addAbortSignal } from "node:stream";
import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ServerReadableStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import { formatInstant, limits, parseInstant } from "../../../kernel/index.ts";
import type { FactsReceipt, Inventory } from "../../inventory/index.ts";
import { atMost, type CallRules, Refused, revoked, stoppingRejection, streaming, unary } from "./calls.ts";
import * as proto from "./generated/larder/v1/facts_pb.js";
import { refuseUnknown } from "./unknown-fields.ts";

const writing = ["stock:write"] as const;

export function factService(inventory: Inventory, rules: CallRules): UntypedServiceImplementation {
  return {
    RecordFacts: unary(rules, writing, async ({ facts }: proto.RecordFactsRequest, caller) => {
      atMost(facts.length, limits.batchItemsMax, "facts");
      const receipt = await inventory.recordFacts(facts.map(eventOf), caller);
      const { accepted, duplicates, rejected, position } = receipt;
      const isNothing = rejected.length > 0 && accepted === 0 && duplicates === 0;
      if (isNothing)
        throw new Refused({ code: "all-rejected", detail: allRejected(receipt), extra: findingsOf(receipt) });
      return create(proto.RecordFactsResponseSchema, {
        ...{ accepted, duplicates, position },
        rejected: rejected.map((one) => rejectedOf(one, 0)),
      });
    }),

    StreamFacts: streaming(rules, writing, async (stream: FactStream, { credential, signal }) => {
      const sum = { accepted: 0, duplicates: 0, rejectedCount: 0, position: "" };
      const rejected: proto.RejectedFact[] = [];
      let seen = 0;
      // A message is read when the one before it is durable: that is the flow control of the stream.
      for await (const message of messagesOf(stream, signal)) {
        if (!rules.authenticator.stands(credential)) throw new Refused(revoked);
        refuseUnknown(message);
        atMost(message.facts.length, limits.batchItemsMax, "facts");
        const receipt = await inventory.recordFacts(message.facts.map(eventOf), credential);
        sum.accepted += receipt.accepted;
        sum.duplicates += receipt.duplicates;
        sum.rejectedCount += receipt.rejected.length;
        sum.position = receipt.position;
        const room = limits.grpcRejectedListedMax - rejected.length;
        for (const one of receipt.rejected.slice(0, room)) rejected.push(rejectedOf(one, seen));
        seen += message.facts.length;
      }
      if (sum.position === "") sum.position = await inventory.position();
      return create(proto.StreamFactsResponseSchema, {
        accepted: BigInt(sum.accepted),
        duplicates: BigInt(sum.duplicates),
        rejectedCount: BigInt(sum.rejectedCount),
        position: sum.position,
        rejected,
      });
    }),
  };
}

type FactStream = ServerReadableStream<proto.StreamFactsRequest, proto.StreamFactsResponse>;

/** What the client sends, until it ends; the signal ends the wait for a client that sends nothing, too. */
async function* messagesOf(stream: FactStream, signal: AbortSignal): AsyncGenerator<proto.StreamFactsRequest> {
  addAbortSignal(signal, stream);
  try {
    yield* stream as AsyncIterable<proto.StreamFactsRequest>;
  } catch (error) {
    throw signal.aborted ? new Refused(stoppingRejection) : error;
  }
}

/** The CloudEvent of a fact, as it would come over HTTP; the inventory judges it. */
function eventOf({ id, source, type, time, data }: proto.Fact): unknown {
  return {
    specversion: "1.0",
    ...{ id, source, type, data },
    ...(time !== undefined && { time: textOf(time) }),
  };
}

/** Cut to milliseconds as over HTTP. What can't be written so is left for the inventory to refuse. */
function textOf({ seconds, nanos }: Timestamp): string {
  const instant = Number(seconds) * 1000 + Math.floor(nanos / 1e6);
  const text = formatInstant(instant);
  return parseInstant(text) === instant ? text : `${seconds} s after 1970`;
}

function rejectedOf({ index, id, code, detail }: FactsReceipt["rejected"][number], before: number): proto.RejectedFact {
  return create(proto.RejectedFactSchema, {
    index: BigInt(before + index),
    ...(id !== null && { id }),
    ...{ code, detail },
  });
}

function allRejected({ rejected }: FactsReceipt): string {
  return `${rejected.length === 1 ? "The fact was" : `All ${rejected.length} facts were`} rejected; nothing was recorded.`;
}

/** Why each of them was rejected, as findings of the problem. */
function findingsOf({ rejected }: FactsReceipt) {
  const errors = rejected.slice(0, limits.problemErrorsMax);
  return {
    errors: errors.map(({ index, code, detail }) => ({ pointer: `/facts/${index}`, detail: `${code}: ${detail}` })),
  };
}
