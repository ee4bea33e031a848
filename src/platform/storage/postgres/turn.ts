import { PlatformError } from "../../../kernel/index.ts";
import type { Postgres, Session } from "../../postgres/index.ts";
import type { Turn } from "../port.ts";
import { type Appended, statements } from "./statements.ts";

/** Milliseconds that a turn may be held between two statements: a process that is paused meanwhile loses it. */
const turnMsMax = 1000;

/** The connection on which this process takes turns, one after another; made when it is first needed, and again when it is lost. */
export class TurnSession {
  readonly #postgres: Postgres;
  #session: Session | undefined;

  constructor(postgres: Postgres) {
    this.#postgres = postgres;
  }

  /** Waits until no other process appends. `ended` is called once, when the turn is over. */
  async begin(ended: () => void): Promise<HeldTurn> {
    const session = await this.#open();
    try {
      await session.query(`begin; set local idle_in_transaction_session_timeout = ${turnMsMax}; select larder.lock()`);
    } catch (error) {
      await this.close();
      if (error instanceof PlatformError) throw error;
      throw new PlatformError("storage-unavailable", "the connection to PostgreSQL was lost", { cause: error });
    }
    return new HeldTurn(session, ended);
  }

  async close(): Promise<void> {
    await this.#session?.close();
    this.#session = undefined;
  }

  async #open(): Promise<Session> {
    if (this.#session !== undefined) return this.#session;
    const session = await this.#postgres.session();
    this.#session = session;
    session.onEnd(() => {
      if (this.#session === session) this.#session = undefined;
    });
    return session;
  }
}

/** A transaction that holds the lock of the log. */
export class HeldTurn implements Turn {
  readonly #session: Session;
  readonly #ended: () => void;
  #state: "open" | "lost" | "over" = "open";

  constructor(session: Session, ended: () => void) {
    this.#session = session;
    this.#ended = ended;
    session.onEnd(() => {
      if (this.#state === "open") this.#state = "lost";
    });
  }

  /**
   * Appends in this turn and ends it, if there is nothing against it. Undefined when the turn was lost: then nothing was
   * appended by this.
   */
  async append(values: readonly unknown[]): Promise<Appended | undefined> {
    if (this.#state !== "open") return undefined;
    let answer: Appended | undefined;
    try {
      [answer] = await this.#session.query<Appended>(statements.append, values);
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      // Without a commit the server undoes it.
      this.#state = "lost";
      return undefined;
    }
    if (answer?.appended) {
      await this.#session.query("commit");
      this.#over();
    }
    return answer;
  }

  async end(): Promise<void> {
    if (this.#state === "over") return;
    if (this.#state === "open") await this.#session.query("rollback").catch(() => this.#session.close());
    this.#over();
  }

  #over(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#ended();
  }
}
