import { accept, type Result, reject } from "../../../kernel/index.ts";
import type { EpcisProblem, ReadEvent } from "../domain/epcis/model.ts";
import { readJsonDocument } from "../domain/epcis/read-json.ts";
import { isRejectedLine, rowOfRejectedLine } from "../domain/rejected.ts";
import { XmlEventReader, XmlRefused } from "./read-xml.ts";

/**
 * The events of a whole document, JSON or XML as its first character tells, in its order. Rejects what is no EPCIS
 * document at all; an event that can't be read says so itself.
 */
export function readEpcis(text: string): Result<readonly ReadEvent[], EpcisProblem> {
  return isXml(text) ? readXmlText(text) : readJsonText(text);
}

/** Whether a document that begins so is XML. */
export function isXml(beginning: string): boolean {
  return /^\s*</.test(beginning.replace(/^\ufeff/, ""));
}

/** The events of a JSON document, or of the rejects of an import, which are a line of JSON each. */
export function readJsonText(text: string): Result<readonly ReadEvent[], EpcisProblem> {
  const plain = text.replace(/^\ufeff/, "");
  const isLikeRejects = /^\s*\{\s*"line"\s*:/.test(plain);
  if (isLikeRejects && rejectedEvent(plain.trimStart().split("\n", 1)[0] ?? "") !== undefined)
    return readRejects(plain);
  const document = parsed(plain);
  return document.ok ? readJsonDocument(document.value) : document;
}

function readRejects(text: string): Result<readonly ReadEvent[], EpcisProblem> {
  const events: unknown[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const event = rejectedEvent(line);
    if (event === undefined)
      return reject({ pointer: "", detail: `is no rejects file: its line ${index + 1} is none` });
    events.push(event.value);
  }
  return readJsonDocument(events);
}

/** The event that a line of rejects holds. */
function rejectedEvent(line: string): { readonly value: unknown } | undefined {
  const value = parsed(line);
  const told = value.ok && typeof value.value === "object" ? value.value : null;
  if (told === null || !isRejectedLine(told)) return undefined;
  const rejected = rowOfRejectedLine(told, line.trim());
  const event = rejected && parsed(rejected.text);
  // What was no object was no event, and is turned down again.
  return { value: event?.ok ? event.value : told.row };
}

function parsed(text: string): Result<unknown, EpcisProblem> {
  try {
    return accept(JSON.parse(text));
  } catch (error) {
    const why = error instanceof Error ? error.message : "unreadable";
    return reject({ pointer: "", detail: `is no JSON: ${why}` });
  }
}

function readXmlText(text: string): Result<readonly ReadEvent[], EpcisProblem> {
  const reader = new XmlEventReader();
  try {
    return accept([...reader.push(text), ...reader.finish()]);
  } catch (error) {
    if (error instanceof XmlRefused) return reject({ pointer: "", detail: `line ${error.line}: ${error.message}` });
    throw error;
  }
}
