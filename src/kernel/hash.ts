/**
 * FNV-1a over the UTF-16 code units of a text, 32 bits: spreads keys over partitions. Stored data depends on it: it
 * must never change.
 */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash ^= text.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

/**
 * A digest of a text, 64 bits as 16 hexadecimal digits: tells one body from another under the same id. Not for names
 * that others choose to collide. Two FNV-1a lanes, finished as in MurmurHash3. Stored data depends on it: it must
 * never change.
 */
export function fingerprint(text: string): string {
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul(second ^ unit, 0x5bd1e995);
    second ^= second >>> 15;
  }
  const low = mix(first ^ text.length);
  const high = mix(second ^ Math.imul(low, 0x85ebca6b));
  return hexadecimal(high) + hexadecimal(low);
}

function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

const hexadecimalBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** 32 bits as 8 digits. By bytes, because numbers beyond 31 bits are slow to write in another base. */
function hexadecimal(value: number): string {
  const at = (shift: number) => hexadecimalBytes[(value >>> shift) & 255] ?? "";
  return at(24) + at(16) + at(8) + at(0);
}
