import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvariantError, limits, PlatformError } from "../../../kernel/index.ts";
import { openSqliteStorage } from "../../storage/sqlite/index.ts";
import type { Messaging } from "../port.ts";
import { message, numbers, queueOf, VirtualTime } from "../samples.ts";
import { openSqliteMessaging } from "./index.ts";

let home: string;
let folder: string;
let time: VirtualTime;
let openOnes: Messaging[];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "larder-queue-faults-"));
  folder = join(home, "data");
  time = new VirtualTime();
  openOnes = [];
});
afterEach(async () => {
  for (const one of openOnes) await one.close();
  rmSync(home, { recursive: true });
});

async function open(own: { readonly folder?: string; readonly sync?: HeldSync } = {}): Promise<Messaging> {
  const messaging = await openSqliteMessaging({ folder, ...time, ...own });
  openOnes.push(messaging);
  return messaging;
}

async function openWithQueue(own: { readonly folder?: string; readonly sync?: HeldSync } = {}): Promise<Messaging> {
  const messaging = await open(own);
  await messaging.declareQueue(queueOf("q"));
  return messaging;
}

const terms = { max: 100, leaseMs: 1000 };
const idsIn = async (messaging: Messaging) => (await messaging.receive("q", terms)).map(({ id }) => id);
const rest = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Lays a copy of a folder as a crash at this moment would leave it. */
function crashCopy(): string {
  const copy = mkdtempSync(join(home, "crash-"));
  for (const name of ["queues.db", "queues.db-wal"]) {
    if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy, name));
  }
  return copy;
}

/** A disk whose syncs last until they are let go, or fail. */
class HeldSync {
  isHeld = false;
  isBroken = false;
  begun = 0;
  #held: (() => void)[] = [];

  async sync(): Promise<void> {
    this.begun += 1;
    if (this.isHeld) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.isBroken) throw new Error("EIO: i/o error, fdatasync");
  }

  letGo(): void {
    this.isHeld = false;
    for (const resolve of this.#held.splice(0)) resolve();
  }

  close(): void {
    this.letGo();
  }
}

describe("the sync", () => {
  it("comes before a send is answered, and before anybody sees it", async () => {
    const sync = new HeldSync();
    const messaging = await openWithQueue({ sync });
    const steps: string[] = [];
    sync.isHeld = true;
    const sending = messaging.send("q", [message("a")]).then(() => steps.push("sent"));
    const early = messaging
      .receive("q", { ...terms, waitMs: 20_000 })
      .then((found) => steps.push(`got ${found[0]?.id}`));
    await rest();
    const late = idsIn(messaging).then((found) => steps.push(`late got ${found.length}`));
    await rest();
    expect(steps).toEqual([]);
    sync.letGo();
    await Promise.all([sending, early, late]);
    expect([...steps].sort()).toEqual(["got a", "late got 0", "sent"]);
  });

  it("is one for all that wait", async () => {
    const sync = new HeldSync();
    const messaging = await openWithQueue({ sync });
    sync.isHeld = true;
    const first = messaging.send("q", [message("first")]);
    await rest();
    const before = sync.begun;
    const others = numbers(200).map((n) => messaging.send("q", [message(`m${n}`)]));
    sync.letGo();
    await Promise.all([first, ...others]);
    expect(sync.begun).toBe(before + 1);
  });

  it("is not waited for by receives and answers, and not asked for when nothing was found", async () => {
    const sync = new HeldSync();
    const messaging = await openWithQueue({ sync });
    await messaging.send("q", [message("a")]);
    sync.isHeld = true;
    const [found] = await messaging.receive("q", terms);
    expect(found?.id).toBe("a");
    sync.letGo();
    await rest();
    const before = sync.begun;
    expect(await messaging.receive("q", terms)).toEqual([]);
    expect(await messaging.depth("q")).toMatchObject({ waiting: 1 });
    expect(sync.begun).toBe(before);
  });

  it("that fails leaves the outcome unknown and stops everything until the queues are opened again", async () => {
    const sync = new HeldSync();
    const messaging = await openWithQueue({ sync });
    await messaging.send("q", [message("a")]);
    sync.isBroken = true;
    const unknown = messaging.send("q", [message("b")]);
    await expect(unknown).rejects.toThrow("unknown");
    await expect(unknown).rejects.not.toThrow(PlatformError);
    sync.isBroken = false;
    await expect(messaging.send("q", [message("c")])).rejects.toMatchObject({
      code: "storage-unavailable",
      message: expect.stringContaining("until a restart"),
    });
    await expect(messaging.receive("q", terms)).rejects.toThrow(PlatformError);
    await messaging.close();
    const again = await open();
    await again.send("q", [message("b"), message("c")]);
    expect((await idsIn(again)).sort()).toEqual(["a", "b", "c"]);
  });
});

describe("what waits", () => {
  it("suffers nothing from what is refused beside it", async () => {
    const messaging = await openWithQueue();
    await messaging.declareQueue(queueOf("small", { depthMax: 1 }));
    const answers = await Promise.allSettled([
      messaging.send("q", [message("a")]),
      messaging.send("small", [message("b"), message("c")]),
      messaging.send("unheard of", [message("d")]),
      messaging.send("q", [message("e")]),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(answers[1]).toMatchObject({ reason: { code: "overloaded" } });
    expect(answers[2]).toMatchObject({ reason: expect.any(InvariantError) });
    expect(await idsIn(messaging)).toEqual(["a", "e"]);
    expect((await messaging.depth("small")).waiting).toBe(0);
  });

  it("is turned away when it would fill the memory", async () => {
    const sync = new HeldSync();
    const messaging = await openWithQueue({ sync });
    sync.isHeld = true;
    const body = "x".repeat(limits.messageBytesMax);
    const count = Math.ceil(limits.messagingWaitingBytesMax / limits.messageBytesMax) + 3;
    const first = messaging.send("q", [message("first")]);
    await rest();
    const answers = Promise.allSettled(numbers(count).map((n) => messaging.send("q", [message(`m${n}`, { body })])));
    await rest();
    sync.letGo();
    await first;
    const refused = (await answers).flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []));
    expect(refused.length).toBeGreaterThanOrEqual(3);
    expect(refused.length).toBeLessThan(10);
    expect(refused.every(({ code }) => code === "overloaded")).toBe(true);
    expect((await messaging.depth("q")).waiting).toBe(1 + count - refused.length);
  });
});

describe("a write that the disk refuses half-way", () => {
  it("leaves nothing of it, in the file or in memory, and later ones are made", async () => {
    const messaging = await openWithQueue();
    await messaging.send("q", [message("a", { key: "k" })]);
    const other = new DatabaseSync(join(folder, "queues.db"));
    other.exec(
      "CREATE TRIGGER refuse BEFORE INSERT ON message WHEN NEW.id = 'c' BEGIN SELECT RAISE(FAIL, 'refused'); END",
    );
    const answers = await Promise.allSettled([
      messaging.receive("q", terms),
      messaging.send("q", [message("b", { key: "k" })]),
      messaging.send("q", [message("c", { key: "k" })]),
      messaging.declareQueue(queueOf("new")),
    ]);
    const refused = { status: "rejected", reason: { code: "storage-unavailable" } };
    expect(answers).toMatchObject([refused, refused, refused, refused]);
    expect(await messaging.queues()).toEqual(["q"]);
    expect((await messaging.depth("q")).waiting).toBe(1);
    other.exec("DROP TRIGGER refuse");
    other.close();
    await messaging.send("q", [message("b", { key: "k" }), message("c", { key: "k" })]);
    await messaging.declareQueue(queueOf("new"));
    expect((await messaging.depth("q")).waiting).toBe(3);
    for (const id of ["a", "b", "c"]) {
      const [found, ...more] = await messaging.receive("q", terms);
      expect(more).toEqual([]);
      expect(found).toMatchObject({ id, attempts: 1 });
      if (found !== undefined) expect(await messaging.acknowledge(found)).toBe(true);
    }
    expect(await messaging.depth("q")).toEqual({ waiting: 0, deadLetters: 0 });
  });
});

describe("a lease", () => {
  it("ends with the process that had it, and its attempt has a cause", async () => {
    const first = await openWithQueue();
    await first.send("q", [message("a"), message("b", { delayMs: 500 })]);
    const [old] = await first.receive("q", { ...terms, leaseMs: 3_600_000 });
    const copy = crashCopy();
    const next = await open({ folder: copy });
    if (old === undefined) throw new Error("it was due");
    expect(await next.isCurrent(old)).toBe(false);
    const [again, ...more] = await next.receive("q", terms);
    expect(more).toEqual([]);
    expect(again).toMatchObject({ id: "a", attempts: 2 });
    if (again !== undefined) await next.deadLetter(again, "broken");
    const [dead] = (await next.deadLetters.list({ order: "oldest-first", limit: 1 })).items;
    const causes = (await next.deadLetters.read(dead?.id ?? ""))?.causes;
    expect(causes).toMatchObject([{ attempt: 1 }, { attempt: 2, cause: "broken" }]);
  });
});

describe("a token", () => {
  it("is never given twice, also when the power takes the leases", async () => {
    const messaging = await openWithQueue();
    await messaging.send(
      "q",
      numbers(50).map((n) => message(`m${n}`)),
    );
    const withoutLeases = crashCopy();
    const lost = (await messaging.receive("q", terms)).map(({ token }) => token);
    const other = await open({ folder: withoutLeases });
    const given = (await other.receive("q", terms)).map(({ token }) => token);
    expect(given).toHaveLength(50);
    expect(lost.every((token) => given.every((later) => later > token))).toBe(true);
  });
});

describe("a folder", () => {
  it("is shared with the log in one process, and each has one opener", async () => {
    const storage = await openSqliteStorage({ folder });
    const messaging = await openWithQueue();
    await expect(open()).rejects.toMatchObject({ code: "storage-unavailable" });
    await expect(openSqliteStorage({ folder })).rejects.toMatchObject({ code: "storage-unavailable" });
    await storage.close();
    expect(existsSync(join(folder, "lock.pid"))).toBe(true);
    await messaging.send("q", [message("a")]);
    await (await openSqliteStorage({ folder })).close();
    await messaging.close();
    expect(existsSync(join(folder, "lock.pid"))).toBe(false);
    expect(await idsIn(await open())).toEqual(["a"]);
  });

  it("is refused when queues.db is gone but its WAL is there, or when it is something else", async () => {
    const messaging = await openWithQueue();
    await messaging.send("q", [message("a")]);
    const copy = crashCopy();
    await messaging.close();
    rmSync(join(copy, "queues.db"));
    await expect(open({ folder: copy })).rejects.toThrow("its messages are lost");
    expect(existsSync(join(copy, "queues.db"))).toBe(false);
    rmSync(join(copy, "queues.db-wal"));
    writeFileSync(join(copy, "queues.db"), "x".repeat(8192));
    await expect(open({ folder: copy })).rejects.toMatchObject({
      code: "storage-unavailable",
      message: expect.stringContaining("queues.db is damaged"),
    });
    expect(readFileSync(join(copy, "queues.db"), "utf8")).toBe("x".repeat(8192));
  });
});

describe("a torn WAL", () => {
  const frameBytes = 24 + 4096;

  /** A queue with three sends, and where the frames of each end. */
  async function sample() {
    const messaging = await openWithQueue();
    const ends: number[] = [];
    for (const id of ["a", "b", "c"]) {
      await messaging.send("q", [message(id)]);
      ends.push(readFileSync(join(folder, "queues.db-wal")).length);
    }
    const copy = crashCopy();
    return { copy, wal: readFileSync(join(copy, "queues.db-wal")), ends };
  }

  async function openWith(copy: string, wal: Buffer): Promise<readonly string[]> {
    const own = mkdtempSync(join(home, "torn-"));
    copyFileSync(join(copy, "queues.db"), join(own, "queues.db"));
    writeFileSync(join(own, "queues.db-wal"), wal);
    const messaging = await open({ folder: own });
    const found = await idsIn(messaging);
    await messaging.close();
    return found;
  }

  it("loses only the transaction that was cut short, which nobody was told of", async () => {
    const { copy, wal, ends } = await sample();
    const [, second = 0, third = 0] = ends;
    for (const cut of [third - 1, third - frameBytes, second + 1, second]) {
      expect(await openWith(copy, wal.subarray(0, cut)), `cut at ${cut}`).toEqual(["a", "b"]);
    }
    const flipped = Buffer.from(wal);
    flipped[second + 200] = (flipped[second + 200] ?? 0) ^ 1;
    expect(await openWith(copy, flipped), "the last transaction is damaged").toEqual(["a", "b"]);
    expect(await openWith(copy, wal)).toEqual(["a", "b", "c"]);
  });

  it("is refused when whole transactions follow the damage", async () => {
    const { copy, wal, ends } = await sample();
    const [first = 0] = ends;
    const flipped = Buffer.from(wal);
    flipped[first - frameBytes + 200] = (flipped[first - frameBytes + 200] ?? 0) ^ 1;
    await expect(openWith(copy, flipped)).rejects.toMatchObject({
      code: "storage-unavailable",
      message: expect.stringContaining("damaged at byte"),
    });
  });
});
