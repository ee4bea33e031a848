import { limits, type Static, Type } from "../../../kernel/index.ts";

const closed = { additionalProperties: false } as const;
const column = Type.String({ minLength: 1, description: "A column of the file, of a lookup, or a derived one." });
const template = Type.String({
  description: 'Text with columns in braces, as "till-{TillNo}"; "{{" stands for a brace.',
});
const names = (description: string) => Type.Record(Type.String({ minLength: 1 }), Type.String(), { description });

export const FileFormat = Type.Object(
  {
    type: Type.Enum(["csv", "ndjson"]),
    delimiter: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1, description: "csv: what stands between fields; default a comma." }),
    ),
    columns: Type.Optional(
      Type.Array(column, { minItems: 1, description: "csv: the columns of a file whose first line is no header." }),
    ),
    encoding: Type.Optional(Type.Enum(["utf-8", "windows-1252", "utf-16le"], { description: "Default utf-8." })),
  },
  { ...closed, description: "What the file is. Gzip is recognised by itself." },
);
export type FileFormat = Static<typeof FileFormat>;

export const Lookup = Type.Object(
  {
    file: Type.String({
      minLength: 1,
      description: "A CSV file with a header, plain or gzip, beside the imported file.",
    }),
    key: Type.String({ minLength: 1, description: "The column of that file to find a row by." }),
    by: Type.Optional(
      Type.String({ description: "The column of the imported file that holds the key; default the same name." }),
    ),
    columns: names(
      "What the row's new columns are called, and the lookup file's columns they come from. Empty when no row is found.",
    ),
  },
  closed,
);
export type Lookup = Static<typeof Lookup>;

export const transforms = ["trim", "upper", "lower", "gtin-14"] as const;
export const Derived = Type.Object(
  {
    from: template,
    apply: Type.Array(Type.Enum([...transforms]), {
      description: "What is done to it, in this order. `gtin-14` puts zeros before 8, 12 or 13 digits.",
    }),
  },
  closed,
);
export type Derived = Static<typeof Derived>;

const number = (description: string) => Type.Optional(Type.Number({ description }));
export const Condition = Type.Object(
  {
    column,
    equals: Type.Optional(Type.String()),
    in: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
    startsWith: Type.Optional(Type.String({ minLength: 1 })),
    matches: Type.Optional(
      Type.String({
        description:
          "A regular expression (JavaScript, flag u) that fits the whole text; without looking around or referring back.",
      }),
    ),
    empty: Type.Optional(Type.Literal(true, { description: "Nothing, or white space only." })),
    below: number("A number less than this."),
    above: number("A number greater than this."),
    equalsNumber: number("A number equal to this, however it is written."),
    not: Type.Optional(
      Type.Literal(true, { description: "Turns the test round. What is no number passes no number test, either way." }),
    ),
  },
  { ...closed, description: "One test of one column." },
);
export type Condition = Static<typeof Condition>;

/** A whole number from a column: `{"number": "Qty", "sign": "negate"}`, `{"number": "kg", "times": 1000}`. */
export interface NumberField {
  readonly number: string;
  readonly sign?: "negate" | "abs";
  readonly times?: number;
}
export type FieldValue = string | number | boolean | NumberField;

const FieldValue = Type.Unsafe<FieldValue>({
  type: ["string", "number", "boolean", "object"],
  required: ["number"],
  properties: {
    number: { type: "string", minLength: 1 },
    sign: { type: "string", enum: ["negate", "abs"] },
    times: { type: "number", exclusiveMinimum: 0 },
  },
  additionalProperties: false,
  description:
    'A text with columns (left out of the fact when it comes out empty), a constant, or {"number": column, "sign"?, "times"?}.',
});

/** The facts one row can make; `larder.order.completed.v1` needs several rows at once. */
export const factTypes = [
  "larder.stock.received.v1",
  "larder.stock.expected.v1",
  "larder.stock.sold.v1",
  "larder.stock.returned.v1",
  "larder.stock.adjusted.v1",
  "larder.stock.held-back.v1",
  "larder.stock.put-back.v1",
  "larder.stock.counted.v1",
  "larder.stock.dispatched.v1",
  "larder.stock.arrived.v1",
  "larder.fact.voided.v1",
] as const;

export const FactTemplate = Type.Object(
  { type: Type.Enum([...factTypes]), data: Type.Record(Type.String({ minLength: 1 }), FieldValue) },
  closed,
);
export type FactTemplate = Static<typeof FactTemplate>;

export const ItemTemplate = Type.Object(
  {
    sku: template,
    name: template,
    unit: template,
    gtins: Type.Optional(Type.Array(template, { minItems: 1, maxItems: 20 })),
    plu: Type.Optional(template),
  },
  closed,
);
export type ItemTemplate = Static<typeof ItemTemplate>;

const outcome = {
  when: Type.Optional(
    Type.Array(Condition, { minItems: 1, description: "All must hold; without it the rule fits every row." }),
  ),
  reject: Type.Optional(
    Type.String({ minLength: 1, description: "The row goes to the rejects file for this reason." }),
  ),
  ignore: Type.Optional(
    Type.String({ minLength: 1, description: "The row is passed over and counted under this reason." }),
  ),
};
export const FactRule = Type.Object(
  {
    ...outcome,
    fact: Type.Optional(FactTemplate),
    facts: Type.Optional(Type.Array(FactTemplate, { minItems: 1, maxItems: 10 })),
  },
  closed,
);
export type FactRule = Static<typeof FactRule>;
export const ItemRule = Type.Object({ ...outcome, item: Type.Optional(ItemTemplate) }, closed);
export type ItemRule = Static<typeof ItemRule>;

export const TimeField = Type.Object(
  {
    column: Type.Optional(column),
    format: Type.Optional(
      Type.String({ description: 'rfc3339 (default), unix, unix-ms, or a pattern as "yyyy-MM-dd HH:mm:ss".' }),
    ),
    zone: Type.Optional(
      Type.String({ description: 'Whose clock the column shows, as "America/New_York"; default UTC.' }),
    ),
    constant: Type.Optional(Type.String({ description: "Instead of a column: one RFC 3339 time for every row." })),
  },
  { ...closed, description: "When it happened." },
);
export type TimeField = Static<typeof TimeField>;

const common = {
  $schema: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  format: FileFormat,
  lookups: Type.Optional(Type.Array(Lookup, { maxItems: 10 })),
  derive: Type.Optional(
    Type.Record(Type.String({ minLength: 1 }), Derived, {
      description: "More columns, made in this order from those before.",
    }),
  ),
};

/** How the rows of a file become facts. Explained in docs/guides/import.md. */
export const FactMapping = Type.Object(
  {
    ...common,
    source: Type.String({
      minLength: 1,
      maxLength: limits.identifierLengthMax,
      description: "The facts' CloudEvents source.",
    }),
    id: Type.String({
      minLength: 1,
      description: 'The facts\' id: a text with columns, or "row" for a hash of the whole row.',
    }),
    duplicates: Type.Optional(
      Type.Enum(["keep", "skip"], {
        description: "What a row does whose id an earlier row of the file has: count on (`keep`), or nothing (`skip`).",
      }),
    ),
    time: TimeField,
    rules: Type.Array(FactRule, {
      minItems: 1,
      maxItems: 100,
      description: "The first that fits a row decides; a row that none fits is rejected.",
    }),
  },
  closed,
);
export type FactMapping = Static<typeof FactMapping>;

/** How the rows of a file become items. */
export const ItemMapping = Type.Object(
  { ...common, rules: Type.Array(ItemRule, { minItems: 1, maxItems: 100 }) },
  closed,
);
export type ItemMapping = Static<typeof ItemMapping>;
