/**
 * Clients of a real server that get in each other's way, and what they were told. They share a few stocks of few units,
 * so that most of what one asks depends on what others did a moment ago; they act on each other's reservations, at the
 * very edge of their time too; they cut connections in the middle, and ask again.
 */
import type { Api, Answer as HttpAnswer } from "../journeys/api.ts";
import type { Answer, Operation, Request, Short } from "./history.ts";

type Caller = Pick<Api, "call">;

export interface RecordOptions {
  /** Of this history alone: the first part of its skus, ids and facts. */
  readonly name: string;
  readonly clients: number;
  /** Clients stop after so many calls, or milliseconds; then all is read once more. */
  readonly callsMax: number;
  readonly msMax: number;
  /** Greatest pause of a client between two calls. */
  readonly pauseMsMax: number;
  readonly random: () => number;
}

/** What is asked again must be asked in the same words, so clients share what they know. */
interface Known {
  readonly reserves: Set<Request & { kind: "reserve" }>;
  readonly facts: Set<Request & { kind: "fact" }>;
  readonly ends: Map<string, number>;
}

/** How often all clients that wait for each other call at once. */
const beatMs = 40;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Records one history. `undefined` when the clock ran backwards meanwhile: then its times say nothing. */
export async function record(server: Caller, options: RecordOptions): Promise<readonly Operation[] | undefined> {
  const { name, random, callsMax, msMax } = options;
  const history: Operation[] = [];
  const known: Known = { reserves: new Set(), facts: new Set(), ends: new Map() };
  const isSane = watchClock();
  const one = `${name}-one@leeds`;
  const stocks = [one, `${name}-one@york`, `${name}-two@leeds`, `${name}-cart-a@leeds`, `${name}-cart-b@leeds`];
  const perform = async (client: number, request: Request, cutAfterMs?: number) => {
    if (request.kind === "reserve") known.reserves.add(request);
    if (request.kind === "fact") known.facts.add(request);
    const operations = await ask(server, client, request, cutAfterMs);
    history.push(...operations);
    const [operation] = operations;
    const answer = operation?.answer;
    if (request.kind === "reserve" && (operation === undefined || answer?.kind === "refused"))
      known.reserves.delete(request);
    if (answer?.kind === "reservation" && answer.expiresAt !== null && "id" in request)
      known.ends.set(request.id, answer.expiresAt);
  };
  for (const stock of stocks) {
    // Told again until answered: the server may be down just now.
    const opening: Request = { kind: "fact", fact: `${name}-opening-${stock}`, stock, units: 2 + pick(random, 3) };
    do await perform(-1, opening);
    while (!history.some(({ request, answer }) => request === opening && answer !== undefined));
  }
  const end = performance.now() + msMax;
  const client = async (index: number): Promise<void> => {
    for (let step = 0; history.length < callsMax && performance.now() < end; step += 1) {
      // Mostly all at once, and then mostly after the same stock.
      const isTogether = random() < 0.7;
      if (isTogether) await pause(beatMs - (performance.now() % beatMs));
      const beat = Math.floor(performance.now() / beatMs);
      const stock = stocks[isTogether && random() < 0.7 ? beat % stocks.length : pick(random, stocks.length)] ?? "";
      const request = choose(`${name}-${index}-${step}`, stock, stocks, known, random);
      const due = "id" in request ? (known.ends.get(request.id) ?? 0) - Date.now() : 0;
      // At the very edge of its time, if that is near.
      if (due > 0 && due < 120 && random() < 0.7) await pause(Math.max(0, due - 2 + pick(random, 4)));
      const isCut = request.kind !== "read" && request.kind !== "look" && random() < 0.17;
      await perform(index, request, isCut ? pick(random, 2) : undefined);
      await pause(random() * random() * options.pauseMsMax);
    }
  };
  await Promise.all(Array.from({ length: options.clients }, (_, index) => client(index)));
  // What was acknowledged must still be so when all is quiet.
  for (const stock of stocks) await perform(-1, { kind: "read", stock });
  for (const { id } of known.reserves) await perform(-1, { kind: "look", id });
  return isSane() ? history : undefined;
}

function choose(id: string, stock: string, stocks: readonly string[], known: Known, random: () => number): Request {
  const kind = random();
  const again = [...known.reserves].at(-1 - pick(random, 6));
  if (kind < 0.4 || again === undefined) {
    const isCart = stock.includes("-cart-");
    const named = isCart && random() < 0.6 ? stocks.filter((other) => other.includes("-cart-")) : [stock];
    const lines = named.map((each) => ({ stock: each, quantity: 1 + pick(random, 3) }));
    return { kind: "reserve", id, lines, ttlMs: 1000 };
  }
  if (kind < 0.45) return again;
  if (kind < 0.5) return [...known.facts].at(-1 - pick(random, 4)) ?? { kind: "read", stock };
  if (kind < 0.56) return { kind: "fact", fact: id, stock, units: random() < 0.8 ? 1 : -1 };
  if (kind < 0.66) return { kind: "read", stock };
  if (kind < 0.7) return { kind: "extend", id: again.id, ttlMs: 1000 };
  const others = ["confirm", "release", "fulfil", "look", "release"] as const;
  return { kind: others[pick(random, others.length)] ?? "look", id: again.id };
}

function pick(random: () => number, count: number): number {
  return Math.floor(random() * count);
}

/** Whether the clock that the server decides by has never run backwards since. */
function watchClock(): () => boolean {
  let before = Number.NEGATIVE_INFINITY;
  let isSane = true;
  const look = () => {
    const [since, time, until] = [performance.now(), Date.now(), performance.now()];
    if (until - since > 0.5) return; // interrupted in between, so the two can't be compared
    if (time - until < before - 2) isSane = false;
    before = time - until;
  };
  look();
  const timer = setInterval(look, 50);
  return () => {
    look();
    clearInterval(timer);
    return isSane;
  };
}

/** One call; nothing when it surely never reached the server, or when it only asked and got no answer. */
async function ask(server: Caller, client: number, request: Request, cutAfterMs?: number): Promise<Operation[]> {
  const [method, path, body] = callOf(request);
  const open = Number.POSITIVE_INFINITY;
  const [called, from] = [performance.now(), Date.now()];
  const unknown: Operation = { client, request, called, returned: open, from, to: open };
  const lost = request.kind === "read" || request.kind === "look" ? [] : [unknown];
  let told: HttpAnswer;
  try {
    told = await server.call(method, path, {
      ...(body !== undefined && { body }),
      ...(cutAfterMs !== undefined && { cutAfterMs }),
    });
  } catch (error) {
    const isRefused = (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
    if (isRefused) await pause(25);
    return isRefused ? [] : lost;
  }
  const times = { called, returned: performance.now(), from, to: Date.now() };
  if (told.status >= 500 || told.status === 429) return lost;
  // Nothing was done, it says; if something was, what others were told will not fit.
  if (told.status === 409 && told.body.code === "version-conflict") return [];
  if (request.kind === "read" && told.status !== 200) throw new Error(`a read was answered ${JSON.stringify(told)}`);
  if (request.kind !== "read") return [{ client, request, answer: answerOf(request, told), ...times }];
  // It tells of every location at once; each is judged by itself.
  const sku = request.stock.replace(/@.*/, "");
  return told.body.locations.map(
    (row: { location: string; onHand: number; reserved: number; committed: number }): Operation => {
      const { location, onHand, reserved, committed } = row;
      const stock = `${sku}@${location}`;
      return {
        client,
        request: { kind: "read", stock },
        answer: { kind: "stock", onHand, reserved, committed },
        ...times,
      };
    },
  );
}

function callOf(request: Request): readonly [string, string, unknown] {
  const of = (stock: string) => {
    const [sku = "", location = ""] = stock.split("@");
    return { sku, location };
  };
  const path = "id" in request ? `/v1/reservations/${request.id}` : "";
  switch (request.kind) {
    case "reserve": {
      const lines = request.lines.map(({ stock, quantity }) => ({ ...of(stock), quantity }));
      return ["POST", "/v1/reservations", { id: request.id, ttlSeconds: request.ttlMs / 1000, lines }];
    }
    case "extend":
      return ["POST", `${path}/extend`, { ttlSeconds: request.ttlMs / 1000 }];
    case "look":
      return ["GET", path, undefined];
    case "fact": {
      const type = `larder.stock.${request.units > 0 ? "received" : "sold"}.v1`;
      const data = { ...of(request.stock), quantity: Math.abs(request.units) };
      return ["POST", "/v1/events", { specversion: "1.0", source: "recorder", id: request.fact, type, data }];
    }
    case "read":
      return ["GET", `/v1/stock/${of(request.stock).sku}`, undefined];
    default:
      return ["POST", `${path}/${request.kind}`, {}];
  }
}

function answerOf(request: Request, { status, body }: HttpAnswer): Answer {
  if (request.kind === "fact" && status === 202 && body.rejected.length === 0)
    return { kind: "recorded", isDuplicate: body.duplicates === 1 };
  if (status === 200 || status === 201) {
    const end = body.status === "active" ? Date.parse(body.expiresAt) : null;
    return { kind: "reservation", created: status === 201, status: body.status, expiresAt: end };
  }
  if (status !== 409 && status !== 404) throw new Error(`an answer that has no place here: ${JSON.stringify(body)}`);
  const short = (body.lines ?? []).map(
    (line: { sku: string; location: string; requested: number; available: number }): Short => ({
      stock: `${line.sku}@${line.location}`,
      quantity: line.requested,
      available: line.available,
    }),
  );
  return { kind: "refused", code: body.code, short };
}
