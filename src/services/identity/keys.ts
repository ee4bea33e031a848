import type { Instant } from "../../kernel/index.ts";
import type { Credential, Scope } from "../../platform/auth/index.ts";
import type { Consumer } from "../../platform/consumer/index.ts";
import type { DerivedDocument, RecordedUnit } from "../../platform/storage/index.ts";

/** A key came to be. Recorded, so its shape never changes: a new one gets a new schema version. */
export interface KeyCreated {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly locations?: readonly string[];
  readonly sources?: readonly string[];
  readonly ownReservations: boolean;
  readonly expiresAt?: Instant;
  /** SHA-256 of the secret, in hexadecimal. */
  readonly hash: string;
}

/** A key as it stands: what its `KeyCreated` said, when, and at which version of its stream. */
export interface Key extends KeyCreated {
  readonly id: string;
  readonly createdAt: Instant;
  readonly version: number;
}

const family = "key";
const streamPrefix = `${family}-`;

export function keyStream(id: string): string {
  return streamPrefix + id;
}

/**
 * The keys that stand, in memory: a consumer of the log, so that a key works from the moment it is recorded and stops
 * working from the moment its revocation is. Nothing of a revoked key is kept here.
 */
export class Keys implements Consumer {
  readonly name = "identity";
  readonly family = family;
  readonly #byId = new Map<string, Key>();
  readonly #credentialsByHash = new Map<string, Credential>();
  readonly #credentialsById = new Map<string, Credential>();
  readonly #changed = new Set<string>();

  load(documents: Iterable<DerivedDocument>): void {
    for (const { body } of documents) this.#add(JSON.parse(body) as Key);
  }

  apply(unit: RecordedUnit): void {
    for (const { stream, type, data, version } of unit.events) {
      if (!stream.startsWith(streamPrefix)) continue;
      const id = stream.slice(streamPrefix.length);
      this.#changed.add(id);
      this.#remove(id);
      if (type === "KeyCreated") this.#add({ ...(data as KeyCreated), id, createdAt: unit.meta.recordedAt, version });
    }
  }

  changes(): { readonly put: readonly DerivedDocument[]; readonly remove: readonly string[] } {
    const put: DerivedDocument[] = [];
    const remove: string[] = [];
    for (const id of this.#changed) {
      const key = this.#byId.get(id);
      if (key === undefined) remove.push(id);
      else put.push({ id, body: JSON.stringify(key) });
    }
    this.#changed.clear();
    return { put, remove };
  }

  get(id: string): Key | undefined {
    return this.#byId.get(id);
  }

  /** By id, which is by time of creation but for the admin key. */
  page(after: string, limit: number): readonly Key[] {
    const ids = [...this.#byId.keys()].filter((id) => id > after).sort();
    return ids.slice(0, limit).flatMap((id) => this.#byId.get(id) ?? []);
  }

  credentialByHash(hash: string): Credential | undefined {
    return this.#credentialsByHash.get(hash);
  }

  credentialById(id: string): Credential | undefined {
    return this.#credentialsById.get(id);
  }

  #add(key: Key): void {
    const credential = credentialOf(key);
    this.#byId.set(key.id, key);
    this.#credentialsById.set(key.id, credential);
    this.#credentialsByHash.set(key.hash, credential);
  }

  #remove(id: string): void {
    const key = this.#byId.get(id);
    if (key === undefined) return;
    this.#byId.delete(id);
    this.#credentialsById.delete(id);
    // Another key may have been given the same secret.
    if (this.#credentialsByHash.get(key.hash)?.id === id) this.#credentialsByHash.delete(key.hash);
  }
}

function credentialOf({ id, name, scopes, locations, sources, ownReservations, expiresAt }: Key): Credential {
  return {
    id,
    name,
    scopes: new Set(scopes),
    ...(locations && { locations: new Set(locations) }),
    ...(sources && { sources: new Set(sources) }),
    ownReservations,
    ...(expiresAt !== undefined && { expiresAt }),
  };
}
