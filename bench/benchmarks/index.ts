import type { Benchmark } from "../harness/benchmark.ts";
import { availability } from "./availability.ts";
import { expiry } from "./expiry.ts";
import { facts } from "./facts.ts";
import { growth } from "./growth.ts";
import { lag, lagAcross } from "./lag.ts";
import { reserve } from "./reserve.ts";
import { reserveHttp } from "./reserve-http.ts";
import { reservePostgres, reservePostgresSlowDisk } from "./reserve-postgres.ts";
import { severalPostgres } from "./several-postgres.ts";
import { sizePostgres } from "./size-postgres.ts";
import { slowDisk } from "./slow-disk.ts";
import { split } from "./split.ts";
import { start } from "./start.ts";
import { storage } from "./storage.ts";
import { syncWriters } from "./sync-writers.ts";

/** In the order in which they run. */
export const benchmarks: readonly Benchmark[] = [
  reserve,
  reserveHttp,
  reservePostgres,
  severalPostgres,
  slowDisk,
  reservePostgresSlowDisk,
  facts,
  availability,
  start,
  lag,
  lagAcross,
  split,
  growth,
  expiry,
  storage,
  syncWriters,
  sizePostgres,
];
