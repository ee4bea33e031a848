/**
 * What must be in the log, kept by hand: what clients sent and were answered, and the sums of what the log says. Shares
 * no code with the product. Everything that doesn't fit is a finding, a sentence each.
 */
export type Step = "confirm" | "release" | "fulfil" | "extend";

export type Sent =
  | {
      readonly kind: "fact";
      readonly id: string;
      readonly type: "received" | "sold";
      readonly sku: string;
      readonly quantity: number;
    }
  | {
      readonly kind: "place";
      readonly id: string;
      readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
      readonly ttlSeconds: number;
    }
  | { readonly kind: "step"; readonly reservation: string; readonly step: Step; readonly key?: string };

export interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly duplicates?: number;
}

/** One thing a client asked for, in whatever number of attempts, and what holds of the answers; undefined while unknown. */
export interface Entry {
  readonly sent: Sent;
  attempts: number;
  answer: Answer | undefined;
}

export interface LogLine {
  readonly type: string;
  readonly position: string;
  readonly data: {
    readonly sku?: string;
    readonly quantity?: number;
    readonly holds?: readonly { readonly quantity: number }[];
    readonly from?: "reserved" | "committed";
    readonly commits?: number;
    readonly reservation?: string;
    readonly step?: string;
    readonly cause?: { readonly id?: string };
    readonly balance?: { readonly available: number; readonly onHand: number };
  };
}

interface Stock {
  onHand: number;
  reserved: number;
  committed: number;
}

/** Milliseconds until an expiry is recorded: one second is promised. */
export const expiryMsMax = 2000;

const doneBy: Readonly<Record<Step, string>> = {
  confirm: "confirmed",
  release: "released",
  fulfil: "fulfilled",
  extend: "extended",
};
const ends = ["released", "fulfilled", "expired"];

export class Book {
  readonly findings: string[] = [];
  readonly entries: Entry[] = [];
  /** Whether something between client and log may ask again by itself: a first attempt may then be told as a repeat. */
  readonly #isRelayed: boolean;
  readonly #sent = new Map<string, Sent>();
  readonly #facts = new Map<string, number>();
  readonly #stocks = new Map<string, Stock>();
  /** Units that a reservation holds of a sku. */
  readonly #holds = new Map<string, number>();
  readonly #steps = new Map<string, string[]>();
  /** Those whose answers are still to be compared with the log. */
  #open: Entry[] = [];

  constructor(isRelayed = false) {
    this.#isRelayed = isRelayed;
  }

  send(sent: Sent): Entry {
    if (sent.kind !== "step") this.#sent.set(sent.id, sent);
    const entry: Entry = { sent, attempts: 0, answer: undefined };
    this.entries.push(entry);
    this.#open.push(entry);
    return entry;
  }

  /** The lines a reservation asked for. */
  linesOf(reservation: string): readonly { readonly sku: string; readonly quantity: number }[] {
    const sent = this.#sent.get(reservation);
    return sent?.kind === "place" ? sent.lines : [];
  }

  /** Takes in the next event of the log. */
  read({ type, data }: LogLine): void {
    const { sku = "", quantity = 0, reservation = "" } = data;
    if (type === "larder.reservation.status-changed.v1") {
      this.#steps.set(reservation, [...(this.#steps.get(reservation) ?? []), data.step ?? ""]);
      return;
    }
    const stock = this.stock(sku);
    const hold = `${reservation} ${sku}`;
    switch (type) {
      case "larder.stock.received.v1":
      case "larder.stock.sold.v1": {
        this.#fact(data.cause?.id ?? "", type, sku, quantity);
        stock.onHand += type === "larder.stock.sold.v1" ? -quantity : quantity;
        break;
      }
      case "larder.reservation.reserved.v1": {
        const units = (data.holds ?? []).reduce((sum, line) => sum + line.quantity, 0);
        const asked = this.#sent.get(reservation);
        const wanted = asked?.kind === "place" ? asked.lines.find((line) => line.sku === sku)?.quantity : undefined;
        if (wanted !== units) this.#find(`${reservation} got ${units} of ${sku}, and asked for ${wanted}`);
        if (this.#holds.has(hold)) this.#find(`${reservation} was given ${sku} twice`);
        const available = stock.onHand - stock.reserved - stock.committed;
        if (units > available) this.#find(`oversold: ${reservation} got ${units} of ${sku}, ${available} were there`);
        this.#holds.set(hold, units);
        stock.reserved += units;
        break;
      }
      case "larder.reservation.confirmed.v1":
        stock.reserved -= quantity;
        stock.committed += quantity;
        break;
      case "larder.reservation.fulfilled.v1": {
        const { from = "reserved", commits = 0 } = data;
        this.#take(hold, quantity);
        stock[from] -= quantity + commits;
        stock.committed += commits;
        stock.onHand -= quantity;
        break;
      }
      case "larder.reservation.released.v1":
        this.#take(hold, quantity);
        stock[data.from ?? "reserved"] -= quantity;
        break;
      case "larder.reservation.expired.v1":
        this.#take(hold, quantity);
        stock.reserved -= quantity;
        break;
      default:
        return; // extended holds, shortfalls, the admin's key
    }
    const available = stock.onHand - stock.reserved - stock.committed;
    if (data.balance?.onHand !== stock.onHand || data.balance.available !== available)
      this.#find(`${type} of ${sku} says ${JSON.stringify(data.balance)}, its events give ${JSON.stringify(stock)}`);
  }

  stock(sku: string): Stock {
    const stock = this.#stocks.get(sku) ?? { onHand: 0, reserved: 0, committed: 0 };
    this.#stocks.set(sku, stock);
    return stock;
  }

  skus(): readonly string[] {
    return [...this.#stocks.keys()].filter((sku) => sku !== "");
  }

  /**
   * Compares what was answered with what the log has been read to say. What is unknown is looked at again next time, and
   * so is what was refused for an expiry that the log doesn't have yet: it is recorded within a second, unless the server
   * dies before. `isLast`: that second is over.
   */
  compare(isLast = false): void {
    const open: Entry[] = [];
    for (const entry of this.#open) {
      if (entry.answer === undefined || (!isLast && this.#awaitsExpiry(entry))) open.push(entry);
      else this.#check(entry, entry.answer);
    }
    for (const [id, steps] of this.#steps) {
      if (steps.filter((step) => step === "placed").length !== 1) this.#find(`${id} was placed other than once`);
      if (steps.filter((step) => ends.includes(step) && step !== "fulfilled").length > 1)
        this.#find(`${id} ended by ${steps.join(", ")}`);
    }
    this.#open = open;
  }

  /** Nothing but its expiry may follow, so what has ended in another way doesn't wait. */
  #awaitsExpiry({ sent, answer }: Entry): boolean {
    if (sent.kind !== "step" || answer?.code !== "reservation-already-expired") return false;
    const steps = this.#steps.get(sent.reservation) ?? [];
    return steps.includes("placed") && !steps.some((step) => step === "confirmed" || ends.includes(step));
  }

  #check({ sent, attempts }: Entry, { status, code = "", duplicates = 0 }: Answer): void {
    const what = `${JSON.stringify(sent)} answered ${status} ${code}, asked ${attempts} times`;
    if (sent.kind === "fact") {
      if (status !== 202) this.#find(`${what}, and a fact is never refused`);
      if (!this.#facts.has(sent.id)) this.#find(`lost: ${what}`);
      if (attempts === 1 && duplicates > 0 && !this.#isRelayed) this.#find(`${what} as a duplicate, and was sent once`);
      return;
    }
    if (sent.kind === "place") {
      const isThere = this.#steps.has(sent.id);
      if (status < 300 && !isThere) this.#find(`lost: ${what}`);
      if (status >= 300 && isThere) this.#find(`${what}, and is in the log`);
      if (status >= 300 && code !== "insufficient-stock") this.#find(what);
      if (attempts === 1 && status === 200 && !this.#isRelayed) this.#find(`${what} as a repeat, and was sent once`);
      return;
    }
    const steps = this.#steps.get(sent.reservation) ?? [];
    // What is partly fulfilled counts as confirmed, without a step of its own.
    const has = (step: string) => steps.includes(step) || (step === "confirmed" && steps.includes("fulfilled"));
    if (status === 200) {
      if (!has(doneBy[sent.step])) this.#find(`lost: ${what}; the log has ${steps.join(", ")}`);
    } else if (status === 409) {
      const contradicting = code.replace("reservation-already-", "");
      if (code !== "exceeds-reservation" && !has(contradicting)) this.#find(`${what}; the log has ${steps.join(", ")}`);
    } else this.#find(what);
    const keys = this.#keysOf(sent.reservation);
    const fulfilments = steps.filter((step) => step === "fulfilled").length;
    if (fulfilments > keys) this.#find(`${sent.reservation} was fulfilled ${fulfilments} times by ${keys} requests`);
  }

  /** Different requests to fulfil a reservation that were sent so far. */
  #keysOf(reservation: string): number {
    const keys = new Set<string>();
    for (const { sent } of this.entries)
      if (sent.kind === "step" && sent.step === "fulfil" && sent.reservation === reservation) keys.add(sent.key ?? "");
    return keys.size;
  }

  #fact(id: string, type: string, sku: string, quantity: number): void {
    const sent = this.#sent.get(id);
    const times = (this.#facts.get(id) ?? 0) + 1;
    this.#facts.set(id, times);
    if (times > 1) this.#find(`the fact ${id} took effect ${times} times`);
    if (sent?.kind !== "fact" || `larder.stock.${sent.type}.v1` !== type || sent.sku !== sku)
      this.#find(`nobody sent the fact ${id} (${type} of ${sku})`);
    else if (sent.quantity !== quantity)
      this.#find(`the fact ${id} has ${quantity}, and was sent with ${sent.quantity}`);
  }

  #take(hold: string, units: number): void {
    const left = (this.#holds.get(hold) ?? 0) - units;
    if (left < 0) this.#find(`${hold}: ${units} units were taken, ${left + units} were held`);
    this.#holds.set(hold, left);
  }

  #find(finding: string): void {
    if (this.findings.length < 50) this.findings.push(finding);
  }
}
