/**
 * The names of keys. They are public (docs/reference/redis-keys.md): a name, once used, never changes its meaning. `%` and
 * `:` of a location are percent-encoded, so that no two stocks share a key; a sku stands last, as it is.
 */
export interface RedisKeys {
  readonly position: string;
  readonly channel: string;
  stock(location: string, sku: string): string;
  locations(sku: string): string;
  /** Patterns of all keys but the position's. */
  readonly patterns: readonly string[];
}

export function redisKeys(prefix: string): RedisKeys {
  return {
    position: `${prefix}position`,
    channel: `${prefix}changed`,
    stock: (location, sku) => `${prefix}availability:${encoded(location)}:${sku}`,
    locations: (sku) => `${prefix}locations:${sku}`,
    patterns: [`${prefix}availability:*`, `${prefix}locations:*`],
  };
}

function encoded(location: string): string {
  return /[%:]/.test(location) ? location.replaceAll("%", "%25").replaceAll(":", "%3A") : location;
}
