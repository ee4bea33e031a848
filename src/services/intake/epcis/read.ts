import { accept, type Result, reject } from "../../../kernel/index.ts";
import type { EpcisProblem, ReadEvent } from "../domain/epcis/model.ts";
import { readJsonDocument } from "../domain/epcis/read-json.ts";
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

export function readJsonText(text: string): Result<readonly ReadEvent[], EpcisProblem> {
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    const why = error instanceof Error ? error.message : "unreadable";
    return reject({ pointer: "", detail: `is no JSON: ${why}` });
  }
  return readJsonDocument(document);
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
