import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { type Contestant, contest, figures, type Outcome, runHead, syncNote } from "../harness/contest.ts";
import { type HttpServerUnderTest, hasWrk, loadOverHttp, serveBehindEdge, serveLarder } from "../harness/over-http.ts";
import type { Section, Target } from "../harness/report.ts";
import { spread } from "../harness/stats.ts";

export const availability: Benchmark = {
  name: "availability",
  title: "Reading availability",
  secondsMax: 40,
  method: `\`GET /v1/availability?sku=…&location=…\` of one sku of 10,000 in turn, and \`POST /v1/availability:batch\` of
1,000 of them, by wrk with 64 connections (16 for batches), beside the bare server, which answers constants of the same
size.`,
  run,
};

const skus = 10_000;

async function run(settings: Settings): Promise<Section> {
  if (!hasWrk) return { tables: [], targets: [], notes: ["wrk is not installed here: reads were not measured."] };
  const servers: readonly (readonly [string, HttpServerUnderTest])[] = [
    ["Larder", await serveLarder({})],
    ["bare server", await serveBehindEdge({ kind: "bare" })],
  ];
  try {
    const contestants: Contestant[] = [];
    for (const [name, server] of servers) {
      await server.prepare(Array.from({ length: skus }, (_, index) => `read-${index}`));
      for (const [kind, connections] of [
        ["read", 64],
        ["batch", 16],
      ] as const) {
        const load = { kind, connections, prefix: "", sku: "read-", skus, milliseconds: settings.loadMs + 500 };
        await loadOverHttp(server, { ...load, milliseconds: settings.loadMs });
        contestants.push({
          name: `${name}, ${kind === "read" ? "one sku" : "1,000 skus"}`,
          callers: [connections],
          shapes: ["spread"],
          run: () => loadOverHttp(server, load),
          stop: async () => undefined,
        });
      }
    }
    const outcome = await contest(contestants, settings);
    const rows = contestants.flatMap(({ name, callers: [connections = 0] }) => {
      const runs = outcome.of(name, "spread", connections);
      return runs.length === 0 ? [] : [[name, "spread", String(connections), ...figures(runs)]];
    });
    return {
      tables: [{ title: "Requests a second", head: runHead, rows }],
      targets: [against("single reads against the bare server", outcome, "one sku", 64, 0.8), cheaper(outcome)],
      notes: [syncNote(outcome), ...outcome.failures],
      raw: Object.fromEntries(outcome.runs),
    };
  } finally {
    for (const [, server] of servers) await server.stop();
  }
}

function against(what: string, outcome: Outcome, load: string, connections: number, atLeast: number): Target {
  const [ours, theirs] = [`Larder, ${load}`, `bare server, ${load}`];
  const seen = outcome.ratio([ours, "spread", connections], [theirs, "spread", connections]);
  return { what, atLeast, unit: "×", ...(seen === undefined ? { why: "a server failed" } : { seen }) };
}

/** How much more skus a second a batch gives than single reads. */
function cheaper(outcome: Outcome): Target {
  const [single, batch] = [outcome.of("Larder, one sku", "spread", 64), outcome.of("Larder, 1,000 skus", "spread", 16)];
  const gains = batch.flatMap((run, round) => {
    const one = single[round]?.perSecond;
    return one === undefined ? [] : (run.perSecond * 1000) / one;
  });
  const what = "skus a second, batches of 1,000 against single reads";
  return { what, atLeast: 5, unit: "×", ...(gains.length === 0 ? { why: "not measured" } : { seen: spread(gains) }) };
}
