import type { Postgres, Session } from "../../postgres/index.ts";
import { pause, systemTimers } from "../../timers/index.ts";
import type { LeaseHolder } from "../port.ts";

/** Milliseconds between two signs of life, which are also the times at which leases are asked for. */
const beatEveryMs = 500;
/** Milliseconds without a sign of life after which the server ends the session, and with it all of its leases. */
const silenceMsMax = 5000;
/**
 * Milliseconds after which this process takes its leases to be lost: less, so that it stops before another begins. They
 * count from when the last sign of life that was answered was sent; the server counts from when it came, which is later.
 */
const doubtMsMax = 4000;

interface Asked {
  readonly name: string;
  readonly holder: LeaseHolder;
  /** 0 while it is not held. */
  token: number;
}

/**
 * The leases of a process: advisory locks of one session, so that the server lets go of them when the process ends, and,
 * by the limit on its silence, when it is paused or cut off. A counter in `larder.leases` fences those who do not know
 * yet that they have lost one.
 */
export class Leases {
  readonly #postgres: Postgres;
  readonly #asked = new Set<Asked>();
  readonly #stopping = new AbortController();
  #session: Session | undefined;
  #callOffDoubt: () => void = () => undefined;
  #loop: Promise<void> | undefined;
  #step: Promise<unknown> = Promise.resolve();

  constructor(postgres: Postgres) {
    this.#postgres = postgres;
  }

  ask(name: string, holder: LeaseHolder): () => Promise<void> {
    const asked: Asked = { name, holder, token: 0 };
    this.#asked.add(asked);
    this.#loop ??= this.#run();
    return () => this.#inTurn(() => this.#giveUp(asked));
  }

  async leaveWord(name: string, token: number, word: string): Promise<boolean> {
    const statement = {
      name: "leave-word",
      text: "update larder.leases set word = $3 where name = $1 and token = $2 returning name",
    };
    return (await this.#postgres.query(statement, [name, token, word])).length > 0;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    // Before another can have them.
    this.#loseAll();
    this.#callOffDoubt();
    await this.#session?.close();
    this.#asked.clear();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#inTurn(() => this.#beat()).catch(() => this.#lose());
      await pause(beatEveryMs, signal, systemTimers);
    }
  }

  /** One statement after another, so that a lease is not given up while it is being acquired. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#step.then(work);
    this.#step = done.catch(() => undefined);
    return done;
  }

  async #beat(): Promise<void> {
    const session = await this.#open();
    const sentAt = systemTimers.elapsedMs();
    await session.query("select 1");
    if (this.#session !== session) return;
    this.#trustFrom(sentAt);
    for (const asked of this.#asked) if (asked.token === 0) await this.#tryAcquire(session, asked);
  }

  async #tryAcquire(session: Session, asked: Asked): Promise<void> {
    const [row] = await session.query<{ got: boolean }>(
      "select pg_try_advisory_lock(1818325093, hashtext($1)) as got",
      [asked.name],
    );
    if (row?.got !== true) return;
    const [counted] = await session.query<{ token: number; word: string | null }>(
      `insert into larder.leases as l (name, token) values ($1, 1)
       on conflict (name) do update set token = l.token + 1 returning token, word`,
      [asked.name],
    );
    if (this.#session !== session || counted === undefined) return;
    asked.token = counted.token;
    asked.holder.acquired(counted.token, counted.word ?? undefined);
  }

  async #giveUp(asked: Asked): Promise<void> {
    if (!this.#asked.delete(asked) || asked.token === 0) return;
    asked.token = 0;
    asked.holder.lost();
    await this.#session
      ?.query("select pg_advisory_unlock(1818325093, hashtext($1))", [asked.name])
      .catch(() => this.#lose());
  }

  async #open(): Promise<Session> {
    if (this.#session !== undefined) return this.#session;
    const session = await this.#postgres.session();
    this.#session = session;
    this.#trustFrom(systemTimers.elapsedMs());
    session.onEnd(() => {
      if (this.#session === session) this.#lose();
    });
    await session.query(`set idle_session_timeout = ${silenceMsMax}`);
    return session;
  }

  /** A beat that hangs is as good as none; what it may still do on the server ends with the session. */
  #trustFrom(instant: number): void {
    this.#callOffDoubt();
    const leftMs = Math.max(0, instant + doubtMsMax - systemTimers.elapsedMs());
    this.#callOffDoubt = systemTimers.after(leftMs, () => this.#lose());
  }

  /** All are lost: with the session, or because nobody knows whether it still stands. */
  #lose(): void {
    this.#callOffDoubt();
    const session = this.#session;
    this.#session = undefined;
    void session?.close();
    this.#loseAll();
  }

  #loseAll(): void {
    for (const asked of this.#asked) {
      if (asked.token === 0) continue;
      asked.token = 0;
      asked.holder.lost();
    }
  }
}
