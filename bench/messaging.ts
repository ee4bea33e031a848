/**
 * Figures of the queues in SQLite: sends and receives a second, beside plain inserts of the same bodies into a file that
 * is synced in the same way, and a receive on top of few and of a million waiting messages.
 * `node bin/larder.js --tool bench/messaging.ts` takes about a minute; `--small` waits behind 100,000.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Messaging, OutgoingMessage } from "../src/platform/messaging/index.ts";
import { openSqliteMessaging } from "../src/platform/messaging/sqlite/index.ts";
import { openDatabase, transaction, WalSync } from "../src/platform/sqlite/index.ts";

const home = mkdtempSync(join(tmpdir(), "larder-bench-queues-"));
const count = 20_000;
const batch = 100;
const waiting = process.argv.includes("--small") ? 100_000 : 1_000_000;
const body = JSON.stringify({ sku: "milk", location: "leeds", available: 17, text: "x".repeat(150) });

const asMessages = (from: number, size: number, keys: number): OutgoingMessage[] =>
  Array.from({ length: size }, (_, n) => ({ id: `message ${from + n}`, key: `sku ${(from + n) % keys}`, body }));

/** A rate, and the CPU time of one in microseconds: which holds on a busy machine too. */
interface Figure {
  readonly rate: number;
  readonly cpu: number;
}

async function measured(count: number, work: () => Promise<void>): Promise<Figure> {
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { rate: Math.round((count / (performance.now() - from)) * 1000), cpu: (user + system) / count };
}

async function plainInserts(): Promise<Figure> {
  const file = join(home, "plain.db");
  const database = openDatabase(file);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
  database.exec("CREATE TABLE row (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT");
  const insert = database.prepare("INSERT INTO row (body) VALUES (?)");
  const sync = new WalSync(`${file}-wal`);
  const rate = await measured(count, async () => {
    for (let done = 0; done < count; done += batch) {
      transaction(database, () => {
        for (let n = 0; n < batch; n += 1) insert.run(body);
      });
      await sync.sync();
    }
  });
  sync.close();
  database.close();
  return rate;
}

async function sends(messaging: Messaging, queue: string, count: number, size: number): Promise<Figure> {
  return measured(count, async () => {
    for (let done = 0; done < count; done += size) await messaging.send(queue, asMessages(done, size, 1000));
  });
}

/** Receives and acknowledges, batch after batch. */
async function handled(messaging: Messaging, queue: string, count: number): Promise<Figure> {
  return measured(count, async () => {
    for (let done = 0; done < count; ) {
      const found = await messaging.receive(queue, { max: batch, leaseMs: 60_000 });
      await Promise.all(found.map((delivery) => messaging.acknowledge(delivery)));
      if (found.length === 0) throw new Error("nothing was due");
      done += found.length;
    }
  });
}

const show = (count: number) => count.toLocaleString("en");
const told = ({ rate, cpu }: Figure) => `${show(rate)}/s at ${cpu.toFixed(1)} µs CPU`;
const beside = (own: Figure, plain: Figure) =>
  `${told(own)} (${(own.rate / plain.rate).toFixed(2)} × the rate, ${(own.cpu / plain.cpu).toFixed(1)} × the CPU)`;
const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
try {
  const messaging = await openSqliteMessaging({ folder: join(home, "data"), clock: Date.now });
  for (const name of ["small", "large"]) {
    await messaging.declareQueue({ name, deduplicationMs: 3_600_000, attemptsMax: 10, depthMax: 2_000_000 });
  }
  for (const turn of [1, 2, 3]) {
    const plain = await plainInserts();
    rmSync(join(home, "plain.db"));
    rmSync(join(home, "plain.db-wal"), { force: true });
    await messaging.declareQueue({
      name: `turn ${turn}`,
      deduplicationMs: 3_600_000,
      attemptsMax: 10,
      depthMax: count,
    });
    const sent = await sends(messaging, `turn ${turn}`, count, batch);
    const done = await handled(messaging, `turn ${turn}`, count);
    console.log(
      `${batch} at a time: plain inserts ${told(plain)}; sends ${beside(sent, plain)}; ` +
        `received and acknowledged ${beside(done, plain)}`,
    );
  }
  const callers = 64;
  const together = await measured(count, async () => {
    const call = async (caller: number) => {
      for (let n = caller; n < count; n += callers) await messaging.send("small", asMessages(n, 1, 1000));
    };
    await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  });
  console.log(`${callers} callers with one message each: sends ${told(together)}`);
  const few = await handled(messaging, "small", count / 2);
  const filled = await sends(messaging, "large", waiting, 1000);
  const before = process.memoryUsage().rss;
  const many = await handled(messaging, "large", count);
  const file = statSync(join(home, "data", "queues.db")).size;
  console.log(
    `${show(waiting)} waiting (sent ${told(filled)}, ${megabytes(file)}): received and acknowledged ${told(many)}, ` +
      `behind few ${told(few)}; memory ${megabytes(process.memoryUsage().rss)}, before ${megabytes(before)}`,
  );
  await messaging.close();
} finally {
  rmSync(home, { recursive: true });
}
