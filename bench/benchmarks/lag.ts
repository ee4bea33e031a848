import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { startPostgres } from "../harness/databases.ts";
import { ask, type HttpServerUnderTest, postFacts, serveLarder } from "../harness/over-http.ts";
import type { Section } from "../harness/report.ts";
import { percentile, short, sorted, spread } from "../harness/stats.ts";

const method = `Facts over HTTP at 500 and 5,000 a second, over 1,000 skus, in requests of 5 and 50. Beside them, about every
20 ms, one receipt of a sku of its own is recorded; from its acknowledgement on, \`GET /v1/availability\` is asked until
it shows it.`;

export const lag: Benchmark = {
  name: "lag",
  title: "How far the read side is behind",
  secondsMax: 20,
  method: `${method} Times include the requests themselves.`,
  async run(settings) {
    const server = await serveLarder({});
    try {
      return await compare(server, server, "read side behind, p99", settings);
    } finally {
      await server.stop();
    }
  },
};

export const lagAcross: Benchmark = {
  name: "lag-across",
  title: "How far the read side of another process is behind",
  secondsMax: 30,
  method: `${method} All facts are recorded by one process on PostgreSQL, and all reading is done at another one, which hears of
them from the log. Times include the requests themselves.`,
  async run(settings) {
    const postgres = await startPostgres();
    if (postgres === undefined) {
      settings.say("!! PostgreSQL IS NOT INSTALLED: nothing is measured");
      return { tables: [], targets: [], notes: ["PostgreSQL is not installed here: not measured."] };
    }
    settings.tookPart("PostgreSQL", postgres.version);
    const servers: HttpServerUnderTest[] = [];
    try {
      const env = { LARDER_STORE: `postgres://bench@127.0.0.1:${postgres.port}/postgres` };
      const [writing, reading] = [await serveLarder({ env }), await serveLarder({ env })];
      servers.push(writing, reading);
      return await compare(writing, reading, "read side of another process behind, p99", settings);
    } finally {
      for (const server of servers) await server.stop();
      await postgres.stop();
    }
  },
};

/** Records at one server and reads at another, or the same. */
async function compare(
  writing: HttpServerUnderTest,
  reading: HttpServerUnderTest,
  what: string,
  settings: Settings,
): Promise<Section> {
  const rows: string[][] = [];
  const worst: number[] = [];
  await watch(writing.url, reading.url, 500, 1000, "warm");
  for (const perSecond of [500, 5000]) {
    const taken = await watch(writing.url, reading.url, perSecond, settings.loadMs * 3, String(perSecond));
    const [behind, whole] = [sorted(taken.map((each) => each.behindMs)), sorted(taken.map((each) => each.wholeMs))];
    worst.push(percentile(behind, 0.99));
    rows.push([
      perSecond.toLocaleString("en"),
      String(taken.length),
      ...[percentile(behind, 0.5), percentile(behind, 0.99), percentile(behind, 1)].map(short),
      ...[percentile(whole, 0.5), percentile(whole, 0.99)].map(short),
    ]);
    settings.say(`at ${perSecond}/s: p99 ${short(percentile(behind, 0.99))} ms behind`);
  }
  const head = ["facts a second", "looks", "behind, p50 ms", "p99", "most", "sent to seen, p50 ms", "p99"];
  return {
    tables: [{ title: "From acknowledged to seen", head, rows }],
    targets: [{ what, atMost: 250, unit: "ms", seen: spread(worst) }],
  };
}

async function watch(url: string, readUrl: string, perSecond: number, milliseconds: number, name: string) {
  const requestsPerSecond = 100;
  let isOver = false;
  setTimeout(() => {
    isOver = true;
  }, milliseconds);
  const load = async () => {
    const began = performance.now();
    const sent = new Set<Promise<void>>();
    for (let made = 0; !isOver; ) {
      for (; made < ((performance.now() - began) / 1000) * requestsPerSecond && sent.size < 50; made += 1) {
        const facts = Array.from({ length: perSecond / requestsPerSecond }, (_, index) =>
          receipt(`${name}-${made}-${index}`, `lag-${(made * 37 + index) % 1000}`),
        );
        const request = postFacts(url, facts).finally(() => sent.delete(request));
        sent.add(request);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.all(sent);
  };
  const looks: { readonly behindMs: number; readonly wholeMs: number }[] = [];
  const look = async () => {
    for (let count = 1; !isOver; count += 1) {
      const sent = performance.now();
      await postFacts(url, [receipt(`${name}-look-${count}`, `looked-at-${name}`)]);
      const acknowledged = performance.now();
      while ((await onHand(readUrl, `looked-at-${name}`)) < count) {
        if (performance.now() - acknowledged > 10_000) throw new Error("the read side does not come after");
      }
      looks.push({ behindMs: performance.now() - acknowledged, wholeMs: performance.now() - sent });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await Promise.all([load(), look()]);
  return looks;
}

async function onHand(url: string, sku: string): Promise<number> {
  const { items } = await ask<{ items: { onHand?: number }[] }>(url, "GET", `/v1/availability?sku=${sku}`);
  return items[0]?.onHand ?? 0;
}

function receipt(id: string, sku: string) {
  return {
    specversion: "1.0",
    source: "bench",
    id,
    type: "larder.stock.received.v1",
    data: { sku, location: "here", quantity: 1 },
  };
}
