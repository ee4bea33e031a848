/** A process that reserves: by itself, by another process of its cluster, or as a client of gRPC. */
import { create } from "@bufbuild/protobuf";
import { credentials, Metadata, makeGenericClientConstructor } from "@grpc/grpc-js";
import { definitionOf, Peers } from "../../src/platform/grpc/index.ts";
import {
  ConverseRequestSchema,
  type ConverseResponse,
  ReservationService,
  ReserveRequestSchema,
} from "../../src/services/gateway/grpc/generated/larder/v1/reservations_pb.js";
import { remoteInventory } from "../../src/services/inventory/index.ts";
import { serveCalls } from "../harness/child.ts";
import { load } from "../harness/load.ts";
import { caller, lines, newId, openInventory, secret } from "./hop.ts";

export type Way = "here" | "cluster" | "unary" | "conversation";

export interface HopRun {
  readonly way: Way;
  readonly callers: number;
  readonly milliseconds: number;
}

const request = create(ReserveRequestSchema, { lines: [{ sku: "milk", location: "leeds", quantity: 1n }] });
const metadata = new Metadata();
metadata.set("authorization", "Bearer x");

const ways = new Map<Way, () => Promise<unknown>>();

serveCalls({
  async open({ cluster, grpc }: { readonly cluster: string; readonly grpc: string }) {
    const local = await openInventory();
    const peers = new Peers({ module: "inventory", addresses: [cluster], authorization: secret });
    const remote = remoteInventory(peers, newId);
    await remote.position();
    const GrpcClient = makeGenericClientConstructor(definitionOf(ReservationService), "ReservationService");
    const client = new GrpcClient(grpc, credentials.createInsecure());
    ways.set("here", () => local.reserve({ lines }, caller));
    ways.set("cluster", () => remote.reserve({ lines }, caller));
    ways.set("unary", () => reserveBy(client));
    ways.set("conversation", conversation(client));
  },
  async run({ way, callers, milliseconds }: HopRun) {
    const call = ways.get(way);
    if (call === undefined) throw new Error("nothing is open");
    let from = process.cpuUsage();
    const asked = async () => {
      await call();
      return true;
    };
    const loaded = await load({ callers, milliseconds, warmUpMs: milliseconds / 4 }, asked, () => {
      from = process.cpuUsage();
    });
    const { user, system } = process.cpuUsage(from);
    return { ...loaded, cpuUs: user + system };
  },
});

function reserveBy(client: InstanceType<ReturnType<typeof makeGenericClientConstructor>>): Promise<void> {
  return new Promise((resolve, reject) =>
    client["Reserve"]?.(request, metadata, (error: Error | null) => (error === null ? resolve() : reject(error))),
  );
}

/** Calls that are made in one turn go as one message of a stream that stays open. */
function conversation(client: InstanceType<ReturnType<typeof makeGenericClientConstructor>>): () => Promise<void> {
  const stream = client["Converse"]?.(metadata);
  const waiting = new Map<bigint, () => void>();
  stream.on("data", ({ answers }: ConverseResponse) => {
    for (const { callId } of answers) {
      waiting.get(callId)?.();
      waiting.delete(callId);
    }
  });
  let last = 0n;
  let queued: bigint[] = [];
  const flush = () => {
    const sent = queued;
    queued = [];
    for (let at = 0; at < sent.length; at += 100) {
      const calls = sent
        .slice(at, at + 100)
        .map((callId) => ({ callId, call: { case: "reserve" as const, value: request } }));
      stream.write(create(ConverseRequestSchema, { calls }));
    }
  };
  return () => {
    last += 1n;
    const id = last;
    queued.push(id);
    if (queued.length === 1) setImmediate(flush);
    return new Promise<void>((resolve) => waiting.set(id, resolve));
  };
}
