/** What clients of the EPCIS interface get; the names are those of GS1 EPCIS 2.0, section 12, where it has some. */

import { limits, type Static, Type } from "../../../kernel/index.ts";
import { errorBehaviours } from "../domain/capture/job.ts";

export const CaptureError = Type.Object({
  type: Type.String({ description: "An exception of the standard, as `epcisException:ValidationException`." }),
  title: Type.String(),
  code: Type.String({
    description: "Stable: that of a rejected fact, or `unreadable-event`, `unmappable-event`, `part-given-up`.",
  }),
  detail: Type.String(),
  eventID: Type.Optional(Type.String({ description: "Absent when the event has none." })),
  pointer: Type.Optional(Type.String({ description: "JSON Pointer of the event in its document." })),
});

export const CaptureJobView = Type.Object(
  {
    captureID: Type.String(),
    createdAt: Type.String(),
    finishedAt: Type.Optional(Type.String({ description: "Absent while it runs." })),
    running: Type.Boolean(),
    success: Type.Boolean({ description: "No error so far." }),
    captureErrorBehaviour: Type.Enum([...errorBehaviours]),
    errors: Type.Array(CaptureError, { maxItems: limits.captureProblemsMax + 1 }),
    errorCount: Type.Integer({ description: "All errors; `errors` has the first of them." }),
    events: Type.Integer({ description: "Events of the document." }),
    factsRecorded: Type.Integer({ description: "Facts that it added to the log so far." }),
    factsKnown: Type.Integer({ description: "Facts that were known already, from the same event told before." }),
  },
  { description: "One captured document." },
);
export type CaptureJobView = Static<typeof CaptureJobView>;
