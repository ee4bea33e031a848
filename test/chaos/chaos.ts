/**
 * A cluster under load, to which things happen: PostgreSQL dies, connections break, processes die, hang and come back,
 * one of them with a clock that is ten minutes off. After each of them what clients were told is compared with the log:
 * nothing acknowledged is lost, nothing is oversold, and it is at work again within a minute. All the while other clients
 * record histories over both ways in, which have to be linearizable.
 *
 * `npm run chaos -- --minutes 120` for a night; chaos.int.test.ts has each fault once.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { Cluster, findProgram, type ProcessOptions, pause, portOf, type Shape } from "../../scripts/cluster/index.ts";
import { Book, expiryMsMax, type LogLine } from "../crash/book.ts";
import { Client, skus } from "../crash/clients.ts";
import { CuttingProxy } from "../cutting-proxy.ts";
import { Api } from "../journeys/api.ts";
import { numbers } from "../journeys/chance.ts";
import { larder } from "../journeys/larder.ts";
import { type Operation, sharesOf, write } from "../linearizability/history.ts";
import { record } from "../linearizability/record.ts";
import { faults, unseen, type World } from "./faults.ts";
import { judge } from "./judge.ts";

export interface ChaosOptions {
  readonly shape: Shape;
  readonly seed: number;
  /** Goes on from fault to fault for so long; each fault once when absent. */
  readonly minutes?: number;
  /** Only the faults whose name has this in it. */
  readonly only?: string;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly findings: readonly string[];
  readonly requests: number;
  readonly answered: number;
  readonly refused: number;
  readonly unknown: number;
  readonly events: number;
  /** Seconds from the end of each fault until everything was at work again. */
  readonly steadySeconds: Readonly<Record<string, readonly number[]>>;
  /** `several` of the accepted ones took several processes to be explained (`judge.ts`). */
  readonly histories: { accepted: number; several: number; undecided: number; operations: number; unknown: number };
  /** Times that a process of Larder ended by itself, and was started again. */
  readonly crashes: number;
  /** Whether the clock of one process was off. */
  readonly hadWrongClock: boolean;
}

const clients = 5;
const steadySecondsMax = 60;
/** Until NATS and Redis have the end of the log after everything. */
const copiesSecondsMax = 60;
/** Each history: so many clients, for so long. */
const recorders = 4;
const historyMs = 9000;

/** Where the clock of one process is, away from the others'. Undefined where there is no faketime. */
function wrongClock(): ProcessOptions | undefined {
  const faketime = findProgram("faketime");
  if (faketime === undefined) return undefined;
  // It would stay between us and the process: kills and pauses would hit faketime alone. So only what it loads is taken.
  const { stdout } = spawnSync(faketime, ["-m", "-f", "+10m", "printenv", "LD_PRELOAD"], { encoding: "utf8" });
  // Only the time of day: timers go by another clock, which stands on no machine.
  return { env: { LD_PRELOAD: stdout.trim(), FAKETIME: "+10m", FAKETIME_DONT_FAKE_MONOTONIC: "1" } };
}

export async function chaos({ shape, seed, minutes, only = "", say }: ChaosOptions): Promise<ChaosReport> {
  const random = numbers(seed);
  const folder = mkdtempSync(join(tmpdir(), "larder-chaos-"));
  const deciders = shape === "split" ? ["inventory-1", "inventory-2"] : ["server-1", "server-2"];
  const fronts = shape === "split" ? ["gateway-1", "gateway-2"] : deciders;
  const clock = wrongClock();
  let proxy: CuttingProxy | undefined;
  let crashes = 0;
  const cluster = await Cluster.start({
    folder,
    shape,
    ports: "free",
    processes: clock === undefined ? {} : { [deciders[1] ?? ""]: clock },
    postgresVia: async (port) => {
      proxy = await CuttingProxy.start(port);
      return proxy.port;
    },
    say(line) {
      say(line);
      // A process that dies of itself, and not by a signal, has met a defect.
      if (/^(inventory|gateway|server|relay|sync|intake)\S* ended \(\d+\)/.test(line)) crashes += 1;
    },
  });
  if (proxy === undefined) throw new Error("nothing stands before PostgreSQL");
  const world: World = { cluster, folder, proxy, deciders, random, isLong: minutes !== undefined };
  const run = new Run(cluster, fronts, seed, random, say);
  try {
    const chosen = Object.entries(faults).filter(([name]) => name.includes(only));
    const end = performance.now() + (minutes ?? 0) * 60_000;
    do {
      for (const [name, fault] of chosen) {
        await run.round(name, () => fault(world));
        if (run.book.findings.length > 0) break;
      }
    } while (performance.now() < end && run.book.findings.length === 0);
    await run.end();
    await run.compareCopies(portOf(cluster.ports, "natsMonitor"), portOf(cluster.ports, "redis"));
    const verified = await larder(["verify", "--data", cluster.common.store]);
    if (verified.code !== 0) run.book.findings.push(`verify: ${verified.out}${verified.err}`);
    return { ...run.report(), crashes, hadWrongClock: clock !== undefined };
  } finally {
    run.close();
    await cluster.stop();
    await proxy.stop();
    // Where something was found, everything is kept for who looks.
    if (run.book.findings.length === 0) rmSync(folder, { recursive: true, force: true });
    else say(`everything is kept in ${folder}`);
  }
}

class Run {
  readonly book = new Book(true);
  readonly #histories = { accepted: 0, several: 0, undecided: 0, operations: 0, unknown: 0 };
  readonly #steady: Record<string, number[]> = {};
  readonly #api: Api;
  readonly #fronts: ReadonlyMap<string, Api>;
  readonly #clients: readonly Client[];
  readonly #random: () => number;
  readonly #say: (line: string) => void;
  readonly #verdicts: Promise<void>[] = [];
  #position = "";
  #events = 0;
  #rounds = 0;

  constructor(
    cluster: Cluster,
    fronts: readonly string[],
    seed: number,
    random: () => number,
    say: (line: string) => void,
  ) {
    const at = (url: string) => new Api(() => url, cluster.adminKey, 128);
    this.#api = at(cluster.url);
    this.#fronts = new Map(
      fronts.map((name) => [name, at(`http://127.0.0.1:${portOf(cluster.ports, `${name}-http`)}`)]),
    );
    this.#clients = Array.from(
      { length: clients },
      (_, index) => new Client(`c${index}`, this.#api, this.book, seed + index),
    );
    this.#random = random;
    this.#say = say;
  }

  close(): void {
    for (const api of [this.#api, ...this.#fronts.values()]) api.close();
  }

  /** Load, a fault in it, and then what it came to. */
  async round(name: string, fault: () => Promise<void>): Promise<void> {
    this.#rounds += 1;
    let isOver = false;
    for (const client of this.#clients) client.failures.length = 0;
    const load = Promise.all(this.#clients.map((client) => client.run(() => isOver, 20)));
    const history = this.#record();
    history.catch(() => undefined);
    await pause(1500);
    await fault();
    const from = performance.now();
    const isSteady = await this.#steadyAgain(from);
    const seconds = (performance.now() - from) / 1000;
    this.#steady[name] = [...(this.#steady[name] ?? []), Math.round(seconds * 10) / 10];
    await pause(1000);
    isOver = true;
    await load;
    // What somebody was told to have lapsed is recorded within a second.
    await pause(2000);
    const failures = this.#clients.flatMap((client) => client.failures);
    if (name === unseen && failures.length > 0)
      this.book.findings.push(`during ${name} ${failures.length} requests failed: ${failures.slice(0, 5).join("; ")}`);
    if (!isSteady) this.book.findings.push(`after ${name} it is not at work again within ${steadySecondsMax} s`);
    this.#verdicts.push(this.#judge(await history, name));
    await this.#compare();
    for (const finding of this.book.findings) this.#say(`FOUND: ${finding}`);
    this.#say(
      `${name}: steady after ${seconds.toFixed(1)} s, ${failures.length} requests failed meanwhile; ${this.book.entries.length} requests, ${this.#events} events, ${this.book.findings.length} findings`,
    );
  }

  /** Each of those that clients come to has to take a fact, a reservation and a read, one after another, each at once. */
  async #steadyAgain(from: number): Promise<boolean> {
    let inARow = 0;
    for (let step = 0; inARow < 10; step += 1) {
      if (performance.now() - from > steadySecondsMax * 1000) return false;
      const works = await Promise.all(
        [...this.#fronts].map(([name, api]) => this.#works(api, `${name}-${this.#rounds}-${step}`)),
      );
      inARow = works.every(Boolean) ? inARow + 1 : 0;
      await pause(100);
    }
    return true;
  }

  async #works(api: Api, id: string): Promise<boolean> {
    const from = performance.now();
    const data = { sku: "probe", location: "hull", quantity: 1 };
    const fact = { specversion: "1.0", source: "probe", id, type: "larder.stock.received.v1", data };
    const lines = [{ sku: "probe", location: "hull", quantity: 1 }];
    try {
      const told = await api.call("POST", "/v1/events", { body: fact });
      const placed = await api.call("POST", "/v1/reservations", { body: { id: `probe-${id}`, ttlSeconds: 5, lines } });
      const read = await api.call("GET", "/v1/availability?sku=probe");
      const isRight = told.status === 202 && placed.status === 201 && read.status === 200;
      return isRight && performance.now() - from < 3000;
    } catch {
      return false;
    }
  }

  /** A history over both ways in, each call by another one than the call before. */
  #record(): Promise<readonly Operation[] | undefined> {
    const ways = [...this.#fronts.values()];
    let turn = 0;
    const either: Pick<Api, "call"> = {
      call: (...args) => {
        turn += 1;
        return (ways[turn % ways.length] ?? this.#api).call(...args);
      },
    };
    const name = `h${this.#rounds}`;
    const options = { clients: recorders, callsMax: 240, msMax: historyMs, pauseMsMax: 150, random: this.#random };
    return record(either, { name, ...options });
  }

  async #judge(history: readonly Operation[] | undefined, name: string): Promise<void> {
    if (history === undefined) return; // the machine's clock ran backwards: its times say nothing
    this.#histories.operations += history.length;
    this.#histories.unknown += Math.round(sharesOf(history).unknown * history.length);
    const verdict = await judge(history);
    if (verdict.verdict === "linearizable") {
      this.#histories.accepted += 1;
      if (verdict.tookSeveral) this.#histories.several += 1;
    } else if (verdict.verdict === "undecided") this.#histories.undecided += 1;
    else {
      const file = join(mkdtempSync(join(tmpdir(), "larder-history-")), "history.ndjson");
      writeFileSync(file, `${history.map(write).join("\n")}\n`);
      this.book.findings.push(`not linearizable during ${name}; the history is ${file}\n${verdict.stuck}`);
    }
  }

  /** Reads on in the log, and compares what clients were told with it. Other recorders have skus and ids of their own. */
  async #compare(isLast = false): Promise<void> {
    const news = await this.#api.changes(this.#position);
    for (const line of news as unknown as readonly LogLine[]) {
      this.#events += 1;
      const { sku, reservation = "" } = line.data;
      if (sku === undefined ? /^c\d/.test(reservation) : skus.includes(sku)) this.book.read(line);
    }
    this.#position = news.at(-1)?.position ?? this.#position;
    this.book.compare(isLast);
  }

  /** At the end both ways in say of every sku what the log says, and every history has been judged. */
  async end(): Promise<void> {
    await Promise.all(this.#verdicts);
    await pause(expiryMsMax);
    await this.#compare(true);
    for (const sku of this.book.skus()) {
      for (const [name, api] of this.#fronts) {
        const headers = { "larder-min-position": this.#position };
        const { body } = await api.call("GET", `/v1/availability?sku=${sku}`, { headers });
        const { onHand, reserved, committed } = this.book.stock(sku);
        const available = onHand - reserved - committed;
        const [item] = body.items ?? [];
        // Holds that lapse at this moment are the only difference there may be: one more look tells.
        if (item?.onHand !== onHand || item.available !== available) {
          await this.#compare();
          const now = this.book.stock(sku);
          const again = (await api.call("GET", `/v1/availability?sku=${sku}`, { headers })).body.items?.[0];
          if (again?.onHand !== now.onHand || again.available !== now.onHand - now.reserved - now.committed)
            this.book.findings.push(`${name} says ${JSON.stringify(again)} of ${sku}, the log ${JSON.stringify(now)}`);
        }
      }
    }
  }

  /** What NATS and Redis were given of the log comes to the same, whatever became of them: it takes a moment. */
  async compareCopies(natsPort: number, redisPort: number): Promise<void> {
    const end = performance.now() + copiesSecondsMax * 1000;
    for (;;) {
      const different = [...(await this.#differentInNats(natsPort)), ...(await this.#differentInRedis(redisPort))];
      if (different.length === 0) return;
      if (performance.now() > end) {
        this.book.findings.push(...different);
        return;
      }
      await pause(500);
    }
  }

  async #differentInNats(port: number): Promise<readonly string[]> {
    const answer = await fetch(`http://127.0.0.1:${port}/jsz?streams=1`);
    const { account_details: accounts = [] } = (await answer.json()) as {
      account_details?: { stream_detail: { name: string; state: { messages: number } }[] }[];
    };
    const stream = accounts.flatMap(({ stream_detail }) => stream_detail).find(({ name }) => name === "LARDER");
    const messages = stream?.state.messages ?? 0;
    return messages >= this.#events ? [] : [`NATS holds ${messages} messages of ${this.#events} events`];
  }

  async #differentInRedis(port: number): Promise<readonly string[]> {
    const redis = new Redis({ host: "127.0.0.1", port, lazyConnect: true, maxRetriesPerRequest: 1 });
    try {
      await redis.connect();
      const differences: string[] = [];
      for (const sku of this.book.skus()) {
        const { onHand, reserved, committed } = this.book.stock(sku);
        const found = await redis.hgetall(`larder:availability:leeds:${sku}`);
        if (Number(found["onHand"]) !== onHand || Number(found["available"]) !== onHand - reserved - committed)
          differences.push(`Redis says ${JSON.stringify(found)} of ${sku}, the log ${onHand - reserved - committed}`);
      }
      return differences;
    } catch (error) {
      return [`Redis can't be asked: ${String(error)}`];
    } finally {
      redis.disconnect();
    }
  }

  report(): Omit<ChaosReport, "hadWrongClock" | "crashes"> {
    const { entries } = this.book;
    const answers = entries.flatMap(({ answer }) => answer ?? []);
    return {
      findings: this.book.findings,
      requests: entries.length,
      answered: answers.length,
      refused: answers.filter(({ status }) => status === 409).length,
      unknown: entries.length - answers.length,
      events: this.#events,
      steadySeconds: this.#steady,
      histories: this.#histories,
    };
  }
}
