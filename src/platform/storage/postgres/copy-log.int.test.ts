import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { startPostgres, type TestPostgres } from "../../../../test/postgres.ts";
import { MemoryStorage } from "../memory/index.ts";
import { claim, event, numbers, sampleTagging, unitOf } from "../samples.ts";
import { copyLog } from "./index.ts";
import { TestStore } from "./postgres.fixture.ts";

const postgres = await startPostgres({ settings: { fsync: "off" } });
afterAll(() => postgres?.stop());

describe.skipIf(postgres === undefined)("copying a log into PostgreSQL", () => {
  let store: TestStore;
  let source: MemoryStorage;
  const verify = async () => undefined;
  beforeEach(async () => {
    store = await TestStore.make(postgres as TestPostgres);
    const epochs = [
      { number: 1, id: "0fb3a1f8-98f4-4f43-9a2a-6d2dd5a3ea01", startsAfter: 0 },
      { number: 2, id: "0fb3a1f8-98f4-4f43-9a2a-6d2dd5a3ea02", startsAfter: 3 },
    ];
    source = new MemoryStorage({ tagging: sampleTagging, epochs });
    await source.append(
      numbers(1500).map((n) => {
        const tags = n % 100 === 0 ? { tags: ["hundred"] } : {};
        const streams = { [`s${n % 7}`]: 2 * Math.floor((n - (n % 7 || 7)) / 7), [`own ${n}`]: 0 };
        const events = [event(`s${n % 7}`, { n }), event(`own ${n}`, tags), event(`s${n % 7}`, { n })];
        return unitOf(`c${n}`, streams, events, { recordedAt: 1000 + n, claims: [claim(n)] });
      }),
    );
    expect(source.head()).toBe(4500);
  });
  afterEach(() => store.remove());

  it("brings every unit, claim, tag and epoch, in an epoch of its own", async () => {
    const copied = await copyLog({ source, url: store.url, tagging: sampleTagging, verify });
    expect(copied).toMatchObject({ events: 4500, resumedAfter: 0, epoch: { number: 3, startsAfter: 4500 } });
    const copy = await store.open();
    expect(copy.epochs).toEqual([...source.epochs, copied.epoch]);
    const bodies = async (log: Pick<MemoryStorage, "readLog">) =>
      (await log.readLog(0, 10_000)).map(({ body }) => body);
    expect(await bodies(copy)).toEqual(await bodies(source));
    const streams = ["s0", "s3", "own 77", "none"];
    expect(await copy.versions(streams)).toEqual(await source.versions(streams));
    expect(await copy.readStream("s3", 400)).toEqual(await source.readStream("s3", 400));
    const keys = [claim(7).key, claim(1500).key, claim(1501).key];
    expect(await copy.findClaims(keys)).toEqual(await source.findClaims(keys));
    expect(await copy.findTagged("hundred", 4000, 20)).toEqual(await source.findTagged("hundred", 4000, 20));
    expect(copy.lastRecordedAt()).toBe(source.lastRecordedAt());
    const [next] = await copy.append([unitOf("next", { "own 77": 1 }, [event("own 77")])]);
    expect(next).toEqual({ ok: true, seq: 4501 });
  });

  it("goes on where it was broken off, and is refused to servers until it has ended", async () => {
    const broken = copyLog({
      source,
      url: store.url,
      tagging: sampleTagging,
      verify,
      onProgress: () => {
        throw new Error("broken off");
      },
    });
    await expect(broken).rejects.toThrow("broken off");
    await expect(store.open()).rejects.toThrow("larder migrate");
    const unsound = async () => {
      throw new Error("unsound");
    };
    const unverified = copyLog({ source, url: store.url, tagging: sampleTagging, verify: unsound });
    await expect(unverified).rejects.toThrow("unsound");
    await expect(store.open()).rejects.toThrow("larder migrate");
    const copied = await copyLog({ source, url: store.url, tagging: sampleTagging, verify });
    expect(copied.resumedAfter).toBe(4500);
    expect((await store.open()).head()).toBe(4500);
  });

  it("finds what is not as it was", async () => {
    const spoil = () =>
      store.execute("update larder.log set body = replace(body, 'StockSold', 'StockLost') where seq = 1");
    let isSpoilt: Promise<void> | undefined;
    const copying = copyLog({
      source: {
        ...reader(source),
        readLog: async (after, limit) => {
          if (after === 0) await isSpoilt;
          return await source.readLog(after, limit);
        },
      },
      url: store.url,
      tagging: sampleTagging,
      verify,
      onProgress: (at) => {
        if (at === 4500) isSpoilt = spoil();
      },
    });
    await expect(copying).rejects.toThrow("is not what the log holds");
  });

  it("refuses a database that holds another log", async () => {
    const other = new MemoryStorage({ tagging: sampleTagging });
    await copyLog({ source, url: store.url, tagging: sampleTagging, verify });
    await expect(copyLog({ source: other, url: store.url, tagging: sampleTagging, verify })).rejects.toThrow(
      "holds a log already",
    );
  });
});

function reader(storage: MemoryStorage) {
  return {
    epochs: storage.epochs,
    outgoingPaused: false,
    head: () => storage.head(),
    lastRecordedAt: () => storage.lastRecordedAt(),
    sequenceAt: (instant: number) => storage.sequenceAt(instant),
    close: () => storage.close(),
  };
}
