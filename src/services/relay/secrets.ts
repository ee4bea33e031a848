import { hash, hkdfSync } from "node:crypto";
import { webhookSecret } from "../../platform/outbound/index.ts";
import type { SecretMark } from "./domain/index.ts";

/** Secrets kept at hand; more are made anew. */
const keptMax = 2000;

/**
 * The secrets of webhooks. None is stored: each is made from the server's own key, the webhook's id and a number (HKDF,
 * RFC 5869), so that the log, its backups and its exports hold none. docs/adr/0021.
 */
export class Secrets {
  readonly #serverKey: () => Uint8Array;
  readonly #kept = new Map<string, string>();

  /** The key has 32 bytes, and is asked for when the first secret is needed. */
  constructor(serverKey: () => Uint8Array) {
    this.#serverKey = serverKey;
  }

  /** A secret that is not in use yet: its number is one more than that of the one before. */
  next(id: string, before?: SecretMark): SecretMark {
    const generation = (before?.generation ?? 0) + 1;
    return { generation, print: printOf(this.#make(id, generation)) };
  }

  /** The secret that was meant; undefined when the server's key is another one than when it was made. */
  find(id: string, { generation, print }: SecretMark): string | undefined {
    const secret = this.#make(id, generation);
    return printOf(secret) === print ? secret : undefined;
  }

  #make(id: string, generation: number): string {
    const name = `larder webhook ${id} ${generation}`;
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    if (this.#kept.size >= keptMax) this.#kept.clear();
    const made = webhookSecret(new Uint8Array(hkdfSync("sha256", this.#serverKey(), "", name, 32)));
    this.#kept.set(name, made);
    return made;
  }
}

function printOf(secret: string): string {
  return hash("sha256", secret, "hex");
}
