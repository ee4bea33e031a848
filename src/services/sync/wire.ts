/** What clients of sync get, as JSON Schemas. contract.md's names; every change here is a change of the public API. */
import { type Static, Type } from "../../kernel/index.ts";

const Time = Type.String({ description: "RFC 3339." });

export const circuitStates = ["closed", "open", "half-open"] as const;
export const alarmNames = ["slow", "failing"] as const;

export const SyncStatus = Type.Object(
  {
    location: Type.String(),
    waiting: Type.Integer({ description: "Stocks (sku and location) whose newest figures it has not acknowledged." }),
    oldestWaitingSeconds: Type.Union([Type.Number(), Type.Null()], {
      description: "How long the oldest change of these has waited; null when none does.",
    }),
    fullPush: Type.Union([Type.Object({ lookedAt: Type.Integer(), of: Type.Integer() }), Type.Null()], {
      description:
        "While everything is being gone through for what it lacks (a new receiver, another route, a resend, a long outage): how many stocks have been looked at. What is found counts as waiting.",
    }),
    lastSuccessAt: Type.Union([Time, Type.Null()]),
    latencySeconds: Type.Object(
      {
        p50: Type.Union([Type.Number(), Type.Null()]),
        p95: Type.Union([Type.Number(), Type.Null()]),
        max: Type.Union([Type.Number(), Type.Null()]),
      },
      {
        description:
          "From recording a change to its acknowledgement by the other side, over the last five minutes; within 10 %. Null when there was none.",
      },
    ),
    errorRate: Type.Union([Type.Number(), Type.Null()], {
      description: "Of the pushes of the last five minutes, the share that failed; null when there was none.",
    }),
    circuit: Type.Enum([...circuitStates], {
      description: "`open` while the receiver counts as down and is only probed.",
    }),
    completesInSeconds: Type.Union([Type.Number(), Type.Null()], {
      description:
        "When what waits now will be done at the pace of the last minute; 0 when nothing waits, null when unknown.",
    }),
    lastError: Type.Union([Type.String(), Type.Null()], { description: "Why the last push that failed did." }),
    alarms: Type.Array(Type.Enum([...alarmNames]), {
      description: "`slow`: a change waits, or took, longer than 5 s. `failing`: over 1 % of the pushes failed.",
    }),
  },
  { description: "How it stands with one location that gets changes pushed." },
);
export type SyncStatus = Static<typeof SyncStatus>;
export type AlarmName = (typeof alarmNames)[number];
