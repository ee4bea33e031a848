/**
 * Imports the real data sets into a running server, whose store is empty, and compares what it then says with answers that were
 * computed apart: `npm run example:real-data -- --url http://127.0.0.1:8080 --key KEY [--only online-retail]`. The same
 * comparison without a server is `real-data.test.ts`.
 */
import { toolOptions } from "../scripts/options.ts";
import { httpItemSink, httpSink } from "../src/services/intake/index.ts";
import { checkRealData, type Stock, type Target } from "./real-data.ts";

function serverTarget(url: string, key: string): Target {
  return {
    facts: httpSink({ url, key }),
    items: httpItemSink({ url, key }),
    stocks: async (skus, locations, position) => {
      const headers = {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        ...(position !== undefined && { "larder-min-position": position }),
      };
      const body = JSON.stringify({ skus, ...(locations && { locations }) });
      for (let attempt = 0; ; attempt += 1) {
        const response = await fetch(`${url}/v1/availability:batch`, { method: "POST", headers, body });
        if (response.ok) return ((await response.json()) as { readonly items: Stock[] }).items;
        // The read side may be behind for a while after so much at once.
        const isBehind = response.status === 503 && attempt < 30;
        if (!isBehind) throw new Error(`availability answers ${response.status}: ${await response.text()}`);
      }
    },
  };
}

const { values } = toolOptions({
  options: { url: { type: "string" }, key: { type: "string" }, only: { type: "string", multiple: true } },
});
const target = serverTarget(values.url ?? "http://127.0.0.1:8080", values.key ?? process.env["LARDER_KEY"] ?? "");
const failed = await checkRealData(target, values.only ?? [], console.log);
console.log(failed === 0 ? "Nothing wrong." : `${failed} wrong.`);
process.exitCode = failed === 0 ? 0 : 1;
