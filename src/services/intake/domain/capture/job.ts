import { type Instant, limits } from "../../../../kernel/index.ts";

/** What becomes of a document that has an error: nothing of it is recorded, or all that can be. */
export const errorBehaviours = ["rollback", "proceed"] as const;
export type ErrorBehaviour = (typeof errorBehaviours)[number];

/** Why an event of a document was not captured. */
export interface CaptureProblem {
  readonly type: "epcisException:ValidationException" | "epcisException:SecurityException";
  readonly title: string;
  /** A code of docs/reference/errors.md; `unreadable-event` and `unmappable-event` are said of EPCIS events only. */
  readonly code: string;
  readonly detail: string;
  /** The event's id; absent when it has none. */
  readonly eventID?: string;
  /** JSON Pointer of the event in its document. */
  readonly pointer: string;
}

/** A document was taken in. What is to be recorded of it waits in so many parts. Its problems are the first of `problemCount`. */
export interface CaptureAccepted {
  readonly behaviour: ErrorBehaviour;
  readonly events: number;
  readonly parts: number;
  readonly problems: readonly CaptureProblem[];
  readonly problemCount: number;
}

/** The facts of a part were recorded, or turned down one by one. */
export interface CapturePartRecorded {
  /** From 0. */
  readonly part: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly problems: readonly CaptureProblem[];
  readonly problemCount: number;
}

export type CaptureEvent =
  | { readonly type: "CaptureAccepted"; readonly data: CaptureAccepted }
  | { readonly type: "CapturePartRecorded"; readonly data: CapturePartRecorded }
  /** No part is left that could be recorded: its last was given up. */
  | { readonly type: "CaptureEnded"; readonly data: Readonly<Record<string, never>> };

/** One document on its way in. A job is over when its last part is recorded, or given up. */
export interface CaptureJob {
  readonly actor: string;
  readonly createdAt: Instant;
  readonly finishedAt: Instant | undefined;
  readonly behaviour: ErrorBehaviour;
  readonly events: number;
  readonly parts: number;
  readonly recordedParts: ReadonlySet<number>;
  readonly accepted: number;
  readonly duplicates: number;
  readonly problems: readonly CaptureProblem[];
  readonly problemCount: number;
}

/** The state after an event; undefined before the first, and for what comes without it. */
export function evolveCapture(
  job: CaptureJob | undefined,
  event: CaptureEvent,
  { actor, recordedAt }: { readonly actor: string; readonly recordedAt: Instant },
): CaptureJob | undefined {
  switch (event.type) {
    case "CaptureAccepted":
      return {
        ...event.data,
        actor,
        createdAt: recordedAt,
        finishedAt: event.data.parts === 0 ? recordedAt : undefined,
        recordedParts: new Set(),
        accepted: 0,
        duplicates: 0,
      };
    case "CapturePartRecorded": {
      if (job === undefined) return undefined;
      const { part, accepted, duplicates, problems, problemCount } = event.data;
      return {
        ...job,
        finishedAt: part === job.parts - 1 ? recordedAt : job.finishedAt,
        recordedParts: new Set([...job.recordedParts, part]),
        accepted: job.accepted + accepted,
        duplicates: job.duplicates + duplicates,
        problems: [...job.problems, ...problems].slice(0, limits.captureProblemsMax),
        problemCount: job.problemCount + problemCount,
      };
    }
    case "CaptureEnded":
      return job && { ...job, finishedAt: job.finishedAt ?? recordedAt };
    default:
      event satisfies never;
      return job;
  }
}
