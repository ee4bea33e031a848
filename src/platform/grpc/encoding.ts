/** Arguments and answers of calls between processes, as JSON. */

/** Texts of arguments that are given again and again: credentials are the same object for as long as they stand. */
const known = new WeakMap<object, { readonly text: string; readonly sets: readonly string[] }>();

/** `{"args": [...], "sets": {"1": ["scopes"]}}`: members of an argument that are sets are written as lists, and named. */
export function encodeArguments(args: readonly unknown[]): Buffer {
  const texts: string[] = [];
  let sets = "";
  for (const [index, arg] of args.entries()) {
    if (arg === undefined) {
      texts.push("null");
      continue;
    }
    const names = namesOfSets(arg);
    if (names.length === 0) {
      texts.push(JSON.stringify(arg));
      continue;
    }
    const holder = arg as Record<string, unknown>;
    let encoded = known.get(holder);
    if (encoded === undefined) {
      const plain = { ...holder };
      for (const name of names) plain[name] = [...(holder[name] as Set<unknown>)];
      encoded = { text: JSON.stringify(plain), sets: names };
      known.set(holder, encoded);
    }
    texts.push(encoded.text);
    sets += `${sets === "" ? "" : ","}"${index}":${JSON.stringify(encoded.sets)}`;
  }
  return Buffer.from(`{"args":[${texts.join(",")}]${sets === "" ? "" : `,"sets":{${sets}}`}}`);
}

function namesOfSets(arg: unknown): readonly string[] {
  if (typeof arg !== "object" || arg === null || Array.isArray(arg)) return [];
  let names: string[] | undefined;
  for (const name in arg) {
    if ((arg as Record<string, unknown>)[name] instanceof Set) {
      names ??= [];
      names.push(name);
    }
  }
  return names ?? [];
}

/** Throws when it is not what `encodeArguments` writes. */
export function decodeArguments(bytes: Uint8Array): unknown[] {
  const { args, sets } = JSON.parse(textOf(bytes)) as { args: unknown[]; sets?: Record<string, readonly string[]> };
  for (const index in sets) {
    const holder = args[Number(index)] as Record<string, unknown>;
    for (const name of sets[index] ?? []) holder[name] = new Set(holder[name] as unknown[]);
  }
  // JSON has no undefined; no method takes null for an argument.
  for (let index = 0; index < args.length; index += 1) if (args[index] === null) args[index] = undefined;
  return args;
}

const nothing = Buffer.alloc(0);

export function encodeValue(value: unknown): Buffer {
  return value === undefined ? nothing : Buffer.from(JSON.stringify(value));
}

/** `hasGaps` brings back what is undefined in a list. */
export function decodeValue(bytes: Uint8Array, hasGaps = false): unknown {
  if (bytes.length === 0) return undefined;
  const value: unknown = JSON.parse(textOf(bytes));
  return hasGaps ? (value as unknown[]).map((one) => (one === null ? undefined : one)) : value;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
