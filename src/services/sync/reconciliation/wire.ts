/** What clients of reconciliation send and get, as JSON Schemas. Every change here is a change of the public API. */

import { limits, type Static, Type } from "../../../kernel/index.ts";
import { wire } from "../../inventory/index.ts";

const closed = { additionalProperties: false } as const;
const Time = Type.String({ description: "RFC 3339." });
const Count = Type.Integer({ minimum: 0 });

export const modes = ["report", "correct"] as const;
export const findingKinds = ["missing-here", "missing-there", "late", "drift"] as const;
export const actions = ["none", "sent-again", "counted"] as const;
export const passedOverReasons = ["impossible-name", "unreadable-here"] as const;
export const runStatuses = ["waiting", "running", "done", "failed"] as const;

export const ReconciliationRequest = Type.Object(
  {
    locations: Type.Optional(
      Type.Array(wire.LocationId, {
        minItems: 1,
        maxItems: limits.syncReceiversMax,
        description: "Compared with these; with all that get changes pushed when absent.",
      }),
    ),
    mode: Type.Enum([...modes], { description: "`report` only says what it finds, `correct` also puts it right." }),
  },
  { ...closed, examples: [{ locations: ["leeds"], mode: "report" }] },
);
export type ReconciliationRequest = Static<typeof ReconciliationRequest>;

export const Finding = Type.Object({
  receiver: Type.String({ description: "Whose system was asked." }),
  sku: Type.String(),
  location: Type.String(),
  ours: Type.Union([Type.Integer(), Type.Null()], {
    description: "On hand here, at the version or time of their record; of what is late as it is now. Null: no record.",
  }),
  theirs: Type.Union([Type.Integer(), Type.Null()], { description: "On hand there; null when they have no record." }),
  kind: Type.Enum([...findingKinds], {
    description:
      "`missing-here`, `missing-there`: one side has no record. `late`: they hold an old figure of ours, and nothing is on its way. `drift`: the figures differ.",
  }),
  action: Type.Enum([...actions], {
    description: "`sent-again`: ours is pushed once more. `counted`: theirs was recorded here as a count.",
  }),
});
export type Finding = Static<typeof Finding>;

const figures = {
  compared: Type.Integer({ description: "Stocks that were compared, without those whose changes were under way." }),
  matched: Count,
  inFlight: Type.Integer({ description: "Stocks that differed only by changes under way." }),
  accuracy: Type.Number({ description: "matched ÷ compared; 1 when nothing was compared." }),
};

export const PassedOver = Type.Object({
  reason: Type.Enum([...passedOverReasons], {
    description:
      "`impossible-name`: their record has a sku or location that none here can have. `unreadable-here`: their record tells of an earlier figure of ours, which is in a part of the archive that can't be read.",
  }),
  count: Type.Integer({ minimum: 1 }),
  first: Type.Union([Type.Object({ sku: Type.String(), location: Type.String() }), Type.Null()], {
    description:
      "The first of them, a name that is too long being cut; null when the credential may not know its location.",
  }),
});

export const LocationOutcome = Type.Object({
  location: Type.String(),
  ...figures,
  findings: Type.Integer({ description: `How many; the first ${limits.reconciliationFindingsKept} are listed.` }),
  left: Type.Integer({
    minimum: 0,
    description: "Of all findings, listed or not, those that were left as they are (`action` is `none`).",
  }),
  passedOver: Type.Array(PassedOver, {
    description: "What could not be compared while all else was: it is in no other figure.",
  }),
  cause: Type.Union([Type.String(), Type.Null()], { description: "Why it could not be compared; else null." }),
});

const run = {
  id: Type.String(),
  status: Type.Enum([...runStatuses], { description: "`failed`: at least one location could not be compared." }),
  mode: Type.Enum([...modes]),
  scheduled: Type.Boolean({ description: "Whether its time had come, instead of someone asking for it." }),
  requestedAt: Time,
  endedAt: Type.Union([Time, Type.Null()]),
  ...figures,
  locations: Type.Array(LocationOutcome, { description: "Those that are done so far." }),
};
export const ReconciliationSummary = Type.Object(run);
export type ReconciliationSummary = Static<typeof ReconciliationSummary>;
export const Reconciliation = Type.Object({ ...run, findings: Type.Array(Finding) });
export type Reconciliation = Static<typeof Reconciliation>;

export const LocationAccuracy = Type.Object(
  {
    location: Type.String(),
    reconciledAt: Time,
    accuracy: Type.Number(),
    discrepancyRate: Type.Number({ description: "Findings ÷ compared: 1 − accuracy." }),
    history: Type.Array(Type.Object({ at: Time, compared: Count, findings: Count, accuracy: Type.Number() }), {
      description: `Oldest first, the newest ${limits.accuracyPointsMax}.`,
    }),
  },
  { description: "How well a location agreed with us, over time." },
);
export type LocationAccuracy = Static<typeof LocationAccuracy>;
