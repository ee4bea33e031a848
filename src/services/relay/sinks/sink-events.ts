import { fnv1a, limits } from "../../../kernel/index.ts";
import type { SinkEvent, SinkStock } from "../../../platform/sink/index.ts";
import type { RecordedCloudEvent } from "../../inventory/index.ts";

/** An event of the change feed as sinks take it. */
export function sinkEventOf(event: RecordedCloudEvent): SinkEvent {
  const { id, type, position, subject, data } = event;
  const { sku, location } = data;
  const stock = stockOf(data);
  return {
    id,
    type,
    position,
    ...(typeof sku === "string" && { sku }),
    ...(typeof location === "string" && { location }),
    partition: fnv1a(typeof sku === "string" ? sku : (subject ?? type)) % limits.partitions,
    body: JSON.stringify(event),
    ...(stock && { stock }),
  };
}

/** What is there after an event that changed a stock. */
function stockOf(data: RecordedCloudEvent["data"]): SinkStock | undefined {
  const { sku, location, balance, version, recordedAt } = data as Partial<
    Pick<SinkStock, "sku" | "location" | "version"> & {
      readonly balance: Omit<SinkStock, "sku" | "location" | "version" | "updatedAt">;
      readonly recordedAt: string;
    }
  >;
  if (sku === undefined || location === undefined || balance === undefined) return undefined;
  if (version === undefined || recordedAt === undefined) return undefined;
  return { sku, location, ...balance, updatedAt: recordedAt, version };
}
