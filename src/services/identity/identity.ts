import { hash } from "node:crypto";
import {
  accept,
  formatInstant,
  type Instant,
  invariant,
  limits,
  normalise,
  type Outcome,
  PlatformError,
  parseInstant,
  reject,
} from "../../kernel/index.ts";
import type { Authenticator, Credential } from "../../platform/auth/index.ts";
import type { Consumer } from "../../platform/consumer/index.ts";
import { appendTo, type RecordedEvent, type Storage, type StreamAppend } from "../../platform/storage/index.ts";
import { type Key, type KeyCreated, Keys, keyStream } from "./keys.ts";
import { LateLook } from "./late-look.ts";
import type { CreatedKey, KeyRequest, KeysPage, KeyView } from "./wire.ts";

export interface IdentityOptions {
  readonly storage: Storage;
  readonly clock: () => Instant;
  /** Cryptographically strong random bytes. */
  readonly random: (bytes: number) => Uint8Array;
}

/** What a start did about the admin key. */
export type AdminKey =
  /** It was there already. */
  | { readonly state: "kept" }
  /** A new one was made; `secret` is shown to the operator once. */
  | { readonly state: "made"; readonly secret: string }
  /** It is now the one that the operator gave. */
  | { readonly state: "set" }
  /** The operator gave one that was revoked; it stays so. */
  | { readonly state: "revoked" };

/**
 * API keys. They are events in the log like everything else; of a secret only the SHA-256 is recorded. Looking up that
 * hash takes the same time for every wrong token, so nothing is learnt from timing.
 */
export interface Identity extends Authenticator {
  /** Follows the log; whoever starts the service hosts it. */
  readonly consumer: Consumer;
  /** Makes a key and gives its secret once. Only a credential without limits may (`forbidden`). */
  createKey(request: KeyRequest, by: Credential): Promise<Outcome<CreatedKey>>;
  keys(query: { readonly cursor?: string; readonly limit: number }, by: Credential): Outcome<KeysPage>;
  /** Ends a key at once, also where it is being used. */
  revokeKey(id: string, by: Credential): Promise<Outcome<undefined>>;
  /**
   * Sees to it that someone can administer: called at each start, after the consumer has caught up. Makes an admin key
   * when there never was one; `given` (`LARDER_ADMIN_KEY`) takes the place of what there is.
   */
  ensureAdminKey(given?: string): Promise<AdminKey>;
}

const adminKeyId = "admin";
const keyPrefix = "lk_";
/** As `newSecret` makes them. */
const isKey = /^lk_[\w-]{43}$/;

export function createIdentity({ storage, clock, random }: IdentityOptions): Identity {
  const keys = new Keys();

  function append(id: string, version: number, events: StreamAppend["events"], actor: string): Promise<boolean> {
    const command = `key-${Buffer.from(random(12)).toString("hex")}`;
    return appendTo(storage, { stream: keyStream(id), version, events, command, actor, now: clock() });
  }

  function stands(credential: Credential): boolean {
    return keys.credentialById(credential.id) === credential && !hasExpired(credential, clock());
  }

  const { shared } = storage;
  const look = shared && new LateLook(() => shared.catchUp());

  return {
    consumer: keys,
    stands,

    // Whatever is no key of ours can't have been made elsewhere.
    ...(look && { learn: async (token) => (isKey.test(token) ? await look.taken() : undefined) }),

    authenticate(token) {
      // Nothing is the secret of nobody, whatever was made of a header to get it.
      const credential = token === "" ? undefined : keys.credentialByHash(hashOf(token));
      return credential === undefined || hasExpired(credential, clock()) ? undefined : credential;
    },

    async createKey(request, by) {
      if (isLimited(by)) return reject(mayNotManage);
      const now = clock();
      const expiresAt = request.expiresAt === undefined ? undefined : parseInstant(request.expiresAt);
      if (request.expiresAt !== undefined && (expiresAt === undefined || expiresAt <= now))
        return reject({ code: "invalid-request", detail: "`expiresAt` must be an RFC 3339 time in the future." });

      const secret = newSecret(random);
      const id = newKeyId(now, random);
      const created = keyCreated(request, expiresAt, hashOf(secret));
      const isRecorded = await append(id, 0, [{ type: "KeyCreated", data: created }], by.id);
      invariant(isRecorded, "a random key id is free");
      const key = keys.get(id);
      invariant(key !== undefined, "the consumer is fed before an append is answered");
      return accept({ ...viewOf(key), key: secret });
    },

    keys({ cursor = "", limit }, by) {
      if (isLimited(by)) return reject(mayNotManage);
      const found = keys.page(cursor, limit + 1);
      const items = found.slice(0, limit).map(viewOf);
      const last = items[items.length - 1];
      return accept(found.length > limit && last !== undefined ? { items, next: last.id } : { items });
    },

    async revokeKey(id, by) {
      if (isLimited(by)) return reject(mayNotManage);
      for (let attempt = 0; attempt <= limits.conflictRetriesMax; attempt += 1) {
        const key = keys.get(id);
        if (key === undefined) return reject({ code: "not-found", detail: "There is no such key." });
        if (await append(id, key.version, [{ type: "KeyRevoked", data: {} }], by.id)) return accept(undefined);
      }
      return reject({ code: "version-conflict", detail: "Others changed this key meanwhile." });
    },

    async ensureAdminKey(given) {
      for (let attempt = 0; attempt <= limits.conflictRetriesMax; attempt += 1) {
        const done = await setAdminKey(given);
        if (done !== undefined) return done;
      }
      throw new PlatformError("version-conflict", "others go on setting the admin key at the same time");
    },
  };

  /** Undefined when another process was faster: it may have set the same one. */
  async function setAdminKey(given: string | undefined): Promise<AdminKey | undefined> {
    invariant(
      given === undefined || given.trim().length >= limits.adminKeyLengthMin,
      "the configuration refuses an admin key that is too short",
    );
    await storage.shared?.catchUp();
    const history = await storage.readStream(keyStream(adminKeyId));
    if (given === undefined && history.length > 0) return { state: "kept" };
    // No header can carry outer white space, such as the line end of a file that a secret was read from.
    const secret = given?.trim() ?? newSecret(random);
    const current = keys.get(adminKeyId);
    if (current?.hash === hashOf(secret)) return { state: "kept" };
    if (revokedHashes(history).has(hashOf(secret))) return { state: "revoked" };

    const created = keyCreated({ name: "admin", scopes: ["admin"] }, undefined, hashOf(secret));
    const events = [{ type: "KeyCreated", data: created }];
    if (!(await append(adminKeyId, history.length, events, "system:identity"))) return undefined;
    return given === undefined ? { state: "made", secret } : { state: "set" };
  }
}

const mayNotManage = {
  code: "forbidden",
  detail: "Only a credential that is not limited to locations, sources or its own reservations may manage keys.",
} as const;

/** A limited credential that could make keys could make itself an unlimited one. */
function isLimited(credential: Credential): boolean {
  return credential.locations !== undefined || credential.sources !== undefined || credential.ownReservations;
}

function hasExpired({ expiresAt }: Credential, now: Instant): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

function hashOf(token: string): string {
  return hash("sha256", token, "hex");
}

/** `lk_` and 256 random bits in base64url, 43 characters. */
function newSecret(random: (bytes: number) => Uint8Array): string {
  return keyPrefix + Buffer.from(random(32)).toString("base64url");
}

/** Sorts by the time of creation, to the millisecond: 9 digits of base 36 last until the year 5188. */
function newKeyId(now: Instant, random: (bytes: number) => Uint8Array): string {
  return `k${now.toString(36).padStart(9, "0")}${Buffer.from(random(6)).toString("hex")}`;
}

function keyCreated(request: KeyRequest, expiresAt: Instant | undefined, secretHash: string): KeyCreated {
  const { name, scopes, locations, sources, ownReservations = false } = request;
  return {
    name,
    scopes,
    ...(locations && { locations: locations.map(normalise) }),
    ...(sources && { sources: sources.map(normalise) }),
    ownReservations,
    ...(expiresAt !== undefined && { expiresAt }),
    hash: secretHash,
  };
}

/** The hashes of one stream that someone revoked; one that was only replaced may come back. */
function revokedHashes(history: readonly RecordedEvent[]): ReadonlySet<string> {
  const revoked = new Set<string>();
  let current = "";
  for (const { type, data } of history) {
    if (type === "KeyCreated") current = (data as KeyCreated).hash;
    else revoked.add(current);
  }
  return revoked;
}

function viewOf(key: Key): KeyView {
  const { id, name, scopes, locations, sources, ownReservations, createdAt, expiresAt } = key;
  return {
    id,
    name,
    scopes: [...scopes],
    ...(locations && { locations: [...locations] }),
    ...(sources && { sources: [...sources] }),
    ownReservations,
    createdAt: formatInstant(createdAt),
    expiresAt: expiresAt === undefined ? null : formatInstant(expiresAt),
  };
}
