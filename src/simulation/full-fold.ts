/** The whole log, read again from the disk: by `larder verify`, and by adding up what its events say. */
import { verifyLog } from "../services/inventory/index.ts";
import type { Disk } from "./disk.ts";
import type { LogOracle } from "./oracle/log.ts";
import { type LoggedData, must } from "./oracle/shapes.ts";
import { balanceText } from "./oracle/stock.ts";

export async function mustFold(disk: Disk, oracle: LogOracle): Promise<void> {
  const units = disk.units();
  const sums = new Map<string, { onHand: number; unavailable: number; incoming: number; version: number }>();
  for (const { events } of units) {
    for (const { stream, version, data } of events) {
      if (!stream.startsWith("stock-")) continue;
      const sum = sums.get(stream) ?? { onHand: 0, unavailable: 0, incoming: 0, version: 0 };
      sums.set(stream, sum);
      const { change } = data as LoggedData;
      if (typeof change === "object") {
        sum.onHand += change.onHand ?? 0;
        sum.unavailable += change.unavailable ?? 0;
        sum.incoming += change.incoming ?? 0;
      }
      sum.version = version;
    }
  }
  const head = units.at(-1)?.lastSeq ?? 0;
  must(head === oracle.head, () => `the log ends at ${head}; ${oracle.head} events were durable before`);
  for (const stock of oracle.stocks.values()) {
    const name = `stock-${stock.location.replaceAll("%", "%25").replaceAll("/", "%2F")}/${stock.sku}`;
    const sum = sums.get(name);
    const totals = stock.totals();
    must(
      (sum?.version ?? 0) === stock.version &&
        (sum?.onHand ?? 0) === totals.onHand &&
        (sum?.incoming ?? 0) === totals.incoming,
      () => `read again, ${stock.name} sums to ${JSON.stringify(sum)}; it is ${balanceText(totals)}`,
    );
  }
  const reader = {
    head: () => head,
    // All at once: what is asked for comes after the last answer's end.
    readLog: async (after: number) => (after === 0 ? units : []),
    derived: disk.derived,
  };
  const { findings, findingsCount } = await verifyLog(reader);
  must(
    findingsCount === 0,
    () => `larder verify finds: ${findings.map(({ seq, problem }) => `${seq} ${problem}`).join("; ")}`,
  );
}
