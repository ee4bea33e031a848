import { type Instant, PlatformError } from "../../../kernel/index.ts";
import type { Postgres, Session } from "../../postgres/index.ts";
import type { Sequence, Turn } from "../port.ts";
import { type Appended, type News, newsAfter, statements } from "./statements.ts";

/** Milliseconds that a turn may be held without a word: a process that is paused meanwhile loses it. */
const silenceMsMax = 1000;

/** The connection on which this process takes turns, one after another; made when it is first needed, and again when it is lost. */
export class TurnSession {
  readonly #postgres: Postgres;
  #session: Session | undefined;

  constructor(postgres: Postgres) {
    this.#postgres = postgres;
  }

  /**
   * Waits until no other process appends, and reads in the same round trip what others have appended after `known`. `ended`
   * is called once, when the turn is over.
   */
  async begin(known: Sequence, ended: () => void): Promise<{ readonly turn: HeldTurn; readonly news: News }> {
    const session = await this.#open();
    try {
      // The second statement sees what was appended while the first waited.
      const [news] = await session.query<News>(`select larder.begin_turn(${silenceMsMax}); ${newsAfter(known)}`);
      if (news === undefined) throw new Error("the log has no head");
      return { turn: new HeldTurn(session, news.now, ended), news };
    } catch (error) {
      await this.close();
      if (error instanceof PlatformError) throw error;
      throw new PlatformError("storage-unavailable", "the connection to PostgreSQL was lost", { cause: error });
    }
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

/** A session that holds the lock of the log. */
export class HeldTurn implements Turn {
  readonly at: Instant;
  readonly #session: Session;
  readonly #ended: () => void;
  /** The session outlasts the turn. */
  readonly #unhear: () => void;
  #state: "held" | "lost" | "over" = "held";

  constructor(session: Session, at: Instant, ended: () => void) {
    this.#session = session;
    this.at = at;
    this.#ended = ended;
    this.#unhear = session.onEnd(() => {
      if (this.#state === "held") this.#state = "lost";
    });
  }

  get isHeld(): boolean {
    return this.#state === "held";
  }

  /** Appends in this turn, which ends with it. */
  async append(values: readonly unknown[]): Promise<Appended[]> {
    try {
      return await this.#session.query<Appended>(statements.append, values);
    } catch (error) {
      // Whether the server has ended the turn depends on where it stopped.
      await this.#session.close();
      throw error;
    } finally {
      this.#over();
    }
  }

  async end(): Promise<void> {
    if (this.#state === "held") await this.#session.query(statements.endTurn).catch(() => this.#session.close());
    this.#over();
  }

  #over(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#unhear();
    this.#ended();
  }
}
