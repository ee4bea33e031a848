/** What goes wrong in other people's servers: texts, numbers, JSON and bytes that are likely to be mishandled. */
import type { Random } from "./random.ts";

/** JSON as it is to be written, which may be no JSON at all. */
export class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export const oddTexts: readonly string[] = [
  "",
  " ",
  " a",
  "a ",
  "a\u0000b",
  "a\nb",
  "a\u007f",
  "e\u0301",
  "\u00e9",
  "\u0430", // a Cyrillic letter that looks like an a
  "\u212b", // NFC makes another letter of it
  "\u1100\u1161\u11a8",
  "a\u200bb",
  "\u202eabc",
  "\ufeffa",
  "\u{1f600}",
  "\ud800",
  "a\udc00b",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "..",
  "../../etc/passwd",
  "a/b",
  "a\\b",
  "C:\\x",
  "%2e%2e%2f",
  "%",
  "%00",
  "{}",
  "a,b",
  "a;b",
  '"',
  "'; DROP TABLE log; --",
  "<script>1</script>",
  "$" + "{7*7}",
  "null",
  "undefined",
  "NaN",
  "-1",
  "0x10",
  "1e3",
  "true",
  "2026-02-30",
  "2026-11-21T25:00:00Z",
  "9999-12-31T23:59:59Z",
  "-271821-04-20T00:00:00Z",
  "+275760-09-13T00:00:00.001Z",
  "0000-01-01T00:00:00Z",
  "x".repeat(64),
  "x".repeat(65),
  "x".repeat(101),
  "x".repeat(257),
  "\u{1f600}".repeat(100),
  "e\u0301".repeat(100),
  "x".repeat(5000),
  "\ufdfa".repeat(200),
];

/** Numbers as JSON may write them. */
export const oddNumbers: readonly Raw[] = [
  ..."0 -0 1 -1 0.5 1.0 1e0 1e2 1E+2 1e-7 0.1e1 1e12 1000000000001 -1e12 1e15 -1e15 1000000000000001 999999999999999".split(
    " ",
  ),
  ..."9007199254740991 9007199254740992 9007199254740993 -9007199254740993 2147483648 4294967296".split(" "),
  ..."1e21 1e308 -1e308 1e309 -1e400 5e-324 1e-400 123456789012345678901234567890 0.30000000000000004".split(" "),
  "1".repeat(400),
  `0.${"0".repeat(300)}1`,
].map((text) => new Raw(text));

const notJson = [
  "NaN",
  "Infinity",
  "01",
  "+1",
  "1.",
  ".5",
  "0x1",
  "'a'",
  "undefined",
  "{a:1}",
  "[1,]",
  '"\\x41"',
  '"\\u12"',
  '"a\nb"',
];

export function oddText(random: Random): string {
  if (random.chance(0.8)) return random.pick(oddTexts);
  const unit = () =>
    String.fromCodePoint(random.pick([random.below(0x80), random.below(0x800), random.below(0x10ffff)]));
  return random.list(0, 20, unit).join("");
}

/** Any value at all, as it could stand in a body. */
export function oddValue(random: Random, depth = 0): unknown {
  const kind = random.below(depth > 3 ? 6 : 9);
  if (kind <= 1) return oddText(random);
  if (kind <= 3) return random.pick(oddNumbers);
  if (kind === 4) return random.pick([true, false, null]);
  if (kind === 5) return random.chance(0.1) ? new Raw(random.pick(notJson)) : random.below(10);
  if (kind === 6) return random.list(0, 4, () => oddValue(random, depth + 1));
  if (kind === 7) return new Raw(nested(random.pick([2, 40, 63, 64, 65, 200, 2000, 20_000]), random.chance(0.5)));
  return Object.fromEntries(random.list(0, 4, () => [random.pick(oddTexts), oddValue(random, depth + 1)]));
}

export function nested(depth: number, inLists: boolean): string {
  // A name that is a number: the engine writes such objects by recursion.
  return inLists ? "[".repeat(depth) + "]".repeat(depth) : `${'{"0":'.repeat(depth)}1${"}".repeat(depth)}`;
}

/** Writes a value as JSON: raw parts as they are, and lone surrogates escaped or not, as `JSON.stringify` would not. */
export function jsonText(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => `${JSON.stringify(name.replace(/\u0000twice$/, ""))}:${jsonText(member)}`)
      .join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

type Holder = Record<string | number, unknown>;

/** One change somewhere inside a value: a member replaced, removed, added or told twice. */
export function mutateValue(value: unknown, random: Random): unknown {
  const copy = structuredCopy(value);
  const holders: Holder[] = [];
  const collect = (inner: unknown): void => {
    if (typeof inner !== "object" || inner === null || inner instanceof Raw) return;
    holders.push(inner as Holder);
    for (const member of Object.values(inner)) collect(member);
  };
  collect(copy);
  if (holders.length === 0 || random.chance(0.05)) return oddValue(random);
  const holder = random.pick(holders);
  const names = Object.keys(holder);
  const name = names.length === 0 ? "0" : random.pick(names);
  if (Array.isArray(holder)) {
    mutateList(holder, Number(name), random);
    return copy;
  }
  switch (random.below(6)) {
    case 0:
      delete holder[name];
      return copy;
    case 1:
      return define(
        holder,
        random.pick(["__proto__", "constructor", "toString", "extra", "", "x".repeat(300)]),
        random,
        copy,
      );
    case 2:
      return define(holder, `${name}\u0000twice`, random, copy);
    default:
      return define(holder, name, random, copy);
  }
}

function define(holder: Holder, name: string, random: Random, whole: unknown): unknown {
  Object.defineProperty(holder, name, {
    value: oddValue(random),
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return whole;
}

function mutateList(list: unknown[], index: number, random: Random): void {
  const kind = random.below(5);
  if (kind === 0) list.splice(index, 1);
  else if (kind === 1) list.splice(index, 0, list[index] ?? null);
  else if (kind === 2) list.push(...Array.from({ length: random.pick([1, 80, 1001]) }, () => list[index] ?? 0));
  else list[index] = oddValue(random);
}

function structuredCopy(value: unknown): unknown {
  if (value instanceof Raw || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(structuredCopy);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, structuredCopy(member)]));
}

/** Bytes with a few of them changed, cut, doubled or moved. */
export function mutateBytes(bytes: Buffer, random: Random, times = random.between(1, 4)): Buffer {
  let changed = Buffer.from(bytes);
  for (let time = 0; time < times; time += 1) {
    const at = random.below(changed.length + 1);
    const length = Math.min(random.pick([1, 1, 1, 2, 4, 16, 64, 1000]), changed.length - at);
    const [before, part, after] = [
      changed.subarray(0, at),
      changed.subarray(at, at + length),
      changed.subarray(at + length),
    ];
    switch (random.below(7)) {
      case 0:
        changed = Buffer.concat([before, after]);
        break;
      case 1:
        changed = Buffer.concat([before, part, part, after]);
        break;
      case 2:
        changed = Buffer.concat([before, random.bytes(random.between(1, 8)), part, after]);
        break;
      case 3:
        changed = Buffer.from(before);
        break;
      case 4:
        changed = Buffer.concat([before, Buffer.from(random.pick(oddBytes)), part, after]);
        break;
      default:
        changed = Buffer.from(changed);
        if (at < changed.length)
          changed[at] = random.chance(0.5) ? random.below(256) : changed[at]! ^ (1 << random.below(8));
    }
  }
  return changed;
}

const oddBytes: readonly (string | number[])[] = [
  [0],
  [0xff],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xef, 0xbb, 0xbf],
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  "\t",
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "-",
  "e",
  "\u2028",
];
