import { limits, type Static, Type } from "../../../../kernel/index.ts";

const text = (description: string, maxLength: number) => Type.String({ minLength: 1, maxLength, description });

/** What `larder import --epcis` has to be told of a partner's documents. */
export const EpcisMapping = Type.Object(
  {
    source: text(
      "The facts' CloudEvents source; with an event's id it names its facts for ever.",
      limits.identifierLengthMax,
    ),
    places: Type.Record(Type.String({ minLength: 1 }), text("A location of ours.", limits.locationLengthMax), {
      description:
        "Our locations by their place: a GLN of 13 digits, or the URI of a place as the documents have it. What happens elsewhere is not recorded.",
    }),
    leaveOut: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description:
          "Business steps to record nothing for, because the partner tells the same movement by another step too.",
      }),
    ),
  },
  { additionalProperties: false },
);
export type EpcisMapping = Static<typeof EpcisMapping>;
