/**
 * Where cold files are kept: a flat set of names. So small that an object store can stand behind it as well as a folder.
 * Nothing is ever changed in place: a name is put once, whole, and may be put again only with the same bytes.
 */
export interface ColdStore {
  /** Keeps the bytes under a name; when it resolves they survive a loss of power. Replaces what the name had. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** The bytes from `start` up to `end`, not included. Rejects when the name or the bytes are not there. */
  read(name: string, start: number, end: number): Promise<Uint8Array>;
  /** How many bytes a name has; undefined when it is not there. */
  size(name: string): Promise<number | undefined>;
  /** All names, in their order; empty when nothing was ever put. */
  list(): Promise<readonly string[]>;
  /** Forgets a name; nothing happens when it is not there. */
  remove(name: string): Promise<void>;
}
