export {
  decidePolicy,
  type EffectivePolicy,
  effectivePolicy,
  evolvePolicy,
  isDefault,
  noPolicy,
  type Policy,
  type PolicyEvent,
  type PolicyFields,
} from "./policy.ts";
