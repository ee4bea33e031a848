/** Reads what a server wrote on a connection: one answer after the other, as a client would. */
import type { Answer } from "./check.ts";

export interface WireAnswer extends Answer {
  /** Whether all of it came; a body that ends with the connection counts as whole. */
  readonly isWhole: boolean;
  readonly hasBody: boolean;
}

/** The answers on a connection that has ended, and the bytes after an upgrade. */
export function readAnswers(bytes: Buffer): { readonly answers: readonly WireAnswer[]; readonly upgraded?: Buffer } {
  const answers: WireAnswer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const headEnd = bytes.indexOf("\r\n\r\n", at);
    if (headEnd < 0) {
      answers.push({
        status: statusOf(bytes.toString("latin1", at)),
        contentType: "",
        body: "",
        isWhole: false,
        hasBody: false,
      });
      break;
    }
    const head = bytes.toString("latin1", at, headEnd);
    const status = statusOf(head);
    const contentType = /^content-type: *(.*)$/im.exec(head)?.[1] ?? "";
    const start = headEnd + 4;
    if (status === 101) return { answers, upgraded: bytes.subarray(start) };
    const body = status < 200 || status === 204 || status === 304 ? emptyAt(start) : bodyAt(bytes, start, head);
    if (status >= 200)
      answers.push({
        status,
        contentType,
        body: body.text,
        isWhole: body.isWhole,
        hasBody: body.text !== "",
      });
    at = body.end;
  }
  return { answers };
}

/** What is no answer at all counts as a 599: the check then shows it. */
function statusOf(head: string): number {
  return Number(/^HTTP\/1\.[01] (\d{3}) /.exec(head)?.[1] ?? 599);
}

interface Body {
  readonly text: string;
  /** Where the next answer begins. */
  readonly end: number;
  readonly isWhole: boolean;
}

function emptyAt(end: number): Body {
  return { text: "", end, isWhole: true };
}

function bodyAt(bytes: Buffer, start: number, head: string): Body {
  // The answer to HEAD tells a length and has no body: what follows is the next answer, or nothing.
  if (bytes.length === start || bytes.toString("latin1", start, start + 7) === "HTTP/1.") return emptyAt(start);
  const length = /^content-length: *(\d+)$/im.exec(head)?.[1];
  if (length !== undefined) {
    const end = start + Number(length);
    return { text: bytes.toString("utf8", start, end), end, isWhole: end <= bytes.length };
  }
  if (/^transfer-encoding: *chunked$/im.test(head)) return chunksAt(bytes, start);
  return { text: bytes.toString("utf8", start), end: bytes.length, isWhole: true };
}

function chunksAt(bytes: Buffer, start: number): Body {
  const pieces: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const isLast = size === 0 && bytes.toString("latin1", lineEnd, lineEnd + 4) === "\r\n\r\n";
    const text = () => Buffer.concat(pieces).toString("utf8");
    if (isLast) return { text: text(), end: lineEnd + 4, isWhole: true };
    if (!(size > 0) || lineEnd + 2 + size > bytes.length) return { text: text(), end: bytes.length, isWhole: false };
    pieces.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
