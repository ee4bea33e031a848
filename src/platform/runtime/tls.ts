import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsFiles } from "../grpc/index.ts";

/**
 * `cert.pem` and `key.pem` of a folder, and `ca.pem` where both sides show a certificate; undefined without a folder.
 * Throws when they can't be read.
 */
export function tlsOf(folder: string | null, { isMutual = false } = {}): TlsFiles | undefined {
  if (folder === null) return undefined;
  const file = (name: string) => readFileSync(join(folder, name));
  return { cert: file("cert.pem"), key: file("key.pem"), ...(isMutual && { ca: file("ca.pem") }) };
}
