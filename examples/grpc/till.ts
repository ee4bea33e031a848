/**
 * A till that talks to Larder by gRPC, with nothing made from the protos beforehand: it reserves, confirms and hands over,
 * over one stream, and then tells what it has sold.
 *
 *     node bin/larder.js --tool examples/grpc/till.ts 127.0.0.1:9090 lk_… milk-1l leeds
 *
 * The server, a key, and of what it sells three units where; there has to be that much.
 */
import {
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const api = new URL("../../api", import.meta.url).pathname;
const files = ["reservations", "facts"].map((name) => `larder/v1/${name}.proto`);
const { larder } = loadPackageDefinition(
  loadSync(files, { includeDirs: [api], longs: Number, oneofs: true }),
) as unknown as {
  larder: { v1: GrpcObject };
};

function clientOf(service: string, address: string) {
  return new (larder.v1[service] as ServiceClientConstructor)(address, credentials.createInsecure());
}

/** One customer at the till. Resolves with the id of the reservation, and how many facts were taken. */
export async function serveCustomer(address: string, key: string, sku: string, location: string) {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${key}`);
  const [reservations, facts] = [clientOf("ReservationService", address), clientOf("FactService", address)];

  // Each call has an id of ours, by which its answer is known: they may come in any order.
  const conversation = reservations["Converse"]?.(metadata);
  const waiting = new Map<number, (answer: Answer) => void>();
  conversation.on("data", ({ answers }: { answers: Answer[] }) => {
    for (const answer of answers) waiting.get(answer.callId ?? 0)?.(answer);
  });
  // Without it nothing more is answered: a till would open another conversation.
  conversation.on("error", (error: Error) => {
    for (const answer of waiting.values()) answer({ problem: { code: "unavailable", detail: error.message } });
  });
  let calls = 0;
  const ask = async (call: object): Promise<{ readonly reservation: { readonly id: string } }> => {
    calls += 1;
    const callId = calls;
    conversation.write({ calls: [{ callId, ...call }] });
    const { reservation, problem } = await new Promise<Answer>((resolve) => waiting.set(callId, resolve));
    if (reservation) return { reservation };
    conversation.end();
    throw new Error(`${problem?.code}: ${problem?.detail}`);
  };

  const { reservation } = await ask({ reserve: { ttlSeconds: 120, lines: [{ sku, location, quantity: 2 }] } });
  const { id } = reservation;
  await ask({ confirm: { id } });
  await ask({ fulfil: { id } });

  // A fact is known by its source and id for ever: sending it again, when no answer came, is harmless.
  const fact = { id: `sale-${id}`, source: "/tills/4", type: "larder.stock.sold.v1" };
  const data = {
    fields: { sku: { stringValue: sku }, location: { stringValue: location }, quantity: { numberValue: 1 } },
  };
  const receipt = await new Promise<{ accepted: number }>((resolve, reject) =>
    facts["RecordFacts"]?.(
      { facts: [{ ...fact, data }] },
      metadata,
      (error: Error | null, answer: { accepted: number }) => (error === null ? resolve(answer) : reject(error)),
    ),
  );
  conversation.end();
  reservations.close();
  facts.close();
  return { id, accepted: receipt.accepted };
}

interface Answer {
  readonly callId?: number;
  readonly reservation?: { readonly id: string };
  readonly problem?: { readonly code: string; readonly detail: string };
}

if (import.meta.main) {
  const [address = "127.0.0.1:9090", key = "", sku = "milk-1l", location = "leeds"] = process.argv.slice(2);
  try {
    console.log(await serveCustomer(address, key, sku, location));
  } catch (error) {
    // A refusal, or nobody who answers: a till tells its customer so.
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
