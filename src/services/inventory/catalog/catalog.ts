/** Items, locations and policies: what is known of skus and places beside their quantities. */
import {
  accept,
  formatInstant,
  identifierProblem,
  limits,
  normalise,
  type Outcome,
  reject,
  unreadableCursor,
} from "../../../kernel/index.ts";
import { secretProblem } from "../../../platform/outbound/index.ts";
import { type Caller, isVisible } from "../api.ts";
import { type DescribeItem, decideItem, gtin14, type ItemState } from "../domain/item/index.ts";
import {
  decideLocation,
  type LocationFields,
  type LocationState,
  type LocationSync,
  syncKnownTo,
} from "../domain/location/index.ts";
import { decidePolicy, effectivePolicy, isSamePolicy, type Policy, type PolicyFields } from "../domain/policy/index.ts";
import { isTimeZone } from "../facts/time-zones.ts";
import { type Command, type Ledger, streamOf, type Transaction } from "../ledger/index.ts";
import type { Item, ItemBody, ItemsReceipt, LocationBody, LocationView, PolicyBody, PolicyView } from "../wire.ts";
import { itemProblem } from "./item-body.ts";
import { Registry } from "./registry.ts";

/** What it takes to let changes be pushed to a location. */
export interface Outgoing {
  /** Why a URL can't be called, as a clause after the name of its field. */
  problemOf(url: string): string | undefined;
  /** A secret in a form that may stand in the log, for one use that `context` names. */
  seal(context: string, secret: string): string;
}

/** The use for which a location's secret is sealed. */
export function secretContext(location: string): string {
  return `location ${location}`;
}

type PageOf<T> = Outcome<{ readonly items: readonly T[]; readonly next?: string }>;

export class Catalog {
  readonly items = new Registry<ItemState>("item");
  readonly #gtins = new Registry<string | null>("gtin");
  readonly #locations = new Registry<LocationState>("location");
  readonly #glns = new Registry<string | null>("gln");
  readonly #policies = new Registry<Policy>("policy");
  readonly #ledger: Ledger;
  readonly #outgoing: Outgoing;

  constructor(ledger: Ledger, outgoing: Outgoing) {
    this.#ledger = ledger;
    this.#outgoing = outgoing;
  }

  get consumers() {
    return [this.items, this.#gtins, this.#locations, this.#glns, this.#policies];
  }

  // Items

  async putItem(sku: string, body: ItemBody, caller: Caller): Promise<Outcome<Item>> {
    const name = normalise(sku);
    const problem = identifierProblem(name, limits.skuLengthMax);
    if (problem !== undefined) return reject({ code: "invalid-request", detail: `sku: ${problem}` });
    const { value } = await this.#ledger.submit(itemCommand(name, body, caller), caller.within);
    return value.ok ? accept(itemView(name, value.value.state)) : value;
  }

  async putItems(items: readonly unknown[], caller: Caller): Promise<Omit<ItemsReceipt, "position">> {
    const rejected: ItemsReceipt["rejected"][number][] = [];
    let [accepted, unchanged] = [0, 0];
    const work = items.map(async (item, index) => {
      const problem = itemProblem(item);
      if (problem !== undefined)
        return rejected.push({ index, sku: skuIn(item), code: "invalid-request", detail: problem });
      const { sku: given, ...body } = item as { sku: string } & ItemBody;
      const sku = normalise(given);
      const { value } = await this.#ledger.submit(itemCommand(sku, body, caller), caller.within);
      if (!value.ok) rejected.push({ index, sku, code: value.rejection.code, detail: value.rejection.detail });
      else if (value.value.changed) accepted += 1;
      else unchanged += 1;
    });
    await Promise.all(work);
    return { accepted, unchanged, rejected: rejected.sort((a, b) => a.index - b.index) };
  }

  item(sku: string): Outcome<Item> {
    const name = normalise(sku);
    const state = this.items.get(name);
    return state === undefined
      ? reject({ code: "not-found", detail: "There is no such item." })
      : accept(itemView(name, state));
  }

  itemsByGtin(gtin: string): PageOf<Item> {
    const parsed = gtin14(gtin);
    if (!parsed.ok) return reject({ code: "invalid-check-digit", detail: `gtin: ${parsed.rejection}` });
    const sku = this.#gtins.get(parsed.value);
    const state = sku === undefined || sku === null ? undefined : this.items.get(sku);
    return accept({ items: sku && state ? [itemView(sku, state)] : [] });
  }

  itemPage(cursor: string | undefined, limit: number): PageOf<Item> {
    return pageOf(this.items, cursor, limit, itemView);
  }

  // Locations

  async putLocation(id: string, body: LocationBody, caller: Caller): Promise<Outcome<LocationView>> {
    const name = normalise(id);
    const problem = identifierProblem(name, limits.locationLengthMax);
    if (problem !== undefined) return reject({ code: "invalid-request", detail: `location: ${problem}` });
    if (!isVisible(name, caller)) return reject({ code: "not-found", detail: "There is no such location." });
    const timeZone = body.timeZone ?? "UTC";
    if (!isTimeZone(timeZone)) {
      const detail = `"${timeZone}" is no time zone that this server knows`;
      const errors = [{ in: "body", pointer: "/timeZone", detail }];
      return reject({ code: "invalid-request", detail: `Body /timeZone: ${detail}.`, extra: { errors } });
    }
    const { group, position, gln } = body;
    const digits = gln === undefined ? accept(gln) : gtin14(gln);
    if (!digits.ok) return reject({ code: "invalid-check-digit", detail: `GLN ${gln}: ${digits.rejection}` });
    const sync = body.sync && this.#syncFields(name, body.sync, caller);
    if (sync !== undefined && !sync.ok) return sync;
    const isFull = sync !== undefined && this.#isFullOfReceivers(name);
    if (isFull) return badSync("", `no more than ${limits.syncReceiversMax} locations get changes pushed`);
    const fields = {
      name: body.name,
      kind: body.kind,
      ...(group !== undefined && { group }),
      priority: body.priority ?? 100,
      ...(position !== undefined && { position: { lat: position.lat, lon: position.lon } }),
      timeZone,
      authority: body.authority ?? "ours",
      ...(gln !== undefined && { gln }),
    };
    const { value } = await this.#ledger.submit(
      locationCommand(
        name,
        (before) => ({
          ...fields,
          ...(sync && { sync: withSecret(sync.value, body.sync?.secret, before.fields?.sync) }),
        }),
        caller,
      ),
      caller.within,
    );
    return value.ok ? accept(locationView(name, value.value, caller)) : value;
  }

  locationsByGln(gln: string, caller: Caller): PageOf<LocationView> {
    const name = this.#glns.get(gln) ?? undefined;
    const state = name === undefined || !isVisible(name, caller) ? undefined : this.#locations.get(name);
    return accept({ items: name !== undefined && state ? [locationView(name, state, caller)] : [] });
  }

  #syncFields(location: string, sync: NonNullable<LocationBody["sync"]>, caller: Caller): Outcome<LocationSync> {
    const { of, batchSize, skus, secret } = sync;
    const url = URL.parse(sync.url);
    const problem = this.#outgoing.problemOf(sync.url);
    if (problem !== undefined || url === null) return badSync("/url", (problem ?? "must be a URL").replace(/\.$/, ""));
    // `/stock` and `/snapshot` are put behind it.
    if (url.search !== "" || url.hash !== "") return badSync("/url", "must have no query and no fragment");
    const wrong = typeof secret === "string" ? secretProblem(secret) : undefined;
    if (wrong !== undefined) return badSync("/secret", wrong.replace(/\.$/, ""));
    return accept({
      url: sync.url.replace(/\/+$/, ""),
      of: typeof of === "object" ? of.map(normalise) : (of ?? "all"),
      batchSize: batchSize ?? limits.syncBatchDefault,
      ...(skus !== undefined && { skus: normalise(skus) }),
      ...(caller.locations !== undefined && { limitedTo: [...caller.locations].sort() }),
      ...(typeof secret === "string" && { sealedSecret: this.#outgoing.seal(secretContext(location), secret) }),
    });
  }

  #isFullOfReceivers(location: string): boolean {
    if (this.#locations.get(location)?.fields?.sync !== undefined) return false;
    let receivers = 0;
    for (const { fields } of this.#locations.states()) if (fields?.sync !== undefined) receivers += 1;
    return receivers >= limits.syncReceiversMax;
  }

  location(id: string, caller: Caller): Outcome<LocationView> {
    const name = normalise(id);
    const state = isVisible(name, caller) ? this.#locations.get(name) : undefined;
    return state === undefined
      ? reject({ code: "not-found", detail: "There is no such location." })
      : accept(locationView(name, state, caller));
  }

  locationPage(cursor: string | undefined, limit: number, caller: Caller): PageOf<LocationView> {
    const view = (id: string, state: LocationState) => locationView(id, state, caller);
    return pageOf(this.#locations, cursor, limit, view, (id) => isVisible(id, caller));
  }

  // Policies

  /** Sets a policy, and applies it to each stock of the sku: in one unit as far as that may reach. */
  async setPolicy(sku: string, body: PolicyBody, caller: Caller): Promise<Outcome<Omit<PolicyView, "position">>> {
    const name = normalise(sku);
    const problem = identifierProblem(name, limits.skuLengthMax);
    if (problem !== undefined) return reject({ code: "invalid-request", detail: `sku: ${problem}` });
    const { location: given, ...fields } = body;
    const location = given === undefined ? undefined : normalise(given);
    // Someone limited to locations may not set what holds everywhere.
    const isAllowed = location === undefined ? caller.locations === undefined : isVisible(location, caller);
    if (!isAllowed) return reject({ code: "not-found", detail: "There is no such location." });
    const stream = streamOf.policy(name);
    const { value: applied } = await this.#ledger.submit(
      {
        actor: caller.id,
        streams: [stream],
        decide: (transaction: Transaction) => {
          const stocked = transaction.locationsOf(name);
          const affected = stocked.filter((place) => location === undefined || place === location);
          const together = affected.slice(0, limits.reservationPairsMax);
          transaction.want(together.map((place) => streamOf.stock(place, name)));
          const events = decidePolicy(transaction.policy(name), location, fields as PolicyFields);
          if (events.length > 0) transaction.emit(stream, events);
          for (const place of together) applyPolicy(transaction, name, place);
          return together;
        },
      },
      caller.within,
    );
    // Asked for again: a stock that begins from now on begins with this policy, one that began before is among these.
    const { value: stocked } = await this.#ledger.submit({
      actor: caller.id,
      streams: [],
      looks: true,
      decide: (transaction: Transaction) => transaction.locationsOf(name),
    });
    const left = stocked.filter((place) => (location === undefined || place === location) && !applied.includes(place));
    await Promise.all(left.map((place) => this.#ledger.submit(applyPolicyCommand(name, place, caller), caller.within)));
    return this.policy(name, caller);
  }

  policy(sku: string, caller: Caller): Outcome<Omit<PolicyView, "position">> {
    const name = normalise(sku);
    const policy = this.#policies.get(name) ?? { general: {}, locations: {} };
    const locations = Object.entries(policy.locations)
      .filter(([location]) => isVisible(location, caller))
      .map(([location, fields]) => ({ location, ...allFields(fields) }));
    return accept({ sku: name, general: allFields(policy.general), locations });
  }
}

/** Registers or changes an item; a GTIN belongs to one item at a time. */
function itemCommand(
  sku: string,
  body: DescribeItem,
  caller: Caller,
): Command<Outcome<{ state: ItemState; changed: boolean }>> {
  const stream = streamOf.item(sku);
  return {
    actor: caller.id,
    streams: [stream],
    decide: (transaction) => {
      const state = transaction.item(sku);
      const decided = decideItem(body, state);
      if (!decided.ok) return decided;
      const [event] = decided.value;
      if (event === undefined) return accept({ state, changed: false });
      const before = state.fields?.gtins ?? [];
      const after = event.data.gtins;
      transaction.want([...before, ...after].map((gtin) => streamOf.gtin(gtin)));
      const taken = after.find((gtin) => (transaction.gtinOwner(gtin) ?? sku) !== sku);
      if (taken !== undefined) {
        return reject({
          code: "gtin-in-use",
          detail: `The GTIN ${taken} belongs to the item ${transaction.gtinOwner(taken)}.`,
        });
      }
      for (const gtin of before)
        if (!after.includes(gtin)) transaction.emit(streamOf.gtin(gtin), [{ type: "GtinFreed", data: { sku: null } }]);
      for (const gtin of after)
        if (!before.includes(gtin)) transaction.emit(streamOf.gtin(gtin), [{ type: "GtinAssigned", data: { sku } }]);
      transaction.emit(stream, [event]);
      return accept({ state: transaction.item(sku), changed: true });
    },
  };
}

/** Describes a location; a GLN belongs to one location at a time. */
/** `described` gives the new description, from the one before. */
function locationCommand(
  name: string,
  described: (before: LocationState) => LocationFields,
  caller: Caller,
): Command<Outcome<LocationState>> {
  const stream = streamOf.location(name);
  return {
    actor: caller.id,
    streams: [stream],
    decide: (transaction) => {
      const before = transaction.location(name);
      const fields = described(before);
      const events = decideLocation(before, fields);
      if (events.length === 0) return accept(before);
      const [had, has] = [before.fields?.gln, fields.gln];
      const changed = had === has ? [] : [had, has].filter((gln) => gln !== undefined);
      transaction.want(changed.map((gln) => streamOf.gln(gln)));
      const owner = has === undefined ? undefined : transaction.glnOwner(has);
      if (owner !== undefined && owner !== name) {
        const whose = isVisible(owner, caller) ? `the location ${owner}` : "another location";
        return reject({ code: "gln-in-use", detail: `The GLN ${has} belongs to ${whose}.` });
      }
      for (const gln of changed) {
        const event =
          gln === has
            ? { type: "GlnAssigned", data: { location: name } }
            : { type: "GlnFreed", data: { location: null } };
        transaction.emit(streamOf.gln(gln), [event]);
      }
      transaction.emit(stream, events);
      return accept(transaction.location(name));
    },
  };
}

function applyPolicyCommand(sku: string, location: string, caller: Caller): Command<void> {
  return {
    actor: caller.id,
    streams: [streamOf.policy(sku), streamOf.stock(location, sku)],
    decide: (transaction) => applyPolicy(transaction, sku, location),
  };
}

/** Makes a stock go by the policy that holds for it now. */
function applyPolicy(transaction: Transaction, sku: string, location: string): void {
  const policy = effectivePolicy(transaction.policy(sku), location);
  const stock = transaction.stock(location, sku);
  if (!isSamePolicy(stock, policy)) transaction.emitStock(location, sku, [{ type: "PolicyApplied", data: policy }]);
}

function pageOf<S, V>(
  registry: Registry<S>,
  cursor: string | undefined,
  limit: number,
  view: (id: string, state: S) => V,
  isWanted: (id: string) => boolean = () => true,
): PageOf<V> {
  const after = cursor === undefined ? undefined : Buffer.from(cursor, "base64url").toString();
  if (after !== undefined && Buffer.from(after).toString("base64url") !== cursor) return unreadableCursor();
  const ids = registry.page(after, limit + 1, isWanted);
  const items = ids.slice(0, limit).flatMap((id) => {
    const state = registry.get(id);
    return state === undefined ? [] : [view(id, state)];
  });
  const last = ids[limit - 1];
  return accept({
    items,
    ...(ids.length > limit && last !== undefined && { next: Buffer.from(last).toString("base64url") }),
  });
}

function itemView(sku: string, { fields, updatedAt }: ItemState): Item {
  const { name = sku, unit = "each", gtins = [], plu = null } = fields ?? {};
  return { sku, name, unit, gtins: [...gtins], plu, updatedAt: formatInstant(updatedAt) };
}

function locationView(id: string, { fields, updatedAt }: LocationState, { locations }: Caller): LocationView {
  const sync = fields?.sync && locations ? syncKnownTo(fields.sync, locations) : fields?.sync;
  return {
    id,
    name: fields?.name ?? id,
    kind: (fields?.kind ?? "store") as LocationView["kind"],
    group: fields?.group ?? null,
    priority: fields?.priority ?? 100,
    position: fields?.position ?? null,
    timeZone: fields?.timeZone ?? "UTC",
    authority: fields?.authority ?? "ours",
    gln: fields?.gln ?? null,
    sync: sync === undefined ? null : syncView(sync),
    updatedAt: formatInstant(updatedAt),
  };
}

/** A secret that is not said stays as it was, because nobody can read it to say it again. */
function withSecret(
  sync: LocationSync,
  said: string | null | undefined,
  before: LocationSync | undefined,
): LocationSync {
  const kept = said === undefined ? before?.sealedSecret : undefined;
  return kept === undefined ? sync : { ...sync, sealedSecret: kept };
}

function badSync(pointer: string, detail: string): Outcome<never> {
  const errors = [{ in: "body", pointer: `/sync${pointer}`, detail }];
  return reject({ code: "invalid-request", detail: `Body /sync${pointer}: ${detail}.`, extra: { errors } });
}

function syncView(sync: LocationSync): NonNullable<LocationView["sync"]> {
  const { url, of, batchSize, skus, limitedTo, sealedSecret } = sync;
  const isSigned = sealedSecret !== undefined;
  return {
    url,
    of: typeof of === "string" ? of : [...of],
    batchSize,
    skus: skus ?? null,
    ...(limitedTo && { limitedTo: [...limitedTo] }),
    isSigned,
  };
}

function allFields({
  safetyStock = null,
  lowAt = null,
  expiringDays = null,
  backorderLimit = null,
}: {
  safetyStock?: number | null;
  lowAt?: number | null;
  expiringDays?: number | null;
  backorderLimit?: number | null;
}) {
  return { safetyStock, lowAt, expiringDays, backorderLimit };
}

function skuIn(item: unknown): string | null {
  const sku = typeof item === "object" && item !== null ? (item as { sku?: unknown }).sku : undefined;
  return typeof sku === "string" ? sku : null;
}
