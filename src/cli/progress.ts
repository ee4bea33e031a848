import { createRequire } from "node:module";
import type { SingleBar } from "cli-progress";
import type { Io } from "./io.ts";

/** Milliseconds between lines where no terminal shows a bar; work that is done before stays quiet there. */
const lineEveryMs = 3000;

/** How far a long piece of work is, on standard error: a bar on a terminal, else a line every few seconds. */
export class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #what: string;
  readonly #total: number;
  readonly #io: Io;
  readonly #since = performance.now();
  #toldAt = performance.now();

  /** `total` is in whatever unit `update` is told; 0 when nobody knows. */
  constructor(what: string, total: number, io: Io) {
    [this.#what, this.#total, this.#io] = [what, total, io];
    if (!io.isTerminal.err) return;
    const format = `${what} {bar} {percentage}%, {details}, {left} s left`;
    // Loaded where a bar is shown: most commands show none.
    const progress: typeof import("cli-progress") = createRequire(import.meta.url)("cli-progress");
    this.#bar = new progress.SingleBar({ format, hideCursor: true, clearOnComplete: true, barsize: 24 });
    this.#bar.start(Math.max(1, total), 0, { details: "starting", left: "-" });
  }

  /** `details` are said beside it, as the rate. */
  update(done: number, details: string): void {
    const left = this.#secondsLeft(done);
    this.#bar?.update(Math.min(done, this.#total), { details, left });
    if (this.#bar !== undefined || performance.now() - this.#toldAt < lineEveryMs) return;
    this.#toldAt = performance.now();
    const share = this.#total > 0 ? ` ${Math.floor((100 * done) / this.#total)}%,` : "";
    this.#io.note(`${this.#what}:${share} ${details}${left === "-" ? "" : `, ${left} s left`}`);
  }

  end(): void {
    this.#bar?.stop();
  }

  #secondsLeft(done: number): string {
    if (done <= 0 || this.#total === 0) return "-";
    const seconds = (performance.now() - this.#since) / 1000;
    return String(Math.ceil(Math.max(0, (seconds * (this.#total - done)) / done)));
  }
}
