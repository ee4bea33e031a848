/**
 * Facts of older versions, brought into the newest form. A version is released for ever: what was sent to an older
 * server is understood by every newer one.
 *
 * A second version of a type comes like this: its schema joins `factSchemas` as `….v2` beside `….v1`, the event that it
 * becomes joins `eventOfFact`, and a row here says how data of v1 reads in v2. `versions.test.ts` does just that with a
 * version of its own.
 */

/** Data of a fact in the version after its own; a pure function of data that its own schema has let through. */
export interface Upcast {
  readonly to: string;
  readonly data: (data: Readonly<Record<string, unknown>>) => Record<string, unknown>;
}

/** By the type that is left behind. */
export type Upcasts = Readonly<Record<string, Upcast>>;

/** There are no second versions yet. */
export const upcasts: Upcasts = {};

/** A fact's type and data in the newest version, by as many steps as there are. */
export function newestForm(
  type: string,
  data: Readonly<Record<string, unknown>>,
  table: Upcasts,
): { readonly type: string; readonly data: Readonly<Record<string, unknown>> } {
  let form = { type, data };
  for (let upcast = table[type]; upcast !== undefined; upcast = table[form.type])
    form = { type: upcast.to, data: upcast.data(form.data) };
  return form;
}

/** What is known of a type that is not known: its other versions, as a sentence; undefined when there are none. */
export function otherVersions(type: string, known: Iterable<string>): string | undefined {
  const [, name, version] = /^(.*)\.v(\d{1,9})$/.exec(type) ?? [];
  if (name === undefined) return undefined;
  const versions = [...known].flatMap((other) => (other.startsWith(`${name}.v`) ? [other.slice(name.length + 2)] : []));
  if (versions.length === 0) return undefined;
  const isNewer = versions.every((other) => Number(other) < Number(version));
  return `version ${version} of ${name} is not known here, but ${versions.join(", ")} is${isNewer ? ": its sender is newer than this server" : ""}`;
}
