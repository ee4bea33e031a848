export type {
  AttemptCause,
  DeadLetter,
  DeadLetterOptions,
  DeadLetterOutcome,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterRecord,
  DeadLetterSummary,
  DeadLetters,
  Delivery,
  Failure,
  Lease,
  Messaging,
  OutgoingMessage,
  QueueDeclaration,
  QueueDepth,
  ReceiveOptions,
} from "./port.ts";
export type { Timer } from "./receivers.ts";
export { decideRetry, type FailedAttempt, parseRetryAfter, type RetryDecision, type RetryPolicy } from "./retry.ts";
export { done, type Handled, QueueWorker, type Settled, type WorkerOptions } from "./worker.ts";
