import { isLarderError } from "./errors.ts";
import { limits } from "./limits.ts";
import type { Fact, FactsReceipt } from "./operations.ts";
import { randomId } from "./transport.ts";

/** A fact with what the client can fill in left out. */
export type FactInput = Fact extends infer F
  ? F extends Fact
    ? Omit<F, "specversion" | "id" | "source"> & {
        /** With `source`, names the fact for ever; a random one when absent, which a second call would not repeat. */
        readonly id?: string | undefined;
        /** Who says so; the client's own source when absent. */
        readonly source?: string | undefined;
      }
    : never
  : never;

/**
 * Sends facts in batches of up to 1,000, one after another in their order, and adds up the receipts; `index` in
 * `rejected` counts over all of them. Stops at the first batch that can't be delivered; those before it are recorded.
 */
export async function recordAll(
  facts: Iterable<FactInput> | AsyncIterable<FactInput>,
  source: string | undefined,
  send: (body: string) => Promise<FactsReceipt>,
): Promise<FactsReceipt> {
  const total = { accepted: 0, duplicates: 0, rejected: [] as FactsReceipt["rejected"][number][], position: "" };
  let sent = 0;
  for await (const batch of batches(facts, source)) {
    const receipt = await receiptOf(send(`[${batch.join(",")}]`));
    total.accepted += receipt.accepted;
    total.duplicates += receipt.duplicates;
    for (const rejected of receipt.rejected) total.rejected.push({ ...rejected, index: sent + rejected.index });
    total.position = receipt.position;
    sent += batch.length;
  }
  return total;
}

/** A batch of which nothing was taken has a receipt too: in the problem. */
async function receiptOf(answer: Promise<FactsReceipt>): Promise<FactsReceipt> {
  try {
    return await answer;
  } catch (error) {
    if (isLarderError(error, "all-rejected")) return error.problem;
    throw error;
  }
}

async function* batches(
  facts: Iterable<FactInput> | AsyncIterable<FactInput>,
  source: string | undefined,
): AsyncGenerator<string[]> {
  const encoder = new TextEncoder();
  let [batch, bytes] = [[] as string[], 0];
  for await (const fact of facts) {
    const text = JSON.stringify({ specversion: "1.0", source, ...definedOf(fact), id: fact.id ?? randomId() });
    const size = encoder.encode(text).length + 1;
    if (batch.length > 0 && (batch.length >= limits.batchItemsMax || bytes + size > limits.batchBytesMax)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(text);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** So that a `source` that is there but undefined does not hide the client's. */
function definedOf(fact: FactInput): object {
  return Object.fromEntries(Object.entries(fact).filter(([, value]) => value !== undefined));
}
