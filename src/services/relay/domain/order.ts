/** A public event, as far as its order goes. */
interface Ordered {
  readonly type: string;
  readonly subject?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * What events are kept in order by: the sku and location that they are about, else their subject (a reservation, an item,
 * a location, a transfer). Keys have no limit here.
 */
export function orderKeyOf({ type, subject = "", data }: Ordered): string {
  const { sku, location } = data;
  if (typeof sku === "string" && typeof location === "string") return `stock ${withoutSlash(location)}/${sku}`;
  const kind = type.split(".")[1] ?? "";
  return `${kind} ${subject}`;
}

/** So that no two stocks share a key. */
function withoutSlash(location: string): string {
  return location.replaceAll("%", "%25").replaceAll("/", "%2F");
}
