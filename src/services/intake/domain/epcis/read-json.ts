import { accept, type Result, reject } from "../../../../kernel/index.ts";
import type { EpcisProblem, ReadEvent } from "./model.ts";
import { isObject, type Prefixes, readEvent } from "./read-event.ts";
import { epcisName, standardPrefixes } from "./vocabulary.ts";

/**
 * The events of a JSON document: an `EPCISDocument`, an `EPCISQueryDocument`, one event, or an array of events as the
 * REST interface takes. Each event is read by itself. Rejects what is none of these.
 *
 * Contexts are not fetched: the standard's is known, and prefixes that a document binds itself are honoured.
 *
 * Source: GS1 EPCIS 2.0, section 10.1 (documents), 12.6 (capture).
 */
export function readJsonDocument(document: unknown): Result<readonly ReadEvent[], EpcisProblem> {
  if (Array.isArray(document)) return accept(eventsOf(document, "", standardPrefixes));
  if (!isObject(document)) return reject({ pointer: "", detail: "is no EPCIS document: a JSON object or array" });
  const read = readBody(document);
  const context = document["@context"];
  if (!read.ok || ![context].flat().some(isObject)) return read;
  return accept(read.value.map((event) => ({ ...event, context })));
}

function readBody(document: Readonly<Record<string, unknown>>): Result<readonly ReadEvent[], EpcisProblem> {
  const prefixes = bound(document["@context"], standardPrefixes);
  const named = document["type"] ?? document["@type"] ?? "";
  const type = typeof named === "string" ? epcisName(named, prefixes) : "";
  const body = find(document, "epcisBody", prefixes);
  if (body === undefined) {
    if (/Document$/.test(type) || type === "") return reject({ pointer: "/epcisBody", detail: "is missing" });
    return accept(eventsOf([document], undefined, prefixes));
  }
  const results = find(find(body.value, "queryResults", prefixes)?.value, "resultsBody", prefixes);
  const path = results === undefined ? "/epcisBody" : "/epcisBody/queryResults/resultsBody";
  const holder = results?.value ?? body.value;
  const list = find(holder, "eventList", prefixes);
  if (list !== undefined) {
    const events = Array.isArray(list.value) ? list.value : [list.value];
    return accept(eventsOf(events, `${path}/eventList`, prefixes));
  }
  const single = find(holder, "event", prefixes);
  if (single !== undefined) return accept([oneEvent(single.value, `${path}/event`, prefixes)]);
  return reject({ pointer: `${path}/eventList`, detail: "is missing" });
}

/** `path` undefined: the document is the event. */
function eventsOf(events: readonly unknown[], path: string | undefined, prefixes: Prefixes): readonly ReadEvent[] {
  return events.map((raw, index) => oneEvent(raw, path === undefined ? "" : `${path}/${index}`, prefixes));
}

function oneEvent(raw: unknown, pointer: string, prefixes: Prefixes): ReadEvent {
  const own = isObject(raw) ? bound(raw["@context"], prefixes) : prefixes;
  return { pointer, raw, event: readEvent(raw, pointer, own) };
}

function find(value: unknown, name: string, prefixes: Prefixes): { readonly value: unknown } | undefined {
  if (!isObject(value)) return undefined;
  const found = Object.entries(value).find(([key]) => epcisName(key, prefixes) === name);
  return found === undefined ? undefined : { value: found[1] };
}

/** The prefixes in force after a `@context`. */
function bound(context: unknown, before: Prefixes): Prefixes {
  const prefixes: Record<string, string> = Object.assign(Object.create(null), before);
  for (const entry of Array.isArray(context) ? context : [context]) {
    if (!isObject(entry)) continue;
    for (const [prefix, target] of Object.entries(entry)) {
      const uri = isObject(target) ? target["@id"] : target;
      // A prefix ends where a name can begin; other texts in a context define terms, which are none of ours.
      if (!prefix.startsWith("@") && typeof uri === "string" && /[/:#?=]$/.test(uri)) prefixes[prefix] = uri;
    }
  }
  return prefixes;
}

/** An event that says itself by what its names are to be read, also outside of its document. */
export function standingAlone({ raw, context }: ReadEvent): unknown {
  if (context === undefined || !isObject(raw)) return raw;
  return { ...raw, "@context": [context, raw["@context"] ?? []].flat() };
}
