export {
  decidePolicy,
  type EffectivePolicy,
  effectivePolicy,
  evolvePolicy,
  isDefault,
  isSamePolicy,
  noPolicy,
  type Policy,
  type PolicyEvent,
  type PolicyFields,
} from "./policy.ts";
