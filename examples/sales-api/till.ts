/**
 * A till: sells and restocks, some 100 facts a second over the skus of the measurement, so that there is something to
 * follow. Settings: `LARDER_URL`, `LARDER_KEY`.
 */
import { Larder } from "../../sdk/src/index.ts";

export const location = "leeds";
export const skus = Array.from({ length: 1000 }, (_, index) => `sku-${index}`);

if (import.meta.main) {
  const { LARDER_URL = "", LARDER_KEY } = process.env;
  const larder = new Larder({ url: LARDER_URL, key: LARDER_KEY, source: `/tills/${process.pid}`, retries: 1 });
  for (let turn = 0; ; turn += 1) {
    const type = turn % 2 === 0 ? "larder.stock.sold.v1" : "larder.stock.received.v1";
    const sku = skus[(turn * 7919) % skus.length] ?? "";
    // Larder is stopped on purpose meanwhile: a sale that can't be told is told with the next ones, by a real till.
    await larder.record([{ type, data: { sku, location, quantity: 1 } }]).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
