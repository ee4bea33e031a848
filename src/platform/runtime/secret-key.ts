import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { PlatformError } from "../../kernel/index.ts";
import type { Settings } from "../config/index.ts";
import { syncFolder } from "../sqlite/index.ts";

const keyBytes = 32;

/**
 * The server's own key, which others are made from: the one that is set, else in `secret.key` of the data folder, made
 * there when it is first asked for and readable by its owner alone. A store that forgets everything forgets it too.
 *
 * Asking throws `PlatformError("storage-unavailable")` when the file can't be read or written, or holds no key.
 */
export function secretKey(
  { serverKey, store, data }: Pick<Settings, "serverKey" | "store" | "data">,
  random: (bytes: number) => Uint8Array,
): () => Uint8Array {
  let key = serverKey === null ? undefined : Buffer.from(serverKey, "hex");
  return () => {
    key ??= Buffer.from(store === "memory:" ? random(keyBytes) : keyIn(join(data, "secret.key"), data, random));
    return key;
  };
}

function keyIn(path: string, folder: string, random: (bytes: number) => Uint8Array): Uint8Array {
  try {
    if (existsSync(path)) return parseKey(readFileSync(path, "utf8"), path);
    const made = random(keyBytes);
    const descriptor = openSync(path, "wx", 0o600);
    try {
      writeSync(descriptor, `${Buffer.from(made).toString("hex")}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    syncFolder(folder);
    return made;
  } catch (cause) {
    if (cause instanceof PlatformError) throw cause;
    throw new PlatformError("storage-unavailable", `${path} can't be read or made`, { cause });
  }
}

function parseKey(text: string, path: string): Uint8Array {
  if (/^[0-9a-f]{64}\s*$/.test(text)) return Buffer.from(text.trim(), "hex");
  throw new PlatformError(
    "storage-unavailable",
    `${path} holds no key of 64 hexadecimal digits: put the right file back`,
  );
}
