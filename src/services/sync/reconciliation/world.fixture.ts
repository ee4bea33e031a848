/** For tests: an inventory, a warehouse's system that gets its figures, and pushes that go out when the test says so. */
import { WarehouseStock } from "../../../../examples/warehouse/stock.ts";
import { limits } from "../../../kernel/index.ts";
import type { OutboundCall } from "../../../platform/outbound/index.ts";
import type { MemoryStorage } from "../../../platform/storage/memory/index.ts";
import { systemTimers, type Timers } from "../../../platform/timers/index.ts";
import { caller, fact, type Opened, openInventory } from "../../inventory/fixture.ts";
import type { LocationResult } from "../domain/reconciliation/index.ts";
import type { Pushes, Receiver } from "./location.ts";
import { type ReconciliationOptions, type RunningReconciliations, startReconciliation } from "./reconciliation.ts";

export interface World extends Opened {
  readonly stock: WarehouseStock;
  readonly pending: Set<string>;
  readonly reconciliations: RunningReconciliations;
  readonly compared: LocationResult[];
  readonly failures: unknown[];
  /** What the other side answers instead of its snapshot. */
  answer: ((call: OutboundCall) => { readonly status: number; readonly body: string }) | undefined;
  /** Records facts and has them pushed; `lose` acknowledges without keeping. */
  tell(type: string, data: object, how?: { readonly lose?: boolean; readonly time?: string }): Promise<void>;
  /** Pushes all that waits. */
  deliver(): Promise<void>;
  /** Runs one to its end. */
  run(mode: "report" | "correct"): Promise<Finished>;
  stop(): Promise<void>;
}

export type Finished = Extract<Awaited<ReturnType<RunningReconciliations["reconciliation"]>>, { ok: true }>["value"];

export async function openWorld(
  options: {
    readonly authority?: "ours" | "theirs";
    readonly tells?: "best" | "nothing";
    readonly storage?: MemoryStorage;
    readonly clock?: { now: number };
    readonly stock?: WarehouseStock;
    readonly timers?: Timers;
    readonly settleMs?: number;
    readonly sealedSecret?: string;
    readonly schedule?: NonNullable<ReconciliationOptions["schedule"]>;
  } = {},
): Promise<World> {
  const { authority = "ours", timers = systemTimers } = options;
  const opened = await openInventory(options);
  const { inventory, storage, clock } = opened;
  await inventory.putLocation("leeds", { name: "Leeds", kind: "warehouse", authority }, caller);
  const stock =
    options.stock ??
    new WarehouseStock({
      location: "leeds",
      authority,
      clock: () => clock.now,
      ...(options.tells && { tells: options.tells }),
    });
  const pending = new Set<string>();
  const { sealedSecret } = options;
  const settings = { url: "http://leeds", ...(sealedSecret !== undefined && { sealedSecret }) };
  const receiver: Receiver = { location: "leeds", settings };
  const keyOf = (pair: { readonly location: string; readonly sku: string }) =>
    JSON.stringify([pair.location, pair.sku]);
  const pushes: Pushes = {
    receivers: () => [receiver],
    wants: (_receiver, { sku }) => !sku.startsWith("private"),
    isOurs: () => true,
    isPending: (_receiver, pair) => pending.has(keyOf(pair)),
    pushAgain: (_receiver, pair) => {
      pending.add(keyOf(pair));
      return true;
    },
  };
  let batches = 0;
  async function deliver(lose = false): Promise<void> {
    const pairs = [...pending].map((key) => JSON.parse(key) as [string, string]);
    pending.clear();
    const items = await inventory.availabilityOf(pairs.map(([location, sku]) => ({ location, sku })));
    batches += 1;
    const records = items.filter((item) => item !== undefined).map((item) => ({ ...item, changedAt: item.updatedAt }));
    if (!lose) stock.take(`batch ${clock.now} ${batches}`, records);
  }

  const compared: LocationResult[] = [];
  const failures: unknown[] = [];
  const world: Partial<World> & Pick<World, "answer"> = { answer: undefined };
  let ids = 0;
  const reconciliations = await startReconciliation({
    storage,
    inventory,
    pushes,
    courier: {
      call: async (call) => {
        const told = world.answer?.(call);
        if (told !== undefined) return { status: told.status, body: Buffer.from(told.body), isCut: false };
        const cursor = new URL(call.url).searchParams.get("cursor") ?? undefined;
        return { status: 200, body: Buffer.from(JSON.stringify(stock.snapshot(cursor, 3))), isCut: false };
      },
    },
    openSecret: (_context, sealed) => (sealed === "torn" ? undefined : sealed),
    clock: () => clock.now,
    randomId: () => {
      ids += 1;
      return `run-${storage.head()}-${ids}`;
    },
    timers,
    settleMs: options.settleMs ?? 0,
    observer: {
      compared: (result) => compared.push(result),
      failed: (_what, error) => failures.push(error),
    },
    ...(options.schedule && { schedule: options.schedule }),
  });

  return Object.assign(world, {
    ...opened,
    stock,
    pending,
    reconciliations,
    compared,
    failures,
    deliver: () => deliver(),
    async tell(type: string, data: object, { lose = false, time }: { lose?: boolean; time?: string } = {}) {
      const place = { location: "leeds", ...data } as { location: string; sku: string };
      await inventory.recordFacts([fact(type, place, time === undefined ? {} : { time })], caller);
      pending.add(keyOf(place));
      await deliver(lose);
    },
    async run(mode: "report" | "correct") {
      const requested = await reconciliations.request({ mode }, caller);
      if (!requested.ok) throw new Error(requested.rejection.detail);
      for (;;) {
        const read = await reconciliations.reconciliation(requested.value.id, caller);
        if (!read.ok) throw new Error(read.rejection.detail);
        if (read.value.endedAt !== null) return read.value;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    async stop() {
      await reconciliations.stop();
      await inventory.stop();
    },
  });
}

/** The system's timers, but that reconciliations look for what is to be done only when `look` is called. */
export function lookWhenTold(): { readonly timers: Timers; look(): void } {
  let look: () => void = () => undefined;
  const every: Timers["every"] = (ms, run) => {
    if (ms !== limits.reconciliationLookMs) return systemTimers.every(ms, run);
    look = run;
    return () => undefined;
  };
  return { timers: { ...systemTimers, every }, look: () => look() };
}
