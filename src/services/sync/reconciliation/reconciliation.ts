import {
  accept,
  codeOf,
  hasCode,
  type Instant,
  identifierProblem,
  invariant,
  limits,
  normalise,
  type Outcome,
  PlatformError,
  reject,
  unreadableCursor,
} from "../../../kernel/index.ts";
import { ConsumerHost } from "../../../platform/consumer/index.ts";
import { appendTo, type Storage } from "../../../platform/storage/index.ts";
import { systemTimers, type Timers } from "../../../platform/timers/index.ts";
import { type Caller, isVisible } from "../../inventory/index.ts";
import type { LocationResult, Mode, Run, RunEvent } from "../domain/reconciliation/index.ts";
import { ReconciliationHistory, runOf, runStream } from "./history.ts";
import { type LocationOptions, reconcileLocation, reconciler } from "./location.ts";
import { accuracyView, runSummary, runView } from "./views.ts";
import type { LocationAccuracy, Reconciliation, ReconciliationRequest, ReconciliationSummary } from "./wire.ts";

/** What the gateway may ask of reconciliation. Every method may throw `PlatformError`. */
export interface Reconciliations {
  /** Has both sides compared, when its turn comes; answers at once. */
  request(request: ReconciliationRequest, caller: Caller): Promise<Outcome<Reconciliation>>;
  reconciliation(id: string, caller: Caller): Promise<Outcome<Reconciliation>>;
  /** The newest, newest first. */
  reconciliations(
    query: { readonly location?: string; readonly cursor?: string; readonly limit: number },
    caller: Caller,
  ): Promise<Outcome<{ readonly items: readonly ReconciliationSummary[]; readonly next?: string }>>;
  /** How well each location agreed over time, by its id. */
  accuracy(
    query: { readonly location?: string; readonly cursor?: string; readonly limit: number },
    caller: Caller,
  ): Promise<Outcome<{ readonly items: readonly LocationAccuracy[]; readonly next?: string }>>;
}

export interface RunningReconciliations extends Reconciliations {
  /** The consumers that have failed, by name. */
  failures(): readonly string[];
  /** The newest accuracy of each location. */
  newest(): readonly { readonly location: string; readonly compared: number; readonly found: number }[];
  /** Breaks off; what was under way is begun again at the next start. */
  stop(): Promise<void>;
}

/** What reconciliation tells whoever keeps its metrics and its log. */
export interface ReconciliationObserver {
  compared(result: LocationResult): void;
  failed(what: string, error: unknown): void;
}

export interface ReconciliationOptions extends Omit<LocationOptions, "signal" | "settleMs" | "timers"> {
  readonly storage: Storage;
  readonly observer: ReconciliationObserver;
  /** Milliseconds between two that nobody asked for, and what they do; undefined for none. */
  readonly schedule?: { readonly everyMs: number; readonly mode: Mode };
  /** Whatever waits or runs later does it by these; the system's unless given. */
  readonly timers?: Timers;
  readonly settleMs?: number;
}

/** Starts comparing with the locations that get changes pushed: when asked, and by itself. */
export async function startReconciliation(options: ReconciliationOptions): Promise<RunningReconciliations> {
  const reconciliations = new LocalReconciliations(options);
  await reconciliations.start();
  return reconciliations;
}

class LocalReconciliations implements RunningReconciliations {
  readonly #options: ReconciliationOptions;
  readonly #timers: Timers;
  readonly #history = new ReconciliationHistory();
  readonly #host: ConsumerHost;
  readonly #stopping = new AbortController();
  #startedAt: Instant = 0;
  #stopTimer: () => void = () => undefined;
  #work: Promise<void> | undefined;
  /** Requests that are being recorded. */
  readonly #beginning = new Set<Promise<Run>>();

  constructor(options: ReconciliationOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    const { storage, observer } = options;
    this.#host = new ConsumerHost(storage, {
      timers: this.#timers,
      onFailure: (consumer, error) => observer.failed(consumer, error),
      onCommitFailure: (error) => observer.failed("what is derived", error),
    });
  }

  async start(): Promise<void> {
    await this.#host.start([this.#history]);
    this.#startedAt = this.#options.clock();
    this.#stopTimer = this.#timers.every(limits.reconciliationLookMs, () => void this.#look());
    this.#goOn();
  }

  async stop(): Promise<void> {
    this.#stopTimer();
    this.#stopping.abort();
    await this.#work;
    // Who asked is answered by what the read model then has.
    await Promise.allSettled(this.#beginning);
    this.#host.stop();
  }

  failures(): readonly string[] {
    return this.#host.failures();
  }

  newest() {
    return this.#history.locations().flatMap((location) => {
      const point = this.#history.pointsOf(location).at(-1);
      return point === undefined ? [] : [{ location, ...point }];
    });
  }

  async request({ locations: asked, mode }: ReconciliationRequest, caller: Caller): Promise<Outcome<Reconciliation>> {
    const known = this.#receivers().filter((location) => isVisible(location, caller));
    const locations = asked === undefined ? known : [...new Set(asked.map(normalise))];
    const unknown = locations.find((location) => !known.includes(location));
    if (unknown !== undefined)
      return reject({ code: "not-found", detail: `No changes are pushed to a location ${JSON.stringify(unknown)}.` });
    if (locations.length === 0)
      return reject({
        code: "not-found",
        detail: "No changes are pushed to any location: there is nothing to compare.",
      });
    if (this.#history.unfinished().length >= limits.reconciliationsWaitingMax)
      return reject({ code: "too-many-requests", detail: "Too many reconciliations wait already." });
    return accept(runView(await this.#begin({ mode, locations, scheduled: false }, caller), caller));
  }

  async reconciliation(id: string, caller: Caller): Promise<Outcome<Reconciliation>> {
    const isName = identifierProblem(id) === undefined;
    const run = isName ? runOf(id, await this.#options.storage.readStream(runStream(id))) : undefined;
    return run === undefined || !isRunVisible(run, caller)
      ? reject({ code: "not-found", detail: "There is no such reconciliation." })
      : accept(runView(run, caller));
  }

  reconciliations: Reconciliations["reconciliations"] = async ({ location, cursor, limit }, caller) => {
    const name = location === undefined ? undefined : normalise(location);
    const runs = this.#history
      .runs()
      .filter((run) => isRunVisible(run, caller) && (name === undefined || run.locations.includes(name)));
    return paged(
      runs,
      ({ id }) => id,
      (run) => runSummary(run, caller),
      cursor,
      limit,
    );
  };

  accuracy: Reconciliations["accuracy"] = async ({ location, cursor, limit }, caller) => {
    const name = location === undefined ? undefined : normalise(location);
    const locations = this.#history
      .locations()
      .filter((one) => isVisible(one, caller) && (name === undefined || one === name));
    return paged(
      locations,
      (one) => one,
      (one) => accuracyView(one, this.#history.pointsOf(one)),
      cursor,
      limit,
    );
  };

  #receivers(): readonly string[] {
    return [...this.#options.pushes.receivers()].map(({ location }) => location);
  }

  async #begin(requested: RunRequest, by: Caller): Promise<Run> {
    if (this.#stopping.signal.aborted) throw new PlatformError("shutting-down", "Reconciliation is being stopped.");
    const beginning = this.#record(requested, by);
    this.#beginning.add(beginning);
    try {
      return await beginning;
    } finally {
      this.#beginning.delete(beginning);
    }
  }

  async #record(requested: RunRequest, by: Caller): Promise<Run> {
    const id = this.#options.randomId();
    await this.#append(id, 0, { type: "ReconciliationRequested", data: requested }, by);
    const run = this.#history.get(id);
    invariant(run !== undefined, "the consumer is fed before an append is answered");
    this.#goOn();
    return run;
  }

  /** Begins one whose time has come, and goes on with what broke off. */
  async #look(): Promise<void> {
    const { schedule, storage, clock, observer, pushes } = this.#options;
    this.#goOn();
    if (schedule === undefined || !pushes.isOurs() || storage.outgoingPaused || this.#history.unfinished().length > 0)
      return;
    const last = this.#history.lastScheduledAt() ?? this.#startedAt;
    // One that is still to come was begun while a clock was wrong.
    const passed = clock() - last;
    if (passed >= 0 && passed < schedule.everyMs) return;
    const locations = this.#receivers();
    if (locations.length === 0) return;
    try {
      await this.#begin({ mode: schedule.mode, locations, scheduled: true }, reconciler);
    } catch (error) {
      if (codeOf(error) === undefined) observer.failed("the schedule", error);
    }
  }

  /** Works through what waits, one after the other, unless that is being done. After a restore nothing goes out, so all wait. */
  #goOn(): void {
    const { storage, pushes } = this.#options;
    // Of several processes the one that pushes: what others are asked for it finds in the log.
    if (!pushes.isOurs()) return;
    if (this.#work !== undefined || this.#stopping.signal.aborted || storage.outgoingPaused) return;
    this.#work = this.#workThrough()
      .catch((error: unknown) => {
        // Broken off at a stop; or looked at again soon, also when an append that was taken for lost has gone on with it.
        if (!this.#stopping.signal.aborted && !isConflict(error))
          this.#options.observer.failed("a reconciliation", error);
      })
      .finally(() => {
        this.#work = undefined;
      });
  }

  async #workThrough(): Promise<void> {
    for (let run = this.#history.unfinished()[0]; run !== undefined; run = this.#history.unfinished()[0]) {
      await this.#carryOut(run);
    }
  }

  /** Compares with the locations that are not done yet, some at once, and records each result as it comes. */
  async #carryOut({ id, mode, locations, results, version: begunAt }: Run): Promise<void> {
    const done = new Set(results.map(({ location }) => location));
    const left = locations.filter((location) => !done.has(location));
    let version = begunAt;
    let recorded = Promise.resolve();
    const record = (event: RunEvent) => {
      recorded = recorded.then(async () => {
        await this.#append(id, version, event, reconciler);
        version += 1;
      });
      return recorded;
    };
    const work = async () => {
      for (let location = left.shift(); location !== undefined; location = left.shift()) {
        const result = await this.#untilStopped(this.#resultOf(location, mode, id));
        await record({ type: "LocationReconciled", data: result });
        this.#options.observer.compared(result);
      }
    };
    const workers = Array.from({ length: limits.reconciliationLocationsAtOnce }, () =>
      work().catch((error: unknown) => {
        // The others finish what they are at: a run is never worked at twice at once.
        left.length = 0;
        return { error };
      }),
    );
    for (const broken of await Promise.all(workers)) if (broken !== undefined) throw broken.error;
    await record({ type: "ReconciliationEnded", data: {} });
  }

  async #resultOf(location: string, mode: Mode, run: string): Promise<LocationResult> {
    const { pushes, clock, settleMs = limits.reconciliationSettleMs } = this.#options;
    if (!pushes.isOurs()) throw new Error("another process pushes changes now, and goes on with it");
    const receiver = [...pushes.receivers()].find((one) => one.location === location);
    if (receiver === undefined) return goneResult(location, clock());
    const { signal } = this.#stopping;
    return await reconcileLocation(receiver, mode, run, { ...this.#options, timers: this.#timers, settleMs, signal });
  }

  /** A stop does not wait for what takes its time; what it leaves behind comes to nothing. */
  async #untilStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stopping;
    return await new Promise<T>((resolve, fail) => {
      const stop = () => fail(new Error("the server stops"));
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop);
      work.then(resolve, fail).finally(() => signal.removeEventListener("abort", stop));
    });
  }

  async #append(id: string, version: number, event: RunEvent, by: Caller): Promise<void> {
    const { storage, clock, randomId } = this.#options;
    const isAppended = await appendTo(storage, {
      stream: runStream(id),
      version,
      events: [event],
      command: `reconciliation-${randomId()}`,
      actor: by.id,
      now: clock(),
    });
    if (!isAppended) throw new PlatformError("version-conflict", "others have gone on with this reconciliation");
  }
}

type RunRequest = { readonly mode: Mode; readonly locations: readonly string[]; readonly scheduled: boolean };

function isConflict(error: unknown): boolean {
  return hasCode(error, "version-conflict");
}

function goneResult(location: string, startedAt: Instant): LocationResult {
  const cause = "changes are pushed to it no more";
  return { location, startedAt, cause, compared: 0, inFlight: 0, found: 0, kinds: {}, actions: {}, findings: [] };
}

/** Whoever is limited to locations sees the runs that compare with one of them. */
function isRunVisible(run: Run, caller: Caller): boolean {
  return run.locations.some((location) => isVisible(location, caller));
}

/** The items behind the one that the cursor names. */
function paged<T, V>(
  items: readonly T[],
  idOf: (item: T) => string,
  view: (item: T) => V,
  cursor: string | undefined,
  limit: number,
): Outcome<{ readonly items: readonly V[]; readonly next?: string }> {
  const after = cursor === undefined ? undefined : Buffer.from(cursor, "base64url").toString();
  const place = after === undefined ? -1 : items.findIndex((item) => idOf(item) === after);
  if (after !== undefined && place < 0) return unreadableCursor();
  const page = items.slice(place + 1, place + 1 + limit);
  const last = page.at(-1);
  const hasMore = place + 1 + page.length < items.length && last !== undefined;
  return accept({ items: page.map(view), ...(hasMore && { next: Buffer.from(idOf(last)).toString("base64url") }) });
}
