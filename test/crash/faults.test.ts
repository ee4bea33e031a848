/**
 * A server whose disk is full or fails, that may open few files, or that has little memory: it turns writes away with
 * 503, says why in /readyz, goes on answering reads, acknowledges nothing that is not kept, and recovers by itself.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { numbers, pause } from "../journeys/chance.ts";
import { eventually, larder } from "../journeys/larder.ts";
import { Server, type ServerOptions } from "../journeys/server.ts";
import { Book, type LogLine } from "./book.ts";
import { Client, skus } from "./clients.ts";
import { Disk } from "./disk.ts";

/** Clients under way on a server, and what they were told. */
class Load {
  readonly book = new Book();
  readonly #server: Server;
  #isOver = false;
  readonly #clients: Promise<unknown>;

  constructor(server: Server, clients = 6) {
    this.#server = server;
    const all = Array.from({ length: clients }, (_, index) => new Client(`c${index}`, server, this.book, 100 + index));
    this.#clients = Promise.all(all.map((client) => client.run(() => this.#isOver, 1)));
  }

  answered(): number {
    return this.book.entries.filter(({ answer }) => answer !== undefined).length;
  }

  /** Waits for answers beyond those there are: the server takes writes. */
  async goesOn(): Promise<void> {
    const before = this.answered();
    await eventually(() => this.answered() > before + 10, 20_000);
  }

  /** Ends it, and compares all that was answered with the log. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#clients;
    for (const line of await this.#server.changes()) this.book.read(line as unknown as LogLine);
    this.book.compare();
    expect(this.book.findings).toEqual([]);
    expect(await this.#server.end("SIGTERM")).toBe(0);
    const verified = await larder(["verify", "--data", this.#server.data]);
    expect(verified.code, verified.out).toBe(0);
  }
}

async function serverOf(options: ServerOptions = {}): Promise<Server> {
  const server = new Server(options);
  onTestFinished(() => server.stop());
  return server;
}

async function stores(server: Server): Promise<{ status: number; store: string; consumers: string }> {
  const { status, body } = await server.call("GET", "/readyz");
  return { status, store: body.checks.store.detail, consumers: body.checks.consumers.detail };
}

/** Waits until /readyz says no, and gives what it says. */
async function isUnready(server: Server): Promise<Awaited<ReturnType<typeof stores>>> {
  let found = await stores(server);
  await eventually(async () => {
    found = await stores(server);
    return found.status === 503;
  }, 30_000);
  return found;
}

const anything = (id: string, sku = "milk") => ({
  body: {
    specversion: "1.0",
    source: "faults",
    id,
    type: "larder.stock.returned.v1",
    data: { sku, location: "york", quantity: 1 },
  },
});

async function expectReads(server: Server): Promise<void> {
  for (const sku of skus.slice(0, 3)) {
    expect((await server.call("GET", `/v1/availability?sku=${sku}`)).status).toBe(200);
    // A sku that no client has chosen yet is unknown, which is an answer too.
    expect([200, 404]).toContain((await server.call("GET", `/v1/stock/${sku}`)).status);
  }
}

describe("a full disk", () => {
  const isRoot = process.platform === "linux" && process.getuid?.() === 0;
  const reason = isRoot ? undefined : "only root may mount a small disk";
  if (reason !== undefined) console.warn(`SKIPPED: a full disk: ${reason}`);

  it.skipIf(reason !== undefined)(
    "refuses writes, answers reads, and goes on when there is room again",
    async () => {
      const server = await serverOf();
      mkdirSync(server.data);
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", server.data]).status).toBe(0);
      onTestFinished(async () => {
        await server.end("SIGKILL");
        spawnSync("umount", ["-l", server.data]);
      });
      await server.start();
      const load = new Load(server);
      await load.goesOn();
      const ballast = join(server.data, "ballast");
      for (const kill of [false, true]) {
        fill(ballast);
        // What SQLite has reserved already is used up first.
        const { store } = await isUnready(server);
        expect(store).toContain("full");
        const refused = await server.call("POST", "/v1/events", anything(`full-${kill}`));
        expect([refused.status, refused.body.code]).toEqual([503, "storage-unavailable"]);
        expect(refused.headers["retry-after"]).toBe("1");
        await expectReads(server);
        await pause(1500);
        expect(server.isRunning, server.stderr).toBe(true);
        if (kill) {
          await server.end("SIGKILL");
          await server.start().catch((error: unknown) => expect(String(error)).toMatch(/full|no space/));
        }
        rmSync(ballast);
        if (!server.isRunning) await server.start();
        await eventually(async () => (await stores(server)).status === 200);
        await load.goesOn();
      }
      await load.end();
    },
    120_000,
  );
});

/** Takes all the room there is. */
function fill(file: string): void {
  const descriptor = openSync(file, "a");
  try {
    for (;;) writeSync(descriptor, Buffer.alloc(4096));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
  } finally {
    closeSync(descriptor);
  }
}

describe("a disk that fails", () => {
  const hasShim = process.platform === "linux" && spawnSync("cc", ["--version"]).status === 0;
  if (!hasShim) console.warn("SKIPPED: a disk that fails: it takes Linux and a C compiler");

  async function withDisk(): Promise<{ server: Server; disk: Disk }> {
    const env = {};
    const server = await serverOf({ env });
    const disk = Disk.make(server.folder, server.data);
    if (disk === undefined) throw new Error("the shim can't be built");
    Object.assign(env, disk.env);
    await server.start();
    return { server, disk };
  }

  it.skipIf(!hasShim)(
    "takes no writes while its syncs or writes fail, and comes out of it by itself",
    async () => {
      const { server, disk } = await withDisk();
      const load = new Load(server);
      await load.goesOn();
      for (const place of ["log sync", "log write"] as const) {
        disk.fail(place, "EIO");
        const { store } = await isUnready(server);
        expect(store).toMatch(/EIO|I\/O error/);
        const refused = await server.call("POST", "/v1/events", anything(place));
        expect([refused.status, refused.body.code]).toEqual([503, "storage-unavailable"]);
        await expectReads(server);
        disk.heal();
        await eventually(async () => (await stores(server)).status === 200);
        await load.goesOn();
        expect((await server.call("POST", "/v1/events", anything(place))).status).toBe(202);
      }
      const { syncs, writes } = disk.counts();
      expect(Math.min(syncs, writes)).toBeGreaterThan(0);
      await load.end();
    },
    60_000,
  );

  it.skipIf(!hasShim)(
    "has on it what is acknowledged after a failed sync, when the power fails then",
    async () => {
      const { server, disk } = await withDisk();
      const load = new Load(server);
      await load.goesOn();
      const random = numbers(5);
      for (let round = 0; round < 4; round += 1) {
        disk.fail("log sync", "EIO");
        await pause(100 + random() * 300);
        disk.heal();
        await load.goesOn();
        await server.end("SIGKILL");
        // All that was never synced goes; in odd rounds the process only was killed while its syncs failed.
        if (round % 2 === 0) disk.losePower(() => false);
        await server.start();
      }
      expect(disk.counts().syncs).toBeGreaterThan(4);
      await load.goesOn();
      await load.end();
    },
    120_000,
  );

  it.skipIf(!hasShim)(
    "is not taken for damaged by what half-written transactions left in the WAL",
    async () => {
      const { server, disk } = await withDisk();
      const load = new Load(server);
      await load.goesOn();
      for (const one of [3, 7, 20]) {
        const { writes } = disk.counts();
        disk.failSomeWrites(one);
        await eventually(() => disk.counts().writes > writes + 10);
        await server.end("SIGKILL");
        disk.heal();
        await server.start();
        await load.goesOn();
      }
      await load.end();
    },
    60_000,
  );

  it.skipIf(!hasShim)(
    "keeps what a restart after a failed sync builds upon, when the power fails later",
    async () => {
      const { server, disk } = await withDisk();
      const load = new Load(server);
      await load.goesOn();
      for (let round = 0; round < 2; round += 1) {
        disk.fail("log sync", "EIO");
        await pause(150);
        await server.end("SIGKILL");
        disk.heal();
        await server.start();
        await load.goesOn();
        await server.end("SIGKILL");
        disk.losePower(() => false);
        await server.start();
        await load.goesOn();
      }
      await load.end();
    },
    120_000,
  );

  it.skipIf(!hasShim)(
    "goes on without keeping what is derived when only derived.db fails",
    async () => {
      const { server, disk } = await withDisk();
      const load = new Load(server);
      await load.goesOn();
      disk.fail("derived write", "ENOSPC");
      disk.fail("derived sync", "EIO");
      await eventually(async () => (await stores(server)).consumers.includes("not kept"));
      await load.goesOn();
      expect((await stores(server)).status).toBe(200);
      await server.end("SIGKILL");
      disk.heal();
      await server.start();
      await load.goesOn();
      await load.end();
    },
    60_000,
  );

  it.skipIf(!hasShim)(
    "answers 503 where the log can't be read, and nothing else",
    async () => {
      const { server, disk } = await withDisk();
      for (let n = 0; n < 30; n += 1) await server.call("POST", "/v1/events", anything(`r${n}`, `sku-${n}`));
      await server.end("SIGTERM");
      await server.start();
      disk.fail("log read", "EIO");
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, n) => server.call("GET", `/v1/stock/sku-${n}/events`)),
      );
      for (const { status } of answers) expect([200, 503]).toContain(status);
      expect(answers.filter(({ status }) => status === 503).length).toBeGreaterThan(0);
      disk.heal();
      expect((await server.call("GET", "/v1/stock/sku-7/events")).status).toBe(200);
      expect(server.isRunning).toBe(true);
    },
    60_000,
  );
});

describe("few files", () => {
  const hasLimits = spawnSync("prlimit", ["--version"]).status === 0;
  if (!hasLimits) console.warn("SKIPPED: few files: there is no prlimit");

  it.skipIf(!hasLimits)(
    "are shared out: connections beyond them are turned away, the store keeps its own",
    async () => {
      const server = await serverOf({ launch: { under: ["prlimit", "--nofile=96:96"] }, connections: 8 });
      await server.start();
      const load = new Load(server, 4);
      await load.goesOn();
      // Connections that stay.
      const agent = new Agent({ keepAlive: true, maxSockets: 400, maxFreeSockets: 400 });
      onTestFinished(() => agent.destroy());
      const outcomes = await Promise.all(Array.from({ length: 300 }, () => openOne(server.url, agent)));
      expect(new Set(outcomes)).toEqual(new Set([true, false]));
      // Files are left for a checkpoint: its thread alone takes six, its connection four.
      expect(readdirSync(`/proc/${server.pid}/fd`).length).toBeLessThan(96 - 12);
      await load.goesOn();
      await pause(1000);
      expect(server.isRunning, server.stderr).toBe(true);
      agent.destroy();
      await eventually(() =>
        stores(server).then(
          ({ status }) => status === 200,
          () => false,
        ),
      );
      await load.goesOn();
      await load.end();
    },
    60_000,
  );
});

describe("little memory", () => {
  /** Of 128 MB for the gate's sake; LARDER_TEST_HEAP_MB=256 takes a hundred thousand skus. */
  const heapMb = Number(process.env["LARDER_TEST_HEAP_MB"] ?? 128);

  it("is not run out of by ever new skus: writes are turned away before", async () => {
    const server = await serverOf({ launch: { nodeFlags: [`--max-old-space-size=${heapMb}`] } });
    await server.start();
    const headers = { "content-type": "application/cloudevents-batch+json" };
    const until = performance.now() + 60_000;
    // Long names fill it sooner.
    const skuOf = (index: number) => `sku-${index}`.padEnd(100, "x");
    let [batches, accepted, refusals] = [0, 0, 0];
    const turnedAway = new Set<string>();
    const writer = async () => {
      while (performance.now() < until && refusals < 40) {
        const first = batches * 1000;
        batches += 1;
        const body = Array.from(
          { length: 1000 },
          (_, index) => anything(`f${first + index}`, skuOf(first + index)).body,
        );
        const answer = await server.call("POST", "/v1/events", { body, headers });
        if (answer.status === 202) {
          accepted += answer.body.accepted;
          continue;
        }
        turnedAway.add(`${answer.status} ${answer.body.code}`);
        refusals += 1;
      }
    };
    await Promise.all(Array.from({ length: 20 }, writer));
    expect(server.isRunning, server.stderr.slice(-2000)).toBe(true);
    expect([...turnedAway]).toEqual(["503 overloaded"]);
    expect((await server.call("GET", `/v1/stock/${skuOf(7)}`)).status).toBe(200);
    await eventually(async () => (await stores(server)).status === 200, 30_000);
    expect((await server.call("POST", "/v1/events", anything("after"))).status).toBe(202);
    console.log(`a heap of ${heapMb} MB: ${accepted} new skus were taken in before writes were turned away`);
    await server.end("SIGKILL");
    const verified = await larder(["verify", "--data", server.data, "--json"]);
    const { ok, stocks } = JSON.parse(verified.out);
    expect([ok, stocks]).toEqual([true, accepted + 1]);
  }, 180_000);
});

function openOne(url: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request(`${url}/livez`, { agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(true));
    });
    outgoing.setTimeout(5000, () => outgoing.destroy());
    outgoing.on("error", () => resolve(false));
    outgoing.end();
  });
}
