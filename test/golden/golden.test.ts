import { globSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { CaptureEvent } from "../../src/services/intake/domain/capture/job.ts";
import type { ItemEvent } from "../../src/services/inventory/domain/item/index.ts";
import type { LocationEvent } from "../../src/services/inventory/domain/location/index.ts";
import type { PolicyEvent } from "../../src/services/inventory/domain/policy/index.ts";
import type { ReservationEvent } from "../../src/services/inventory/domain/reservation/index.ts";
import type { StockEventType } from "../../src/services/inventory/domain/stock/index.ts";
import type { TransferEvent } from "../../src/services/inventory/domain/transfer/index.ts";
import type { WebhookEvent } from "../../src/services/relay/domain/index.ts";
import type { RunEvent } from "../../src/services/sync/domain/reconciliation/index.ts";
import { stateOf, storageOf } from "./state.ts";

type DomainEvent = ReservationEvent | TransferEvent | ItemEvent | LocationEvent | PolicyEvent;

/** Every type of event with the newest schema that is written of it: a type that is missing here does not compile. */
const schemas: Readonly<
  Record<
    | StockEventType
    | DomainEvent["type"]
    | "GtinAssigned"
    | "GtinFreed"
    | "GlnAssigned"
    | "GlnFreed"
    | CaptureEvent["type"]
    | WebhookEvent["type"]
    | RunEvent["type"]
    | "VoidNoted"
    | "LogSealed"
    | "KeyCreated"
    | "KeyRevoked",
    number
  >
> = {
  StockReceived: 1,
  StockExpected: 1,
  StockSold: 1,
  StockReturned: 1,
  StockAdjusted: 1,
  StockHeldBack: 1,
  StockPutBack: 1,
  StockCounted: 1,
  StockDispatched: 1,
  StockArrived: 1,
  FactVoided: 1,
  IncomingChanged: 1,
  StockReserved: 1,
  HoldsAmended: 1,
  HoldExtended: 1,
  StockCommitted: 1,
  StockReacquired: 1,
  StockFulfilled: 1,
  StockReleased: 1,
  HoldLapsed: 1,
  LotExpired: 1,
  ShortfallFound: 1,
  LotNearedExpiry: 1,
  StockRanLow: 1,
  StockRanOut: 1,
  StockCameBack: 1,
  StockRecovered: 1,
  PolicyApplied: 1,
  ReservationPlaced: 1,
  ReservationExtended: 1,
  ReservationAmended: 1,
  ReservationConfirmed: 1,
  ReservationReacquired: 1,
  ReservationFulfilled: 1,
  ReservationReleased: 1,
  ReservationExpired: 1,
  TransferDispatched: 1,
  TransferArrived: 1,
  TransferCorrected: 1,
  ItemRegistered: 1,
  ItemChanged: 1,
  LocationDescribed: 1,
  PolicySet: 1,
  GtinAssigned: 1,
  GtinFreed: 1,
  GlnAssigned: 1,
  GlnFreed: 1,
  CaptureAccepted: 1,
  CapturePartRecorded: 1,
  CaptureEnded: 1,
  WebhookCreated: 1,
  WebhookChanged: 1,
  WebhookSecretRotated: 1,
  WebhookPaused: 1,
  WebhookEnabled: 1,
  WebhookDisabled: 1,
  WebhookAdvanced: 1,
  WebhookReplayed: 1,
  WebhookDeleted: 1,
  ReconciliationRequested: 1,
  LocationReconciled: 1,
  ReconciliationEnded: 1,
  VoidNoted: 1,
  LogSealed: 1,
  KeyCreated: 1,
  KeyRevoked: 1,
};

const samples = fileURLToPath(new URL("./samples/", import.meta.url));
const names = readdirSync(samples).flatMap((file) =>
  file.endsWith(".ndjson") ? [file.slice(0, -".ndjson".length)] : [],
);
const bodiesOf = (name: string) => readFileSync(`${samples}${name}.ndjson`, "utf8").trimEnd().split("\n");

/** An answer without the members that answers have gained since and that say nothing: they are null. */
function withoutNew(now: unknown, kept: unknown): unknown {
  if (Array.isArray(now) && Array.isArray(kept)) return now.map((item, index) => withoutNew(item, kept[index]));
  if (!isRecord(now) || !isRecord(kept)) return now;
  const members = Object.entries(now).filter(([name, value]) => value !== null || name in kept);
  return Object.fromEntries(members.map(([name, value]) => [name, withoutNew(value, kept[name])]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

describe("golden logs", () => {
  it("have every type of event that the code writes, in its newest schema", async () => {
    const kept = new Set<string>();
    for (const name of names) {
      const units = await (await storageOf(bodiesOf(name))).readLog(0, Number.MAX_SAFE_INTEGER);
      for (const { events } of units) for (const { type, schema } of events) kept.add(`${type}.${schema}`);
    }
    const missing = Object.entries(schemas).filter(([type, schema]) => !kept.has(`${type}.${schema}`));
    expect(missing, "record another golden log: node bin/larder.js --tool test/golden/record.ts NAME").toEqual([]);
  });

  it("know of every type of event that stands anywhere in the code", () => {
    const home = fileURLToPath(new URL("../../src/services/", import.meta.url));
    const found = new Set<string>();
    // EPCIS has events of its own, which Larder reads and never records.
    const isOurs = (file: string) => !/\.test\.ts$|fixture\.ts$|\bepcis(?:\/|\.ts$)/.test(file);
    for (const file of globSync("**/*.ts", { cwd: home }).filter(isOurs)) {
      for (const [, type] of readFileSync(`${home}${file}`, "utf8").matchAll(/\btype: "([A-Z]\w+)"/g))
        found.add(type ?? "");
    }
    expect(found.size).toBeGreaterThan(30);
    expect([...found].filter((type) => !(type in schemas))).toEqual([]);
  });

  it.each(names)("%s comes to what it came to when it was recorded", async (name) => {
    const state = JSON.parse(readFileSync(`${samples}${name}.state.json`, "utf8")) as { readonly log: object };
    expect(withoutNew(await stateOf(bodiesOf(name)), state)).toEqual(state);
    expect(state.log).toMatchObject({ findings: [] });
  });
});
