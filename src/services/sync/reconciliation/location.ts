/** Compares with one location, and puts right what was found. */
import { hash } from "node:crypto";
import { formatInstant, type Instant, invariant, limits } from "../../../kernel/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import { type Caller, type Inventory, type StockPair, secretContext } from "../../inventory/index.ts";
import {
  type ActedFinding,
  type Action,
  actionFor,
  type Finding,
  type FindingKind,
  type LocationResult,
  type Mode,
} from "../domain/reconciliation/index.ts";
import { type Comparison, compare, type Found } from "./compare.ts";
import { pageReader, type SnapshotCourier, SnapshotError } from "./other-side.ts";
import { listOurs, type OurInventory, readOurs } from "./our-side.ts";
import { aroundUnreadable } from "./readable.ts";

/** A location that gets changes pushed. */
export interface Receiver {
  readonly location: string;
  readonly settings: { readonly url: string; readonly sealedSecret?: string };
}

/** What reconciliation asks of the pushes. */
export interface Pushes<R extends Receiver = Receiver> {
  /** Whether it is this process that pushes: only then can it tell what is pending. */
  isOurs(): boolean;
  receivers(): Iterable<R>;
  /** Whether a receiver is to be told of a stock. */
  wants(receiver: R, stock: StockPair): boolean;
  /**
   * Whether something of a stock waits to be pushed to a receiver, is under way, or may be: always when it can't tell, as of
   * what a receiver does not ask for at the moment.
   */
  isPending(receiver: R, stock: StockPair): boolean;
  /** Pushes a stock again as it is by then; false when too much waits already. */
  pushAgain(receiver: R, stock: StockPair): boolean;
}

export interface LocationOptions {
  readonly inventory: OurInventory & Pick<Inventory, "recordFacts" | "location">;
  readonly pushes: Pushes;
  readonly courier: SnapshotCourier;
  /** A secret that the inventory has sealed; undefined when it was sealed with another key. */
  readonly openSecret: (context: string, sealed: string) => string | undefined;
  readonly clock: () => Instant;
  readonly randomId: () => string;
  readonly timers: Timers;
  readonly settleMs: number;
  readonly signal: AbortSignal;
}

/** Who records what reconciliation counts. */
export const reconciler: Caller = { id: "system:reconciliation", ownReservations: false };

const source = "urn:larder:reconciliation";

/** `run` names the reconciliation: the facts it records are named after it, so that a repeat has no second effect. */
export async function reconcileLocation(
  receiver: Receiver,
  mode: Mode,
  run: string,
  options: LocationOptions,
): Promise<LocationResult> {
  const startedAt = options.clock();
  const nothing = { compared: 0, inFlight: 0, found: 0, kinds: {}, actions: {}, findings: [] };
  const described = await options.inventory.location(receiver.location, reconciler);
  const isTheirs = described.ok && described.value.authority === "theirs";
  let comparison: Comparison;
  try {
    comparison = await compareWith(receiver, isTheirs, options);
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    return { location: receiver.location, startedAt, cause: error.message, ...nothing };
  }
  const { compared, inFlight, found, passedOver } = comparison;
  const isTheirOwn = ({ finding }: Found) => isTheirs && finding.location === receiver.location;
  const decided = found.map((one) => ({
    ...one,
    action: actionFor(one.finding, mode, isTheirOwn(one), one.countableAt),
  }));
  const findings = await act(receiver, decided, run, options);
  return {
    location: receiver.location,
    startedAt,
    ...(passedOver.length > 0 && { passedOver }),
    compared,
    inFlight,
    found: findings.length,
    kinds: countBy<FindingKind>(findings.map(({ kind }) => kind)),
    actions: countBy<Action>(findings.map(({ action }) => action)),
    findings: findings.slice(0, limits.reconciliationFindingsKept),
  };
}

async function compareWith(receiver: Receiver, isTheirs: boolean, options: LocationOptions): Promise<Comparison> {
  const { inventory, pushes, courier, openSecret, clock, randomId, timers, settleMs, signal } = options;
  const covers = (pair: StockPair) => pushes.wants(receiver, pair);
  let pausedAt = timers.elapsedMs();
  // As long as the work before took: a comparison gets half of the time at most.
  const pause = async () => {
    const workedMs = Math.min(timers.elapsedMs() - pausedAt, limits.reconciliationPauseMsMax);
    await new Promise<void>((resolve) => timers.after(workedMs, resolve));
    pausedAt = timers.elapsedMs();
  };
  const { url, sealedSecret } = receiver.settings;
  const secret = sealedSecret && openSecret(secretContext(receiver.location), sealedSecret);
  if (sealedSecret !== undefined && secret === undefined)
    throw new SnapshotError("its secret was sealed with another server key (secret.key)");
  return await compare({
    readTheirs: pageReader({ courier, url, secret, clock, randomId, timers, signal }),
    readOurs: (records) => readOurs(inventory, records),
    listOurs: () => listOurs(inventory, covers, pause),
    isPending: (pair) => pushes.isPending(receiver, pair),
    covers,
    isTheirOwn: (location) => isTheirs && location === receiver.location,
    pause,
    settle: () => new Promise((resolve) => timers.after(settleMs, resolve)),
    now: clock,
  });
}

type Decided = Found & { readonly action: Action };

/** Does what was decided, and says what was done: what could not be stays as it is, and is found again. */
async function act(
  receiver: Receiver,
  decided: readonly Decided[],
  run: string,
  { inventory, pushes }: LocationOptions,
): Promise<readonly ActedFinding[]> {
  const findings: ActedFinding[] = [];
  for (let start = 0; start < decided.length; start += limits.batchItemsMax) {
    const batch = decided.slice(start, start + limits.batchItemsMax);
    const toCount = batch.filter(({ action }) => action === "counted");
    const areCounted = await aroundUnreadable(
      toCount,
      (some) => count(some, run, inventory),
      () => false,
    );
    const counted = new Set<Finding>(toCount.filter((_, index) => areCounted[index]).map(({ finding }) => finding));
    for (const { finding, action } of batch) {
      const isDone = action === "sent-again" ? pushes.pushAgain(receiver, finding) : counted.has(finding);
      findings.push({ ...finding, action: isDone ? action : "none" });
    }
  }
  return findings;
}

/** Records theirs of each, and tells of which it could. */
async function count(
  found: readonly Found[],
  run: string,
  inventory: Pick<Inventory, "recordFacts">,
): Promise<readonly boolean[]> {
  const { rejected } = await inventory.recordFacts(
    found.map((one) => countedFact(one, run)),
    reconciler,
  );
  // This run had counted what has its id already, before it was broken off and begun again.
  const failed = new Set(rejected.filter(({ code }) => code !== "event-id-reused").map(({ index }) => index));
  return found.map((_, index) => !failed.has(index));
}

function countedFact({ finding, countableAt }: Found, run: string): object {
  const { sku, location, theirs } = finding;
  invariant(theirs !== null && countableAt !== undefined, "only a figure of theirs with a time is counted");
  const asOf = formatInstant(countableAt);
  return {
    specversion: "1.0",
    id: `${run}/${hash("sha256", JSON.stringify([location, sku]), "hex").slice(0, 32)}`,
    source,
    type: "larder.stock.counted.v1",
    time: asOf,
    data: { sku, location, quantity: theirs, asOf, reference: run },
  };
}

function countBy<K extends string>(keys: readonly K[]): Partial<Record<K, number>> {
  const counts: Partial<Record<K, number>> = {};
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}
