import { type Instant, normalise } from "../../../kernel/index.ts";
import type { Sequence, Storage } from "../../../platform/storage/index.ts";
import type { Caller } from "../api.ts";
import { seenBy, toCloudEvent } from "../changes/index.ts";
import type { Command, Ledger } from "../ledger/index.ts";
import type { InventoryObserver } from "../observer.ts";
import type { Tokens } from "../positions.ts";
import type { FactsReceipt, RecordedCloudEvent } from "../wire.ts";
import { claimKey, type ParsedFact, voidKeyOf } from "./parse.ts";
import { readItem } from "./read-items.ts";
import { factCommand, judgeCommand } from "./record.ts";
import { type FactOutcome, refusalOf } from "./refused.ts";

interface FactsParts {
  readonly storage: Storage;
  readonly ledger: Ledger;
  readonly tokens: Tokens;
  readonly observer: InventoryObserver;
}

/** Facts that come in: read, judged each by itself, and recorded together. */
export class Facts {
  readonly #storage: Storage;
  readonly #ledger: Ledger;
  readonly #tokens: Tokens;
  readonly #observer: InventoryObserver;

  constructor({ storage, ledger, tokens, observer }: FactsParts) {
    this.#storage = storage;
    this.#ledger = ledger;
    this.#tokens = tokens;
    this.#observer = observer;
  }

  async record(items: readonly unknown[], caller: Caller, receivedAt?: readonly Instant[]): Promise<FactsReceipt> {
    const { seq, ...receipt } = await this.#judge(items, caller, factCommand, receivedAt);
    const { accepted, duplicates, rejected } = receipt;
    this.#observer.factsRecorded(
      accepted,
      duplicates,
      rejected.map(({ code }) => code),
    );
    return { ...receipt, position: seq > 0 ? this.#tokens.of(seq) : this.#tokens.head() };
  }

  async check(items: readonly unknown[], caller: Caller): Promise<FactsReceipt["rejected"]> {
    return (await this.#judge(items, caller, judgeCommand)).rejected;
  }

  /** Judges each item by itself, the well-formed and permitted ones by a command. */
  async #judge(
    items: readonly unknown[],
    caller: Caller,
    commandOf: (fact: ParsedFact, caller: Caller) => Command<FactOutcome>,
    receivedAt?: readonly Instant[],
  ): Promise<Omit<FactsReceipt, "position"> & { readonly seq: Sequence }> {
    const rejected: { index: number; id: string | null; code: string; detail: string }[] = [];
    let [accepted, duplicates] = [0, 0];
    const commands: Command<FactOutcome>[] = [];
    const places: { readonly index: number; readonly id: string }[] = [];
    let place = -1;
    for (const item of items) {
      place += 1;
      const index = place;
      const parsed = readItem(item);
      if (!parsed.ok) {
        const { id, detail } = parsed.malformed;
        rejected.push({ index, id, code: "invalid-fact", detail });
        continue;
      }
      const { fact } = parsed;
      const forbidden = factForbidden(fact, caller);
      if (forbidden !== undefined) {
        rejected.push({ index, id: fact.id, ...forbidden });
        continue;
      }
      const received = receivedAt?.[index];
      commands.push(commandOf(received === undefined ? fact : { ...fact, receivedAt: received }, caller));
      places.push({ index, id: fact.id });
    }
    const { values, seq } = await this.#ledger.submitAll(commands, refusalOf, caller.within);
    let at = 0;
    for (const { index, id } of places) {
      const outcome = values[at];
      at += 1;
      if (outcome === "accepted") accepted += 1;
      else if (outcome === "duplicate") duplicates += 1;
      else if (outcome !== undefined) rejected.push({ index, id, ...outcome });
    }
    rejected.sort((a, b) => a.index - b.index);
    return { accepted, duplicates, rejected, seq };
  }

  async eventsOf(source: string, id: string, caller: Caller): Promise<readonly RecordedCloudEvent[]> {
    return await this.#eventsOfClaim(claimKey("fact", normalise(source), normalise(id)), caller);
  }

  async eventsOfVoid(source: string, id: string, caller: Caller): Promise<readonly RecordedCloudEvent[]> {
    return await this.#eventsOfClaim(voidKeyOf(claimKey("fact", normalise(source), normalise(id))), caller);
  }

  async #eventsOfClaim(key: string, caller: Caller): Promise<readonly RecordedCloudEvent[]> {
    const [claim] = await this.#storage.findClaims([key]);
    const [unit] = claim === undefined ? [] : await this.#storage.readLog(claim.seq - 1, 1);
    const seen = await seenBy(this.#storage, unit?.events ?? [], caller);
    return seen.map((event) => toCloudEvent(event, this.#storage.epochs));
  }
}

/** Whether a credential may not speak for a fact's source or locations. */
function factForbidden(
  fact: Parameters<typeof factCommand>[0],
  caller: Caller,
): { readonly code: "forbidden"; readonly detail: string } | undefined {
  if (caller.sources !== undefined && !caller.sources.has(fact.source)) {
    return { code: "forbidden", detail: "The credential may not speak for this source." };
  }
  const { locations } = caller;
  if (locations === undefined || fact.data.kind === "void") return undefined;
  const named = fact.data.kind === "stock" ? [fact.data.location] : fact.data.lines.map(({ location }) => location);
  return named.every((location) => locations.has(location))
    ? undefined
    : { code: "forbidden", detail: "The credential may not speak for this location." };
}
