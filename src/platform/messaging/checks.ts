/** What a caller of the port may not ask: engines look before anything else. Throws `InvariantError`. */
import { identifierProblem, invariant, isLongerThan, limits, shortened } from "../../kernel/index.ts";
import type { OutgoingMessage, QueueDeclaration, ReceiveOptions } from "./port.ts";

export function checkDeclaration({ name, deduplicationMs, attemptsMax, depthMax }: QueueDeclaration): void {
  checkName("queue", name);
  checkNumber("deduplicationMs", deduplicationMs, 0, limits.deduplicationMsMax);
  checkNumber("attemptsMax", attemptsMax, 1, limits.queueAttemptsMax);
  checkNumber("depthMax", depthMax, 1, limits.queueDepthMax);
}

export function checkName(what: string, name: string): void {
  const problem = identifierProblem(name, limits.queueNameLengthMax);
  invariant(problem === undefined, `the name of a ${what} ${problem}`);
}

/** Returns about how many bytes the messages are. */
export function checkMessages(messages: readonly OutgoingMessage[]): number {
  invariant(messages.length <= limits.messageBatchMax, `at most ${limits.messageBatchMax} messages are sent at once`);
  let bytes = 0;
  for (const message of messages) bytes += checkMessage(message);
  invariant(bytes <= limits.messageBatchBytesMax, `at most ${limits.messageBatchBytesMax} bytes are sent at once`);
  return bytes;
}

function checkMessage({ id, key, body, headers = {}, delayMs = 0 }: OutgoingMessage): number {
  for (const text of key === undefined ? [id] : [id, key]) {
    const isGood = text.length > 0 && !isLongerThan(text, limits.identifierLengthMax) && text.isWellFormed();
    invariant(isGood, `the id and the key of a message are texts of 1 to ${limits.identifierLengthMax} characters`);
  }
  checkNumber("delayMs", delayMs, 0, limits.messageDelayMsMax);
  let bytes = Buffer.byteLength(body);
  const entries = Object.entries(headers);
  for (const [name, value] of entries) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  invariant(entries.length <= limits.messageHeadersMax, `a message has at most ${limits.messageHeadersMax} headers`);
  invariant(bytes <= limits.messageBytesMax, `a message has at most ${limits.messageBytesMax} bytes, with its headers`);
  return bytes;
}

export function checkReceive({ max, bytesMax = 1, leaseMs, waitMs = 0 }: ReceiveOptions): void {
  checkNumber("max", max, 1, limits.receiveMessagesMax);
  checkNumber("bytesMax", bytesMax, 1, limits.receiveBytesMax);
  checkLease(leaseMs);
  checkNumber("waitMs", waitMs, 0, limits.receiveWaitMsMax);
}

export function checkLease(leaseMs: number): void {
  checkNumber("leaseMs", leaseMs, 1, limits.leaseMsMax);
}

export function checkRetryDelay(delayMs: number): void {
  checkNumber("delayMs", delayMs, 0, limits.retryDelayMsMax);
}

export function checkPage(limit: number): void {
  checkNumber("limit", limit, 1, limits.pageRowsMax);
}

/** A cause or a reason as it is stored: causes come from errors, so a long one is cut and not refused. */
export function cut(text: string): string {
  return shortened(text, limits.causeLengthMax);
}

function checkNumber(what: string, value: number, min: number, max: number): void {
  invariant(Number.isInteger(value) && value >= min && value <= max, `${what} is a whole number from ${min} to ${max}`);
}
