/** The whole log, read again from the disk: by `larder verify`, and by adding up what its events say. */
import { MemoryLog } from "../platform/storage/memory/memory-log.ts";
import { verifyLog } from "../services/inventory/index.ts";
import { bodyOf, type Disk } from "./disk.ts";
import type { LogOracle } from "./oracle/log.ts";
import { type LoggedUnit, must } from "./oracle/shapes.ts";
import { balanceText } from "./oracle/stock.ts";

export async function mustFold(disk: Disk, oracle: LogOracle): Promise<void> {
  const log = new MemoryLog();
  const sums = new Map<
    string,
    { onHand: number; unavailable: number; incoming: number; last: string; version: number }
  >();
  for (const line of disk.durable) {
    const body = bodyOf(line);
    if (body === undefined) break;
    log.load(body);
    for (const { stream, v, data } of (JSON.parse(body) as LoggedUnit).events) {
      if (!stream.startsWith("stock-")) continue;
      const sum = sums.get(stream) ?? { onHand: 0, unavailable: 0, incoming: 0, last: "", version: 0 };
      sums.set(stream, sum);
      if (typeof data.change === "object") {
        sum.onHand += data.change.onHand ?? 0;
        sum.unavailable += data.change.unavailable ?? 0;
        sum.incoming += data.change.incoming ?? 0;
      }
      sum.version = v;
      sum.last = JSON.stringify(data.balance);
    }
  }
  must(log.head() === oracle.head, () => `the log ends at ${log.head()}; ${oracle.head} events were durable before`);
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
    head: () => log.head(),
    readLog: async (after: number, limit: number) => log.readLog(after, limit),
    derived: disk.derived,
  };
  const { findings, findingsCount } = await verifyLog(reader);
  must(
    findingsCount === 0,
    () => `larder verify finds: ${findings.map(({ seq, problem }) => `${seq} ${problem}`).join("; ")}`,
  );
}
