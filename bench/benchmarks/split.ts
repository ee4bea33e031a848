import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { Child } from "../harness/child.ts";
import type { Loaded } from "../harness/load.ts";
import type { Section } from "../harness/report.ts";
import { short, shortSpread, spread } from "../harness/stats.ts";
import type { HopRun, Way } from "../processes/hop-caller.ts";

const titles: Readonly<Record<Way, string>> = {
  here: "in the process that asks",
  cluster: "in another of the cluster",
  unary: "gRPC, one by one",
  conversation: "gRPC, a conversation",
};

export const split: Benchmark = {
  name: "split",
  title: "What a hop to another process costs",
  secondsMax: 45,
  method: `Reservations of one sku, decided in the process that asks; in another of its cluster, by the stream between them; and as a client of
gRPC, one by one and as a conversation over one stream. The log is in memory, so that what is seen is the way there and back. CPU is what each of the two processes says of itself.`,
  run,
};

async function run(settings: Settings): Promise<Section> {
  const [answerer, caller] = [new Child("hop-answerer.ts"), new Child("hop-caller.ts")];
  type Seen = Loaded & { readonly cpuUs: number; readonly otherCpuUs: number };
  const seen = new Map<string, Seen[]>();
  const counts = settings.isQuick ? [64] : [1, 64, 256];
  const ways = Object.keys(titles) as Way[];
  try {
    await caller.call("open", await answerer.call("open", {}));
    for (let round = 0; round < settings.rounds && !(round > 0 && settings.isLate()); round += 1) {
      for (const callers of counts) {
        for (const way of ways) {
          const asked: HopRun = { way, callers, milliseconds: settings.loadMs };
          await answerer.call("cpuUs", {});
          const loaded = await caller.call<Loaded & { cpuUs: number }>("run", asked);
          const otherCpuUs = await answerer.call<number>("cpuUs", {});
          const key = `${way} ${callers}`;
          seen.set(key, [...(seen.get(key) ?? []), { ...loaded, otherCpuUs }]);
        }
      }
      settings.say(
        `round ${round + 1}: ${[...seen].map(([key, runs]) => `${key}: ${short(rate(runs.at(-1)))}`).join(", ")}`,
      );
    }
  } finally {
    await Promise.all([caller.stop(), answerer.stop()]);
  }
  const middle = (runs: readonly Seen[], of: (run: Seen) => number) => short(spread(runs.map(of)).median);
  return {
    tables: [
      {
        title: "Reservations of one sku",
        head: [
          "decided",
          "callers",
          "a second: median [min..max]",
          "p50 ms",
          "p99 ms",
          "CPU µs: who asks",
          "who answers",
        ],
        rows: counts.flatMap((callers) =>
          ways.map((way) => {
            const runs = seen.get(`${way} ${callers}`) ?? [];
            return [
              titles[way],
              String(callers),
              shortSpread(spread(runs.map(rate))),
              middle(runs, ({ p50Ms }) => p50Ms),
              middle(runs, ({ p99Ms }) => p99Ms),
              middle(runs, ({ cpuUs, done }) => cpuUs / done),
              // The warm-up is in it: a quarter of the time of the load.
              way === "here" ? "–" : middle(runs, ({ otherCpuUs, done }) => otherCpuUs / (done * 1.25)),
            ];
          }),
        ),
      },
    ],
    targets: [],
  };
}

function rate(run: Loaded | undefined): number {
  return run === undefined ? Number.NaN : run.done / run.seconds;
}
