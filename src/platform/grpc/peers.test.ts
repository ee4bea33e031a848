import { once, setMaxListeners } from "node:events";
import { ChannelCredentials, Client, Metadata } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  accept,
  limits,
  NotBegun,
  type Outcome,
  OutcomeUnknown,
  PlatformError,
  reject,
  type Timeframe,
} from "../../kernel/index.ts";
import { methodDefinition } from "./definition.ts";
import { GrpcServer, type Methods, ModuleServer, ModuleService, Peers, type PeersOptions } from "./index.ts";

/** What is offered in these tests: a few methods of each kind. */
interface Shop {
  price(item: string, caller: { readonly id: string; readonly locations?: ReadonlySet<string> }): Promise<unknown>;
  buy(item: string, count?: number): Promise<string>;
  who(key: string): Promise<string>;
  list(items: readonly string[]): Promise<readonly (number | undefined)[]>;
  readonly desk: { bell(): Promise<undefined> };
  /** Asked for again it is there already. */
  order(item: string, by: Buyer): Promise<Outcome<string>>;
  /** Whoever is last is right. */
  label(item: string, by: Buyer): Promise<Outcome<string>>;
  visitors(
    after: number,
    options: { readonly signal: AbortSignal; readonly heartbeatMs: number },
  ): Promise<Outcome<AsyncIterable<{ readonly at: number; readonly door: string }>>>;
}

interface Buyer {
  readonly name: string;
  readonly within?: Timeframe;
}

const by = ([item, buyer]: [item: string, by: Buyer], within: Timeframe): [string, Buyer] => [
  item,
  { ...buyer, within },
];

const methods: Methods<Shop> = {
  price: { isRepeatable: true },
  buy: { isRepeatable: false, timeoutMs: 500 },
  who: { isRepeatable: true, key: (key) => key },
  list: { isRepeatable: true, hasGaps: true },
  desk: { bell: { isRepeatable: true } },
  order: {
    ...{ isRepeatable: true, timeoutMs: 5000, within: by },
    repeated: (item, buyer) => [`${item} again`, buyer],
    isFirm: ({ ok }: Outcome<string>) => ok,
  },
  label: { isRepeatable: true, timeoutMs: 5000, within: by },
  visitors: {
    isFeed: true,
    resumed: ([, options], { at }: { readonly at: number }) => [at, options],
  },
};

class House implements Shop {
  readonly name: string;
  /** Whether another process has its work. */
  isIdle = false;
  asked: unknown[] = [];
  /** What `buy` waits for. */
  gate: Promise<void> = Promise.resolve();
  readonly desk = { bell: async () => undefined };

  constructor(name: string) {
    this.name = name;
  }

  async price(...asked: unknown[]) {
    this.asked.push(asked);
    return reject({ code: "not-found", detail: "no such item" });
  }

  async buy(item: string, count?: number): Promise<string> {
    this.asked.push([item, count]);
    await this.gate;
    if (item === "air") throw new PlatformError("overloaded", "too many want air");
    if (item === "fog") throw new OutcomeUnknown("the answer was lost");
    if (item === "nothing") throw new TypeError("a defect that names /etc/passwd");
    return `${item} from ${this.name}`;
  }

  /** What `order` and `label` answer, one after another: the last of them again and again. */
  answers: (Outcome<string> | PlatformError)[] = [];
  taken: { readonly item: string; readonly at: number; readonly within: Timeframe | undefined }[] = [];

  async order(item: string, { within }: Buyer): Promise<Outcome<string>> {
    this.taken.push({ item, at: Date.now(), within });
    await this.gate;
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    if (answer instanceof Error) throw answer;
    return answer ?? accept(`${item} from ${this.name}`);
  }

  label(item: string, buyer: Buyer): Promise<Outcome<string>> {
    return this.order(item, buyer);
  }

  async who() {
    return this.name;
  }

  async list(items: readonly string[]) {
    return items.map((item) => (item === "gap" ? undefined : item.length));
  }

  async visitors(after: number, { signal }: { readonly signal: AbortSignal }) {
    if (after > 900) return reject({ code: "invalid-position" as const, detail: "nobody comes so late" });
    const door = this.name;
    async function* come() {
      // Nobody comes before the first.
      if (after < 0) return void (await once(signal, "abort"));
      for (let at = after + 1; !signal.aborted; at += 1) {
        yield { at, door };
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
    return accept(come());
  }
}

interface Standing {
  readonly house: House;
  readonly address: string;
  readonly module: ModuleServer;
  readonly defects: unknown[];
  stop(): Promise<void>;
}

const secret = "a secret of this cluster";

async function open(name: string, port = 0, offered = "shop"): Promise<Standing> {
  const house = new House(name);
  const defects: unknown[] = [];
  const module = new ModuleServer({
    isMember: (authorization) => authorization === secret,
    onDefect: (_method, error) => defects.push(error),
  });
  module.offer(offered, { offer: house, methods, isElsewhere: () => house.isIdle });
  const services = [{ description: ModuleService, implementation: module.implementation() }];
  const server = new GrpcServer({ services, messageBytesMax: 1_000_000 });
  const address = await server.listen("127.0.0.1", port);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= module.leave(1000).then(() => server.close(100));
    return stopped;
  };
  onTestFinished(stop);
  return { house, address, module, defects, stop };
}

function connect(addresses: readonly string[], authorization = secret, options: Partial<PeersOptions> = {}) {
  const peers = new Peers({ module: "shop", addresses, authorization, ...options });
  onTestFinished(() => peers.close());
  return { peers, shop: peers.interfaceOf(methods) };
}

/** Both of two take calls. */
async function openTwo(options: Partial<PeersOptions> = {}) {
  const houses = [await open("one"), await open("two")] as const;
  const { peers, shop } = connect(
    houses.map(({ address }) => address),
    secret,
    options,
  );
  await vi.waitFor(() => expect(peers.standing()).toEqual({ known: 2, ready: 2, faults: [] }));
  return { houses, peers, shop };
}

describe("a call to another process", () => {
  it("takes sets, gaps and nothing across, and brings rejections back as values", async () => {
    const { house, address } = await open("one");
    const { shop } = connect([address]);
    const caller = { id: "k1", locations: new Set(["leeds", "york"]) };
    const refused = { ok: false, rejection: { code: "not-found", detail: "no such item" } };
    expect(await shop.price("milk", caller)).toEqual(refused);
    expect(await shop.price("bread", caller)).toEqual(refused);
    expect(house.asked).toEqual([
      ["milk", caller],
      ["bread", caller],
    ]);
    expect(await shop.buy("milk")).toBe("milk from one");
    expect(house.asked.at(-1)).toEqual(["milk", undefined]);
    expect(await shop.list(["gap", "four"])).toEqual([undefined, 4]);
    expect(await shop.desk.bell()).toBeUndefined();
  });

  it("fails as it failed there: with the code of a fault, and without the words of a defect", async () => {
    const { address, defects } = await open("one");
    const { shop } = connect([address]);
    await expect(shop.buy("air")).rejects.toMatchObject({ name: "PlatformError", code: "overloaded" });
    await expect(shop.buy("fog")).rejects.toMatchObject({ name: "PlatformError", code: "storage-unavailable" });
    const failure = await shop.buy("nothing").catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: "PlatformError", code: "internal" });
    expect(String(failure)).not.toContain("passwd");
    expect(defects).toEqual([expect.any(TypeError)]);
  });

  it("is refused to whoever does not know the secret", async () => {
    const { house, address } = await open("one");
    const { peers, shop } = connect([address], "a guess");
    await expect(shop.buy("milk")).rejects.toMatchObject({ code: "peer-unavailable" });
    expect(peers.standing()).toMatchObject({ ready: 0, faults: [expect.stringContaining("secret")] });
    expect(house.asked).toEqual([]);
  });

  it("says after a while that nobody is there", async () => {
    const { shop } = connect(["127.0.0.1:1"]);
    await expect(shop.price("milk", { id: "k" })).rejects.toThrow("no process that offers shop takes calls");
  });

  it("is made a thousand times at once", async () => {
    const { address } = await open("one");
    const { shop } = connect([address]);
    const all = Array.from({ length: 1000 }, (_, index) => shop.list([`${index}`, "x".repeat(1000)]));
    expect(await Promise.all(all)).toEqual(Array.from({ length: 1000 }, (_, index) => [`${index}`.length, 1000]));
  });
});

describe("several processes that offer the same", () => {
  const keys = Array.from({ length: 400 }, (_, index) => `sku-${index}`);
  const askAll = (shop: Shop) => Promise.all(keys.map((key) => shop.who(key)));

  it("share the keys, and each key stays with one of them", async () => {
    const { peers, shop } = await openTwo();
    const answers = await askAll(shop);
    expect(await askAll(shop)).toEqual(answers);
    const share = answers.filter((name) => name === "one").length / keys.length;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
    const places = keys.map((key) => peers.placeOf(key));
    expect(new Set(places).size).toBe(2);
    for (const [index, place] of places.entries()) expect(place === places[0]).toBe(answers[index] === answers[0]);
  });

  it("take over the keys of one that leaves, and give them back; nothing fails meanwhile", async () => {
    const { houses, peers, shop } = await openTwo();
    const before = await askAll(shop);
    let isOver = false;
    const asking = (async () => {
      let count = 0;
      for (; !isOver; count += keys.length) await askAll(shop);
      return count;
    })();
    await houses[1].stop();
    expect(new Set(await askAll(shop))).toEqual(new Set(["one"]));
    await open("two", Number(houses[1].address.split(":")[1]));
    await vi.waitFor(() => expect(peers.standing().ready).toBe(2), 5000);
    expect(await askAll(shop)).toEqual(before);
    isOver = true;
    expect(await asking).toBeGreaterThan(0);
  });

  it("finish what they have before they go", async () => {
    const { houses, shop } = await openTwo();
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const { house } of houses) house.gate = promise;
    const buying = [shop.buy("milk"), shop.buy("milk")];
    await vi.waitFor(() => expect(houses.map(({ house }) => house.asked.length)).toEqual([1, 1]));
    const leaving = houses[1].stop();
    await new Promise((wait) => setTimeout(wait, 50));
    resolve();
    expect(new Set(await Promise.all(buying))).toEqual(new Set(["milk from one", "milk from two"]));
    await leaving;
  });

  it("are not asked twice for what may have been done, unless it bears repeats", async () => {
    const { houses, shop } = await openTwo();
    for (const { house } of houses) house.gate = new Promise(() => undefined);
    await expect(shop.buy("milk")).rejects.toMatchObject({ code: "peer-unavailable" });
    expect(houses.flatMap(({ house }) => house.asked)).toEqual([["milk", undefined]]);
  });

  it("are found by a name, also those that come later", async () => {
    const [one, two] = [await open("one"), await open("two")];
    const hosts = ["127.0.0.1"];
    const port = one.address.split(":")[1];
    const { peers, shop } = connect([`shops.local:${port}`], secret, { lookup: async () => hosts });
    await vi.waitFor(() => expect(peers.standing().ready).toBe(1));
    expect(await shop.who("x")).toBe("one");
    await two.stop();
  });

  it("are asked one after another for what one of them has to do, until one has it", async () => {
    const { houses, shop } = await openTwo();
    const [one, two] = houses.map(({ house }) => house) as [House, House];
    two.isIdle = true;
    const startedAt = performance.now();
    for (let times = 0; times < 20; times += 1) expect(await shop.buy("milk")).toBe("milk from one");
    // Without a pause: the other one is free to answer.
    expect(performance.now() - startedAt).toBeLessThan(500);
    one.isIdle = true;
    setTimeout(() => Object.assign(two, { isIdle: false }), 250);
    expect(await shop.buy("milk")).toBe("milk from two");
    expect([one.asked.length, two.asked.length]).toEqual([20, 1]);
    two.isIdle = true;
    await expect(shop.buy("milk")).rejects.toMatchObject({ code: "peer-unavailable" });
  });

  it("are others when their address is taken by a process that offers something else", async () => {
    const houses = [await open("one"), await open("two")] as const;
    const { peers, shop } = connect(houses.map(({ address }) => address));
    await vi.waitFor(() => expect(peers.standing().ready).toBe(2));
    await houses[1].stop();
    const stranger = await open("stranger", Number(houses[1].address.split(":")[1]), "bank");
    const fault = `${stranger.address}: 14 UNAVAILABLE: it does not offer shop`;
    await vi.waitFor(() => expect(peers.standing()).toEqual({ known: 2, ready: 1, faults: [fault] }), 5000);
    const asked = await Promise.all(Array.from({ length: 20 }, () => shop.buy("milk")));
    expect(new Set(asked)).toEqual(new Set(["milk from one"]));
    expect(stranger.house.asked).toEqual([]);
  });

  it("are given up where their name has left an address to a process that offers something else", async () => {
    const { peerLookupMs } = limits;
    onTestFinished(() => void Object.assign(limits, { peerLookupMs }));
    Object.assign(limits, { peerLookupMs: 100 });
    const one = await open("one");
    const port = Number(one.address.split(":")[1]);
    let hosts = ["127.0.0.1"];
    const { peers } = connect([`shops.local:${port}`], secret, { lookup: async () => hosts });
    await vi.waitFor(() => expect(peers.standing().ready).toBe(1));
    await one.stop();
    await open("stranger", port, "bank");
    await vi.waitFor(() => expect(peers.standing().faults).toEqual([expect.stringContaining("does not offer")]), 5000);
    hosts = ["127.0.0.2"];
    await vi.waitFor(() => expect(peers.standing().faults).toEqual([expect.stringContaining("127.0.0.2")]), 5000);
  });

  it("admit one that does not say what it wants, as older ones do not", async () => {
    const { address } = await open("one");
    const client = new Client(address, ChannelCredentials.createInsecure());
    onTestFinished(() => client.close());
    const { path, requestSerialize, responseDeserialize } = methodDefinition(ModuleService.method.exchange);
    const metadata = new Metadata();
    metadata.set("authorization", secret);
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    const [greeting] = await once(stream, "data");
    expect(greeting).toMatchObject({ answers: [], isLeaving: false });
    stream.cancel();
    stream.on("error", () => undefined);
  });
});

describe("an answer", () => {
  /** Calls that are all answered in one turn of the event loop, with so much each; another one is under way beside them. */
  async function askFor(count: number, chars: number) {
    const { peerMessageBytesMax } = limits;
    onTestFinished(() => void Object.assign(limits, { peerMessageBytesMax }));
    Object.assign(limits, { peerMessageBytesMax: 1_000_000 });
    const { address, house } = await open("one");
    const { shop } = connect([address]);
    const { promise, resolve } = Promise.withResolvers<void>();
    house.gate = promise;
    house.answers = [accept("x".repeat(chars))];
    const orders = Array.from({ length: count }, (_, n) => shop.order(`item ${n}`, { name: "ann" }));
    const buying = shop.buy("milk");
    await vi.waitFor(() => expect([house.taken.length, house.asked.length]).toEqual([count, 1]));
    resolve();
    const [outcomes, bought] = await Promise.all([Promise.allSettled(orders), buying]);
    return { outcomes, bought, times: house.taken.length };
  }

  it("comes, however much is answered at the same time", async () => {
    const { outcomes, bought, times } = await askFor(10, 300_000);
    const outcome = { status: "fulfilled", value: accept("x".repeat(300_000)) };
    expect(outcomes).toEqual(Array.from({ length: 10 }, () => outcome));
    expect([bought, times]).toEqual(["milk from one", 10]);
  });

  it("that is too large for a message fails its own call alone, at once", async () => {
    const { outcomes, bought, times } = await askFor(2, 1_000_000);
    const reason = { code: "internal", message: expect.stringMatching(/has 10000\d\d bytes, .* at most 999968$/) };
    expect(outcomes).toMatchObject([
      { status: "rejected", reason },
      { status: "rejected", reason },
    ]);
    expect([bought, times]).toEqual(["milk from one", 2]);
  });
});

describe("a call whose process stands still", () => {
  const soldOut = reject({ code: "insufficient-stock" as const, detail: "none is left" });

  /** One of the houses has a call and says nothing; it is taken for lost while it may still carry it out. */
  async function stall(method: "order" | "label", options: Partial<PeersOptions> = { storeClock: Date.now }) {
    const { houses, shop } = await openTwo(options);
    const never = new Promise<void>(() => undefined);
    for (const { house } of houses) house.gate = never;
    const from = Date.now();
    const asking = shop[method]("milk", { name: "ann" });
    asking.catch(() => undefined);
    const still = await vi.waitUntil(() => houses.find(({ house }) => house.taken.length === 1));
    const other = houses.find((one) => one !== still);
    if (other === undefined) throw new Error("there are two");
    other.house.gate = Promise.resolve();
    const [{ within: before } = { within: undefined }] = still.house.taken;
    const deadline = before?.before ?? Number.NaN;
    return { asking, deadline, from, other: other.house, lose: () => void still.stop() };
  }

  it("has half of its time", async () => {
    const { deadline, from } = await stall("order");
    expect(deadline - from).toBeGreaterThanOrEqual(2500);
    expect(deadline - from).toBeLessThan(3000);
  });

  it("is refused only once it can't be done any more, and by an answer that was asked for then", async () => {
    const { asking, deadline, other, lose } = await stall("order");
    other.answers = [soldOut, soldOut];
    lose();
    expect(await asking).toEqual(soldOut);
    const [first, last] = other.taken;
    expect(other.taken.map(({ item }) => item)).toEqual(["milk again", "milk again"]);
    expect(first?.within?.from).toBeUndefined();
    expect(last?.within).toMatchObject({ from: deadline });
    expect(last?.at).toBeGreaterThanOrEqual(deadline);
  });

  it("is accepted by what was done meanwhile, though it was refused at first", async () => {
    const { asking, other, lose } = await stall("order");
    other.answers = [soldOut, accept("milk, as it turns out")];
    lose();
    expect(await asking).toEqual(accept("milk, as it turns out"));
  });

  it("is accepted at once where that is firm", async () => {
    const { asking, deadline, other, lose } = await stall("order");
    lose();
    expect(await asking).toEqual(accept(`milk again from ${other.name}`));
    expect(Date.now()).toBeLessThan(deadline);
    expect(other.taken).toHaveLength(1);
  });

  it("is asked for after its deadline, and no sooner, where nothing is firm", async () => {
    const { asking, deadline, other, lose } = await stall("label");
    lose();
    expect(await asking).toEqual(accept(`milk from ${other.name}`));
    expect(other.taken).toMatchObject([{ within: { from: deadline } }]);
    expect(other.taken[0]?.at).toBeGreaterThanOrEqual(deadline);
  });

  it("is told as unknown when another one fails, and when nobody knows the store's clock", async () => {
    const failing = await stall("order");
    failing.other.answers = [new PlatformError("version-conflict", "others were quicker")];
    failing.lose();
    await expect(failing.asking).rejects.toMatchObject({ code: "peer-unavailable" });
    const timeless = await stall("order", {});
    timeless.other.answers = [soldOut];
    timeless.lose();
    await expect(timeless.asking).rejects.toMatchObject({ code: "peer-unavailable" });
    expect(timeless.other.taken).toMatchObject([{ within: undefined }]);
  });

  it("is asked for again when it came too late to be begun", async () => {
    const { address, house } = await open("one");
    const { shop } = connect([address], secret, { storeClock: Date.now });
    house.answers = [new NotBegun("too late"), soldOut];
    expect(await shop.order("milk", { name: "ann" })).toEqual(soldOut);
    expect(house.taken.map(({ item, within }) => [item, within?.from])).toEqual([
      ["milk", undefined],
      ["milk", undefined],
    ]);
  });
});

describe("a feed from another process", () => {
  it("goes on at another one when its process goes, without gaps", async () => {
    const { houses, shop } = await openTwo();
    const ending = new AbortController();
    const opened = await shop.visitors(10, { signal: ending.signal, heartbeatMs: 1000 });
    if (!opened.ok) throw new Error("refused");
    const seen: { at: number; door: string }[] = [];
    for await (const step of opened.value) {
      seen.push(step);
      if (seen.length === 20) void houses.find(({ house }) => house.name === step.door)?.stop();
      if (new Set(seen.map(({ door }) => door)).size === 2) break;
    }
    ending.abort();
    expect(seen.map(({ at }) => at)).toEqual(seen.map((_, index) => index + 11));
    expect(seen.length).toBeGreaterThan(20);
  });

  it("is one of as many as a gateway may have, beside its calls, on one connection", async () => {
    const { address } = await open("one");
    const { shop } = connect([address]);
    const ending = new AbortController();
    setMaxListeners(0, ending.signal);
    const options = { signal: ending.signal, heartbeatMs: 1000 };
    const opening = Array.from({ length: limits.feedsMax }, () => shop.visitors(-1, options));
    expect((await Promise.all(opening)).every(({ ok }) => ok)).toBe(true);
    expect(await shop.who("x")).toBe("one");
    ending.abort();
  });

  it("is refused as it would be here", async () => {
    const { address } = await open("one");
    const { shop } = connect([address]);
    const opened = await shop.visitors(901, { signal: new AbortController().signal, heartbeatMs: 1000 });
    expect(opened).toEqual({ ok: false, rejection: { code: "invalid-position", detail: "nobody comes so late" } });
  });

  it("ends with the signal", async () => {
    const { address } = await open("one");
    const { shop } = connect([address]);
    const ending = new AbortController();
    const opened = await shop.visitors(0, { signal: ending.signal, heartbeatMs: 1000 });
    if (!opened.ok) throw new Error("refused");
    let count = 0;
    for await (const _ of opened.value) {
      count += 1;
      if (count === 5) ending.abort();
    }
    expect(count).toBeGreaterThanOrEqual(5);
  });
});
