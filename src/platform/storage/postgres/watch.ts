import { Listener, type Postgres } from "../../postgres/index.ts";
import { pause, systemTimers } from "../../timers/index.ts";
import { statements } from "./statements.ts";

/** Milliseconds between looks for what others have appended, whether it was notified or not. */
const lookEveryMs = 200;
/** Milliseconds between two looks that notices ask for: a busy writer notifies hundreds of times a second. */
const noticeEveryMs = 10;
/** Looks between two measurements of the tables. */
const looksPerMeasure = 150;

/** Follows what other processes append while this one does not: by `NOTIFY`, and by looking now and then. */
export class Watch {
  readonly #postgres: Postgres;
  readonly #hooks: { readonly look: () => Promise<void>; readonly measure: (bytes: number) => void };
  readonly #listener: Listener;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #wake: () => void = () => undefined;
  #isNoticed = false;

  constructor(
    postgres: Postgres,
    writer: string,
    hooks: { readonly look: () => Promise<void>; readonly measure: (bytes: number) => void },
  ) {
    this.#postgres = postgres;
    this.#hooks = hooks;
    const notice = () => {
      this.#isNoticed = true;
      this.#wake();
    };
    const heard = (from: string) => (from === writer ? undefined : notice());
    this.#listener = new Listener(postgres, { channel: "larder_log", heard, connected: notice });
    this.#loop = this.#run();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#listener.close();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let looks = 0; !signal.aborted; looks += 1) {
      // Whoever needs the server for more than this learns of its faults by itself.
      if (looks % looksPerMeasure === 0) await this.#measure().catch(() => undefined);
      await this.#hooks.look().catch(() => undefined);
      await pause(noticeEveryMs, signal, systemTimers);
      await this.#untilNoticed(signal);
    }
  }

  async #untilNoticed(signal: AbortSignal): Promise<void> {
    if (!this.#isNoticed && !signal.aborted) {
      const waking = new AbortController();
      this.#wake = () => waking.abort();
      await pause(lookEveryMs, waking.signal, systemTimers);
      this.#wake = () => undefined;
    }
    this.#isNoticed = false;
  }

  async #measure(): Promise<void> {
    const [row] = await this.#postgres.query<{ bytes: number }>(statements.measure);
    this.#hooks.measure(row?.bytes ?? 0);
  }
}
