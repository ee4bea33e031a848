import { systemTimers, type Timers } from "../timers/index.ts";
import type { Storage } from "./port.ts";

/** What a duty consists of. Neither is called before the other one has ended. */
export interface DutyWork {
  /**
   * Begins the work. `word` is what whoever had the duty last has left; undefined when nothing was, and in a process that
   * never had to ask for it.
   */
  begin(word: string | undefined): Promise<void>;
  /** Ends it, and waits for what is under way. It may be begun again later. */
  end(): Promise<void>;
}

export interface DutyOptions extends DutyWork {
  readonly onFailure: (error: unknown) => void;
  /** The system's unless given. */
  readonly timers?: Timers;
}

/** Milliseconds between attempts to begin work that failed to. */
const againMs = 1000;

/**
 * Work that one process does where several share a log, by a lease: begun when this process gets it, and ended when it
 * loses it. Where nobody else uses the log it is begun at once.
 *
 * Two processes may be at it for a moment, when one does not know yet that it has lost the lease: the work has to bear that.
 */
export class Duty {
  readonly #name: string;
  readonly #shared: Storage["shared"];
  readonly #work: DutyWork;
  readonly #onFailure: (error: unknown) => void;
  readonly #timers: Timers;
  #giveUp: () => Promise<void> = async () => undefined;
  #token: number | undefined;
  #isMine = false;
  #isBegun = false;
  #turn: Promise<void> = Promise.resolve();
  #callOff: () => void = () => undefined;

  /** `name` is that of the lease: the same in all processes. */
  constructor(storage: Pick<Storage, "shared">, name: string, options: DutyOptions) {
    this.#shared = storage.shared;
    this.#name = name;
    this.#work = options;
    this.#onFailure = options.onFailure;
    this.#timers = options.timers ?? systemTimers;
  }

  /** Whether the work is this process's. */
  get isMine(): boolean {
    return this.#isMine;
  }

  /** Asks for the duty. Where nobody else can have it, it has begun when this resolves, and what it throws is thrown here. */
  async start(): Promise<void> {
    if (this.#shared === undefined) {
      this.#isMine = true;
      this.#isBegun = true;
      await this.#work.begin(undefined);
      return;
    }
    this.#giveUp = this.#shared.lease(this.#name, {
      acquired: (token, word) => {
        this.#isMine = true;
        this.#token = token;
        this.#inTurn(() => this.#begin(token, word));
      },
      lost: () => {
        this.#isMine = false;
        this.#callOff();
        this.#inTurn(() => this.#end());
      },
    });
  }

  /**
   * Leaves word for whoever has the duty next. Does nothing where nobody else can have it, or once it is somebody else's;
   * fails without a word, for the work goes on from the one before.
   */
  async leaveWord(word: string): Promise<void> {
    if (this.#shared === undefined || this.#token === undefined || !this.#isMine) return;
    await this.#shared.leaveWord(this.#name, this.#token, word).catch(this.#onFailure);
  }

  /** Ends the work, waits for what is under way, and lets others have it. */
  async stop(): Promise<void> {
    this.#isMine = false;
    this.#callOff();
    this.#inTurn(() => this.#end());
    await this.#turn;
    await this.#giveUp();
    await this.#turn;
  }

  async #begin(token: number, word: string | undefined): Promise<void> {
    if (!this.#isMine || token !== this.#token) return;
    try {
      this.#isBegun = true;
      await this.#work.begin(word);
    } catch (error) {
      this.#onFailure(error);
      await this.#end();
      this.#callOff = this.#timers.after(againMs, () => this.#inTurn(() => this.#begin(token, word)));
    }
  }

  async #end(): Promise<void> {
    if (!this.#isBegun) return;
    this.#isBegun = false;
    await this.#work.end();
  }

  #inTurn(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch(this.#onFailure);
  }
}
