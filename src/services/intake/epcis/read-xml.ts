import { SaxesParser } from "saxes";
import { limits } from "../../../kernel/index.ts";
import type { ReadEvent } from "../domain/epcis/model.ts";
import { epcisEventTypes } from "../domain/epcis/model.ts";
import { readEvent } from "../domain/epcis/read-event.ts";
import { standardPrefixes } from "../domain/epcis/vocabulary.ts";
import { jsonOfXmlEvent, type XmlElement } from "../domain/epcis/xml-event.ts";

/** The document is no well-formed XML, no EPCIS, or holds what is not read from others; nothing after it is read. */
export class XmlRefused extends Error {
  readonly line: number;

  constructor(detail: string, line: number) {
    super(detail);
    this.name = "XmlRefused";
    this.line = line;
  }
}

/** What one event may hold. Its size bounds the memory, whatever that of the document. */
export interface XmlBounds {
  readonly elementsMax: number;
  /** Also of a single text, tag or comment outside of events. */
  readonly charsMax: number;
}

interface OpenElement extends XmlElement {
  readonly children: OpenElement[];
  text: string;
}

/** Documents with events, and those that say that there are none. */
const roots = new Set(["EPCISDocument", "EPCISQueryDocument", "EPCISMasterDataDocument", "EPCISCaptureJob"]);

/**
 * Reads EPCIS XML 2.0 or 1.2 piece by piece and gives the events as they end; memory holds one event at a time.
 *
 * Entities other than XML's own five, and whatever a document type could define, are not read: a `<!DOCTYPE name>` that
 * says nothing is passed over, any other is refused. So nothing is expanded, and nothing is fetched.
 *
 * `push` throws `XmlRefused`; `finish` as well when the document is cut off.
 */
export class XmlEventReader {
  readonly #bounds: XmlBounds;
  readonly #parser = new SaxesParser({ xmlns: true, position: true });
  readonly #types: ReadonlySet<string> = new Set(epcisEventTypes);
  readonly #open: OpenElement[] = [];
  #depth = 0;
  /** The depth of the list of events, while it is open. */
  #listDepth: number | undefined;
  #elements = 0;
  #chars = 0;
  #count = 0;
  /** Characters taken in since the parser last said something: it keeps a text until that ends. */
  #kept = 0;
  #line = 1;
  #found: ReadEvent[] = [];

  constructor(bounds: XmlBounds = { elementsMax: limits.epcisEventElementsMax, charsMax: limits.epcisEventCharsMax }) {
    this.#bounds = bounds;
    const parser = this.#parser;
    parser.on("error", (error) => {
      throw this.#refused(error.message.replace(/^\d+:\d+: /, ""));
    });
    parser.on("doctype", (text) => {
      if (!/^\s*[\w:.-]+\s*$/.test(text)) throw this.#refused("a document type that defines something is not read");
    });
    const heard = () => {
      this.#kept = 0;
    };
    parser.on("comment", heard);
    parser.on("processinginstruction", heard);
    parser.on("opentag", ({ local, uri, attributes }) => {
      heard();
      this.#depth += 1;
      if (this.#depth > limits.xmlDepthMax) throw this.#refused(`elements nest more than ${limits.xmlDepthMax} deep`);
      if (this.#depth === 1 && !roots.has(local)) throw this.#refused(`${local} is no EPCIS document`);
      if (local === "EventList" && this.#open.length === 0) this.#listDepth = this.#depth;
      // One that is not known (QuantityEvent of EPCIS 1.2) is an event that can't be read, and not nothing.
      const isNamedSo = this.#types.has(local) || (this.#listDepth !== undefined && local.endsWith("Event"));
      const isEvent = this.#open.length === 0 && isNamedSo;
      if (!isEvent && this.#open.length === 0) return;
      if (isEvent) {
        this.#line = parser.line;
        this.#elements = 0;
        this.#chars = 0;
      }
      this.#elements += 1;
      if (this.#elements > this.#bounds.elementsMax)
        throw this.#refused(`an event of more than ${this.#bounds.elementsMax} elements`);
      const plain: Record<string, string> = Object.create(null);
      for (const attribute of Object.values(attributes)) {
        plain[attribute.local] = attribute.value;
        this.#measure(attribute.value);
      }
      const element: OpenElement = { name: local, namespace: uri, attributes: plain, children: [], text: "" };
      this.#open.at(-1)?.children.push(element);
      this.#open.push(element);
    });
    const addText = (text: string) => {
      const element = this.#open.at(-1);
      if (element === undefined) return;
      this.#measure(text);
      element.text += text;
    };
    parser.on("text", addText);
    parser.on("cdata", addText);
    parser.on("closetag", () => {
      heard();
      if (this.#depth === this.#listDepth) this.#listDepth = undefined;
      this.#depth -= 1;
      const element = this.#open.pop();
      if (element === undefined) return;
      element.text = element.text.trim();
      if (this.#open.length === 0) this.#ended(element);
    });
  }

  push(text: string): readonly ReadEvent[] {
    this.#kept += text.length;
    this.#parser.write(text);
    if (this.#kept > this.#bounds.charsMax)
      throw this.#refused(`a text of more than ${this.#bounds.charsMax} characters`);
    return this.taken();
  }

  finish(): readonly ReadEvent[] {
    this.#parser.close();
    return this.taken();
  }

  /** Events that ended and were not given yet: what stood before that for which the document was refused. */
  taken(): readonly ReadEvent[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }

  #ended(element: XmlElement): void {
    const pointer = `/epcisBody/eventList/${this.#count}`;
    const raw = jsonOfXmlEvent(element);
    this.#count += 1;
    this.#found.push({ pointer, line: this.#line, raw, event: readEvent(raw, pointer, standardPrefixes) });
  }

  #measure(text: string): void {
    this.#chars += text.length;
    if (this.#chars > this.#bounds.charsMax)
      throw this.#refused(`an event of more than ${this.#bounds.charsMax} characters`);
  }

  #refused(detail: string): XmlRefused {
    return new XmlRefused(detail, this.#parser.line);
  }
}
