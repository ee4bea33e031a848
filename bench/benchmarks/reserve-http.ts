import type { ContenderSpec } from "../contenders/contender.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { type Contestant, contest, type Outcome, runHead, runRows, type Shape, syncNote } from "../harness/contest.ts";
import type { DatabaseServer } from "../harness/databases.ts";
import { type HttpServerUnderTest, hasWrk, loadOverHttp, serveBehindEdge, serveLarder } from "../harness/over-http.ts";
import type { Section, Target } from "../harness/report.ts";
import { spread } from "../harness/stats.ts";
import { chartOf, type Databases, joining, withDatabases } from "./reserve.ts";

export const reserveHttp: Benchmark = {
  name: "reserve-http",
  title: "Reserving over HTTP",
  secondsMax: 170,
  method: `The same over HTTP/1.1 on the loopback interface: \`POST /v1/reservations\` with a key, an id and one line, by
${hasWrk ? "wrk with one thread" : "a client of our own on bare sockets"}. Larder runs as \`npm start\` runs it. Every peer stands behind the same HTTP server, with the
same route, check of the key, schema and answer as Larder's; so does the bare server, which answers a constant of the
same size and is the ceiling. PostgreSQL has a pool of 16 there, which serves a hot row better than one of 64. The fixed
rate is 1,000 arrivals a second on one sku, latencies from the moment that each was due.`,
  hasPeers: true,
  run: (settings) => withDatabases(settings, compare),
};

const rate = 1000;
const onPostgres = "Larder on PostgreSQL";

async function compare({ postgres, redis, folder }: Databases, settings: Settings): Promise<Section> {
  const notes: string[] = [];
  const [contestants, paced]: [Contestant[], Contestant[]] = [[], []];
  const all = settings.isQuick ? [64] : [16, 64];
  const slow = { callers: [16], skus: settings.isQuick ? 20 : 1000, isPaced: false };
  const servers: HttpServerUnderTest[] = [];
  const open = async (
    name: string,
    opening: Promise<HttpServerUnderTest>,
    { callers = all, skus = settings.isQuick ? 1000 : 10_000, isPaced = true, database }: Options = {},
  ) => {
    for (const server of await joining(name, opening, settings, notes)) {
      servers.push(server);
      const id = name.replace(/\W+/g, "-").toLowerCase();
      await server.prepare(Array.from({ length: skus }, (_, index) => `${id}-spread-${index}`));
      await warmUp(server, id, callers[0] ?? 1, settings);
      const contestant = (perSecond?: number): Contestant => ({
        name,
        callers: perSecond === undefined ? callers : [64],
        ...(perSecond !== undefined && { shapes: ["hot"] as const }),
        run: (shape, connections, round) =>
          load(server, { id, shape, connections, round, skus, perSecond, database }, settings),
        stop: async () => undefined,
      });
      contestants.push(contestant());
      if (isPaced) paced.push(contestant(rate));
    }
  };
  const behind = (spec: ContenderSpec, database?: DatabaseServer) => serveBehindEdge(spec, database);
  try {
    await open("Larder", serveLarder({}));
    await open("bare server", behind({ kind: "bare" }));
    if (redis !== undefined) await open("Redis", behind({ kind: "redis" }, redis), { database: redis });
    if (postgres !== undefined) {
      for (const style of ["statement", "transaction"] as const) {
        const opening = behind({ kind: "postgres", style, pool: 16 }, postgres);
        await open(`PostgreSQL, ${style}`, opening, { database: postgres });
      }
      await open("Medusa", behind({ kind: "medusa" }, postgres), { ...slow, database: postgres });
      const store = `postgres://bench@127.0.0.1:${postgres.port}/postgres`;
      await open(onPostgres, serveLarder({ env: { LARDER_STORE: store } }), { database: postgres });
      const emmett = behind({ kind: "emmett-postgresql" }, postgres);
      await open("Emmett on PostgreSQL", emmett, { ...slow, database: postgres });
    }
    const sqlite = behind({ kind: "emmett-sqlite", folder: `${folder}/emmett` });
    await open("Emmett on SQLite", sqlite, { ...slow, callers: [1] });

    const outcome = await contest(contestants, settings);
    const pacedOutcome = await contest(paced, settings);
    return {
      tables: [
        { title: "Reservations a second, as fast as it goes", head: runHead, rows: runRows(contestants, outcome) },
        { title: "At 1,000 a second on one sku", head: runHead, rows: runRows(paced, pacedOutcome) },
      ],
      targets: targets(outcome, pacedOutcome),
      notes: [syncNote(outcome), ...notes, ...outcome.failures, ...pacedOutcome.failures],
      chart: chartOf("Reservations a second over HTTP, 64 connections", contestants, outcome, 64),
      raw: { ...Object.fromEntries(outcome.runs), paced: Object.fromEntries(pacedOutcome.runs) },
    };
  } finally {
    for (const server of servers) await server.stop();
  }
}

interface Options {
  readonly callers?: readonly number[];
  readonly skus?: number;
  readonly isPaced?: boolean;
  readonly database?: DatabaseServer;
}

async function warmUp(
  server: HttpServerUnderTest,
  id: string,
  connections: number,
  { loadMs }: Settings,
): Promise<void> {
  const sku = `${id}-warm`;
  await server.prepare([sku]);
  await loadOverHttp(server, { kind: "reserve", connections, milliseconds: loadMs, prefix: sku, sku, skus: 1 });
}

interface LoadOptions {
  readonly id: string;
  readonly shape: Shape;
  readonly connections: number;
  readonly round: number;
  readonly skus: number;
  readonly perSecond: number | undefined;
  readonly database: DatabaseServer | undefined;
}

async function load(server: HttpServerUnderTest, options: LoadOptions, settings: Settings) {
  const { id, shape, connections, round, skus, perSecond, database } = options;
  const prefix = `${id}-${shape}-${connections}-${round}-${perSecond ?? ""}`;
  const isHot = shape === "hot";
  if (isHot) await server.prepare([prefix]);
  const what = { sku: isHot ? prefix : `${id}-spread-`, skus: isHot ? 1 : skus };
  const pace = perSecond === undefined ? {} : { perSecond };
  const milliseconds = settings.loadMs + 500; // wrk counts whole seconds
  return await loadOverHttp(server, { kind: "reserve", connections, milliseconds, prefix, ...what, ...pace }, database);
}

function targets(outcome: Outcome, paced: Outcome): Target[] {
  const ratio = (what: string, atLeast: number, shape: Shape, peer: string, one = "Larder"): Target => {
    const seen = outcome.ratio([one, shape, 64], [peer, shape, 64]);
    return { what, atLeast, unit: "×", ...(seen === undefined ? { why: "the peer is missing" } : { seen }) };
  };
  const p99 = paced.of("Larder", "hot", 64).map(({ p99Ms }) => p99Ms);
  return [
    ratio("HTTP, hot, 64, against PostgreSQL's one statement", 5, "hot", "PostgreSQL, statement"),
    ratio("HTTP, spread, 64, against PostgreSQL's one statement", 2, "spread", "PostgreSQL, statement"),
    ratio("HTTP, hot, 64, against the bare server", 0.7, "hot", "bare server"),
    ratio("HTTP, spread, 64, against the bare server", 0.7, "spread", "bare server"),
    {
      what: "HTTP, p99 at 1,000/s on one sku",
      atMost: 10,
      unit: "ms",
      ...(p99.length === 0 ? { why: "not measured" } : { seen: spread(p99) }),
    },
    ratio(
      `HTTP, ${onPostgres}, hot, 64, against PostgreSQL's one statement`,
      4,
      "hot",
      "PostgreSQL, statement",
      onPostgres,
    ),
  ];
}
