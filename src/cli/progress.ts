import { SingleBar } from "cli-progress";
import type { Io } from "./io.ts";

/** Milliseconds between lines where no terminal shows a bar. */
const lineEveryMs = 3000;

/**
 * How far a long piece of work is, on standard error: a bar on a terminal, else a line every few seconds. Nothing is
 * shown before the first second or so is over where there is no terminal, so that short work stays quiet.
 */
export class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #what: string;
  readonly #unit: string;
  readonly #total: number;
  readonly #io: Io;
  readonly #since = performance.now();
  #toldAt = performance.now();

  constructor(what: string, unit: string, total: number, io: Io) {
    [this.#what, this.#unit, this.#total, this.#io] = [what, unit, total, io];
    if (!io.isTerminal.err) return;
    const format = `${what} {bar} {percentage}% · {value}/{total} ${unit} · {rate}/s · {eta_formatted} left{more}`;
    this.#bar = new SingleBar({ format, hideCursor: true, clearOnComplete: true, etaBuffer: 50 });
    this.#bar.start(total, 0, { rate: "-", more: "" });
  }

  /** `more` is said behind it, as counts of what went wrong. */
  update(done: number, more = ""): void {
    const seconds = (performance.now() - this.#since) / 1000;
    const rate = seconds > 0.2 ? Math.round(done / seconds) : 0;
    if (this.#bar !== undefined) {
      this.#bar.update(Math.min(done, this.#total), { rate, more: more && ` · ${more}` });
      return;
    }
    if (performance.now() - this.#toldAt < lineEveryMs) return;
    this.#toldAt = performance.now();
    const share = this.#total > 0 ? Math.floor((100 * done) / this.#total) : 100;
    const left = rate > 0 ? Math.ceil(Math.max(0, this.#total - done) / rate) : 0;
    this.#io.note(
      `${this.#what}: ${share}%, ${done} of ${this.#total} ${this.#unit}, ${rate}/s, ${left} s left${more && `, ${more}`}`,
    );
  }

  end(): void {
    this.#bar?.stop();
  }
}
