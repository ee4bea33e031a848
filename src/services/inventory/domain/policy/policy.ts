/** How careful to be with one sku: in general, and where a location differs, field by field. */

export interface PolicyFields {
  /** Units withheld from promising. */
  readonly safetyStock?: number;
  /** Available units at which stock counts as low; null for never. */
  readonly lowAt?: number | null;
  /** Days before its date from which a lot counts as about to expire; null for never. */
  readonly expiringDays?: number | null;
  /** Units that may be promised beyond what is available. */
  readonly backorderLimit?: number;
}

export interface PolicyEvent {
  readonly type: "PolicySet";
  /** The fields that were said; `location` is absent for the general policy. */
  readonly data: PolicyFields & { readonly location?: string };
}

export interface Policy {
  readonly general: PolicyFields;
  readonly locations: Readonly<Record<string, PolicyFields>>;
}

/** What a stock goes by, every field resolved. */
export interface EffectivePolicy {
  readonly safetyStock: number;
  readonly lowAt: number | null;
  readonly expiringDays: number | null;
  readonly backorderLimit: number;
}

const defaults: EffectivePolicy = { safetyStock: 0, lowAt: null, expiringDays: null, backorderLimit: 0 };

export const noPolicy: Policy = { general: {}, locations: {} };

export function evolvePolicy(policy: Policy, { data }: PolicyEvent): Policy {
  const { location, ...fields } = data;
  if (location === undefined) return { ...policy, general: { ...policy.general, ...fields } };
  return { ...policy, locations: { ...policy.locations, [location]: { ...policy.locations[location], ...fields } } };
}

/** The event that sets fields; none when they are so already. */
export function decidePolicy(policy: Policy, location: string | undefined, fields: PolicyFields): PolicyEvent[] {
  const known = (location === undefined ? policy.general : policy.locations[location]) ?? {};
  const isNew = (Object.keys(fields) as (keyof PolicyFields)[]).some((name) => fields[name] !== known[name]);
  return isNew ? [{ type: "PolicySet", data: { ...(location !== undefined && { location }), ...fields } }] : [];
}

/** A location's fields override the general ones. */
export function effectivePolicy(policy: Policy, location: string): EffectivePolicy {
  return { ...defaults, ...policy.general, ...policy.locations[location] };
}

export function isDefault(policy: EffectivePolicy): boolean {
  return isSamePolicy(policy, defaults);
}

export function isSamePolicy(a: EffectivePolicy, b: EffectivePolicy): boolean {
  return (
    a.safetyStock === b.safetyStock &&
    a.lowAt === b.lowAt &&
    a.expiringDays === b.expiringDays &&
    a.backorderLimit === b.backorderLimit
  );
}
