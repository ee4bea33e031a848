import { isIP } from "node:net";
import { accept, type Result, reject } from "../../kernel/index.ts";
import type { AddressRule } from "./addresses.ts";

/**
 * The URL that a user gave for outgoing calls, brought into one form: IPv4 in any notation as four decimals, no trailing
 * dot, no fragment. Rejects with what is wrong, as a clause that goes on after the name of the field ("must be …").
 *
 * A name is not looked up here: what it stands for may change, so each call judges that again.
 */
export function parseTarget(text: string, mayReach: AddressRule): Result<URL, string> {
  if (!URL.canParse(text)) return reject("must be a URL, as https://example.com/hooks.");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return reject("must begin with https:// or http://.");
  if (url.username !== "" || url.password !== "") return reject("must not hold a user name or a password.");
  url.hash = "";
  url.hostname = url.hostname.replace(/\.+$/, "");
  const fixed = fixedAddresses(url.hostname);
  if (fixed !== undefined && !fixed.some(mayReach))
    return reject("must be a public address, or one that the operator allows (LARDER_OUTBOUND_ALLOW).");
  return accept(url);
}

/** The addresses of a host that no resolver is asked for: an address itself, and this machine (RFC 6761, 6.3). */
export function fixedAddresses(hostname: string): readonly string[] | undefined {
  const bare = hostname.replace(/^\[|\]$/g, "");
  if (isIP(bare) !== 0) return [bare];
  return /(?:^|\.)localhost$/i.test(hostname) ? ["127.0.0.1", "::1"] : undefined;
}
