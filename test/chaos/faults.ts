/** What happens to a cluster under load. Each fault ends with everything in its place again, though not yet at work. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Cluster, pause } from "../../scripts/cluster/index.ts";
import type { CuttingProxy } from "../cutting-proxy.ts";
import { pick } from "../journeys/chance.ts";

export interface World {
  readonly cluster: Cluster;
  readonly folder: string;
  /** Between Larder and PostgreSQL. */
  readonly proxy: CuttingProxy;
  /** Names of the processes that decide. */
  readonly deciders: readonly string[];
  readonly random: () => number;
  /** Longer, in runs of hours. */
  readonly isLong: boolean;
}

type Fault = (world: World) => Promise<void>;

const between = (random: () => number, from: number, to: number) => from + random() * (to - from);

/** The one of which no client may see anything. */
export const unseen = "those that clients come to restarted one by one";

export const faults: Readonly<Record<string, Fault>> = {
  /** Again and again, a few seconds apart, and started again at once by who watches it. */
  "PostgreSQL killed and restarted": async ({ cluster, random, isLong }) => {
    const postgres = cluster.service("postgres");
    for (let times = isLong ? 4 : 2; times > 0; times -= 1) {
      await postgres.kill();
      await postgres.start();
      await pause(between(random, 5000, isLong ? 20_000 : 6000));
    }
  },

  "PostgreSQL stopped for 10 s": async ({ cluster }) => {
    const postgres = cluster.service("postgres");
    await postgres.stop();
    await pause(10_000);
    await postgres.start();
  },

  "connections to PostgreSQL cut": async ({ proxy, random }) => {
    for (let times = 0; times < 8; times += 1) {
      proxy.cut();
      await pause(between(random, 100, 1200));
    }
  },

  "answers of PostgreSQL lost": async ({ proxy, random }) => {
    for (let times = 0; times < 8; times += 1) {
      proxy.loseNextAnswer("append");
      await pause(between(random, 100, 800));
    }
  },

  "the way to PostgreSQL slow": async ({ proxy, random }) => {
    for (const ms of [20, 100, 400]) {
      proxy.delay(ms);
      await pause(between(random, 1500, 3000));
    }
    proxy.delay(0);
  },

  "the way to PostgreSQL silent for 4 s": async ({ proxy }) => {
    proxy.silence(true);
    await pause(4000);
    proxy.silence(false);
  },

  "a process that decides killed": async ({ cluster, deciders, random }) => {
    const process = cluster.process(pick(random, deciders));
    await process.kill();
    await pause(between(random, 0, 2000));
    await process.start();
  },

  /** Past its lease: it comes back and takes itself for the owner of what others own by now. */
  "a process that decides paused for 10 s": async ({ cluster, deciders, random }) => {
    const process = cluster.process(pick(random, deciders));
    process.pause();
    await pause(10_000);
    process.resume();
  },

  [unseen]: async ({ cluster }) => cluster.rollFronts(),

  "NATS killed, its data wiped, Redis killed": async ({ cluster, folder }) => {
    const [nats, redis] = [cluster.service("nats"), cluster.service("redis")];
    await Promise.all([nats.kill(), redis.kill()]);
    rmSync(join(folder, "nats"), { recursive: true });
    await pause(1000);
    await Promise.all([nats.start(), redis.start()]);
  },
};
