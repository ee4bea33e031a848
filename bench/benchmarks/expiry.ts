import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { ask, key, serveLarder } from "../harness/over-http.ts";
import type { Section } from "../harness/report.ts";
import { percentile, short, sorted, spread } from "../harness/stats.ts";

export const expiry: Benchmark = {
  name: "expiry",
  title: "When expiry is recorded",
  secondsMax: 30,
  method: `100,000 holds stay open (carts of 80 lines, over 100 skus). Beside them reservations over HTTP that live for one second, about 500 a
second over the same skus, with nothing else that would have them recorded sooner; then the change feed is read, and \`recordedAt\` of each expiry compared with the \`expiresAt\`
that was promised.`,
  run,
};

async function run(settings: Settings): Promise<Section> {
  const server = await serveLarder({});
  try {
    const skus = Array.from({ length: 100 }, (_, index) => `lapsing-${index}`);
    await server.prepare(skus);
    await openHolds(server.url, skus, 100_000);
    const promised = new Map<string, number>();
    const end = performance.now() + settings.loadMs * 2;
    for (let made = 0; performance.now() < end; made += 5) {
      const answers = await Promise.all(
        Array.from({ length: 5 }, (_, index) =>
          ask<{ id: string; expiresAt: string }>(server.url, "POST", "/v1/reservations", {
            ttlSeconds: 1,
            lines: [{ sku: skus[(made + index) % skus.length], quantity: 1, location: "here" }],
          }),
        ),
      );
      for (const { id, expiresAt } of answers) promised.set(id, Date.parse(expiresAt));
      await new Promise((resolve) => setTimeout(resolve, 8));
    }
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const late = [...(await expiries(server.url))].map(
      ([id, recordedAt]) => recordedAt - (promised.get(id) ?? Number.NaN),
    );
    if (late.length < promised.size) throw new Error(`${promised.size - late.length} reservations never expired`);
    const ordered = sorted(late);
    const [p50, p99, most] = [percentile(ordered, 0.5), percentile(ordered, 0.99), percentile(ordered, 1)];
    settings.say(`${late.length} expiries: p99 ${short(p99)} ms late`);
    return {
      tables: [
        {
          title: "From the end of a hold to its record",
          head: ["reservations", "p50 ms", "p99 ms", "most ms", "earliest ms"],
          rows: [[String(late.length), ...[p50, p99, most, percentile(ordered, 0)].map(short)]],
        },
      ],
      targets: [{ what: "expiry recorded, p99", atMost: 1000, unit: "ms", seen: spread([p99]) }],
    };
  } finally {
    await server.stop();
  }
}

/** Holds that outlast the measurement, by carts of as many lines as one may have. */
async function openHolds(url: string, skus: readonly string[], count: number): Promise<void> {
  const linesMax = 80;
  for (let made = 0; made < count; ) {
    const carts = Array.from({ length: 8 }, (_, cart) =>
      ask(url, "POST", "/v1/reservations", {
        ttlSeconds: 86_400,
        lines: Array.from({ length: linesMax }, (_, line) => ({
          sku: skus[(cart + line) % skus.length],
          quantity: 1,
          location: "here",
        })),
      }),
    );
    await Promise.all(carts);
    made += carts.length * linesMax;
  }
}

/** When the expiry of each reservation was recorded, by the change feed. */
async function expiries(url: string): Promise<Map<string, number>> {
  const response = await fetch(`${url}/v1/changes?follow=false&type=larder.reservation.expired.v1`, {
    headers: { authorization: `Bearer ${key}`, accept: "application/x-ndjson" },
  });
  const found = new Map<string, number>();
  for (const line of (await response.text()).split("\n")) {
    if (line === "") continue;
    const { data } = JSON.parse(line) as { data?: { recordedAt: string; cause?: { reservation?: string } } };
    const id = data?.cause?.reservation;
    if (data !== undefined && id !== undefined) found.set(id, Date.parse(data.recordedAt));
  }
  return found;
}
