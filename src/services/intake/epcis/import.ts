import { hash } from "node:crypto";
import { limits } from "../../../kernel/index.ts";
import type { Delivery } from "../delivery.ts";
import { Contents } from "../domain/epcis/contents.ts";
import type { BaseUnit } from "../domain/epcis/lines.ts";
import { type EpcisSurroundings, mapEvent } from "../domain/epcis/map-event.ts";
import type { EpcisMapping } from "../domain/epcis/mapping.ts";
import type { ReadEvent } from "../domain/epcis/model.ts";
import { gtinsIn } from "../domain/epcis/named.ts";
import { placeFinder } from "../domain/epcis/places.ts";
import { standingAlone } from "../domain/epcis/read-json.ts";
import { bareSteps } from "../domain/epcis/vocabulary.ts";
import type { CloudEvent, Mapped } from "../domain/mapper.ts";
import { MappingError } from "../domain/mapping-error.ts";
import type { Row } from "../domain/rows.ts";
import { ImportError } from "../failure.ts";
import { unpacked } from "../input.ts";
import { type ImportOptions, Run } from "../run.ts";
import type { FactSink, ItemUnits } from "../sinks.ts";
import type { ImportSummary } from "../summary.ts";
import { isXml, readJsonText } from "./read.ts";
import { XmlEventReader, XmlRefused } from "./read-xml.ts";

export interface EpcisImport extends ImportOptions {
  readonly mapping: EpcisMapping;
  readonly sink: FactSink;
  /** Without it the units that the events tell are taken as those of the items. */
  readonly units?: ItemUnits;
}

/**
 * Maps the events of an EPCIS document to facts and sends them; a row of the summary is an event. XML is read as a stream,
 * one event in memory; JSON whole. Ids come from the events, so the same file twice changes nothing.
 *
 * Throws `MappingError` when the mapping is wrong, and `ImportError` when the document is none or ends too early; what was
 * read before that is recorded.
 */
export async function importEpcis(options: EpcisImport): Promise<ImportSummary> {
  const { mapping, sink, signal, input, rejects, units } = options;
  const places = placeFinder(mapping.places);
  if (!places.ok) throw new MappingError("places", places.rejection);
  const known = new Map<string, BaseUnit | undefined>();
  const contents = new Contents();
  const around: EpcisSurroundings = {
    source: mapping.source,
    placeOf: places.value,
    unitOf: (gtin) => known.get(gtin),
    contentsOf: contents.of,
    leftOut: bareSteps(mapping.leaveOut ?? []),
    digest: (text) => hash("sha256", text, "hex"),
  };
  const run = new Run(options);
  rejects?.begin([]);
  return run.carryOut<CloudEvent>(
    (made) => sink.send(made, signal),
    async (delivery) => {
      let count = 0;
      for await (const events of eventsIn(decoded(unpacked(input.bytes, run.readBytes)))) {
        if (units !== undefined && options.dryRun !== true) await learn(events, known, units, signal);
        for (const event of events) {
          count += 1;
          if (event.event.ok) contents.note(event.event.value);
          await carry(event, count, around, run, delivery);
        }
        run.progressed();
      }
    },
  );
}

async function carry(
  read: ReadEvent,
  number: number,
  around: EpcisSurroundings,
  run: Run,
  delivery: Delivery<CloudEvent>,
): Promise<void> {
  // Rejects show the event in the JSON notation, whichever it came in.
  const row: Row = { line: read.line ?? number, fields: [], text: JSON.stringify(standingAlone(read)) };
  for (const fact of run.note(mappedOf(read, around), row, delivery)) {
    delivery.add(fact, [row]);
    run.tallies.made += 1;
    if (delivery.isFull) await delivery.dispatch();
  }
  if (delivery.isFull) await delivery.dispatch();
}

function mappedOf({ pointer, event }: ReadEvent, around: EpcisSurroundings): Mapped<CloudEvent> {
  if (!event.ok) {
    const { pointer: where, detail } = event.rejection;
    return { kind: "rejected", by: "row", reason: "the event can't be read", detail: `${where}: ${detail}` };
  }
  const mapped = mapEvent(event.value, around);
  switch (mapped.kind) {
    case "facts":
      return { kind: "yields", made: mapped.facts };
    case "nothing":
      return { kind: "ignored", reason: mapped.reason };
    case "rejected": {
      const detail = `${pointer}: ${mapped.reason}`;
      return { kind: "rejected", by: "row", reason: "the event can't be recorded", detail };
    }
  }
}

/** Asks once for each item that comes up. */
async function learn(
  events: readonly ReadEvent[],
  known: Map<string, BaseUnit | undefined>,
  units: ItemUnits,
  signal: AbortSignal | undefined,
): Promise<void> {
  const asked = new Set<string>();
  for (const { event } of events) {
    for (const gtin of event.ok ? gtinsIn(event.value) : []) if (!known.has(gtin)) asked.add(gtin);
  }
  if (asked.size === 0) return;
  const found = await units([...asked], signal);
  for (const gtin of asked) known.set(gtin, found.get(gtin));
}

async function* decoded(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const piece of bytes) yield decoder.decode(piece, { stream: true });
    yield decoder.decode();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new ImportError("input-damaged", "The document holds bytes that are not UTF-8.", { cause });
  }
}

/** The events of a document in pieces, many at a time. */
async function* eventsIn(pieces: AsyncIterable<string>): AsyncGenerator<readonly ReadEvent[]> {
  let beginning = "";
  let xml: XmlEventReader | undefined;
  const json: string[] = [];
  let jsonChars = 0;
  try {
    for await (const piece of pieces) {
      if (xml === undefined && jsonChars === 0) {
        beginning += piece;
        if (beginning.trim() === "" && beginning.length < limits.importRowCharsMax) continue;
        if (isXml(beginning)) xml = new XmlEventReader();
        else json.push(beginning);
        jsonChars += beginning.length;
        if (xml !== undefined) yield* inSteps(xml.push(beginning));
      } else if (xml !== undefined) {
        yield* inSteps(xml.push(piece));
      } else {
        json.push(piece);
        jsonChars += piece.length;
        if (jsonChars > limits.epcisJsonCharsMax)
          throw new ImportError(
            "input-damaged",
            `The JSON document is over ${limits.epcisJsonCharsMax} characters. Split it, or use XML.`,
          );
      }
    }
    if (xml !== undefined) yield* inSteps(xml.finish());
  } catch (error) {
    if (!(error instanceof XmlRefused) || xml === undefined) throw error;
    yield* inSteps(xml.taken());
    throw new ImportError("input-damaged", `Line ${error.line}: ${error.message}.`, { cause: error });
  }
  if (xml !== undefined) return;
  const read = readJsonText(json.join(""));
  if (!read.ok) {
    const { pointer, detail } = read.rejection;
    throw new ImportError("input-damaged", `The document${pointer === "" ? "" : ` at ${pointer}`} ${detail}.`);
  }
  yield* inSteps(read.value);
}

function* inSteps(events: readonly ReadEvent[]): Generator<readonly ReadEvent[]> {
  for (let from = 0; from < events.length; from += eventsAtOnce) yield events.slice(from, from + eventsAtOnce);
}

/** Events between two looks at the progress. */
const eventsAtOnce = 500;
