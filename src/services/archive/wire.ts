/** What clients send and get about the archive. Every change here is a change of the public API. */
import { type Static, Type } from "../../kernel/index.ts";

const date = Type.String({ minLength: 10, maxLength: 10, description: "A day, UTC.", examples: ["2026-08-01"] });
const time = (description: string) => Type.String({ description: `${description} RFC 3339.` });
const count = (description: string) => Type.Integer({ minimum: 0, description });

export const ArchiveRequest = Type.Object(
  {
    before: Type.Optional(
      Type.String({
        minLength: 10,
        maxLength: 10,
        description: "Days before this one (UTC) are moved. Default: as many days ago as `LARDER_ARCHIVE_AFTER` says.",
        examples: ["2026-08-01"],
      }),
    ),
    dryRun: Type.Optional(Type.Boolean({ default: false, description: "Whether to tell only what would be moved." })),
  },
  { additionalProperties: false },
);
export type ArchiveRequest = Static<typeof ArchiveRequest>;

export const ArchivePlan = Type.Object({
  before: date,
  days: Type.Array(Type.Object({ day: date, events: count("Events of that day.") })),
});
export type ArchivePlan = Static<typeof ArchivePlan>;

export const ArchiveRun = Type.Object({
  startedAt: time("When it began."),
  endedAt: Type.Optional(time("When it ended; absent while it runs.")),
  before: date,
  days: count("Days to be moved."),
  files: count("Files written so far."),
  events: count("Events moved so far."),
  bytes: count("Bytes of those files."),
  problem: Type.Optional(Type.String({ description: "Why it ended too early; what was moved before stays moved." })),
});
export type ArchiveRun = Static<typeof ArchiveRun>;

export const ArchiveStatus = Type.Object({
  isRunning: Type.Boolean(),
  after: Type.Union([Type.Integer(), Type.Null()], {
    description: "Days after which events are moved by themselves; null when they are not.",
  }),
  hotSince: Type.Union([Type.String(), Type.Null()], {
    description: "When the oldest event in the hot log was recorded; null in an empty log.",
  }),
  files: count("Cold files."),
  coldEvents: count("Events in cold files."),
  coldBytes: count("Bytes of cold files."),
  freeBytes: count("Bytes of the hot log's file that the next events will take."),
  lastRun: Type.Optional(ArchiveRun),
  unavailable: Type.Optional(
    Type.String({ description: "Why nothing can be moved here, as on PostgreSQL; absent where it can." }),
  ),
});
export type ArchiveStatus = Static<typeof ArchiveStatus>;
