import {
  type DerivedChanges,
  type DerivedDocument,
  familyTag,
  type RecordedUnit,
  type Sequence,
  type Storage,
} from "../storage/index.ts";
import { systemTimers, type Timers } from "../timers/index.ts";

/**
 * Something that follows the log from its own checkpoint and keeps what it derives: a read model, an index, snapshots.
 *
 * Units come in the log's order, each once as far as `load` and the checkpoint tell: what was applied after the last
 * commit comes again after a crash, on top of the documents of that commit. `apply` must not throw for any recorded
 * unit, ignores what it does not know, and does no I/O.
 */
export interface Consumer {
  readonly name: string;
  /**
   * The family of streams that is all it looks at, if there is one. Where the store finds units by their family, what was
   * missed is found without the rest of the log, and the consumer is not shown that.
   */
  readonly family?: string;
  /** Called before the first unit, with the documents of the last commit. */
  load(documents: Iterable<DerivedDocument>): void;
  apply(unit: RecordedUnit): void;
  /** What changed since the last call; committed together with the checkpoint. */
  changes(): { readonly put: readonly DerivedDocument[]; readonly remove: readonly string[] };
  /** Whether there is something to keep although no unit has come: of a consumer that also hears from elsewhere. */
  hasChanges?(): boolean;
}

export interface FollowerOptions {
  /** Milliseconds between commits of what was derived; more while there is little to commit, less while there is much. */
  readonly commitEveryMs?: number;
  /** Called when a consumer fails; it is stopped, the others go on. */
  readonly onFailure?: (consumer: string, error: unknown) => void;
  /** Called when the store does not take what was derived. It is kept in memory and tried again. */
  readonly onCommitFailure?: (error: unknown) => void;
  /** The system's unless given. */
  readonly timers?: Timers;
}

interface Follower {
  readonly consumer: Consumer;
  applied: Sequence;
  failed: boolean;
}

/** Milliseconds between attempts to commit while the store takes nothing. */
const commitAgainMs = 1000;
/**
 * Milliseconds that a commit may take, for it holds up everything else: usually, and where it would take more than a tenth of the
 * time otherwise, for many changes of few documents are one commit's work if it waits.
 */
const commitMsGoal = 5;
const commitMsMax = 50;
const catchUpEvents = 2000;
const placesAtOnce = 1000;
const scanDocuments = 5000;

/**
 * Feeds consumers from the log: first what they have missed, then each append from the flush itself, before its callers
 * are answered, so that a read that follows a write sees it.
 */
export class ConsumerHost {
  readonly #storage: Storage;
  readonly #followers: Follower[] = [];
  readonly #options: FollowerOptions;
  readonly #timers: Timers;
  readonly #waiting: { readonly seq: Sequence; readonly resolve: () => void }[] = [];
  #committed = new Map<string, Sequence>();
  /** What was taken from the consumers and not committed yet. */
  #taken: readonly DerivedChanges[] = [];
  #commitFault: unknown;
  #stopCommits: () => void = () => undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(storage: Storage, options: FollowerOptions = {}) {
    this.#storage = storage;
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
  }

  /** Loads the consumers' documents, catches up with the log, and follows it from then on. */
  async start(consumers: readonly Consumer[]): Promise<void> {
    for (const consumer of consumers) {
      const applied = this.#storage.derived.checkpoint(consumer.name);
      consumer.load(this.#documents(consumer.name));
      this.#followers.push({ consumer, applied, failed: false });
      this.#committed.set(consumer.name, applied);
    }
    this.#unsubscribe = this.#storage.subscribe((units) => this.#receive(units));
    for (const follower of this.#followers) await this.#findMissed(follower);
    while (this.position() < this.#storage.head()) {
      const units = await this.#storage.readLog(this.position(), catchUpEvents);
      if (units.length === 0) break;
      this.#receive(units);
      if (this.#lag() > 50_000) this.#tryCommit();
    }
    this.#tryCommit();
    this.#commitLater(this.#options.commitEveryMs ?? 100);
  }

  /** Brings a consumer of one family of streams up to the present by what the store finds of it, if it can. */
  async #findMissed(follower: Follower): Promise<void> {
    const { family = "" } = follower.consumer;
    if (this.#storage.tagging.families?.has(family) !== true) return;
    const head = this.#storage.head();
    const missed: Sequence[] = [];
    for (let before = head + 1; before > follower.applied + 1; ) {
      const places = await this.#storage.findTagged(familyTag(family), before, placesAtOnce);
      for (const place of places) if (place > follower.applied) missed.push(place);
      before = places.length < placesAtOnce ? 0 : (places.at(-1) ?? 0);
    }
    for (const place of missed.reverse()) {
      const units = await this.#storage.readLog(place - 1, 1);
      follower.applied = place - 1;
      this.#feed(follower, units);
      if (follower.failed) return;
    }
    // What is appended meanwhile comes after a gap, and is left for the catching up that follows.
    follower.applied = Math.max(follower.applied, head);
  }

  /** How far every consumer has come. */
  position(): Sequence {
    let least = Number.POSITIVE_INFINITY;
    for (const follower of this.#followers) if (!follower.failed && follower.applied < least) least = follower.applied;
    return least === Number.POSITIVE_INFINITY ? this.#storage.head() : least;
  }

  /** Resolves true once every consumer has applied `seq`, false after `timeoutMs`. */
  async reached(seq: Sequence, timeoutMs: number): Promise<boolean> {
    if (this.position() >= seq) return true;
    return await new Promise<boolean>((resolve) => {
      const waiter = { seq, resolve: () => settle(true) };
      const callOff = this.#timers.after(timeoutMs, () => settle(false));
      const settle = (reached: boolean) => {
        callOff();
        const index = this.#waiting.indexOf(waiter);
        if (index >= 0) this.#waiting.splice(index, 1);
        resolve(reached);
      };
      this.#waiting.push(waiter);
    });
  }

  /** The consumers that have failed, by name. */
  failures(): readonly string[] {
    return this.#followers.filter((follower) => follower.failed).map((follower) => follower.consumer.name);
  }

  /** Why the store does not take what was derived; undefined while it does. */
  commitFault(): unknown {
    return this.#commitFault;
  }

  /** Keeps what was derived since the last commit. Throws when the store does not take it; the next call tries again. */
  commit(): void {
    // First what a commit before this one had taken and could not keep: a checkpoint never goes past it.
    if (this.#taken.length === 0) this.#taken = this.#take();
    if (this.#taken.length === 0) return;
    this.#storage.derived.commit(this.#taken);
    this.#taken = [];
  }

  #take(): readonly DerivedChanges[] {
    const changes: DerivedChanges[] = [];
    for (const follower of this.#followers) {
      const { consumer, applied, failed } = follower;
      const isSame = applied === this.#committed.get(consumer.name) && consumer.hasChanges?.() !== true;
      if (failed || isSame) continue;
      try {
        changes.push({ consumer: consumer.name, checkpoint: applied, ...consumer.changes() });
        this.#committed.set(consumer.name, applied);
      } catch (error) {
        // What the others have handed over is kept; this one is derived again from where it was kept last.
        follower.failed = true;
        this.#options.onFailure?.(consumer.name, error);
      }
    }
    return changes;
  }

  /** Returns whether the store took it: what is derived can be derived again, so nothing else stops for it. */
  #tryCommit(): boolean {
    try {
      this.commit();
      this.#commitFault = undefined;
      return true;
    } catch (error) {
      this.#commitFault = error;
      this.#options.onCommitFailure?.(error);
      return false;
    }
  }

  stop(): void {
    this.#stopCommits();
    this.#unsubscribe?.();
    // Twice, where the first had something left over from before.
    if (this.#tryCommit()) this.#tryCommit();
  }

  /**
   * Commits now and then: seldom enough that it takes a fiftieth of the time, while that keeps each commit short. What it takes
   * grows with the wait before it, so under load it comes more often, and never ends in one that stands still for seconds.
   */
  #commitLater(waitMs: number): void {
    this.#stopCommits = this.#timers.after(waitMs, () => {
      const started = this.#timers.elapsedMs();
      const isKept = this.#tryCommit();
      const tookMs = this.#timers.elapsedMs() - started;
      this.#commitLater(isKept ? this.#nextWaitMs(waitMs, tookMs) : commitAgainMs);
    });
  }

  #nextWaitMs(waitedMs: number, tookMs: number): number {
    const usualMs = this.#options.commitEveryMs ?? 100;
    if (tookMs <= commitMsGoal) return Math.max(usualMs, 50 * tookMs);
    // As it would be after another wait, if it grows with that.
    const waitFor = (ms: number) => (waitedMs * ms) / tookMs;
    return Math.max(usualMs / 5, waitFor(commitMsGoal), Math.min(10 * tookMs, waitFor(commitMsMax)));
  }

  #lag(): number {
    return Math.max(
      ...this.#followers.map(({ consumer, applied }) => applied - (this.#committed.get(consumer.name) ?? 0)),
    );
  }

  #receive(units: readonly RecordedUnit[]): void {
    for (const follower of this.#followers) if (!follower.failed) this.#feed(follower, units);
    const position = this.position();
    for (const waiter of [...this.#waiting]) if (waiter.seq <= position) waiter.resolve();
  }

  /** Applies the units that come next for this consumer; a gap is left for the catch-up loop to fill. */
  #feed(follower: Follower, units: readonly RecordedUnit[]): void {
    const { consumer } = follower;
    try {
      for (const unit of units) {
        const { events } = unit;
        const next = (events[0]?.seq ?? 0) - follower.applied;
        if (next > 1) return;
        if (next < 1) continue;
        consumer.apply(unit);
        follower.applied += events.length;
      }
    } catch (error) {
      follower.failed = true;
      this.#options.onFailure?.(follower.consumer.name, error);
    }
  }

  *#documents(name: string): Iterable<DerivedDocument> {
    let after = "";
    for (;;) {
      const documents = this.#storage.derived.scan(name, after, scanDocuments);
      yield* documents;
      const last = documents[documents.length - 1];
      if (last === undefined || documents.length < scanDocuments) return;
      after = last.id;
    }
  }
}
