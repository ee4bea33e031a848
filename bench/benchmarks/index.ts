import type { Benchmark } from "../harness/benchmark.ts";
import { reserve } from "./reserve.ts";
import { reserveHttp } from "./reserve-http.ts";

/** In the order in which they run. */
export const benchmarks: readonly Benchmark[] = [reserve, reserveHttp];
