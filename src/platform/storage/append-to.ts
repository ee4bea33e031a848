import { type Instant, InvariantError, invariant, OutcomeUnknown, PlatformError } from "../../kernel/index.ts";
import type { AppendUnit, Storage } from "./port.ts";

/** What a service records of one of its own things, each of which is a stream. */
export interface StreamAppend {
  readonly stream: string;
  /** The version that the stream must have. */
  readonly version: number;
  readonly events: readonly { readonly type: string; readonly data: object }[];
  /** Of all commands this one's own. */
  readonly command: string;
  readonly actor: string;
  readonly now: Instant;
}

/**
 * Appends events, in their first schema, to one stream; false when the stream has another version. Durable when it
 * resolves. For services that keep no state in memory to decide many commands on: the ledger appends by rounds.
 *
 * When the answer was lost, the log is asked for it. Throws `PlatformError("storage-unavailable")` when nothing was appended, and
 * `OutcomeUnknown` when the log does not have it, or can't be asked: it may come to have it yet.
 */
export async function appendTo(
  storage: Pick<Storage, "append" | "findCommands" | "head" | "lastRecordedAt" | "shared">,
  { stream, version, events, command, actor, now }: StreamAppend,
): Promise<boolean> {
  const unit: AppendUnit = {
    meta: { command, recordedAt: Math.max(now, storage.lastRecordedAt()), actor },
    expected: [{ stream, version }],
    events: events.map(({ type, data }) => ({ stream, type, schema: 1, data })),
  };
  const before = storage.head();
  try {
    const [outcome] = await storage.append([unit]);
    invariant(outcome !== undefined, "an append answers for each unit");
    return outcome.ok;
  } catch (error) {
    if (error instanceof PlatformError || error instanceof InvariantError) throw error;
    const [found] = await storage.findCommands([command], before).catch(() => []);
    if (found === undefined)
      throw new OutcomeUnknown("the answer of an append was lost, and the log does not have it yet", { cause: error });
    // Whoever follows the log has it before anybody is answered, as after any other append; or soon, for it is made.
    await storage.shared?.catchUp().catch(() => undefined);
    return true;
  }
}
