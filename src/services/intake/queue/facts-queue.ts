import { accept, limits, type Outcome, reject } from "../../../kernel/index.ts";
import type { Messaging, OutgoingMessage } from "../../../platform/messaging/index.ts";
import { bytesOf, type FactContext, factMessages } from "./message.ts";

/** The queue of facts that are to be recorded. */
export const factsQueue = "intake";

/** Facts that wait to be recorded, in `messaging`. */
export class FactsQueue {
  readonly #messaging: Messaging;

  constructor(messaging: Messaging) {
    this.#messaging = messaging;
  }

  async declare(): Promise<void> {
    await this.#messaging.declareQueue({
      name: factsQueue,
      // Known as long as it is there. What was recorded the inventory knows for ever; what was discarded may be sent again.
      deduplicationMs: 0,
      attemptsMax: limits.intakeAttemptsMax,
      depthMax: limits.queueDepthMax,
      freesKeyWhenGivenUp: true,
    });
  }

  /**
   * Puts facts into the queue, whatever they hold; durable when it resolves. When it throws, some may be in it: sending
   * all again is harmless. Rejects with `payload-too-large`, and takes none, when one is beyond what a message may be.
   */
  async send(facts: readonly unknown[], context: FactContext): Promise<Outcome<{ readonly queued: number }>> {
    const messages = factMessages(facts, context);
    const tooLarge = messages.find((message) => bytesOf(message) > limits.messageBytesMax);
    if (tooLarge !== undefined) {
      const index = facts.findIndex((fact) => JSON.stringify(fact) === tooLarge.body);
      return reject({
        code: "payload-too-large",
        detail: `Fact ${index} is over ${limits.messageBytesMax} bytes, with the limits of its key; none was taken.`,
      });
    }
    for (const batch of batches(messages)) await this.#messaging.send(factsQueue, batch);
    return accept({ queued: facts.length });
  }
}

/** In pieces that one send may hold: nearly always a single one. */
function* batches(messages: readonly OutgoingMessage[]): Generator<readonly OutgoingMessage[]> {
  let batch: OutgoingMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    const more = bytesOf(message);
    if (batch.length >= limits.messageBatchMax || bytes + more > limits.messageBatchBytesMax) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(message);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}
