import type { Section } from "./report.ts";

/** How a benchmark is asked to run. */
export interface Settings {
  /** A short look whether all works: few rounds of little, and no figures to quote. */
  readonly isQuick: boolean;
  /** Also what takes many minutes. */
  readonly isLarge: boolean;
  /** Rounds in which those that are compared take turns. */
  readonly rounds: number;
  /** Milliseconds that one load lasts. */
  readonly loadMs: number;
  /** True once the benchmark has had its time: it finishes the round it is in, and no more. */
  readonly isLate: () => boolean;
  /** Tells whoever waits what goes on. */
  readonly say: (text: string) => void;
  /** Writes down which version of something took part. */
  readonly tookPart: (what: string, version: string) => void;
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  /** What is done and how it is counted, for the page. */
  readonly method: string;
  /** Seconds that it may take with three rounds: it leaves out what is left to do when they are nearly over. */
  readonly secondsMax: number;
  /** Left out unless it is named: it answers a question that was decided, or takes long. */
  readonly isExtra?: boolean;
  /** Takes on peers whose packages install themselves into `bench/`. */
  readonly hasPeers?: boolean;
  run(settings: Settings): Promise<Section>;
}
