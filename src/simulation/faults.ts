/** What may go wrong in a history, and how often. Each history has its own mixture, some of it switched off. */
import type { AppendUnit } from "../platform/storage/index.ts";
import { coldFaultKinds } from "./cold-faults.ts";
import type { QueueFate, QueueFates } from "./queues.ts";
import type { Random } from "./random.ts";
import { reconciliationFaultKinds } from "./reconciling-part.ts";
import { type AppendFate, appendFaults, crashPoints, type Fates, type ReadFate } from "./storage.ts";

/** Kinds of faults that one process meets, and several on one log. */
export const commonFaultKinds = [
  "crash",
  "crash-before-write",
  "crash-written",
  "crash-synced",
  "append-failed",
  "append-answer-lost",
  "append-not-made-unknown",
  "append-landed-late",
  "append-delayed",
  "read-failed",
  "read-delayed",
  "derived-behind",
  "derived-lost",
  "store-out-of-reach",
  "restart",
  "leap",
  "partition",
  "request-lost",
  "request-duplicated",
  "request-delayed",
  "request-delayed-for-hours",
  "answer-lost",
  "answer-delayed",
  "refused-connection",
  "client-vanished",
] as const;

/** Every kind of fault: `npm test` sees to it that each was reached. */
export const faultKinds = [
  ...commonFaultKinds,
  "torn-write",
  "part-written",
  "written-unacknowledged",
  "clock-back",
  "clock-ahead",
  "push-refused",
  "push-lost",
  "push-unanswered",
  "push-late",
  "queue-failed",
  "queue-answer-lost",
  "queue-answers-forgotten",
  "crash-queue-written",
  "crash-queue-synced",
  "delivery-refused",
  "delivery-slow",
  "delivery-lost",
  "delivery-unanswered",
  "delivery-late",
  "delivery-gone",
  ...coldFaultKinds,
  ...reconciliationFaultKinds,
] as const;

export type FaultKind = (typeof faultKinds)[number];

export interface Mixture {
  readonly duplicated: number;
  readonly lost: number;
  readonly delayed: number;
  readonly vanishing: number;
  readonly appendFault: number;
  readonly appendDelayed: number;
  readonly appendCrash: number;
  readonly readFault: number;
  /** Of steps, the share that are something done to the server or to time. */
  readonly upheaval: number;
  readonly upheavals: Readonly<Record<Upheaval, number>>;
}

export type Upheaval = "crash" | "restart" | "leap" | "clock" | "partition" | "store";

export function drawMixture(random: Random): Mixture {
  const some = (most: number) => (random.chance(0.6) ? random.next() * most : 0);
  return {
    duplicated: some(0.5),
    lost: some(0.1),
    delayed: some(0.3),
    vanishing: some(0.1),
    appendFault: some(0.1),
    appendDelayed: some(0.05),
    appendCrash: some(0.02),
    readFault: some(0.03),
    upheaval: 0.01 + some(0.05),
    upheavals: {
      crash: some(3),
      restart: some(2),
      leap: 0.2 + some(4),
      clock: some(2),
      partition: some(2),
      store: some(2),
    },
  };
}

/** The fates of what is asked of the queues. While `calm()` nothing goes wrong. */
export function queueFatesOf(
  random: Random,
  mixture: Mixture,
  weather: { readonly calm: () => boolean; readonly outOfReach: () => boolean },
  note: (kind: FaultKind) => void,
  crash: () => void,
): QueueFates {
  return {
    crash,
    of(when): QueueFate {
      const ms = when === "durable" ? random.between(0, 2) : 0;
      if (weather.calm()) return { ms };
      if (when === "soon") {
        const fails = random.chance(weather.outOfReach() ? 0.6 : mixture.readFault / 3);
        if (fails) note("queue-failed");
        return fails ? { ms, fault: "failed" } : { ms };
      }
      if (random.chance(mixture.appendCrash / 4)) {
        const point = random.pick(["written", "synced"] as const);
        note(`crash-queue-${point}`);
        return { ms: ms + 1, crash: point };
      }
      if (!random.chance(weather.outOfReach() ? 0.8 : mixture.appendFault / 2)) return { ms };
      const fault = random.pick(["failed", "answer-lost"] as const);
      note(`queue-${fault}`);
      return { ms, fault };
    },
  };
}

/** The fates of one process's appends and reads. While `calm()` nothing goes wrong. */
export function fatesOf(
  random: Random,
  mixture: Mixture,
  weather: { readonly calm: () => boolean; readonly outOfReach: () => boolean },
  note: (kind: FaultKind) => void,
  crash: () => void,
): Fates {
  return {
    crash,
    append(_units: readonly AppendUnit[]): AppendFate {
      const times = { beforeMs: random.between(0, 2), writeMs: random.between(0, 4), answerMs: random.between(0, 1) };
      if (weather.calm()) return times;
      if (random.chance(mixture.appendDelayed)) {
        note("append-delayed");
        times.writeMs += random.between(100, 5000);
      }
      if (random.chance(mixture.appendCrash)) {
        const point = random.pick(crashPoints);
        note(`crash-${point}`);
        return { ...times, crash: point };
      }
      if (!random.chance(weather.outOfReach() ? 0.8 : mixture.appendFault)) return times;
      const fault = random.pick(appendFaults);
      note(`append-${fault}`);
      return { ...times, fault };
    },
    read(): ReadFate {
      if (weather.calm()) return { ms: 0, fails: false };
      const fails = random.chance(weather.outOfReach() ? 0.6 : mixture.readFault);
      const ms = random.chance(0.1) ? random.between(1, 20) : 0;
      if (fails) note("read-failed");
      if (ms > 0) note("read-delayed");
      return { ms, fails };
    },
  };
}
