import { limits } from "../../../kernel/index.ts";
import { MappingError } from "./mapping-error.ts";

/**
 * Compiles a regular expression (JavaScript's, flag u) that has to fit a whole text, to a test whose time grows with the
 * text and no faster: JavaScript's own tries one way after the other, and `(a+)+` takes hours on thirty letters, in which
 * nobody can stop it. All ways are followed at once here (Thompson, 1968). What that can't do is refused: looking around,
 * referring back, word boundaries. Throws `MappingError`.
 */
export function compilePattern(source: string, path: string): (text: string) => boolean {
  try {
    new RegExp(source, "u");
  } catch (error) {
    throw new MappingError(path, error instanceof Error ? error.message : "is no regular expression");
  }
  if (source.length > limits.importPatternCharsMax) {
    throw new MappingError(path, `is longer than ${limits.importPatternCharsMax} characters`);
  }
  return matcher(new Compiler(path).compile(new Parser(source, path).choice()));
}

type Accepts = (point: number) => boolean;

type Node =
  | { readonly kind: "one"; readonly accepts: Accepts }
  | { readonly kind: "edge"; readonly isStart: boolean }
  | { readonly kind: "all"; readonly parts: readonly Node[] }
  | { readonly kind: "either"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly least: number; readonly greatest: number };

/** Reads a source that JavaScript has found to be well-formed. */
class Parser {
  readonly #source: string;
  readonly #path: string;
  #at = 0;

  constructor(source: string, path: string) {
    this.#source = source;
    this.#path = path;
  }

  choice(): Node {
    const parts = [this.#sequence()];
    while (this.#takes("|")) parts.push(this.#sequence());
    return { kind: "either", parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source.charAt(this.#at))) parts.push(this.#repeated());
    return { kind: "all", parts };
  }

  #repeated(): Node {
    const part = this.#atom();
    const times = this.#match(/(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/y);
    if (times === null) return part;
    const [text, count, comma, most] = times;
    if (count === undefined) {
      return {
        kind: "repeat",
        part,
        least: text.startsWith("+") ? 1 : 0,
        greatest: text.startsWith("?") ? 1 : Infinity,
      };
    }
    const least = Number(count);
    const greatest = comma === undefined ? least : most === "" ? Infinity : Number(most);
    return { kind: "repeat", part, least, greatest };
  }

  #atom(): Node {
    if (this.#takes("^")) return { kind: "edge", isStart: true };
    if (this.#takes("$")) return { kind: "edge", isStart: false };
    if (this.#match(/\((?:\?:|\?<[^=!>]+>|(?!\?))/y) !== null) {
      const inner = this.choice();
      this.#takes(")");
      return inner;
    }
    if (this.#match(/\(|\\[bBk1-9]/y) !== null) {
      throw new MappingError(
        this.#path,
        "looks around, refers back or asks for a word's edge, which would not end in bounded time",
      );
    }
    const one =
      /\[(?:\\.|[^\]\\])*\]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u\{\w+\}|\\u\w{4}|\\x\w\w|\\c\w|\\[pP]\{[^}]*\}|\\.|./suy;
    return { kind: "one", accepts: acceptsOf(this.#match(one)?.[0] ?? "") };
  }

  #takes(text: string): boolean {
    const isThere = this.#source.startsWith(text, this.#at);
    if (isThere) this.#at += text.length;
    return isThere;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }
}

/** Whether one character fits: JavaScript knows what its classes hold. ASCII is asked once. */
function acceptsOf(source: string): Accepts {
  const single = new RegExp(`^${source}$`, "u");
  const ascii = Array.from({ length: 128 }, (_, point) => single.test(String.fromCharCode(point)));
  return (point) => ascii[point] ?? single.test(String.fromCodePoint(point));
}

/** A step takes one character, or none: then it stands at an edge of the text, or leads on to several. */
type Step =
  | { readonly accepts: Accepts; readonly next: number }
  | { readonly isStart: boolean; readonly next: number }
  | { readonly ways: readonly number[] };

/** Makes steps from the end to the beginning; the step 0 is the end. */
class Compiler {
  readonly #steps: Step[] = [{ ways: [] }];
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  compile(node: Node): { readonly steps: readonly Step[]; readonly first: number } {
    const first = this.#emit(node, 0);
    return { steps: this.#steps, first };
  }

  #add(step: Step): number {
    if (this.#steps.length >= limits.importPatternStepsMax) throw new MappingError(this.#path, "repeats too much");
    return this.#steps.push(step) - 1;
  }

  #emit(node: Node, next: number): number {
    switch (node.kind) {
      case "one":
        return this.#add({ accepts: node.accepts, next });
      case "edge":
        return this.#add({ isStart: node.isStart, next });
      case "all":
        return node.parts.reduceRight((after, part) => this.#emit(part, after), next);
      case "either":
        return this.#add({ ways: node.parts.map((part) => this.#emit(part, next)) });
      case "repeat":
        return this.#repeat(node.part, node.least, node.greatest, next);
    }
  }

  #repeat(part: Node, least: number, greatest: number, next: number): number {
    let first = next;
    if (greatest === Infinity) {
      first = this.#add({ ways: [] });
      this.#steps[first] = { ways: [this.#emit(part, first), next] };
    } else {
      for (let time = least; time < greatest; time += 1) first = this.#add({ ways: [this.#emit(part, first), next] });
    }
    for (let time = 0; time < least; time += 1) first = this.#emit(part, first);
    return first;
  }
}

/** Where one may stand in a pattern after some of a text. */
interface Standing {
  /** Steps that take a character, and the step 0 once it has been reached. */
  readonly places: readonly number[];
  /** Where an ASCII character leads to, at twice its code, and one more if it is the text's last: found once. */
  readonly next: (Standing | undefined)[];
}

/** Standings that a pattern remembers: few are ever met, and those beyond are found anew each time. */
const standingsKept = 256;

function matcher({
  steps,
  first,
}: {
  readonly steps: readonly Step[];
  readonly first: number;
}): (text: string) => boolean {
  const known = new Map<string, Standing>();
  const seen = new Float64Array(steps.length);
  let turn = 0;

  const standing = (from: readonly number[], isStart: boolean, isEnd: boolean): Standing => {
    const places: number[] = [];
    turn += 1;
    const open = from.toReversed();
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if (seen[place] === turn) continue;
      seen[place] = turn;
      const step = steps[place];
      if (step === undefined) continue;
      if ("ways" in step) open.push(...step.ways);
      else if ("isStart" in step && (step.isStart ? isStart : isEnd)) open.push(step.next);
      if ("accepts" in step || place === 0) places.push(place);
    }
    const name = places.sort((a, b) => a - b).join();
    const same = known.get(name);
    if (same !== undefined) return same;
    const found = { places, next: [] };
    if (known.size < standingsKept) known.set(name, found);
    return found;
  };
  const after = ({ places }: Standing, point: number, isEnd: boolean): Standing => {
    const from = places.flatMap((place) => {
      const step = steps[place];
      return step !== undefined && "accepts" in step && step.accepts(point) ? step.next : [];
    });
    return standing(from, false, isEnd);
  };

  const begins = [false, true].map((isEnd) => standing([first], true, isEnd));
  return (text) => {
    let now = begins[text === "" ? 1 : 0] as Standing;
    for (let at = 0; at < text.length && now.places.length > 0; ) {
      const point = text.codePointAt(at) ?? 0;
      at += point > 0xffff ? 2 : 1;
      const isEnd = at === text.length;
      if (point < 128) now = now.next[2 * point + Number(isEnd)] ??= after(now, point, isEnd);
      else now = after(now, point, isEnd);
    }
    return now.places[0] === 0;
  };
}
