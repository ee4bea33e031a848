/** For tests: capture over an inventory in memory, and documents to capture. */
import { MemoryMessaging } from "../../../platform/messaging/memory/index.ts";
import { type Opened, openInventory } from "../../inventory/fixture.ts";
import type { Caller } from "../../inventory/index.ts";
import { type CaptureOptions, type RunningCapture, startCapture } from "./capture.ts";
import type { CaptureJobView } from "./wire.ts";

export const gln = "9506000134352";
export const gtin = "04006381333931";
export const everyone: Caller = { id: "admin", ownReservations: false };

export interface House extends Opened {
  readonly messaging: MemoryMessaging;
  readonly capture: RunningCapture;
  readonly failures: unknown[];
}

let ids = 0;

/** A shop `leeds` with a GLN, and `tea` with a GTIN. */
export async function openHouse(
  given: Partial<Pick<House, "storage" | "messaging">> = {},
  wrap: (options: CaptureOptions) => CaptureOptions = (options) => options,
): Promise<House> {
  const opened = await openInventory(given.storage === undefined ? {} : { storage: given.storage });
  const clock = () => opened.clock.now;
  const messaging = given.messaging ?? new MemoryMessaging({ clock });
  const failures: unknown[] = [];
  await opened.inventory.putLocation("leeds", { name: "Leeds", kind: "store", gln }, everyone);
  await opened.inventory.putItem("tea", { name: "Tea", unit: "each", gtins: [gtin] }, everyone);
  const capture = await startCapture(
    wrap({
      inventory: opened.inventory,
      storage: opened.storage,
      messaging,
      clock,
      random: () => 0,
      randomId: () => {
        ids += 1;
        return `job${ids}`;
      },
      onFailure: (error) => failures.push(error),
    }),
  );
  return { ...opened, messaging, capture, failures };
}

export async function closeHouse({ capture, inventory }: House): Promise<void> {
  await capture.stop();
  await inventory.stop();
}

/** A receipt of two dozen, of lot L7, at `leeds`; other members say otherwise. */
export function event(members: object = {}): object {
  return {
    type: "ObjectEvent",
    eventID: "urn:uuid:1",
    eventTime: "2026-01-01T10:00:00Z",
    eventTimeZoneOffset: "+00:00",
    action: "OBSERVE",
    bizStep: "receiving",
    readPoint: { id: `https://id.gs1.org/414/${gln}` },
    quantityList: [{ epcClass: `https://id.gs1.org/01/${gtin}/10/L7`, quantity: 24 }],
    ...members,
  };
}

export function document(...eventList: readonly object[]): object {
  return {
    "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
    type: "EPCISDocument",
    schemaVersion: "2.0",
    creationDate: "2026-01-01T10:00:00Z",
    epcisBody: { eventList },
  };
}

/** The job once it is over. */
export async function finished(capture: RunningCapture, id: string, caller = everyone): Promise<CaptureJobView> {
  for (;;) {
    const job = await capture.job(id, caller);
    if (!job.ok) throw new Error(JSON.stringify(job));
    if (!job.value.running) return job.value;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
