/**
 * What a hop to another process costs: the same calls in this process, over the stream between processes, and as a client of gRPC, one by one
 * and as a conversation. The log is in memory, so that what is seen is the way there and back. Each side is a process of its own where it
 * says so; CPU is what the process that answers has used, by its own count, so that other load on the machine matters little.
 *
 *     node bin/larder.js --tool bench/split.ts [calls [callers,…]]
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { credentials, Metadata, makeGenericClientConstructor } from "@grpc/grpc-js";
import { definitionOf, GrpcServer, ModuleServer, ModuleService, Peers } from "../src/platform/grpc/index.ts";
import { MemoryStorage } from "../src/platform/storage/memory/index.ts";
import { silentLogger } from "../src/platform/telemetry/index.ts";
import {
  ConverseRequestSchema,
  type ConverseResponse,
  ReservationService,
  ReserveRequestSchema,
} from "../src/services/gateway/grpc/generated/larder/v1/reservations_pb.js";
import { createGrpcGateway } from "../src/services/gateway/index.ts";
import {
  type Inventory,
  inventoryMethods,
  inventoryTagging,
  remoteInventory,
  startInventory,
} from "../src/services/inventory/index.ts";

const secret = "the secret of this measurement";
const caller = { id: "bench", name: "bench", scopes: new Set(["admin"] as const), ownReservations: false };
const lines = [{ sku: "milk", location: "leeds", quantity: 1 }];
let ids = 0;
const newId = () => {
  ids += 1;
  return `r${process.pid}-${ids}`;
};

async function openInventory(): Promise<Inventory> {
  const storage = new MemoryStorage({ tagging: inventoryTagging });
  const inventory = await startInventory({ storage, clock: Date.now, randomId: newId });
  const type = "larder.stock.received.v1";
  const data = { sku: "milk", location: "leeds", quantity: 1e9 };
  await inventory.recordFacts([{ specversion: "1.0", id: "1", source: "b", type, data }], caller);
  return inventory;
}

/** Microseconds of CPU of this process since another moment. */
function cpuSince(then: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(then);
  return user + system;
}

interface Measured {
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Calls with so many callers at once, after a tenth of them to warm up. */
async function measure(calls: number, callers: number, call: () => Promise<unknown>): Promise<Measured> {
  const run = async (count: number, times: number[]) => {
    let left = count;
    const caller = async () => {
      while (left > 0) {
        left -= 1;
        const from = performance.now();
        await call();
        times.push(performance.now() - from);
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
  };
  await run(Math.ceil(calls / 10), []);
  const times: number[] = [];
  const [cpu, from] = [process.cpuUsage(), performance.now()];
  await run(calls, times);
  const seconds = (performance.now() - from) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return { cpuUs: cpuSince(cpu) / calls, perSecond: calls / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** The other process: offers its inventory to peers and to clients of gRPC, and tells its CPU when asked. */
async function answering(): Promise<void> {
  const inventory = await openInventory();
  const module = new ModuleServer({
    isMember: (given) => given === secret,
    onDefect: (_, error) => console.error(error),
  });
  module.offer("inventory", { offer: inventory, methods: inventoryMethods() });
  const services = [{ description: ModuleService, implementation: module.implementation() }];
  const server = new GrpcServer({ services, messageBytesMax: 64e6 });
  const authenticator = { authenticate: () => caller, stands: () => true };
  const gateway = createGrpcGateway({ inventory, authenticator, logger: silentLogger() });
  const addresses = [await server.listen("127.0.0.1", 0), await gateway.listen("127.0.0.1", 0)];
  let since = process.cpuUsage();
  process.on("message", () => {
    process.send?.(cpuSince(since));
    since = process.cpuUsage();
  });
  process.send?.(addresses);
}

async function main(calls: number, counts: readonly number[]): Promise<void> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ["answer"]);
  const told = async () => ((await once(child, "message")) as [never])[0];
  const [cluster, grpc] = (await told()) as unknown as [string, string];
  const otherCpu = async (): Promise<number> => {
    child.send("cpu");
    return (await told()) as unknown as number;
  };
  const row = async (title: string, callers: number, call: () => Promise<unknown>, isElsewhere: boolean) => {
    if (isElsewhere) await otherCpu();
    const measured = await measure(calls, callers, call);
    // The warm-up is in it, a tenth more.
    const other = isElsewhere ? (await otherCpu()) / (calls * 1.1) : undefined;
    const { perSecond, p50Ms, p99Ms, cpuUs } = measured;
    const cells = [
      Math.round(perSecond),
      p50Ms.toFixed(2),
      p99Ms.toFixed(2),
      cpuUs.toFixed(0),
      other?.toFixed(0) ?? "–",
    ];
    console.log(`| ${title} | ${callers} | ${cells.join(" | ")} |`);
  };

  const local = await openInventory();
  const peers = new Peers({ module: "inventory", addresses: [cluster], authorization: secret });
  const remote = remoteInventory(peers, newId);
  await remote.position();
  const Client = makeGenericClientConstructor(definitionOf(ReservationService), "ReservationService");
  const client = new Client(grpc, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("authorization", "Bearer x");
  const request = create(ReserveRequestSchema, { lines: [{ sku: "milk", location: "leeds", quantity: 1n }] });
  const unary = () =>
    new Promise<void>((resolve, reject) =>
      client["Reserve"]?.(request, metadata, (error: Error | null) => (error === null ? resolve() : reject(error))),
    );
  const conversation = client["Converse"]?.(metadata);
  const waiting = new Map<bigint, () => void>();
  conversation.on("data", ({ answers }: ConverseResponse) => {
    for (const { callId } of answers) waiting.get(callId)?.();
  });
  let callId = 0n;
  let queued: bigint[] = [];
  const flush = () => {
    const sent = queued;
    queued = [];
    for (let at = 0; at < sent.length; at += 100) {
      const message = sent
        .slice(at, at + 100)
        .map((id) => ({ callId: id, call: { case: "reserve" as const, value: request } }));
      conversation.write(create(ConverseRequestSchema, { calls: message }));
    }
  };
  const conversed = () => {
    callId += 1n;
    const id = callId;
    queued.push(id);
    if (queued.length === 1) setImmediate(flush);
    return new Promise<void>((resolve) =>
      waiting.set(id, () => {
        waiting.delete(id);
        resolve();
      }),
    );
  };

  console.log("| reservations | callers | a second | p50 ms | p99 ms | CPU µs, who calls | CPU µs, who answers |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const callers of counts) {
    await row("in this process", callers, () => local.reserve({ lines }, caller), false);
    await row("in another, between processes", callers, () => remote.reserve({ lines }, caller), true);
    await row("in another, gRPC one by one", callers, unary, true);
    await row("in another, gRPC conversation", callers, conversed, true);
  }
  peers.close();
  client.close();
  child.kill();
  process.exit(0);
}

if (process.argv[2] === "answer") await answering();
else await main(Number(process.argv[2] ?? 20_000), (process.argv[3] ?? "1,64,400").split(",").map(Number));
