import { expect, it } from "vitest";
import type { RecordedCloudEvent } from "../services/inventory/index.ts";
import { historyOf } from "./stock.ts";

/** The minutes at which something happened at each location, in pages of two, newest first. */
function clientOf(minutes: Readonly<Record<string, readonly number[]>>) {
  return {
    stockEvents: async (_sku: string, { location = "", cursor = "0" }: { location?: string; cursor?: string } = {}) => {
      const all = (minutes[location] ?? []).toSorted((a, b) => b - a);
      const [from, to] = [Number(cursor), Number(cursor) + 2];
      const events = all.slice(from, to).map((minute) => {
        const recordedAt = new Date(minute * 60_000).toISOString();
        return { data: { location, recordedAt } } as unknown as RecordedCloudEvent;
      });
      return { sku: "milk", events, ...(to < all.length && { next: String(to) }) };
    },
  } as unknown as Parameters<typeof historyOf>[0];
}

it("shows the newest of several locations, however much has happened at the first", async () => {
  const client = clientOf({ leeds: [1, 2, 3, 4, 5, 6, 7], york: [10, 11, 12, 13, 14] });
  const shown = await historyOf(client, "milk", { location: ["leeds", "york"], limit: 5 });
  expect(shown.map(({ data }) => [data["location"], new Date(String(data["recordedAt"])).getTime() / 60_000])).toEqual(
    [14, 13, 12, 11, 10].map((minute) => ["york", minute]),
  );
});
