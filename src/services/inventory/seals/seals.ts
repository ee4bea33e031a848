/**
 * Seals: a chain of hashes over the stored bytes of the log, appended to the log itself, so that a changed, missing or
 * reordered event shows, and with the last seal kept elsewhere (an anchor) also a cut tail.
 *
 * The embedded engine has one order, so one chain (lane 0) covers all of it (docs/adr/0005). A seal covers every event
 * after the one before it up to `to`: the SHA-256, in UTF-8, of the previous seal's hash and then, for each unit, a line
 * with the sequence of its first event, a space, and its stored body.
 */
import { createHash, type Hash } from "node:crypto";
import { hasCode } from "../../../kernel/index.ts";
import type { LogReader, RecordedUnit, Sequence, Storage } from "../../../platform/storage/index.ts";
import { type Ledger, streamOf } from "../ledger/index.ts";

export interface Seal {
  /** The last event that it covers. */
  readonly to: Sequence;
  readonly events: number;
  /** Hexadecimal. */
  readonly hash: string;
}

const lane = 0;
const actor = "system:seals";
const eventsPerSeal = 10_000;
export const sealStream = streamOf.seal(lane);
const genesis = "0".repeat(64);

/** Computes the hash of the seal that would cover the units added so far. */
export class SealChain {
  readonly #hash: Hash;
  readonly #from: Sequence;
  #to: Sequence;
  #others = 0;

  constructor(last: Seal | undefined) {
    this.#hash = createHash("sha256").update(last?.hash ?? genesis);
    this.#from = last?.to ?? 0;
    this.#to = this.#from;
  }

  /** Events covered that are not seals themselves. */
  get worthSealing(): number {
    return this.#others;
  }

  get to(): Sequence {
    return this.#to;
  }

  /** Adds the units that come next; others are passed over. */
  add(units: readonly RecordedUnit[]): void {
    let text = "";
    for (const { events, body } of units) {
      const first = events[0];
      if (first?.seq !== this.#to + 1) continue;
      text += `\n${first.seq} ${body}`;
      this.#to += events.length;
      if (first.stream !== sealStream) this.#others += events.length;
    }
    if (text !== "") this.#hash.update(text);
  }

  seal(): Seal {
    return { to: this.#to, events: this.#to - this.#from, hash: this.#hash.copy().digest("hex") };
  }
}

/** Appends a seal every second, or every 10,000 events, while there is something to seal. */
export class Sealer {
  readonly #storage: Storage;
  readonly #ledger: Ledger;
  #chain = new SealChain(undefined);
  /** Seals in the log that the chain goes on from. */
  #seals = 0;
  /** Whether the last seal may or may not be in the log, so that the log has to be asked before the next one. */
  #isUnsure = false;
  #unsubscribe: (() => void) | undefined;
  #sealing: Promise<void> | undefined;

  constructor(storage: Storage, ledger: Ledger) {
    this.#storage = storage;
    this.#ledger = ledger;
  }

  /** Where several processes share the log, only one of them has begun: two would meet conflicts, and no harm. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#storage.subscribe((units) => {
      this.#chain.add(units);
      if (this.#chain.worthSealing >= eventsPerSeal) this.seal().catch(() => undefined); // tried again by the timer
    });
    await this.#catchUp();
  }

  /** Seals what has been recorded since the last seal, if anything. */
  seal(): Promise<void> {
    this.#sealing ??= this.#append().finally(() => {
      this.#sealing = undefined;
    });
    return this.#sealing;
  }

  async stop(): Promise<void> {
    await this.seal();
    this.leave();
  }

  /** Leaves the log to another process to seal: nothing is sealed here any more until it is started again. */
  leave(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** Takes up the chain where the log's last seal ends. */
  async #catchUp(): Promise<void> {
    const [seals = 0] = await this.#storage.versions([sealStream]);
    this.#chain = new SealChain(await sealAt(this.#storage, seals));
    this.#seals = seals;
    while (this.#chain.to < this.#storage.head()) {
      this.#chain.add(await this.#storage.readLog(this.#chain.to, 1000));
    }
    this.#isUnsure = false;
  }

  async #append(): Promise<void> {
    if (this.#unsubscribe === undefined) return;
    if (this.#isUnsure) await this.#catchUp();
    if (this.#chain.worthSealing === 0) return;
    const seal = this.#chain.seal();
    const after = this.#seals;
    // What is recorded from here on, the seal's own event included, belongs to the next one.
    this.#chain = new SealChain(seal);
    this.#isUnsure = true;
    const { value: isAppended } = await this.#ledger.submit({
      actor,
      streams: [sealStream],
      decide: (transaction) => {
        // Decided again after an append of unknown outcome, it may find this very seal in the log.
        if (transaction.version(sealStream) !== after) return false;
        transaction.emit(sealStream, [{ type: "LogSealed", data: { lane, ...seal } }]);
        return true;
      },
    });
    this.#seals = after + 1;
    this.#isUnsure = !isAppended;
  }
}

/** The newest seal in the log. */
export async function lastSeal(storage: Pick<Storage, "versions" | "readStream">): Promise<Seal | undefined> {
  const [seals = 0] = await storage.versions([sealStream]);
  return await sealAt(storage, seals);
}

async function sealAt(storage: Pick<Storage, "readStream">, version: number): Promise<Seal | undefined> {
  const [event] = version === 0 ? [] : await storage.readStream(sealStream, version - 1, version);
  return event && sealOf(event);
}

/** How many events are looked through at a time, from the end: seals stand at most some 10,000 apart. */
const searchEvents = 5000;

/**
 * The newest seal in a log that is only read, as a backup's. Of one without its cold files only the rest is looked through:
 * what can't be read is approached by halves, and thrown as `PlatformError("archive-unavailable")` when no seal is after it.
 */
export async function lastSealIn(log: Pick<LogReader, "head" | "readLog">): Promise<Seal | undefined> {
  let count = searchEvents;
  for (let end = log.head(); end > 0; ) {
    const after = Math.max(0, end - count);
    const units = await log.readLog(after, end - after).catch((error: unknown) => {
      if (count === 1 || !hasCode(error, "archive-unavailable")) throw error;
      return undefined;
    });
    const event = units?.flatMap(({ events }) => events).findLast(({ stream }) => stream === sealStream);
    if (event !== undefined) return sealOf(event);
    if (units === undefined) count = Math.ceil(count / 2);
    else end = after;
  }
  return undefined;
}

export function sealOf({ data }: { readonly data: object }): Seal {
  const { to, events, hash } = data as Seal;
  return { to, events, hash };
}
