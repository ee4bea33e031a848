import { own } from "./own.ts";

/**
 * The Core Business Vocabulary in its written forms: bare (`shipping`), URN (`urn:epcglobal:cbv:bizstep:shipping`), web URI
 * (`https://ref.gs1.org/cbv/BizStep-shipping`) and CURIE (`cbv:BizStep-shipping`, under any prefix that `@context` binds).
 *
 * Source: GS1 CBV 2.0, sections 7 (standard vocabularies) and 8.10; the JSON-LD context of EPCIS 2.0.
 */
export type Vocabulary = "bizstep" | "disp" | "btt" | "sdt" | "er";

/** Prefixes of the EPCIS context, which a document may bind anew. */
export const standardPrefixes: Readonly<Record<string, string>> = {
  epcis: "https://ref.gs1.org/epcis/",
  cbv: "https://ref.gs1.org/cbv/",
  gs1: "https://gs1.org/voc/",
  cbvmda: "urn:epcglobal:cbv:mda:",
};

/** A CURIE in full, by the prefixes of the document; any other text as it is. */
export function expanded(text: string, prefixes: Readonly<Record<string, string>>): string {
  const colon = text.indexOf(":");
  if (colon <= 0 || text.startsWith("//", colon + 1)) return text;
  const prefix = text.slice(0, colon);
  const base = own(prefixes, prefix);
  return base === undefined ? text : base + text.slice(colon + 1);
}

/** The bare word of a standard vocabulary; a word of anyone else stays as it is, in full. */
export function bareWord(text: string, vocabulary: Vocabulary, prefixes: Readonly<Record<string, string>>): string {
  const full = expanded(text.trim(), prefixes);
  const urn = `urn:epcglobal:cbv:${vocabulary}:`;
  if (full.startsWith(urn)) return full.slice(urn.length);
  const web = /^https?:\/\/(?:ref|ns)\.gs1\.org\/(?:cbv|voc)\/(\w+)-(.+)$/.exec(full);
  if (web?.[1]?.toLowerCase() === vocabulary) return web[2] ?? full;
  return full;
}

/** Business steps that someone names in any of their forms, as events hold them. */
export function bareSteps(steps: readonly string[]): ReadonlySet<string> {
  return new Set(steps.map((step) => bareWord(step, "bizstep", standardPrefixes)));
}

/** The name of a type or member of EPCIS without its namespace; anything else in full. */
export function epcisName(text: string, prefixes: Readonly<Record<string, string>>): string {
  const full = expanded(text, prefixes);
  return /^https?:\/\/(?:ref|ns)\.gs1\.org\/epcis\/(\w+)$/.exec(full)?.[1] ?? full;
}
