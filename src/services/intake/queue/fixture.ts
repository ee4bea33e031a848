/** What tests of the queue of facts share: intake on queues in memory, on an inventory that a test makes. */

import { accept } from "../../../kernel/index.ts";
import type { Timer } from "../../../platform/messaging/index.ts";
import { MemoryMessaging } from "../../../platform/messaging/memory/index.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import type { Caller, Inventory } from "../../inventory/index.ts";
import { startIntake } from "../intake.ts";

const noItems: Inventory["itemsByGtin"] = async () => accept({ items: [], position: "" });

export const till: Caller = { id: "till", ownReservations: false };

let facts = 0;

/** A fact of source `till` with an id of its own. */
export function fact(type: string, data: object, rest: { readonly id?: string; readonly time?: string } = {}) {
  facts += 1;
  return { specversion: "1.0", id: `f${facts}`, source: "till", type: `larder.stock.${type}.v1`, ...rest, data };
}

export async function openIntake(
  inventory: Pick<Inventory, "recordFacts">,
  clock: () => number = Date.now,
  timer: Timer = systemTimers.after,
) {
  const messaging = new MemoryMessaging({ clock, timer });
  const settled: string[] = [];
  const held: unknown[] = [];
  const ended: object[] = [];
  const intake = await startIntake({
    messaging,
    inventory: { recordFacts: (...asked) => inventory.recordFacts(...asked), itemsByGtin: noItems },
    clock,
    random: () => 0.5,
    timers: systemTimers,
    observer: {
      settled: (_queue, how) => settled.push(how),
      judged: () => undefined,
      held: (error) => held.push(error),
      failed: (error) => {
        throw error;
      },
      fileSettled: () => undefined,
      deadLetterEnded: (what) => ended.push(what),
    },
  });
  return { messaging, intake, settled, held, ended };
}
