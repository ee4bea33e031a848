import { accept, isDate, type Result, reject } from "../../../../kernel/index.ts";
import { checkDigit, hasRightCheckDigit } from "./digits.ts";
import { own } from "./own.ts";

/** What an identifier of an EPCIS document names, as far as stock is concerned. */
export type Gs1Key =
  /**
   * Units of one GTIN (14 digits). With `serial`, or with `tpx` (the serial that an authority gives a pack of tobacco), exactly
   * one; otherwise a class of them, of one lot or of any.
   */
  | {
      readonly kind: "trade-item";
      readonly gtin: string;
      readonly lot?: string;
      readonly serial?: string;
      readonly tpx?: string;
      readonly expiresOn?: string;
    }
  /** A part of a trade item that is packed in several pieces: no unit of stock by itself. */
  | { readonly kind: "piece"; readonly gtin: string; readonly lot?: string; readonly serial?: string }
  /** A place: GLN (13 digits), and the place inside it when `extension` says so. */
  | { readonly kind: "place"; readonly gln: string; readonly extension?: string }
  | { readonly kind: "party"; readonly gln: string }
  | { readonly kind: "logistic-unit"; readonly sscc: string }
  /** Anything else: assets, documents, services, vocabularies of others. */
  | { readonly kind: "other" };

const other: Gs1Key = { kind: "other" };

/**
 * Reads a URI as an EPC URN or a GS1 Digital Link. What is neither is `other`; what sets out to be one and isn't (a wrong
 * number of digits, a wrong check digit) is rejected with the reason in words. White space around it is not part of it.
 */
export function parseGs1Key(uri: string): Result<Gs1Key, string> {
  const text = uri.trim();
  if (/^urn:epc:/i.test(text)) return parseEpcUrn(text);
  return /^https?:/i.test(text) ? parseDigitalLink(text) : accept(other);
}

/**
 * EPC URNs hold a GS1 key without its check digit, and the company prefix apart.
 *
 * Source: GS1 EPC Tag Data Standard 2.0, section 6.3 (pure identities), 6.4 (classes) and 8 (patterns); section 7 on how
 * each corresponds to its GS1 key.
 */
function parseEpcUrn(text: string): Result<Gs1Key, string> {
  const [, , space = "", scheme = "", ...rest] = text.split(":");
  const [prefix = "", reference = "", ...more] = rest.join(":").split(".");
  const last = more.join(".");
  switch (`${space}:${scheme}`.toLowerCase()) {
    case "id:sgtin":
    case "class:lgtin":
    case "idpat:sgtin":
    case "idpat:lgtin": {
      // `urn:epc:idpat:sgtin:4012345.*.*` names whatever a company makes: no one item.
      if (reference === "*") return accept(other);
      const gtin = gtinOf(prefix, reference, text);
      if (!gtin.ok) return gtin;
      const end = decoded(last);
      if (end === undefined || end === "") return reject(`${text} has no readable lot or serial`);
      if (end === "*") return accept({ kind: "trade-item", gtin: gtin.value });
      const isLot = scheme.toLowerCase() === "lgtin";
      return accept({ kind: "trade-item", gtin: gtin.value, ...(isLot ? { lot: end } : { serial: end }) });
    }
    case "id:upui": {
      const gtin = gtinOf(prefix, reference, text);
      if (!gtin.ok) return gtin;
      const tpx = decoded(last);
      if (tpx === undefined || tpx === "") return reject(`${text} has no readable serial`);
      return accept({ kind: "trade-item", gtin: gtin.value, tpx });
    }
    case "id:itip":
    case "idpat:itip": {
      const gtin = gtinOf(prefix, reference, text);
      return gtin.ok ? accept({ kind: "piece", gtin: gtin.value }) : gtin;
    }
    case "id:sgln":
    case "idpat:sgln": {
      if (!areDigits(prefix, 6, 12) || !areDigits(prefix + reference, 12, 12)) return reject(`${text} is no SGLN`);
      const gln = withCheckDigit(prefix + reference);
      const extension = decoded(last);
      if (extension === undefined || extension === "") return reject(`${text} has no readable extension`);
      return accept({ kind: "place", gln, ...(extension !== "0" && extension !== "*" && { extension }) });
    }
    case "id:pgln":
      if (!areDigits(prefix, 6, 12) || !areDigits(prefix + reference, 12, 12)) return reject(`${text} is no PGLN`);
      return accept({ kind: "party", gln: withCheckDigit(prefix + reference) });
    case "id:sscc":
      if (!areDigits(prefix, 6, 12) || !areDigits(prefix + reference, 17, 17)) return reject(`${text} is no SSCC`);
      return accept({
        kind: "logistic-unit",
        sscc: withCheckDigit(reference.slice(0, 1) + prefix + reference.slice(1)),
      });
    default:
      return accept(other);
  }
}

/** The indicator digit comes first in the GTIN, and before the item reference in the URN. */
function gtinOf(prefix: string, reference: string, text: string): Result<string, string> {
  if (!areDigits(prefix, 6, 12) || !areDigits(prefix + reference, 13, 13)) return reject(`${text} holds no GTIN`);
  return accept(withCheckDigit(reference.slice(0, 1) + prefix + reference.slice(1)));
}

/**
 * GS1 Digital Link URIs: any domain and any path before the key; `/01/{gtin}/10/{lot}/21/{serial}`; attributes such as
 * the expiry date (17) in the query string.
 *
 * Source: GS1 Digital Link Standard: URI Syntax 1.4, sections 4.5 to 4.10; GS1 General Specifications, section 3, for what
 * the application identifiers mean.
 */
function parseDigitalLink(text: string): Result<Gs1Key, string> {
  const match = /^https?:\/\/[^/?#]+([^?#]*)(?:\?([^#]*))?(?:#.*)?$/i.exec(text);
  if (match === null) return accept(other);
  const segments = (match[1] ?? "").split("/").slice(1);
  const at = keyAt(segments);
  if (at === undefined) return accept(other);
  const value = segments[at + 1] ?? "";
  const qualifiers = new Map<string, string>();
  for (let index = at + 2; index + 1 < segments.length; index += 2) {
    const qualifier = decoded(segments[index + 1] ?? "");
    if (qualifier === undefined || qualifier === "") return reject(`${text} can't be decoded`);
    qualifiers.set(segments[index] ?? "", qualifier);
  }
  const lot = qualifiers.get("10");
  const serial = qualifiers.get("21");
  const tpx = qualifiers.get("235");
  const item = { ...(lot !== undefined && { lot }), ...(serial !== undefined && { serial }) };
  const wrong = () => reject(`${text} has a wrong check digit`);
  switch (segments[at]) {
    case "01": {
      const gtin = value.padStart(14, "0");
      if (!hasRightCheckDigit(gtin)) return wrong();
      const expiry = expiryIn(match[2] ?? "", text);
      if (!expiry.ok) return expiry;
      return accept({ kind: "trade-item", gtin, ...item, ...(tpx !== undefined && { tpx }), ...expiry.value });
    }
    case "8006": {
      const gtin = value.slice(0, 14);
      return hasRightCheckDigit(gtin) ? accept({ kind: "piece", gtin, ...item }) : wrong();
    }
    case "414": {
      if (!hasRightCheckDigit(value)) return wrong();
      const extension = qualifiers.get("254");
      return accept({ kind: "place", gln: value, ...(extension !== undefined && { extension }) });
    }
    case "417":
      return hasRightCheckDigit(value) ? accept({ kind: "party", gln: value }) : wrong();
    case "00":
      return hasRightCheckDigit(value) ? accept({ kind: "logistic-unit", sscc: value }) : wrong();
    default:
      return accept(other);
  }
}

/** Primary keys of a Digital Link and the form of their values; others are passed over as `other`. */
const primaryKeys: Readonly<Record<string, RegExp>> = {
  "00": /^\d{18}$/,
  "01": /^(\d{8}|\d{12,14})$/,
  "414": /^\d{13}$/,
  "417": /^\d{13}$/,
  "8006": /^\d{18}$/,
};

/** Where the key begins. Whatever the path holds before it, a key's value ends it, but for its qualifiers. */
function keyAt(segments: readonly string[]): number | undefined {
  for (let index = 0; index + 1 < segments.length; index += 1) {
    if (own(primaryKeys, segments[index])?.test(segments[index + 1] ?? "") === true) return index;
  }
  return undefined;
}

/** AI (17), `YYMMDD`; day 00 is the last of the month. Of this century: stock that expired before it is no matter here. */
function expiryIn(query: string, text: string): Result<{ readonly expiresOn?: string }, string> {
  const value = /(?:^|[&;])17=(\d{6})(?:$|[&;])/.exec(query)?.[1];
  if (value === undefined) return accept({});
  const month = `20${value.slice(0, 2)}-${value.slice(2, 4)}`;
  const days = value.endsWith("00") ? ["31", "30", "29", "28"] : [value.slice(4)];
  const expiresOn = days.map((day) => `${month}-${day}`).find(isDate);
  return expiresOn === undefined ? reject(`${text} has no date in (17)`) : accept({ expiresOn });
}

function areDigits(text: string, lengthMin: number, lengthMax: number): boolean {
  return /^\d*$/.test(text) && text.length >= lengthMin && text.length <= lengthMax;
}

function withCheckDigit(digits: string): string {
  return digits + checkDigit(digits);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // a percent sign that escapes nothing
  }
}
