/**
 * Texts as PostgreSQL can hold them: it takes any character but U+0000. That one is written as U+0001 and a 0, and U+0001
 * as itself and a 1, so that different texts stay different.
 */
export function packed(text: string): string {
  if (!/[\0\x01]/.test(text)) return text;
  return text.replaceAll("\x01", "\x011").replaceAll("\0", "\x010");
}

export function unpacked(text: string): string {
  if (!text.includes("\x01")) return text;
  return text.replaceAll("\x010", "\0").replaceAll("\x011", "\x01");
}
