/** What clients see of dead letters. Every change here is a change of the public API. */

import { limits, type Static, Type } from "../../kernel/index.ts";

const time = (description: string) => Type.String({ description: `${description} RFC 3339.` });

const summaryFields = {
  id: Type.String({ description: "Of this dead letter; a message that dies again after a redrive gets another one." }),
  queue: Type.String(),
  messageId: Type.String(),
  key: Type.Optional(
    Type.String({ description: "Messages of one key wait for each other; those behind it wait now." }),
  ),
  cause: Type.String({
    description: "Why it could not be handled, for people; a rejected fact's begins with its code.",
  }),
  attempts: Type.Integer({ description: "Since it was sent or redriven." }),
  redrives: Type.Integer({ description: "How often it has been redriven before." }),
  sentAt: time("When it came into the queue."),
  firstAttemptAt: time("The first attempt since it was sent or redriven."),
  deadAt: time("When it became a dead letter."),
  trace: Type.Optional(Type.String({ description: "The W3C `traceparent` it came with." })),
};

export const DeadLetterView = Type.Object(summaryFields);
export type DeadLetterView = Static<typeof DeadLetterView>;

export const DeadLettersPage = Type.Object({
  items: Type.Array(DeadLetterView),
  next: Type.Optional(Type.String()),
});
export type DeadLettersPage = Static<typeof DeadLettersPage>;

export const DeadLetterDetail = Type.Object({
  ...summaryFields,
  message: Type.Object(
    {
      json: Type.Optional(Type.Unknown({ description: "The body, when it is JSON." })),
      text: Type.Optional(Type.String({ description: "The body, when it is not." })),
      headers: Type.Record(Type.String(), Type.String()),
    },
    { description: "As it was sent." },
  ),
  causes: Type.Array(Type.Object({ attempt: Type.Integer(), at: time("When it failed."), cause: Type.String() }), {
    description: `The newest ${limits.attemptCausesMax} failed attempts, oldest first.`,
  }),
});
export type DeadLetterDetail = Static<typeof DeadLetterDetail>;

export const DeadLetterEnd = Type.Object({
  id: Type.String(),
  queue: Type.String(),
  messageId: Type.String(),
  cause: Type.String(),
  end: Type.Enum(["redriven", "discarded"]),
  reason: Type.Optional(Type.String({ description: "Why it was discarded." })),
  endedAt: time("When."),
});
export type DeadLetterEnd = Static<typeof DeadLetterEnd>;

export const RedriveRequest = Type.Object(
  { queue: Type.String({ minLength: 1, maxLength: limits.queueNameLengthMax }) },
  { additionalProperties: false },
);

export const RedriveAnswer = Type.Object({
  queue: Type.String(),
  redriven: Type.Integer({ description: "Dead letters that are handled again now." }),
});
export type RedriveAnswer = Static<typeof RedriveAnswer>;
