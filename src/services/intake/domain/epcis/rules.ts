import type { EpcisAction, EpcisEventType } from "./model.ts";

/**
 * What an event does to stock, by its business step. `mapEvent` carries it out, and docs/reference/epcis.md is made from
 * it: a change here is a change of the contract.
 */
export type Effect = "in" | "arrival" | "out" | "sale" | "return" | "removal" | "undo" | "count";

export interface StepRule {
  readonly steps: readonly string[];
  /** Actions under which it holds; under others the step moves nothing. */
  readonly actions: readonly EpcisAction[];
  readonly effect: Effect;
  readonly becomes: string;
}

/**
 * Of ObjectEvent and TransactionEvent, and of an AggregationEvent with OBSERVE, whose children moved together. "From" and
 * "to" are the places of type `location` in the source and destination lists; "ours" are those in the mapping.
 *
 * Source: GS1 CBV 2.0, section 7.1.3 (business steps). `returning` is none of CBV's, but used.
 */
export const stepRules: readonly StepRule[] = [
  {
    steps: ["receiving"],
    actions: ["ADD", "OBSERVE"],
    effect: "in",
    becomes:
      "`arrived` when from another place of ours; `returned` when the disposition is `returned` or `retail_sold`; else `received`",
  },
  {
    steps: ["commissioning", "creating_class_instance"],
    actions: ["ADD"],
    effect: "in",
    becomes: "`received`: it exists from now on",
  },
  {
    steps: ["arriving"],
    actions: ["ADD", "OBSERVE"],
    effect: "arrival",
    becomes: "`arrived` when from another place of ours; else nothing: it counts when received",
  },
  {
    steps: ["shipping", "departing", "consigning"],
    actions: ["ADD", "OBSERVE", "DELETE"],
    effect: "out",
    becomes:
      "`dispatched` when to another place of ours; `adjusted` down when the disposition says that it is no sale (below); else `sold`",
  },
  {
    steps: ["retail_selling", "dispensing"],
    actions: ["ADD", "OBSERVE", "DELETE"],
    effect: "sale",
    becomes: "`sold`",
  },
  {
    steps: ["returning"],
    actions: ["ADD", "OBSERVE"],
    effect: "return",
    becomes: "`returned`; not sellable when a disposition holds it back",
  },
  {
    steps: ["destroying", "decommissioning"],
    actions: ["ADD", "OBSERVE", "DELETE"],
    effect: "removal",
    becomes: "`adjusted` down, with a reason by the disposition, else the step",
  },
  {
    steps: ["void_shipping"],
    actions: ["ADD", "OBSERVE", "DELETE"],
    effect: "undo",
    becomes:
      "`adjusted` up, reason `void-shipping`; rejected when to a place of ours: declare the dispatch as an error",
  },
  {
    steps: ["cycle_counting", "stock_taking"],
    actions: ["OBSERVE"],
    effect: "count",
    becomes: "`counted`, per GTIN and lot; rejected for a part of a place that has no entry of its own",
  },
];

/** Dispositions of what is there but not for sale, with the reason of `held-back`. CBV 2.0, section 7.2.3. */
export const heldDispositions: Readonly<Record<string, string>> = {
  damaged: "damaged",
  recalled: "recall",
  expired: "expired",
  non_sellable_other: "not-sellable",
  non_conformant: "non-conformant",
  needs_replacement: "needs-replacement",
  no_pedigree_match: "quarantine",
  unavailable: "unavailable",
};

/** Dispositions of what is there no more, with the reason of `adjusted`. */
export const goneDispositions: Readonly<Record<string, string>> = {
  stolen: "theft",
  destroyed: "destroyed",
  disposed: "disposed",
};

/** Dispositions that end a hold, but only in the steps that decide about one: elsewhere they are said of everything. */
export const freeDispositions: readonly string[] = ["sellable_accessible", "sellable_not_accessible", "available"];
export const decidingSteps: readonly string[] = ["inspecting", "holding", "repairing"];

/** Reasons of `adjusted` for what leaves or is removed under these dispositions; one of them makes leaving no sale. */
export const removalReasons: Readonly<Record<string, string>> = {
  ...goneDispositions,
  damaged: "damage",
  expired: "spoilage",
  recalled: "recall",
  returned: "returned-to-supplier",
  non_sellable_other: "not-sellable",
  non_conformant: "non-conformant",
  needs_replacement: "needs-replacement",
};

/** What types of events do by themselves, whatever their step. */
export const typeRules: readonly { readonly type: EpcisEventType; readonly when: string; readonly becomes: string }[] =
  [
    {
      type: "TransformationEvent",
      when: "always",
      becomes: "inputs `adjusted` down, reason `transformation`; outputs `received`",
    },
    { type: "AggregationEvent", when: "ADD, DELETE", becomes: "nothing: packing and unpacking move nothing" },
    { type: "AggregationEvent", when: "OBSERVE", becomes: "as an ObjectEvent about the children" },
    { type: "AssociationEvent", when: "always", becomes: "nothing: joining things moves nothing" },
    { type: "TransactionEvent", when: "DELETE", becomes: "nothing: only the tie to the transaction ends" },
  ];

export function ruleOf(step: string | undefined, action: EpcisAction | undefined): StepRule | undefined {
  return stepRules.find(
    ({ steps, actions }) =>
      step !== undefined && action !== undefined && steps.includes(step) && actions.includes(action),
  );
}
