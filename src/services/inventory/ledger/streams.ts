/**
 * The names of streams. They are stored: a name, once used, never changes its meaning.
 *
 * A stock's stream is `stock-{location}/{sku}`, with `%` and `/` of the location percent-encoded, so that no two pairs
 * share a name (a location `a-b` with sku `c` would meet location `a` with sku `b-c` if both were joined by `-`).
 */
export const streamOf = {
  stock: stockStream,
  reservation: reservationStream,
  transfer: (id: string) => `transfer-${id}`,
  policy: (sku: string) => `policy-${sku}`,
  item: (sku: string) => `item-${sku}`,
  location: (id: string) => `location-${id}`,
  /** A void that came before its fact. */
  void: (claim: string) => `void-${claim}`,
  /** Ownership of a GTIN, so that two items can't claim it at once. */
  gtin: (gtin: string) => `gtin-${gtin}`,
  /** Ownership of a GLN, so that two locations can't claim it at once. */
  gln: (gln: string) => `gln-${gln}`,
  seal: (lane: number) => `seal-${lane}`,
} as const;

/**
 * Not a stream: what a decision has looked at that asked for the locations of a sku. It changes when one begins to have
 * the sku.
 */
export function placesOf(sku: string): string {
  return `places-${sku}`;
}

let lastLocation = "";
let lastSku = "";
let lastStream = "";

/** A decision asks for the same stock several times; its name is joined, and hashed by maps, only once. */
function stockStream(location: string, sku: string): string {
  if (sku !== lastSku || location !== lastLocation) {
    lastStream = `stock-${encodePart(location)}/${sku}`;
    lastLocation = location;
    lastSku = sku;
  }
  return lastStream;
}

let lastReservation = "";
let lastReservationStream = "";

/** As with stocks: a decision asks for its reservation several times. */
function reservationStream(id: string): string {
  if (id !== lastReservation) {
    lastReservationStream = `reservation-${id}`;
    lastReservation = id;
  }
  return lastReservationStream;
}

/** The kind of a stream: the word before its first `-`. */
export function kindOf(stream: string): string {
  if (stream.startsWith("stock-")) return "stock"; // nearly all, and no text is made for them
  if (stream.startsWith("reservation-")) return "reservation";
  const end = stream.indexOf("-");
  return end < 0 ? stream : stream.slice(0, end);
}

/** The location and sku of a stock's stream. */
export function pairOf(stream: string): { readonly location: string; readonly sku: string } {
  const slash = stream.indexOf("/");
  const location = stream.slice("stock-".length, slash);
  return { location: location.includes("%") ? decodePart(location) : location, sku: stream.slice(slash + 1) };
}

/** What follows the kind: the id of a reservation, a transfer, and so on. */
export function idOf(stream: string): string {
  return stream.slice(stream.indexOf("-") + 1);
}

function encodePart(location: string): string {
  return /[%/]/.test(location) ? location.replaceAll("%", "%25").replaceAll("/", "%2F") : location;
}

function decodePart(text: string): string {
  return text.replaceAll("%2F", "/").replaceAll("%25", "%");
}
