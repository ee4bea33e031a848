/** Which IP addresses outgoing calls may reach: public ones, and those that the operator names. */
import { BlockList, isIP, isIPv4 } from "node:net";

/** Whether an address, as a URL or a resolver writes it, may be reached; or is in a list. */
export type AddressRule = (address: string) => boolean;

/**
 * IPv4 that is not globally reachable (IANA IPv4 Special-Purpose Address Registry), multicast, and one public address
 * that is a cloud's own service: 168.63.129.16 answers virtual machines at Azure.
 */
const special4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/**
 * What of 2000::/3 is not globally reachable (IANA IPv6 Special-Purpose Address Registry), or carries an IPv4 address
 * inside: 2001::/23 has Teredo, 2002::/16 is 6to4. All outside 2000::/3 is refused anyway.
 */
const special6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20"];

const notPublic = listOf([...special4, ...special6]);
const globalUnicast = listOf(["2000::/3"]);

/** Why a text is no list of addresses and CIDRs by comma; undefined when it is one. */
export function addressListProblem(text: string): string | undefined {
  const wrong = entriesOf(text).find((entry) => parseEntry(entry) === undefined);
  if (wrong === undefined) return undefined;
  return `addresses and CIDRs by comma, as \`127.0.0.1,10.0.0.0/8,fd00::/8\`, and ${JSON.stringify(wrong)} is none`;
}

/** Whether an address is in a list that `addressListProblem` finds nothing wrong with; nothing is in null. */
export function addressesIn(list: string | null): AddressRule {
  const listed = listOf(entriesOf(list ?? ""));
  return (address) => {
    const inner = innerOf(address);
    return inner !== undefined && (has(listed, address) || has(listed, inner));
  };
}

/** The rule for such a list, of outgoing calls; null allows public addresses only. */
export function addressRule(allow: string | null): AddressRule {
  const isAllowed = addressesIn(allow);
  return (address) => {
    const inner = innerOf(address);
    return inner !== undefined && (isAllowed(address) || isPublic(inner));
  };
}

/** The address itself, or the IPv4 address that it stands for; undefined when it is none. */
function innerOf(address: string): string | undefined {
  const family = isIP(address);
  // A zone names an interface of this machine.
  if (family === 0 || address.includes("%")) return undefined;
  return (family === 6 ? embeddedIPv4(address) : undefined) ?? address;
}

function isPublic(address: string): boolean {
  if (isIPv4(address)) return !has(notPublic, address);
  return has(globalUnicast, address) && !has(notPublic, address);
}

/**
 * The IPv4 address that a packet to this IPv6 address ends at: mapped (`::ffff:0:0/96`), or by the well-known prefix of
 * NAT64 (`64:ff9b::/96`, RFC 6052), by which networks without IPv4 reach all of it.
 */
function embeddedIPv4(address: string): string | undefined {
  const words = wordsOf(address);
  const prefix = words.slice(0, 6).join(":");
  if (prefix !== "0:0:0:0:0:65535" && prefix !== "100:65435:0:0:0:0") return undefined;
  const [high = 0, low = 0] = words.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight words of an IPv6 address. */
function wordsOf(address: string): readonly number[] {
  // The URL standard's parser writes every form of an address in one: in hexadecimal, with one `::` at most.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = plain.split("::");
  const words = (text: string) => (text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16)));
  const [before, after] = [words(head), words(tail ?? "")];
  return tail === undefined ? before : [...before, ...Array(8 - before.length - after.length).fill(0), ...after];
}

function entriesOf(text: string): readonly string[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function parseEntry(entry: string): { readonly network: string; readonly bits: number } | undefined {
  const [network = "", prefix, ...more] = entry.split("/");
  const family = isIP(network);
  if (family === 0 || network.includes("%") || more.length > 0) return undefined;
  const bitsMax = family === 4 ? 32 : 128;
  const bits = prefix === undefined ? bitsMax : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  return bits <= bitsMax ? { network, bits } : undefined;
}

function listOf(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const { network, bits } = parseEntry(entry) ?? { network: "", bits: 0 };
    list.addSubnet(network, bits, isIPv4(network) ? "ipv4" : "ipv6");
  }
  return list;
}

function has(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}
