/** Secrets that users give, in a form that may stand in the log: nobody reads them without the server's own key. */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";

const form = "s1.";
const nonceBytes = 12;
const tagBytes = 16;

/**
 * A secret, sealed with a key of 32 bytes for one use that `context` names: AES-256-GCM. The nonce is made of what is
 * sealed, so that the same secret sealed again gives the same text and changes nothing.
 */
export function sealSecret(serverKey: Uint8Array, context: string, secret: string): string {
  const key = keyFor(serverKey, context);
  const nonce = createHmac("sha256", key).update(`nonce\n${secret}`).digest().subarray(0, nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  const sealed = Buffer.concat([nonce, cipher.update(secret, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return form + sealed.toString("base64url");
}

/** The secret again; undefined when it was sealed with another key, or for another use. */
export function openSecret(serverKey: Uint8Array, context: string, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed.slice(form.length), "base64url");
  if (!sealed.startsWith(form) || bytes.length < nonceBytes + tagBytes) return undefined;
  const key = keyFor(serverKey, context);
  const opener = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
  opener.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  try {
    const text = [opener.update(bytes.subarray(nonceBytes, bytes.length - tagBytes)), opener.final()];
    return Buffer.concat(text).toString("utf8");
  } catch {
    return undefined;
  }
}

function keyFor(serverKey: Uint8Array, context: string): Buffer {
  return createHmac("sha256", serverKey).update(`larder secret\n${context}`).digest();
}
