import { own } from "./own.ts";

/** An XML element without what the events of EPCIS have no use for: comments, processing instructions, the order of attributes. */
export interface XmlElement {
  /** The name without its prefix. */
  readonly name: string;
  /** Empty for none. EPCIS defines its own elements in none (its schemas are "unqualified"). */
  readonly namespace: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

/**
 * An event element of EPCIS XML 2.0 or 1.2 in the JSON notation, so that both are read by the same rules.
 *
 * In 1.2 what came after 1.0 stands in `extension` and `baseExtension`, one inside the other; these are opened. What
 * vendors added keeps its namespace in its name; sensors are left out.
 *
 * Source: GS1 EPCIS 2.0, sections 9.5 (XML schema) and 10.1 (JSON-LD); EPCIS 1.2, section 9.5.
 */
export function jsonOfXmlEvent(element: XmlElement): Record<string, unknown> {
  const event: Record<string, unknown> = { type: element.name };
  addMembers(event, element.children, 0);
  return event;
}

function addMembers(event: Record<string, unknown>, elements: readonly XmlElement[], depth: number): void {
  for (const child of elements) {
    if (isStandard(child) && (child.name === "extension" || child.name === "baseExtension") && depth < 8) {
      addMembers(event, child.children, depth + 1);
    } else if (isStandard(child) && child.name === "sensorElementList") {
    } else {
      const read = isStandard(child) ? own(members, child.name) : undefined;
      add(event, nameOf(child), read === undefined ? foreignValue(child) : read(child));
    }
  }
}

/** How the members of events that are more than a text are read. */
const members: Readonly<Record<string, (element: XmlElement) => unknown>> = {
  epcList: texts,
  childEPCs: texts,
  inputEPCList: texts,
  outputEPCList: texts,
  quantityList: quantities,
  childQuantityList: quantities,
  inputQuantityList: quantities,
  outputQuantityList: quantities,
  readPoint: (element) => ({ id: textOf(element, "id") }),
  bizLocation: (element) => ({ id: textOf(element, "id") }),
  bizTransactionList: (element) => references(element, "bizTransaction"),
  sourceList: (element) => references(element, "source"),
  destinationList: (element) => references(element, "destination"),
  persistentDisposition: ({ children }) => ({
    set: children.filter(({ name }) => name === "set").map(({ text }) => text),
    unset: children.filter(({ name }) => name === "unset").map(({ text }) => text),
  }),
  errorDeclaration: (element) => ({
    declarationTime: textOf(element, "declarationTime"),
    reason: textOf(element, "reason"),
    correctiveEventIDs: texts(element.children.find(({ name }) => name === "correctiveEventIDs")),
  }),
};

function texts(element: XmlElement | undefined): readonly string[] {
  return (element?.children ?? []).map(({ text }) => text);
}

function quantities(element: XmlElement): readonly unknown[] {
  return element.children.map((quantity) => ({
    epcClass: textOf(quantity, "epcClass"),
    quantity: textOf(quantity, "quantity"),
    uom: textOf(quantity, "uom"),
  }));
}

function references(element: XmlElement, idMember: string): readonly unknown[] {
  return element.children.map(({ text, attributes }) => ({ type: attributes["type"], [idMember]: text }));
}

function textOf(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name && isStandard(child))?.text;
}

/** An element that the standard doesn't define: its text, or its members. */
function foreignValue(element: XmlElement): unknown {
  if (element.children.length === 0) return element.text;
  const value: Record<string, unknown> = {};
  for (const child of element.children) add(value, nameOf(child), foreignValue(child));
  return value;
}

/** The same name again makes a list, as JSON has it. */
function add(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === "__proto__") return;
  const before = own(object, name);
  if (before === undefined) object[name] = value;
  else if (Array.isArray(before)) before.push(value);
  else object[name] = [before, value];
}

function isStandard({ namespace }: XmlElement): boolean {
  return namespace === "" || /^urn:epcglobal:epcis:xsd:\d+$/.test(namespace);
}

/** The name in full as JSON-LD has it, where a prefix ends in what parts it from the name. */
function nameOf(element: XmlElement): string {
  const { name, namespace } = element;
  if (isStandard(element)) return name;
  const parting = /[/:#]$/.test(namespace) ? "" : namespace.startsWith("urn:") ? ":" : "/";
  return namespace + parting + name;
}
