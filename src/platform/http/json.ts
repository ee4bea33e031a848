/**
 * Where a text stops being JSON: the offset of the first character that can't stand there, or the text's length when it
 * ends too early. Only for texts that `JSON.parse` has refused; undefined when this finds nothing wrong either.
 */
export function jsonFaultOffset(text: string): number | undefined {
  const open: ("{" | "[")[] = [];
  let expects: Expectation = "value";
  let offset = 0;
  while (expects !== "nothing" || offset < text.length) {
    whiteSpace.lastIndex = offset;
    whiteSpace.test(text);
    offset = whiteSpace.lastIndex;
    if (offset >= text.length) return expects === "nothing" ? undefined : text.length;
    const character = text.charAt(offset);
    const next = step(expects, character, open);
    if (next === undefined) return offset;
    if (next.token === undefined) {
      offset += 1;
    } else {
      next.token.lastIndex = offset;
      if (!next.token.test(text)) return faultInside(text, offset);
      offset = next.token.lastIndex;
    }
    expects = next.expects;
  }
  return undefined;
}

type Expectation = "value" | "value-or-end" | "key" | "key-or-end" | "colon" | "more" | "nothing";

const whiteSpace = /[ \t\n\r]*/y;
const string = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const stringBeginning = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*/y;
const scalar = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;

/** What stands next when `character` stands here, and the token it begins; undefined when it may not stand here. */
function step(
  expects: Expectation,
  character: string,
  open: ("{" | "[")[],
): { readonly expects: Expectation; readonly token?: RegExp } | undefined {
  switch (expects) {
    case "value":
    case "value-or-end":
      if (character === "]" && expects === "value-or-end") return close(open);
      if (character === "{" || character === "[") {
        open.push(character);
        return { expects: character === "{" ? "key-or-end" : "value-or-end" };
      }
      return { expects: afterValue(open), token: character === '"' ? string : scalar };
    case "key":
    case "key-or-end":
      if (character === "}" && expects === "key-or-end") return close(open);
      return character === '"' ? { expects: "colon", token: string } : undefined;
    case "colon":
      return character === ":" ? { expects: "value" } : undefined;
    case "more": {
      const inside = open[open.length - 1];
      if (character === ",") return { expects: inside === "{" ? "key" : "value" };
      return character === (inside === "{" ? "}" : "]") ? close(open) : undefined;
    }
    case "nothing":
      return undefined;
  }
}

function close(open: ("{" | "[")[]): { readonly expects: Expectation } {
  open.pop();
  return { expects: afterValue(open) };
}

function afterValue(open: readonly string[]): Expectation {
  return open.length === 0 ? "nothing" : "more";
}

/** Inside a broken token: a string breaks where its longest good beginning ends, any other where it begins. */
function faultInside(text: string, offset: number): number {
  if (text.charAt(offset) !== '"') return offset;
  stringBeginning.lastIndex = offset;
  stringBeginning.test(text);
  return stringBeginning.lastIndex;
}

/** `line 3, column 7`, both from 1. */
export function lineAndColumn(text: string, offset: number): string {
  const before = text.slice(0, offset);
  return `line ${before.split("\n").length}, column ${offset - before.lastIndexOf("\n")}`;
}

/**
 * Whether a JSON text nests deeper than `depthMax`, so that whoever walks the value by recursion is safe. Texts of up to
 * 4,096 characters pass unseen: they can't nest deep enough to hurt.
 */
export function isTooDeep(text: string, depthMax: number): boolean {
  if (text.length <= 4096) return false;
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x22) index = endOfString(text, index);
    else if (code === 0x5b || code === 0x7b) depth += 1;
    else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (depth > depthMax) return true;
  }
  return false;
}

/** The offset of the quotation mark that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0) {
    let backslashes = 0;
    while (text.charAt(end - 1 - backslashes) === "\\") backslashes += 1;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}
