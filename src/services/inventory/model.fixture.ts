/** For tests: what can be asked of an inventory, asked of it and of the oracle, and whether the two agree. */
import type { Oracle } from "../../../test/oracle/oracle.ts";
import { type Ask, type Body, type Chosen, type Order, type Part, summed } from "../../../test/oracle/words.ts";
import { PlatformError } from "../../kernel/index.ts";
import type { Inventory } from "./api.ts";
import { caller, codeOf } from "./fixture.ts";
import { type Fact, ids, type Pool, places, type Step, skus, start } from "./model.steps.fixture.ts";
import type { FactsReceipt, Reservation, ReserveRequest } from "./wire.ts";

/** What was answered. */
export interface Seen {
  readonly code: string;
  readonly created?: boolean;
  readonly reservation?: object;
  readonly chosen?: readonly Chosen[];
  /** Of a reservation refused with one line, what was available. */
  readonly short?: unknown;
}

/** Asks the inventory. A store that can't be written is an answer too: then nothing must have happened. */
export async function ask(inventory: Inventory, pool: Pool, step: Step, clock: { now: number }): Promise<Seen> {
  try {
    switch (step.do) {
      case "wait":
        clock.now += step.ms;
        return { code: "ok" };
      case "fact":
        return { code: receiptCode(await inventory.recordFacts([cloudEvent(pool.facts[step.fact] as Fact)], caller)) };
      case "policy": {
        const { sku, location, policy } = step;
        return { code: codeOf(await inventory.setPolicy(sku, { location, ...policy }, caller)) };
      }
      case "reserve": {
        const body = pool.bodies[step.body] as Body;
        const answer = await inventory.reserve({ id: step.id, ...body, lines: written(body.lines) }, caller);
        if (answer.ok) return { ...viewed(answer.value.reservation), created: answer.value.created };
        return { code: answer.rejection.code, short: answer.rejection.extra?.["lines"] };
      }
      default: {
        const answer = await change(inventory, step);
        return answer.ok ? viewed(answer.value) : { code: codeOf(answer) };
      }
    }
  } catch (error) {
    if (error instanceof PlatformError) return { code: error.code };
    throw error;
  }
}

function change(inventory: Inventory, step: Exclude<Step, { do: "wait" | "fact" | "policy" | "reserve" }>) {
  switch (step.do) {
    case "extend":
      return inventory.extend(step.id, step.ttl, caller);
    case "amend":
      return inventory.amend(step.id, written(step.lines), caller);
    case "confirm":
      return inventory.confirm(step.id, { reacquire: step.reacquire }, caller);
    case "release":
      return inventory.release(step.id, caller);
    case "fulfil":
      return inventory.fulfil(step.id, step.parts, caller, step.key);
  }
}

function cloudEvent({ name, type, offset, data }: Fact) {
  const time = offset === undefined ? {} : { time: new Date(start + offset).toISOString() };
  return { specversion: "1.0", source: "till", id: name, type: `larder.${type}.v1`, ...time, data };
}

function receiptCode({ accepted, duplicates, rejected }: FactsReceipt): string {
  return accepted === 1 ? "accepted" : duplicates === 1 ? "duplicate" : (rejected[0]?.code ?? "nothing");
}

function written(asks: readonly Ask[]): ReserveRequest["lines"] {
  return asks.map(({ locations, ...rest }) => {
    if (locations?.length === 1) return { ...rest, location: locations[0] as string };
    return { ...rest, ...(locations && { locations: [...locations] }) };
  });
}

function viewed({ status, expiresAt, lines, releasedLines = [] }: Reservation): Seen {
  const chosen = lines.map(({ sku, location, quantity, lineIndex }) => ({ sku, location, quantity, lineIndex }));
  const fulfilled = lines.map((line) => line.fulfilled ?? 0);
  const released = releasedLines.map(({ quantity }) => quantity);
  const end = expiresAt === null ? null : Date.parse(expiresAt);
  return { code: "ok", chosen, reservation: { status, expiresAt: end, chosen, fulfilled, released } };
}

const quantities = ["available", "onHand", "unavailable", "reserved", "committed", "safetyStock", "incoming"] as const;

/** All that is to be seen once everybody has been answered. */
export async function picture(inventory: Inventory): Promise<object> {
  const reservations = await Promise.all(ids.map((id) => inventory.reservation(id, caller)));
  const stocks = await Promise.all(skus.map((sku) => inventory.stock(sku, {}, caller)));
  return {
    reservations: reservations.map((found) => (found.ok ? viewed(found.value).reservation : codeOf(found))),
    stocks: stocks.map((stock) =>
      places.map((at) => {
        const row = stock.ok ? stock.value.locations.find(({ location }) => location === at) : undefined;
        return Object.fromEntries(quantities.map((name) => [name, row?.[name] ?? 0]));
      }),
    ),
  };
}

export function expectedPicture(oracle: Oracle, now: number): object {
  return {
    reservations: ids.map((id) => (oracle.kept.has(id) ? view(oracle, id, now) : "not-found")),
    stocks: skus.map((sku) =>
      places.map((at) => {
        const pair = `${at}/${sku}`;
        return {
          available: oracle.available(pair, now),
          onHand: oracle.onHand(pair),
          unavailable: oracle.unavailable(pair),
          reserved: oracle.held(pair, now, "reserved"),
          committed: oracle.held(pair, now, "committed"),
          safetyStock: oracle.policies.get(pair)?.safetyStock ?? 0,
          incoming: oracle.incoming(pair),
        };
      }),
    ),
  };
}

function view(oracle: Oracle, id: string, now: number): object {
  const { lines = [], expiresAt } = oracle.kept.get(id) ?? {};
  const status = oracle.status(id, now);
  const released = status === "fulfilled" ? lines.map((line) => line.released).filter((units) => units > 0) : [];
  const fulfilled = lines.map((line) => line.fulfilled);
  const chosen = lines.map(({ fulfilled: _f, released: _r, ...line }) => line);
  return { status, expiresAt, chosen, fulfilled, released };
}

/** Lets the oracle do a step, and gives what it should have been answered as; `seen` tells it what was chosen. */
export function expected(oracle: Oracle, pool: Pool, step: Step, seen: Seen, clock: { now: number }): unknown {
  if (seen.code === "storage-unavailable") return seen;
  const { now } = clock;
  const shown = (code: string, id: string) => (code === "ok" ? { code, ...reservationOf(oracle, id, now) } : { code });
  switch (step.do) {
    case "wait":
      clock.now += step.ms;
      return { code: "ok" };
    case "fact":
      return { code: tell(oracle, pool.facts[step.fact] as Fact, now) };
    case "policy":
      oracle.policies.set(`${step.location}/${step.sku}`, step.policy);
      return { code: "ok" };
    case "reserve": {
      const body = pool.bodies[step.body] as Body;
      const created = !oracle.kept.has(step.id);
      const code = oracle.reserve(step.id, body, now);
      if (code !== "ok")
        return { code, short: code === "insufficient-stock" ? short(oracle, body, seen, now) : undefined };
      if (created) {
        const wrong = mistakes(oracle, body.lines, body.allowPartial, seen.chosen ?? [], now);
        if (wrong.length > 0) return wrong;
        oracle.place(step.id, body, seen.chosen ?? [], now);
      }
      return { ...shown(code, step.id), created };
    }
    case "amend": {
      const own = oracle.copy();
      const code = oracle.amend(step.id, step.lines, seen.chosen ?? [], now);
      if (code !== "ok") return { code };
      const wrong = mistakes(own, step.lines, false, seen.chosen ?? [], now, step.id);
      if (wrong.length > 0) return wrong;
      return shown(code, step.id);
    }
    case "extend":
      return shown(oracle.extend(step.id, step.ttl, now), step.id);
    case "confirm":
      return shown(oracle.confirm(step.id, step.reacquire, now), step.id);
    case "release":
      return shown(oracle.release(step.id, now), step.id);
    case "fulfil":
      return shown(oracle.fulfil(step.id, step.parts, step.key, now), step.id);
  }
}

function reservationOf(oracle: Oracle, id: string, now: number): object {
  const reservation = view(oracle, id, now) as { readonly chosen: unknown };
  return { reservation, chosen: reservation.chosen };
}

function tell(oracle: Oracle, { name, type, offset, data }: Fact, now: number): string {
  const given = data as {
    sku?: string;
    location?: string;
    quantity?: number;
    delta?: number;
    order?: string;
    id?: string;
  };
  const time = offset === undefined || start + offset > now + 5 * 60_000 ? now : start + offset;
  const content = JSON.stringify([type, offset, data]);
  return oracle.fact(
    name,
    content,
    () => {
      if (type === "fact.voided") oracle.voided.add(given.id ?? "");
      else if (type === "order.completed") {
        const order = data as unknown as Order;
        oracle.order(name, { ...order, lines: summedParts(order.lines) }, time, now);
      } else {
        const pair = `${given.location}/${given.sku}`;
        const quantity = given.quantity ?? given.delta ?? 0;
        oracle.told.push({ ...data, name, type: type.replace("stock.", ""), pair, at: time, quantity });
      }
    },
    given.order,
  );
}

function summedParts(parts: readonly Required<Part>[]): Required<Part>[] {
  const all = new Map<string, Required<Part>>();
  for (const part of parts) {
    const key = `${part.location}/${part.sku}`;
    all.set(key, { ...part, quantity: part.quantity + (all.get(key)?.quantity ?? 0) });
  }
  return [...all.values()];
}

/** What a refusal must say that asked for one thing; of several, which of them is called short is the product's choice. */
function short(oracle: Oracle, body: Body, seen: Seen, now: number): unknown {
  const [only, ...others] = summed(body.lines);
  if (only === undefined || others.length > 0) return seen.short;
  const available = (only.locations ?? places).reduce((sum, at) => sum + oracle.free(`${at}/${only.sku}`, now), 0);
  const location = only.locations?.length === 1 ? { location: only.locations[0] } : {};
  return [{ sku: only.sku, ...location, requested: only.quantity, available }];
}

/** What is wrong with a choice of places: it serves what was asked, from where it may, with what was free. */
function mistakes(
  oracle: Oracle,
  asked: readonly Ask[],
  isPartial: boolean,
  chosen: readonly Chosen[],
  now: number,
  own?: string,
): string[] {
  const wrong: string[] = [];
  const isWhole = oracle.canServe(asked, now, own);
  if (!isWhole && !isPartial) wrong.push("nothing could be served in whole");
  const unitsOf = (lines: readonly Chosen[]) => lines.reduce((sum, { quantity }) => sum + quantity, 0);
  const wanting: Ask[] = [];
  for (const line of summed(asked)) {
    const got = chosen.filter(({ lineIndex }) => lineIndex === line.index);
    if (unitsOf(got) > line.quantity || (isWhole && unitsOf(got) < line.quantity))
      wrong.push(`line ${line.index}: units`);
    if (unitsOf(got) < line.quantity) wanting.push(line);
    for (const { sku, location } of got)
      if (sku !== line.sku || !(line.locations ?? places).includes(location)) wrong.push(`line ${line.index}: place`);
  }
  for (const sku of skus)
    for (const at of places) {
      const taken = unitsOf(chosen.filter((line) => line.sku === sku && line.location === at));
      const free = oracle.free(`${at}/${sku}`, now, own);
      const isWanted = wanting.some((line) => line.sku === sku && (line.locations ?? places).includes(at));
      // In part means as much as there is.
      if (taken > free || (isWanted && taken < free)) wrong.push(`${at}/${sku}: ${taken} of ${free}`);
    }
  return wrong;
}
