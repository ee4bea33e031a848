import { randomUUID } from "node:crypto";
import { type Instant, limits, PlatformError } from "../../../kernel/index.ts";
import { type Postgres, reading, sqlStateOf } from "../../postgres/index.ts";
import { checkUnits } from "../admission.ts";
import type {
  AppendOutcome,
  AppendUnit,
  ClaimRecord,
  DerivedStore,
  Epoch,
  LeaseHolder,
  RecordedEvent,
  RecordedUnit,
  Sequence,
  SharedLog,
  Storage,
  StorageStats,
  Tagging,
  Turn,
} from "../port.ts";
import type { LocalDerived } from "../sqlite/index.ts";
import { readUnit, type StoredUnit } from "../unit.ts";
import { StoreClock } from "./clock.ts";
import { Leases } from "./leases.ts";
import { checkNames, firstBeliefs, list, moved, type Proposal, printOf, propose, storedTag } from "./proposal.ts";
import { type Appended, codes, type LogMeta, type News, newsMax, statements } from "./statements.ts";
import { type HeldTurn, TurnSession } from "./turn.ts";
import { unitsAfter } from "./units.ts";
import { Watch } from "./watch.ts";

type Listener = (units: readonly RecordedUnit[]) => void;

interface Request {
  readonly units: readonly AppendUnit[];
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

interface StreamRequest {
  readonly stream: string;
  readonly after: number;
  readonly upTo: number;
  readonly resolve: (events: readonly RecordedEvent[]) => void;
  readonly reject: (error: unknown) => void;
}

interface TurnRequest {
  readonly resolve: (turn: Turn) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The log in PostgreSQL, which other processes append to as well (docs/adr/0023-the-log-in-postgresql.md).
 *
 * An append is one call of a function on the server. It takes the one lock that there is, compares what the units rest on,
 * inserts them and commits: so the lock is not held across the network, and events become visible in the order of their
 * positions. What is asked meanwhile goes into the next call together. Its answer brings what others have appended, so a
 * process that writes is up to date; one that does not is told by `NOTIFY`, and looks by itself now and then.
 */
export class PostgresStorage implements Storage, SharedLog {
  readonly shared: SharedLog = this;
  readonly epochs: readonly Epoch[];
  readonly derived: DerivedStore;
  readonly tagging: Tagging;
  readonly #postgres: Postgres;
  readonly #local: LocalDerived;
  readonly #epoch: number;
  /** Names this object to the server, which refuses those of its attempts that it has given up. */
  readonly #writer = randomUUID();
  readonly #clock: StoreClock;
  readonly #leases: Leases;
  readonly #watch: Watch;
  readonly #listeners = new Set<Listener>();
  #head: Sequence;
  #lastRecordedAt: Instant;
  #outgoingPaused: boolean;
  #bytes = 0;
  #waiting: Request[] = [];
  #turnsAsked: TurnRequest[] = [];
  #streamsAsked: StreamRequest[] = [];
  #writing: Promise<void> | undefined;
  #turnSession: TurnSession | undefined;
  #turn: HeldTurn | undefined;
  #attempts = 0;
  /** The last attempt of unknown outcome; 0 when there is none. */
  #unsure = 0;
  #catchingUp: Promise<void> | undefined;
  #nextCatchUp: Promise<void> | undefined;
  /** The parts of the log that are there reach so far. */
  #partsUpto: Sequence = 0;
  #isClosed = false;

  constructor(
    postgres: Postgres,
    local: LocalDerived,
    meta: LogMeta,
    { tagging, clock }: { readonly tagging: Tagging; readonly clock: () => Instant },
  ) {
    this.#postgres = postgres;
    this.#local = local;
    this.derived = local.store;
    this.tagging = tagging;
    this.epochs = meta.epochs;
    this.#epoch = meta.epochs.at(-1)?.number ?? 0;
    this.#head = meta.seq;
    this.#lastRecordedAt = meta.at;
    this.#outgoingPaused = meta.paused;
    this.#clock = new StoreClock(clock);
    this.#leases = new Leases(postgres);
    this.#watch = new Watch(postgres, this.#writer, {
      look: () => this.catchUp(),
      measure: (bytes) => {
        this.#bytes = bytes;
        this.#local.tidy();
      },
    });
  }

  get outgoingPaused(): boolean {
    return this.#outgoingPaused;
  }

  /** Saying again what this process believes is a durable write that changes nothing, whatever others have set meanwhile. */
  async setOutgoingPaused(paused: boolean): Promise<void> {
    const isChange = paused !== this.#outgoingPaused;
    const [row] = await this.#postgres.query<{ paused: boolean }>(statements.pause, [
      isChange ? paused : null,
      this.#epoch,
    ]);
    if (row === undefined) throw otherEpoch();
    this.#outgoingPaused = row.paused;
  }

  async append(units: readonly AppendUnit[]): Promise<readonly AppendOutcome[]> {
    checkUnits(units);
    checkNames(units);
    if (this.#isClosed) throw closed();
    if (units.length === 0) return [];
    const { promise, resolve, reject } = Promise.withResolvers<readonly AppendOutcome[]>();
    this.#waiting.push({ units, resolve, reject });
    this.#writing ??= this.#writeAll();
    return await promise;
  }

  async takeTurn(): Promise<Turn> {
    if (this.#isClosed) throw closed();
    const { promise, resolve, reject } = Promise.withResolvers<Turn>();
    this.#turnsAsked.push({ resolve, reject });
    this.#writing ??= this.#writeAll();
    return await promise;
  }

  async #writeAll(): Promise<void> {
    // Those who ask in the same tick are written together.
    await Promise.resolve();
    for (;;) {
      if (this.#waiting.length > 0) await this.#writeWaiting();
      else if (this.#turn === undefined && this.#turnsAsked.length > 0) await this.#beginTurn();
      else break;
    }
    // Nothing is awaited between the last look and this, so nobody can ask in between and never be served.
    this.#writing = undefined;
  }

  async #writeWaiting(): Promise<void> {
    const requests = this.#takeWaiting();
    try {
      const outcomes = await this.#write(requests.flatMap(({ units }) => units));
      for (const { units, resolve } of requests) resolve(outcomes.splice(0, units.length));
    } catch (error) {
      for (const { reject } of requests) reject(error);
    }
  }

  /** The requests of the next call: at least one, and no more units than a call should have. */
  #takeWaiting(): readonly Request[] {
    let units = 0;
    let count = 0;
    for (const request of this.#waiting) {
      units += request.units.length;
      if (count > 0 && units > limits.flushCommandsMax) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /**
   * Proposes units until the server finds nothing wrong with what they rest on. It names all that is wrong at once, so a
   * second proposal fails only where others were quicker again, or it got too late; with each one, units of this append
   * fail for good.
   */
  async #write(asked: readonly AppendUnit[]): Promise<AppendOutcome[]> {
    const turn = this.#turn;
    try {
      const beliefs = firstBeliefs(asked);
      for (let isFirst = true; ; isFirst = false) {
        const known = { head: this.#head, lastRecordedAt: this.#lastRecordedAt };
        const proposal = propose(asked, beliefs, known, this.tagging, isFirst);
        if (!isFirst && proposal.units.length === 0) return [...proposal.outcomes];
        const answer = await this.#call(proposal, known.head, turn);
        if (answer.appended) return await this.#settle(proposal, answer, known.head);
        await this.#hear(answer, known.head, answer.base);
        if (answer.moved === null && answer.claimed === null && !isLate(proposal, answer))
          return [...proposal.outcomes];
        beliefs.now = answer.now;
        for (const [index, place] of (answer.moved ?? []).entries()) {
          beliefs.versions.set(proposal.streams[Number(place) - 1] ?? "", answer.moved_versions?.[index] ?? 0);
        }
        for (const key of answer.claimed ?? []) beliefs.taken.add(key.replaceAll("-", ""));
      }
    } finally {
      await turn?.end();
    }
  }

  /** Tells listeners of what was appended, and of what others had appended before. */
  async #settle(proposal: Proposal, answer: Appended, known: Sequence): Promise<AppendOutcome[]> {
    try {
      await this.#hear(answer, known, answer.base);
    } catch (cause) {
      // It was appended, but nobody may be told before listeners have heard what stands before it.
      this.#unsure = this.#attempts;
      throw new Error("what others have appended can't be read", { cause });
    }
    const by = answer.base - known;
    this.#tell(proposal.units.map((unit) => moved(unit, by, answer.at)));
    return proposal.outcomes.map((outcome) => (outcome.ok ? { ok: true, seq: outcome.seq + by } : outcome));
  }

  async #call(proposal: Proposal, known: Sequence, turn: HeldTurn | undefined): Promise<Appended> {
    this.#attempts += 1;
    const attempt = this.#attempts;
    const isTurn = turn?.isHeld === true;
    const { parameters } = proposal;
    const values = [known, newsMax, this.#epoch, this.tagging.version, this.#writer, attempt, isTurn, ...parameters];
    const asked = this.#clock.reading();
    try {
      const [answer] = isTurn
        ? await turn.append(values)
        : await this.#postgres.query<Appended>(statements.append, values);
      if (answer === undefined) throw new Error("an append has an answer");
      this.#clock.compare(asked, answer.now);
      this.#outgoingPaused = answer.paused;
      return answer;
    } catch (error) {
      if (!(error instanceof PlatformError)) this.#unsure = attempt;
      else if (sqlStateOf(error) === codes.clockAhead) await this.#compareClocks();
      else if (sqlStateOf(error) === codes.noPart) await this.#makeParts();
      throw error;
    }
  }

  async #beginTurn(): Promise<void> {
    const request = this.#turnsAsked.shift();
    if (request === undefined) return;
    try {
      this.#turnSession ??= new TurnSession(this.#postgres);
      const known = this.#head;
      const { turn, news } = await this.#turnSession.begin(known, () => {
        this.#turn = undefined;
        this.#writing ??= this.#writeAll();
      });
      this.#turn = turn;
      await this.#take(news, known);
      request.resolve(turn);
    } catch (error) {
      await this.#turn?.end();
      request.reject(error);
    }
  }

  head(): Sequence {
    return this.#head;
  }

  lastRecordedAt(): Instant {
    return this.#lastRecordedAt;
  }

  clockOffsetMs(): number {
    return this.#clock.offsetMs;
  }

  async #compareClocks(): Promise<void> {
    const asked = this.#clock.reading();
    const [row] = await this.#postgres.query<{ now: number }>(statements.now).catch(() => []);
    if (row !== undefined) this.#clock.compare(asked, row.now);
  }

  /** Those who ask while one is under way share the next: what it reads is newer than all of them. */
  async catchUp(): Promise<void> {
    if (this.#isClosed) throw closed();
    this.#nextCatchUp ??= (async () => {
      await this.#catchingUp?.catch(() => undefined);
      this.#catchingUp = this.#nextCatchUp;
      this.#nextCatchUp = undefined;
      await this.#readNews();
    })();
    return await this.#nextCatchUp;
  }

  async #readNews(): Promise<void> {
    const known = this.#head;
    const asked = this.#clock.reading();
    const [news] = await reading(() => this.#postgres.query<News>(statements.news, [known, newsMax]));
    if (news === undefined) throw new PlatformError("storage-unavailable", "the log has no head");
    this.#clock.compare(asked, news.now);
    await this.#take(news, known);
  }

  async #take(news: News, known: Sequence): Promise<void> {
    if (news.epoch !== this.#epoch) throw otherEpoch();
    this.#outgoingPaused = news.paused;
    await this.#hear(news, known, news.base);
  }

  /** Tells listeners what others have appended up to `upto`; the news are of units after `known`. */
  async #hear({ news }: Pick<News, "news">, known: Sequence, upto: Sequence): Promise<void> {
    let bodies = news === null ? [] : news.split("\n");
    let at = known;
    for (;;) {
      const units: StoredUnit[] = [];
      for (const body of bodies) {
        const unit = readUnit(at + 1, body);
        at = unit.lastSeq;
        units.push(unit);
      }
      this.#tell(units);
      if (this.#head >= upto) return;
      const from = this.#head;
      const rows = await reading(() =>
        this.#postgres.query<{ body: string }>(statements.unitsAfter, [from, upto, newsMax]),
      );
      if (rows.length === 0) throw gap(from);
      bodies = rows.map(({ body }) => body);
      at = from;
    }
  }

  /** Tells listeners of units that follow each other, leaving out those that they have had. */
  #tell(units: readonly StoredUnit[]): void {
    const fresh = units.filter(({ seq }) => seq > this.#head);
    const [first, last] = [fresh[0], fresh.at(-1)];
    if (first === undefined || last === undefined) return;
    if (first.seq !== this.#head + 1) throw gap(this.#head);
    this.#head = last.lastSeq;
    this.#lastRecordedAt = last.meta.recordedAt;
    if (this.#head > this.#partsUpto - partsAhead) void this.#makeParts().catch(() => undefined);
    for (const listener of [...this.#listeners]) tell(listener, fresh);
  }

  async #makeParts(): Promise<void> {
    const upto = this.#head + 2 * partsAhead;
    this.#partsUpto = upto;
    await this.#postgres.query("select larder.make_parts($1)", [upto]);
  }

  /** What is asked for in one tick is read together. */
  readStream(stream: string, after = 0, upTo = Number.POSITIVE_INFINITY): Promise<readonly RecordedEvent[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly RecordedEvent[]>();
    this.#streamsAsked.push({ stream, after, upTo, resolve, reject });
    if (this.#streamsAsked.length === 1) queueMicrotask(() => void this.#readStreams(this.#streamsAsked.splice(0)));
    return promise;
  }

  async #readStreams(asked: readonly StreamRequest[]): Promise<void> {
    try {
      const rows = await this.#read<{ place: number; seq: number; body: string }>(statements.streamUnits, [
        asked.map(({ stream }) => stream),
        asked.map(({ after }) => after),
        asked.map(({ upTo }) => Math.min(upTo, versionMax)),
      ]);
      const found = asked.map((): RecordedEvent[] => []);
      for (const { place, seq, body } of rows) {
        const request = asked[place - 1];
        if (request === undefined) continue;
        for (const event of readUnit(seq, body).events) {
          if (event.stream !== request.stream || event.version <= request.after || event.version > request.upTo)
            continue;
          found[place - 1]?.push(event);
        }
      }
      for (const [place, { resolve }] of asked.entries()) resolve(found[place] ?? []);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  async versions(streams: readonly string[]): Promise<readonly number[]> {
    if (streams.length === 0) return [];
    const rows = await this.#read<{ version: number }>(statements.versions, [[...streams]]);
    return rows.map(({ version }) => version);
  }

  async readLog(after: Sequence, limit: number): Promise<readonly RecordedUnit[]> {
    if (this.#isClosed) throw closed();
    return await reading(() => unitsAfter(this.#postgres, after, limit));
  }

  async sequenceAt(instant: Instant): Promise<Sequence> {
    const [row] = await this.#read<{ seq: number }>(statements.sequenceAt, [instant]);
    return row?.seq ?? 0;
  }

  async findClaims(keys: readonly string[]): Promise<readonly (ClaimRecord | undefined)[]> {
    if (keys.length === 0) return [];
    const rows = await this.#read<{ key: string; print: string; seq: number }>(statements.claims, [list(keys)]);
    const found = new Map(rows.map(({ key, print, seq }) => [key.replaceAll("-", ""), { print: printOf(print), seq }]));
    return keys.map((key) => found.get(key));
  }

  async findTagged(tag: string, before: Sequence | undefined, limit: number): Promise<readonly Sequence[]> {
    if (limit <= 0) return [];
    const values = [storedTag(tag), before ?? Number.MAX_SAFE_INTEGER, Math.min(limit, versionMax)];
    const rows = await this.#read<{ seq: number }>(statements.tagged, values);
    return rows.map(({ seq }) => seq);
  }

  /** First makes sure that no attempt of unknown outcome can land after this answer. */
  async findCommands(commands: readonly string[], after: Sequence): Promise<readonly (Sequence | undefined)[]> {
    const unsure = this.#unsure;
    if (unsure > 0) {
      await this.#read(statements.giveUp, [this.#writer, unsure]);
      if (this.#unsure === unsure) this.#unsure = 0;
      // Listeners hear of what did land before anybody is answered.
      await this.catchUp();
    }
    if (commands.length === 0) return [];
    const rows = await this.#read<{ cmd: string; seq: number }>(statements.commands, [[...commands], after]);
    const found = new Map(rows.map(({ cmd, seq }) => [cmd, seq]));
    return commands.map((command) => found.get(command));
  }

  #read<R extends object>(statement: Parameters<Postgres["query"]>[0], values: readonly unknown[]): Promise<R[]> {
    if (this.#isClosed) return Promise.reject(closed());
    return reading(() => this.#postgres.query<R>(statement, values));
  }

  subscribe(listener: Listener): () => void {
    // A wrapper of its own, so that one function subscribed twice is stopped once for each.
    const own: Listener = (units) => listener(units);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  lease(name: string, holder: LeaseHolder): () => Promise<void> {
    return this.#leases.ask(name, holder);
  }

  leaveWord(name: string, token: number, word: string): Promise<boolean> {
    return this.#leases.leaveWord(name, token, word);
  }

  stats(): StorageStats {
    return { engine: "postgres", events: this.#head, logBytes: this.#bytes, derivedBytes: this.#local.store.bytes() };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#watch.close();
    // What waits is written; who holds a turn and appends no more gives it up.
    await this.#writing;
    await this.#turnSession?.close();
    for (const { reject } of this.#turnsAsked.splice(0)) reject(closed());
    await this.#leases.close();
    await this.#postgres.close();
    await this.#local.close();
  }
}

const versionMax = 2 ** 31 - 1;
/** Sequences that the parts of the log are made ahead of its end. */
const partsAhead = 10_000_000;

/** Whether the server has refused a proposal because it came too late for one of its units. */
function isLate({ before = Infinity, deadline = Infinity }: Proposal, { at, now }: Appended): boolean {
  return at >= before || now >= deadline;
}

function closed(): PlatformError {
  return new PlatformError("storage-unavailable", "the store is closed");
}

function otherEpoch(): PlatformError {
  return new PlatformError(
    "storage-unavailable",
    "the log goes on in another epoch, begun while this process was running: restart it",
    // What `/readyz` may tell.
    { cause: new Error("another epoch has begun while this process was running: restart it") },
  );
}

function gap(after: Sequence): PlatformError {
  return new PlatformError("storage-unavailable", `the log has no event ${after + 1}, but later ones`);
}

/** A listener must not throw; when one does, neither the append nor the other listeners suffer for it. */
function tell(listener: Listener, units: readonly RecordedUnit[]): void {
  try {
    listener(units);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
