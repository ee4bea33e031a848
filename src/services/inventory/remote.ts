/** The inventory in other processes: how its methods behave over a network, and how they are shared out among several. */
import { accept, limits, normalise, type Outcome, type Timeframe } from "../../kernel/index.ts";
import type { Methods } from "../../platform/grpc/index.ts";
import type { Caller, ChangesStep, Inventory } from "./api.ts";
import { earlierPosition, laterPosition } from "./positions.ts";
import type { Availability, FactsReceipt, ReserveRequest } from "./wire.ts";

/** Items, policies and locations: few writes, and lists that should show them at once, so all meet in one process. */
const catalog = () => "catalog";

const read = { isRepeatable: true } as const;
const ofCatalog = { isRepeatable: true, key: catalog } as const;
/** Puts when a call may be carried out into the argument that says who asks. */
const askedBy =
  <Args extends readonly unknown[]>(place: number) =>
  (args: Args, within: Timeframe): Args =>
    args.with(place, { ...(args[place] as Caller), within }) as readonly unknown[] as Args;
/** Where a repeat finds what was done, and adds nothing to it. */
const isDone = ({ ok }: { readonly ok: boolean }) => ok;
const ofSku = { isRepeatable: true, key: (sku: string) => sku } as const;

/**
 * Calls that concern one sku, or a cart by its first one, meet in one process, which then has its state in memory and need not
 * fetch what others have written. `keyOfReservation` tells where what is done to a reservation belongs.
 */
export function inventoryMethods(keyOfReservation: (id: string) => string = (id) => id): Methods<Inventory> {
  const ofReservation = { isRepeatable: true, key: (id: string) => keyOfReservation(id) } as const;
  return {
    // Facts are known by source and id, so that the same ones again have no effect.
    recordFacts: {
      isRepeatable: true,
      key: ([first]) => keysOfFact(first)[0],
      within: askedBy(1),
      isFirm: ({ rejected }: FactsReceipt) => rejected.length === 0,
    },
    checkFacts: { isRepeatable: true, key: ([first]) => keysOfFact(first)[0] },

    reserve: {
      isRepeatable: ({ id }, _caller, key, unusedId) => (id ?? key ?? unusedId) !== undefined,
      // By the time of a repeat, the id that nobody had used may be that of this very reservation.
      repeated: (request, caller, key, unusedId) =>
        unusedId === undefined ? [request, caller, key] : [{ ...request, id: unusedId }, caller, key],
      key: firstSku,
      within: askedBy(1),
      isFirm: isDone,
    },
    plan: { isRepeatable: true, key: firstSku },
    // An end is answered again like the first time; `extend` never shortens; an amendment says how it shall be. What is not
    // an end may be changed after its answer, and an earlier attempt would change it back: none of these is firm.
    extend: { ...ofReservation, within: askedBy(2) },
    amend: { ...ofReservation, within: askedBy(2) },
    confirm: { ...ofReservation, within: askedBy(2), isFirm: isDone },
    fulfil: {
      ...ofReservation,
      isRepeatable: (_id, lines, _caller, key) => lines === undefined || key !== undefined,
      within: askedBy(2),
      isFirm: isDone,
    },
    release: { ...ofReservation, within: askedBy(1), isFirm: isDone },
    reservation: ofReservation,
    reservations: { isRepeatable: true, key: ({ sku }, caller) => sku ?? caller.id },

    availability: { isRepeatable: true, key: ([sku]) => sku },
    availabilityOf: { isRepeatable: true, hasGaps: true, key: ([first]) => first?.sku },
    stocks: ofCatalog,
    stock: ofSku,
    onHandThen: { isRepeatable: true, hasGaps: true, key: ([first]) => first?.sku },
    stockEvents: ofSku,

    changes: {
      isFeed: true,
      resumed: ([, filter, caller, options], { position }: ChangesStep) => [position, filter, caller, options],
    },
    readChanges: read,
    positionBefore: read,
    recordedEvent: read,
    eventsOfFact: read,
    eventsOfVoid: read,
    position: read,

    putItem: { ...ofCatalog, within: askedBy(2) },
    putItems: { ...ofCatalog, within: askedBy(1) },
    item: ofCatalog,
    itemsByGtin: ofCatalog,
    items: ofCatalog,
    setPolicy: { ...ofCatalog, within: askedBy(2) },
    policy: ofCatalog,
    putLocation: { ...ofCatalog, within: askedBy(2) },
    location: ofCatalog,
    locations: ofCatalog,
    locationsByGln: ofCatalog,
  };
}

/** The processes that the inventory runs in. */
export interface InventoryPlaces {
  interfaceOf(methods: Methods<Inventory>): Inventory;
  /** Where the calls of a key go now: another text for each process, and again for one that was away. */
  placeOf(key: string): string | undefined;
}

/**
 * The inventory that runs in other processes. On top of calling them:
 *
 * - facts, and reads of many skus, are divided, so that each sku is asked of the process that decides on it, which has
 *   seen what was just recorded;
 * - what is done to a reservation goes to where it was made, as long as that is remembered;
 * - a reservation with neither an id nor an idempotency key is given an id, so that it can be asked for again when the
 *   answer was lost.
 */
export function remoteInventory(places: InventoryPlaces, randomId: () => string): Inventory {
  const made = new Map<string, string>();
  const plain = places.interfaceOf(inventoryMethods((id) => made.get(id) ?? id));
  const sweeps: { place: string | undefined; number: number } = { place: undefined, number: 0 };

  function remember(id: string, key: string): void {
    made.set(id, key);
    if (made.size <= limits.reservationRoutesMax) return;
    for (const [oldest] of made) {
      made.delete(oldest);
      break;
    }
  }

  /** Calls once for each process that some of the items belong to. */
  async function divided<Item, Answer>(
    items: readonly Item[],
    keys: readonly string[],
    call: (items: readonly Item[], indexes: readonly number[]) => Promise<Answer>,
  ): Promise<readonly Part<Answer>[]> {
    const indexesOf = new Map<string, number[]>();
    for (const [index, key] of keys.entries()) {
      const place = places.placeOf(key) ?? "";
      const indexes = indexesOf.get(place);
      if (indexes === undefined) indexesOf.set(place, [index]);
      else indexes.push(index);
    }
    const parts = [...indexesOf.values()].map(async (indexes) => {
      const own = indexes.map((index) => items[index] as Item);
      return { indexes, answer: await call(own, indexes) };
    });
    return await Promise.all(parts);
  }

  return {
    ...plain,

    async recordFacts(items, caller, receivedAt) {
      const parts = await divided(items, keysOfFacts(items), (own, indexes) => {
        const times = receivedAt && indexes.map((index) => receivedAt[index] as number);
        return plain.recordFacts(own, caller, times);
      });
      const [first = emptyReceipt, ...others] = parts.map(inPlace);
      return others.reduce(joinReceipts, first);
    },

    async checkFacts(items, caller) {
      const parts = await divided(items, keysOfFacts(items), (own) => plain.checkFacts(own, caller));
      return parts.flatMap(({ indexes, answer }) => reindexed(answer, indexes)).sort((a, b) => a.index - b.index);
    },

    async reserve(request, caller, idempotencyKey) {
      const isTold = request.id !== undefined || idempotencyKey !== undefined;
      const outcome = isTold
        ? await plain.reserve(request, caller, idempotencyKey)
        : await plain.reserve(request, caller, undefined, randomId());
      if (!outcome.ok) return outcome;
      const { created, reservation } = outcome.value;
      remember(reservation.id, firstSku(request) ?? "");
      // Under an id of our own there was none before, even if a repeat has found it there.
      return accept({ created: created || !isTold, reservation });
    },

    async availability(skus, locations, caller, minPosition) {
      const wanted = [...new Set(skus.map(normalise))];
      const parts = await divided(wanted, wanted, (own) => plain.availability(own, locations, caller, minPosition));
      if (parts.length === 1 && parts[0] !== undefined) return parts[0].answer;
      return joinAvailability(
        wanted,
        parts.map(({ answer }) => answer),
      );
    },

    async availabilityOf(pairs) {
      const keys = pairs.map(({ sku }) => sku);
      return scattered(pairs.length, await divided(pairs, keys, (own) => plain.availabilityOf(own)));
    },

    async onHandThen(questions) {
      const keys = questions.map(({ sku }) => sku);
      return scattered(questions.length, await divided(questions, keys, (own) => plain.onHandThen(own)));
    },

    async stocks(query) {
      // A step holds in the process that gave it: in another one all are looked at from the beginning.
      const place = places.placeOf(catalog()) ?? "";
      if (place !== sweeps.place) {
        if (sweeps.place !== undefined) sweeps.number = (sweeps.number + 1) % 2 ** 20;
        sweeps.place = place;
      }
      const base = sweeps.number * stepsOfSweep;
      const { after = base } = query;
      if (after !== 0 && (after < base || after >= base + stepsOfSweep)) return { stocks: [], of: base, next: base };
      const { stocks, of, next } = await plain.stocks({ ...query, after: after % stepsOfSweep });
      return { stocks, of: base + of, ...(next !== undefined && { next: base + next }) };
    },
  };
}

/** Numbers of steps that each sweep gets: more than stocks fit into memory. */
const stepsOfSweep = 2 ** 32;

interface Part<Answer> {
  readonly indexes: readonly number[];
  readonly answer: Answer;
}

function firstSku({ lines }: ReserveRequest): string | undefined {
  return lines[0]?.sku;
}

/** What a fact concerns: the skus or barcodes that it names. Whatever it is: it is judged elsewhere. */
function keysOfFact(fact: unknown): readonly string[] {
  const { data } = (fact ?? {}) as {
    readonly data?: { readonly sku?: unknown; readonly gtin?: unknown; readonly lines?: unknown };
  };
  const key = data?.sku ?? data?.gtin;
  if (typeof key === "string") return [key];
  if (!Array.isArray(data?.lines)) return [""];
  const skus = data.lines
    .map((line) => (line as { readonly sku?: unknown } | null)?.sku)
    .filter((sku) => typeof sku === "string");
  return skus.length === 0 ? [""] : skus;
}

/**
 * A key for each fact. Facts of one sku have one key, and so have all that an order brings together: their order within
 * the batch is kept.
 */
function keysOfFacts(facts: readonly unknown[]): readonly string[] {
  const joined = new Map<string, string>();
  const headOf = (key: string): string => {
    let head = key;
    for (let next = joined.get(head); next !== undefined; next = joined.get(head)) head = next;
    return head;
  };
  const keys = facts.map((fact) => {
    const [first = "", ...others] = keysOfFact(fact);
    for (const other of others) {
      const [head, own] = [headOf(first), headOf(other)];
      if (head !== own) joined.set(own, head);
    }
    return first;
  });
  return joined.size === 0 ? keys : keys.map(headOf);
}

const emptyReceipt: FactsReceipt = { accepted: 0, duplicates: 0, rejected: [], position: "" };

function reindexed<Item extends { readonly index: number }>(
  items: readonly Item[],
  indexes: readonly number[],
): Item[] {
  return items.map((item) => ({ ...item, index: indexes[item.index] ?? item.index }));
}

function inPlace({ indexes, answer }: Part<FactsReceipt>): FactsReceipt {
  return { ...answer, rejected: reindexed(answer.rejected, indexes) };
}

function joinReceipts(one: FactsReceipt, other: FactsReceipt): FactsReceipt {
  return {
    accepted: one.accepted + other.accepted,
    duplicates: one.duplicates + other.duplicates,
    rejected: [...one.rejected, ...other.rejected].sort((a, b) => a.index - b.index),
    position: laterPosition(one.position, other.position),
  };
}

function joinAvailability(skus: readonly string[], answers: readonly Outcome<Availability>[]): Outcome<Availability> {
  const itemsOf = new Map<string, Availability["items"][number][]>();
  let position: string | undefined;
  for (const answer of answers) {
    if (!answer.ok) return answer;
    for (const item of answer.value.items) {
      const items = itemsOf.get(item.sku);
      if (items === undefined) itemsOf.set(item.sku, [item]);
      else items.push(item);
    }
    position = position === undefined ? answer.value.position : earlierPosition(position, answer.value.position);
  }
  return accept({ items: skus.flatMap((sku) => itemsOf.get(sku) ?? []), position: position ?? "" });
}

function scattered<Answer>(count: number, parts: readonly Part<readonly Answer[]>[]): readonly Answer[] {
  const all = new Array<Answer>(count);
  for (const { indexes, answer } of parts) {
    for (const [at, index] of indexes.entries()) all[index] = answer[at] as Answer;
  }
  return all;
}
