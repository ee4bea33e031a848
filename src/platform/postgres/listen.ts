import { pause, systemTimers, type Timers } from "../timers/index.ts";
import type { Postgres, Session } from "./postgres.ts";

export interface ListenOptions {
  readonly channel: string;
  readonly heard: (payload: string) => void;
  /** The connection stands, for the first time or again: something may have been missed before. */
  readonly connected: () => void;
  /** The system's unless given. */
  readonly timers?: Timers;
}

/** Milliseconds before a connection that was lost, or could not be had, is tried again. */
const againMs = 500;

/**
 * Hears what is notified to a channel, on a connection of its own that is made again when it is lost. What is notified
 * meanwhile is missed, so whoever listens looks by itself too, now and then.
 */
export class Listener {
  readonly #postgres: Postgres;
  readonly #options: ListenOptions;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #session: Session | undefined;

  constructor(postgres: Postgres, options: ListenOptions) {
    this.#postgres = postgres;
    this.#options = options;
    this.#loop = this.#run();
  }

  /** Whether it hears now. */
  get isConnected(): boolean {
    return this.#session !== undefined;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#session?.close();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#listen();
      } catch {
        // Whoever needs the server for more than this learns of it by itself.
      }
      this.#session = undefined;
      await pause(againMs, signal, this.#options.timers ?? systemTimers);
    }
  }

  /** Resolves when the connection has ended. */
  async #listen(): Promise<void> {
    const { channel, heard, connected } = this.#options;
    const session = await this.#postgres.session();
    const ended = new Promise<void>((resolve) => session.onEnd(resolve));
    try {
      session.onNotification((from, payload) => {
        if (from === channel) heard(payload);
      });
      await session.query(`listen ${channel}`);
      if (this.#stopping.signal.aborted) return;
      this.#session = session;
      connected();
      await ended;
    } finally {
      await session.close();
    }
  }
}
