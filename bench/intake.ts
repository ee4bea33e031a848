/**
 * Facts by the queue, over HTTP into a server of its own: how many a second are taken in (`Prefer: respond-async`) and
 * recorded, beside the same facts answered at once. `node bin/larder.js --tool bench/intake.ts` takes about a minute.
 */
import { startOwnServer } from "../src/cli/own-server.ts";

const server = await startOwnServer("sqlite:");
const batch = 500;
const connections = 4;

/** Seconds of processor time that the server has used. */
async function metric(pattern: RegExp): Promise<number> {
  const answer = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${server.key}` } });
  return Number(pattern.exec(await answer.text())?.[1] ?? 0);
}

const cpu = () => metric(/^process_cpu_seconds_total (\S+)$/m);
const waiting = () => metric(/^larder_queue_messages\{queue="intake"\} (\d+)$/m);

let batches = 0;

function bodyOf(skus: number): string {
  batches += 1;
  const facts = Array.from({ length: batch }, (_, n) => ({
    specversion: "1.0",
    source: "bench",
    id: `${batches}-${n}`,
    type: "larder.stock.sold.v1",
    time: "2026-11-21T09:30:00Z",
    data: { sku: `sku-${(batches * batch + n) % skus}`, location: "leeds", quantity: 1 },
  }));
  return JSON.stringify(facts);
}

async function send(count: number, skus: number, prefer: Record<string, string>): Promise<void> {
  const bodies = Array.from({ length: Math.ceil(count / batch) }, () => bodyOf(skus));
  const client = async () => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
      const headers = {
        authorization: `Bearer ${server.key}`,
        "content-type": "application/cloudevents-batch+json",
        ...prefer,
      };
      const answer = await fetch(`${server.url}/v1/events`, { method: "POST", body, headers });
      if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
      await answer.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
}

async function measure(name: string, count: number, skus: number, isAsync: boolean): Promise<void> {
  const [began, before] = [performance.now(), await cpu()];
  await send(count, skus, isAsync ? { prefer: "respond-async" } : {});
  const taken = performance.now() - began;
  while (isAsync && (await waiting()) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  const all = performance.now() - began;
  const rate = (ms: number) => `${Math.round(count / (ms / 1000))}/s`;
  const each = `${Math.round((((await cpu()) - before) * 1e6) / count)} µs CPU`;
  process.stdout.write(`${name.padEnd(34)} taken in ${rate(taken)}, recorded ${rate(all)}, ${each} each\n`);
}

try {
  await measure("warm-up", 20_000, 10_000, true);
  await measure("answered at once, 10,000 skus", 50_000, 10_000, false);
  await measure("by the queue, 10,000 skus", 50_000, 10_000, true);
  await measure("by the queue, 100 skus", 20_000, 100, true);
  await measure("by the queue, one sku", 2000, 1, true);
} finally {
  await server.stop();
}
