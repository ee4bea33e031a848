import type { Timeframe } from "../../kernel/index.ts";

/**
 * What can be called in another process: a module's published interface, described method by method. Interfaces are
 * plain async methods over plain data (what JSON holds, and sets as members of an argument), so that they mean the same in this process
 * and elsewhere.
 */

/** How a method behaves when it is called over a network. */
export interface MethodSpec<Args extends readonly unknown[]> {
  /**
   * Whether it may be called again when nobody knows whether it was carried out: because it only reads, or because the
   * arguments carry what tells a repeat from another call.
   */
  readonly isRepeatable: boolean | ((...args: Args) => boolean);
  /** Calls of one key meet in one process while the same processes are there. Without one, any will do. */
  readonly key?: (...args: Args) => string | undefined;
  /** The arguments of such a repeat; the same unless given. */
  readonly repeated?: (...args: Args) => Args;
  /** The arguments with word of when the call may be carried out: for methods that append (docs/adr/0031-calls-with-a-deadline.md). */
  readonly within?: (args: Args, within: Timeframe) => Args;
  /**
   * Whether an answer holds whatever becomes of an earlier attempt of the same call, because that finds it done and changes
   * nothing; none does unless given.
   */
  readonly isFirm?: (answer: never) => boolean;
  /** Milliseconds until the caller gives up; `limits.peerCallMs` when absent. */
  readonly timeoutMs?: number;
  /** Its answer is a list in which some may be undefined. */
  readonly hasGaps?: true;
}

/**
 * A method whose answer is `Outcome<AsyncIterable<Step>>`, and whose last argument holds the `signal` that ends it.
 * `resumed` gives the arguments that go on after a step, for the process that takes over from one that is gone.
 */
export interface FeedSpec<Args extends readonly unknown[]> {
  readonly isFeed: true;
  readonly key?: (...args: Args) => string | undefined;
  // The step is whatever the method gives; the table of a module knows its type.
  readonly resumed: (args: Args, step: never) => Args;
}

/** One entry for every method of an interface; a member that is an object itself has a table of its own. */
export type Methods<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: infer Args) => unknown
    ? MethodSpec<Args> | FeedSpec<Args>
    : Methods<T[Name]>;
};

/** Any entry, for code that serves all of them. */
export type AnySpec = MethodSpec<never> | FeedSpec<never>;

/** The entries of a table by the path of their names, as `deadLetters.list`. */
export function entriesOf(methods: object, prefix = ""): readonly (readonly [string, AnySpec])[] {
  return Object.entries(methods).flatMap(([name, entry]) =>
    isSpec(entry) ? [[prefix + name, entry] as const] : entriesOf(entry as object, `${prefix}${name}.`),
  );
}

function isSpec(entry: object): entry is AnySpec {
  return "isRepeatable" in entry || "isFeed" in entry;
}

export function isFeed(spec: AnySpec): spec is FeedSpec<never> {
  return "isFeed" in spec;
}

/** An object with a function for each entry of a table. */
export function objectOf<T>(methods: Methods<T>, functionOf: (name: string, spec: AnySpec) => unknown): T {
  const object: Record<string, unknown> = {};
  for (const [path, spec] of entriesOf(methods)) {
    const names = path.split(".");
    const last = names.pop() ?? "";
    let holder = object;
    for (const name of names) {
      holder[name] ??= {};
      holder = holder[name] as Record<string, unknown>;
    }
    holder[last] = functionOf(path, spec);
  }
  return object as T;
}

/** The method of an object that a path names, bound to its holder. */
export function methodAt(object: object, path: string): ((...args: unknown[]) => unknown) | undefined {
  let holder: unknown;
  let found: unknown = object;
  for (const name of path.split(".")) {
    holder = found;
    found = (found as Record<string, unknown> | undefined)?.[name];
  }
  return typeof found === "function"
    ? (...args) => (found as (...args: unknown[]) => unknown).apply(holder, args)
    : undefined;
}
