/**
 * What webhooks must get, by the log alone: each event that its webhook chose, at least once, those of one key in their
 * order, nothing else, and signed. Told of every attempt as it is made, and of what became of it.
 */
import { createHash, createHmac } from "node:crypto";
import type { LogOracle } from "./log.ts";
import { type About, type Choice, isChosen, type PublicEvent, publicEvent } from "./public-events.ts";
import { type LoggedUnit, must } from "./shapes.ts";
import { balanceText, type Totals } from "./stock.ts";

/** An event that a webhook must get. */
interface Entry {
  readonly event: PublicEvent;
  /** Whether those of its key behind it must wait for it: no more once another choice leaves it out. */
  isWanted: boolean;
  /** Whether its receiver has had it. */
  isHeld: boolean;
}

interface Line {
  readonly entries: Entry[];
  /** How many at its beginning are held, or wanted no more. */
  done: number;
}

interface SecretMark {
  readonly generation: number;
  /** SHA-256 of the secret, hexadecimal. */
  readonly print: string;
}

interface WebhookData extends Choice {
  readonly url?: string;
  readonly secret?: SecretMark;
  readonly formerUntil?: number;
  readonly after?: string;
  readonly reason?: string;
}

type Status = "active" | "paused" | "disabled" | "deleted";

class Hook {
  readonly id: string;
  readonly limitedTo: readonly string[] | undefined;
  url: string;
  /** Where it was sent before, which what is under way still may go to. */
  formerUrl: string | undefined;
  status: Status = "active";
  /** When it was last active or asked to be. */
  stoppedAt = 0;
  /** Its choices, each with the place of the event that made it, and the place from which on it alone was at work. */
  readonly choices: { readonly from: number; readonly choice: Choice; settledAt: number }[];
  secret: SecretMark;
  /** Those before its secret, the newest first. */
  formers: readonly { readonly secret: SecretMark; readonly until: number }[] = [];
  /** Nothing up to here is ever sent to it. */
  least: number;
  replays = 0;
  readonly lines = new Map<string, Line>();
  readonly entries = new Map<number, Entry>();
  /** What it has not got yet, or not again since the replay of that number asked for it. */
  readonly owed = new Map<number, { readonly event: PublicEvent; readonly since: number }>();
  /** Since when its receiver has answered 410 to it and nothing else; undefined when it has not. */
  goneAt: number | undefined;
  /** When a delivery last succeeded, or it was begun anew. */
  wellAt: number;
  /** When the log last said that it had all, or was begun anew. */
  firmAt: number;

  constructor(id: string, seq: number, at: number, data: WebhookData) {
    this.id = id;
    this.url = data.url ?? "";
    this.limitedTo = data.limitedTo;
    this.choices = [{ from: seq, choice: choiceOf(data, data.limitedTo), settledAt: seq }];
    this.secret = data.secret ?? { generation: 0, print: "" };
    this.least = placeOf(data.after);
    this.wellAt = at;
    this.firmAt = at;
  }

  get choice(): Choice {
    return this.choices.at(-1)?.choice ?? {};
  }

  get isLive(): boolean {
    return this.status !== "deleted";
  }
}

/** What an attempt was, for when it is known what became of it. */
export interface Delivering {
  readonly hook: Hook;
  readonly event: PublicEvent;
  readonly replays: number;
}

/** Milliseconds that work may go on after a webhook was told to stop. */
const stopMs = 10_000;
const failingMs = 5 * 86_400_000;
/** Milliseconds that a former secret is good for. */
const overlapMs = 86_400_000;
/** Clocks go astray by that much, either way. */
const clockErrorMs = 21 * 60_000;

export class DeliveryOracle {
  readonly #log: LogOracle;
  readonly #hooks = new Map<string, Hook>();
  readonly #events: PublicEvent[] = [];
  /** What reservations are of, by their streams. */
  readonly #allocations = new Map<string, readonly About[]>();
  readonly #bySeq = new Map<number, PublicEvent>();
  readonly #secrets = new Map<string, string>();
  /** Where the log was when somebody asked for a webhook with a url. */
  readonly #asked = new Map<string, number>();
  /** When somebody asked for another secret of a webhook, by the server's clock. */
  readonly #rotations = new Map<string, Set<number>>();

  constructor(log: LogOracle) {
    this.#log = log;
  }

  live(): readonly Hook[] {
    return [...this.#hooks.values()].filter((hook) => hook.isLive);
  }

  /** What keeps an event in order with others. */
  keyOf(seq: number): string {
    return this.#bySeq.get(seq)?.key ?? "";
  }

  /** A webhook is asked for, or another url for one. */
  ask(url: string): void {
    this.#asked.set(url, this.#log.head);
  }

  /** The server goes on with an older state of what it derives: it may have forgotten what only stood there. */
  mayForget(): void {
    for (const hook of this.#hooks.values()) hook.wellAt = hook.firmAt;
  }

  /** Another secret of a webhook is asked for; `clock` is the server's. */
  rotate(id: string, clock: number): void {
    this.#rotations.set(id, (this.#rotations.get(id) ?? new Set()).add(clock));
  }

  /** A secret is shown to whoever asked for it. */
  learn(id: string, secret: string): void {
    const hook = this.#hooks.get(id);
    const print = createHash("sha256").update(secret).digest("hex");
    const known = [hook?.secret.print, ...(hook?.formers ?? []).map(({ secret }) => secret.print)];
    must(hook !== undefined && known.includes(print), () => `the secret shown for ${id} is not the one recorded`);
    must(Buffer.from(secret.slice("whsec_".length), "base64").length === 32, () => `${id} has a short secret`);
    this.#secrets.set(print, secret);
  }

  /** What was asked of a webhook has been answered: from now on its newest choice is at work. */
  settle(id: string): void {
    const hook = this.#hooks.get(id);
    if (hook === undefined) return;
    hook.formerUrl = undefined;
    for (const choice of hook.choices) choice.settledAt = Math.min(choice.settledAt, this.#log.head);
  }

  /** A server has started: whatever was recorded before is at work. */
  settleAll(): void {
    for (const id of this.#hooks.keys()) this.settle(id);
  }

  /** Time has leapt: what was to take a moment may take one from now. */
  leapt(now: number): void {
    for (const hook of this.#hooks.values()) hook.stoppedAt = now;
  }

  // The log

  /** Takes in a unit that became durable; `last` is the place of its last event. */
  unit(unit: LoggedUnit, last: number, now: number): void {
    for (const [index, event] of unit.events.entries()) {
      const seq = last - unit.events.length + 1 + index;
      if (event.stream.startsWith("webhook-")) {
        this.#change(event.stream.slice("webhook-".length), event.type, event.data as WebhookData, unit, seq, now);
        continue;
      }
      const { allocations } = event.data;
      if (event.stream.startsWith("reservation-") && allocations !== undefined)
        this.#allocations.set(event.stream, allocations);
      const shown = publicEvent(event, unit, seq, this.#allocations.get(event.stream));
      if (shown === undefined) continue;
      this.#events.push(shown);
      this.#bySeq.set(seq, shown);
      for (const hook of this.#hooks.values()) if (hook.isLive) this.#owe(hook, shown);
    }
  }

  /** Adds an event to what a webhook must get, when it chose it. */
  #owe(hook: Hook, event: PublicEvent): void {
    // While a choice is being changed, either may be at work.
    if (!atWork(hook, event).every(({ choice }) => isChosen(event, choice))) return;
    const entry = { event, isWanted: true, isHeld: false };
    hook.entries.set(event.seq, entry);
    hook.owed.set(event.seq, { event, since: hook.replays });
    const line = hook.lines.get(event.key);
    if (line === undefined) hook.lines.set(event.key, { entries: [entry], done: 0 });
    else line.entries.push(entry);
  }

  #change(id: string, type: string, data: WebhookData, { at, by }: LoggedUnit, seq: number, now: number): void {
    const known = this.#hooks.get(id);
    if (type === "WebhookCreated") {
      must(known === undefined, () => `the webhook ${id} is made twice`);
      const hook = new Hook(id, seq, at, data);
      const asked = this.#asked.get(hook.url);
      must(asked !== undefined, () => `nobody has asked for a webhook to ${hook.url}`);
      must(
        hook.least >= asked && hook.least < seq,
        () => `the webhook ${id} begins after ${hook.least}, made at ${seq}`,
      );
      this.#hooks.set(id, hook);
      return;
    }
    must(known?.isLive === true, () => `${type} of the webhook ${id}, which is not there`);
    if (type !== "WebhookPaused" && type !== "WebhookDisabled") known.firmAt = at;
    switch (type) {
      case "WebhookChanged": {
        known.formerUrl = known.url;
        known.url = data.url ?? "";
        const settledAt = Number.POSITIVE_INFINITY;
        known.choices.push({ from: seq, choice: choiceOf(data, known.limitedTo), settledAt });
        known.wellAt = at;
        known.goneAt = undefined;
        for (const [owed, { event }] of known.owed) if (!isChosen(event, known.choice)) this.#release(known, owed);
        return;
      }
      case "WebhookSecretRotated":
        known.formers = [{ secret: known.secret, until: data.formerUntil ?? 0 }, ...known.formers.slice(0, 3)];
        known.secret = data.secret ?? known.secret;
        // A day from when it was asked: until it is recorded, time may leap, and clocks may jump.
        must(
          this.#rotations.get(id)?.has((data.formerUntil ?? 0) - overlapMs) ?? false,
          () => `the former secret of ${id} is good until ${data.formerUntil}, asked for a day before at no time`,
        );
        return;
      case "WebhookPaused":
      case "WebhookDisabled":
        if (type === "WebhookDisabled") mustBeDue(known, data.reason ?? "", by, at);
        known.status = type === "WebhookPaused" ? "paused" : "disabled";
        known.stoppedAt = now;
        return;
      case "WebhookEnabled":
        known.status = "active";
        known.wellAt = at;
        known.goneAt = undefined;
        return;
      case "WebhookAdvanced":
        this.#mustBeDelivered(known, placeOf(data.after));
        return;
      case "WebhookReplayed":
        known.replays += 1;
        known.least = Math.min(known.least, placeOf(data.after));
        for (const event of this.#events)
          if (event.seq > placeOf(data.after) && isChosen(event, known.choice))
            known.owed.set(event.seq, { event, since: known.replays });
        return;
      case "WebhookDeleted":
        known.status = "deleted";
        known.stoppedAt = now;
    }
  }

  /** Another choice leaves out an event that its webhook has not got. */
  #release(hook: Hook, seq: number): void {
    hook.owed.delete(seq);
    const entry = hook.entries.get(seq);
    if (entry !== undefined) entry.isWanted = false;
  }

  #mustBeDelivered(hook: Hook, upTo: number): void {
    for (const seq of hook.owed.keys())
      must(seq > upTo, () => `${hook.id} is said to have got all up to ${upTo}, and has not got ${seq}`);
  }

  // Attempts

  /** An attempt is made; `clock` is the server's, `now` the world's. Throws when it may not be. */
  attempt(
    { url, headers = {}, body = "" }: { url: string; headers?: Readonly<Record<string, string>>; body?: string },
    clock: number,
    now: number,
  ): Delivering {
    const hook = [...this.#hooks.values()].find((one) => one.url === url || one.formerUrl === url);
    must(hook !== undefined, () => `something is sent to ${url}, where no webhook is`);
    const isStopped = hook.status !== "active" && now - hook.stoppedAt > stopMs;
    must(!isStopped, () => `something is sent to the webhook ${hook.id}, which is ${hook.status}`);
    this.#mustBeSigned(hook, headers, body, clock);
    const told = JSON.parse(body) as ToldEvent;
    const seq = Number(told.id.slice(told.id.lastIndexOf("-") + 1));
    const event = this.#bySeq.get(seq);
    must(
      event !== undefined && headers["webhook-id"] === told.id,
      () => `${hook.id} is sent ${told.id}, no public event`,
    );
    this.#mustBeAsRecorded(told, event);
    must(mayGet(hook, event), () => `${hook.id} is sent event ${seq} (${event.type}), which it did not choose`);
    this.#mustBeNext(hook, event);
    return { hook, event, replays: hook.replays };
  }

  #mustBeSigned(hook: Hook, headers: Readonly<Record<string, string>>, body: string, clock: number): void {
    const timestamp = String(Math.floor(clock / 1000));
    must(headers["webhook-timestamp"] === timestamp, () => `${hook.id} is sent something signed at another time`);
    const { secret, formers } = hook;
    const marks = [secret, ...formers.filter(({ until }) => clock < until).map((former) => former.secret)];
    const signatures = (headers["webhook-signature"] ?? "").split(" ");
    must(
      signatures.length === marks.length,
      () => `${hook.id} gets ${signatures.length} signatures, not ${marks.length}`,
    );
    for (const { print } of marks) {
      const known = this.#secrets.get(print);
      // Shown to nobody: the server died in between.
      if (known === undefined) continue;
      const key = Buffer.from(known.slice("whsec_".length), "base64");
      const text = `${headers["webhook-id"]}.${timestamp}.${body}`;
      const right = `v1,${createHmac("sha256", key).update(text).digest("base64")}`;
      must(signatures.includes(right), () => `${hook.id} is sent something that is not signed with its secret`);
    }
  }

  #mustBeAsRecorded({ type, data }: ToldEvent, event: PublicEvent): void {
    must(type === event.type, () => `event ${event.seq} is told as ${type}; it is ${event.type}`);
    if (!event.stream.startsWith("stock-")) return;
    const { sku, location, version, balance } = data;
    const is = this.#log.stock(location ?? "", sku ?? "")?.balances[event.version];
    must(
      version === event.version && balance !== undefined && is === balanceText(balance),
      () =>
        `event ${event.seq} is told of ${sku} at ${location} in version ${version}; it was ${is} in ${event.version}`,
    );
  }

  /** Those of its key before it have been had. */
  #mustBeNext(hook: Hook, { key, seq }: PublicEvent): void {
    const line = hook.lines.get(key);
    if (line === undefined) return;
    for (; line.done < line.entries.length; line.done += 1) {
      const entry = line.entries[line.done];
      if (entry?.isWanted === true && !entry.isHeld) break;
    }
    const first = line.entries[line.done]?.event.seq ?? Number.POSITIVE_INFINITY;
    must(
      first >= seq,
      () => `${hook.id} is sent event ${seq} before event ${first} of the same ${key.replace("\u0000", " at ")}`,
    );
  }

  /** The receiver has it, whether or not anyone learns that. */
  held({ hook, event, replays }: Delivering): void {
    const entry = hook.entries.get(event.seq);
    if (entry !== undefined) entry.isHeld = true;
    if (replays >= (hook.owed.get(event.seq)?.since ?? 0)) hook.owed.delete(event.seq);
  }

  /** A living server gets the receiver's answer; `clock` is its own. */
  answered({ hook }: Delivering, status: number, clock: number): void {
    if (status === 410) hook.goneAt ??= clock;
    if (status >= 200 && status < 300) hook.wellAt = clock;
  }
}

interface ToldEvent {
  readonly id: string;
  readonly type: string;
  readonly data: {
    readonly sku?: string;
    readonly location?: string;
    readonly version?: number;
    readonly balance?: Totals;
  };
}

function choiceOf({ types, skus, locations }: WebhookData, limitedTo: readonly string[] | undefined): Choice {
  return {
    ...(types && { types }),
    ...(skus && { skus }),
    ...(locations && { locations }),
    ...(limitedTo && { limitedTo }),
  };
}

/** The place in the log that a position stands for. */
function placeOf(position = ""): number {
  return Number(Buffer.from(position, "base64url").toString().split(".").at(-1));
}

/** The choices that an event may have met, from the one that was at work when it was recorded on. */
function atWork({ choices }: Hook, { seq }: PublicEvent) {
  const known = choices.findLastIndex(({ from, settledAt }) => from < seq && settledAt < seq);
  return choices.slice(Math.max(0, known));
}

function mayGet(hook: Hook, event: PublicEvent): boolean {
  if (event.seq <= hook.least) return false;
  return hook.entries.has(event.seq) || atWork(hook, event).some(({ choice }) => isChosen(event, choice));
}

/** A webhook is disabled by the server alone, and for one of two reasons. */
function mustBeDue({ id, goneAt, wellAt }: Hook, reason: string, by: string, at: number): void {
  must(by === "system:relay", () => `${by} disables the webhook ${id}`);
  if (reason.includes("410")) {
    must(goneAt !== undefined, () => `the webhook ${id} is disabled for a 410 that nobody gave`);
    return;
  }
  must(at - wellAt > failingMs - clockErrorMs, () => `the webhook ${id} is disabled, though it did well at ${wellAt}`);
}
