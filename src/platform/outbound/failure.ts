/**
 * Why an outgoing call got no answer. The text of each is for those who configured the address: it holds no address that
 * a name stood for, no path of ours, no text of a library.
 */
const texts = {
  "forbidden-address": "the address is not public, and the operator has not allowed it",
  "name-not-found": "the name of the host was not found",
  refused: "the connection was refused",
  unreachable: "the host can't be reached",
  "connect-timeout": "no connection was made in time",
  timeout: "no whole answer came in time",
  tls: "the certificate or the TLS handshake was not accepted",
  broken: "the connection broke before a whole answer had come",
  malformed: "the answer was not HTTP",
  aborted: "the call was called off",
} as const;

export type OutboundFailure = keyof typeof texts;

/** An outgoing call that got no answer. `message` may be shown to users, `cause` only to the operator. */
export class OutboundError extends Error {
  readonly code: OutboundFailure;

  constructor(code: OutboundFailure, cause?: unknown) {
    super(texts[code], { cause });
    this.name = "OutboundError";
    this.code = code;
  }
}

/** Names an error of `node:http`, `node:https` or `node:dns`. */
export function outboundError(error: unknown): OutboundError {
  if (error instanceof OutboundError) return error;
  return new OutboundError(failureOf(codeOf(error)), error);
}

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function failureOf(code: string): OutboundFailure {
  if (/^(?:ENOTFOUND|ENODATA|EAI_|ETIMEOUT|ESERVFAIL|EREFUSED|EBADNAME|EBADRESP)/.test(code)) return "name-not-found";
  if (code === "ECONNREFUSED") return "refused";
  if (code === "ETIMEDOUT") return "connect-timeout";
  if (/^(?:EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|EACCES|EPERM)$/.test(code)) return "unreachable";
  if (/^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO|HOSTNAME_)/.test(code)) return "tls";
  if (/^HPE_/.test(code)) return "malformed";
  return "broken";
}
