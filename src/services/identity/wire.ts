/** What clients send and get about API keys. Every change here is a change of the public API. */

import { limits, type Static, Type } from "../../kernel/index.ts";
import { scopes } from "../../platform/auth/index.ts";

const name = Type.String({ minLength: 1, maxLength: limits.textLengthMax, examples: ["till 4"] });
const keyScopes = Type.Array(Type.Enum([...scopes]), { minItems: 1, maxItems: scopes.length, uniqueItems: true });
const texts = (description: string, lengthMax: number) =>
  Type.Array(Type.String({ minLength: 1, maxLength: lengthMax, format: "identifier" }), {
    minItems: 1,
    maxItems: limits.batchItemsMax,
    uniqueItems: true,
    description,
  });
const locations = texts("Only these locations exist for the key; all when absent.", limits.locationLengthMax);
const sources = texts("Sources of facts it may speak for; all when absent.", limits.identifierLengthMax);
const ownReservations = "Whether it sees only the reservations it made.";

export const KeyRequest = Type.Object(
  {
    name,
    scopes: keyScopes,
    locations: Type.Optional(locations),
    sources: Type.Optional(sources),
    ownReservations: Type.Optional(Type.Boolean({ default: false, description: ownReservations })),
    expiresAt: Type.Optional(
      Type.String({
        maxLength: 64,
        description: "RFC 3339, in the future; never when absent.",
        examples: ["2027-01-31T00:00:00Z"],
      }),
    ),
  },
  { additionalProperties: false },
);
export type KeyRequest = Static<typeof KeyRequest>;

const keyFields = {
  id: Type.String(),
  name,
  scopes: keyScopes,
  locations: Type.Optional(locations),
  sources: Type.Optional(sources),
  ownReservations: Type.Boolean({ description: ownReservations }),
  createdAt: Type.String({ description: "RFC 3339." }),
  expiresAt: Type.Union([Type.String(), Type.Null()], { description: "Null when it does not expire." }),
};

export const KeyView = Type.Object(keyFields);
export type KeyView = Static<typeof KeyView>;

export const CreatedKey = Type.Object({
  ...keyFields,
  key: Type.String({ description: "The secret. Shown this once; Larder keeps only its hash." }),
});
export type CreatedKey = Static<typeof CreatedKey>;

export const KeysPage = Type.Object({ items: Type.Array(KeyView), next: Type.Optional(Type.String()) });
export interface KeysPage {
  readonly items: readonly KeyView[];
  readonly next?: string;
}
