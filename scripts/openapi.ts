/** Writes `api/openapi.json`, the HTTP API as its routes describe themselves. A test tells when the file is out of step. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { createGateway } from "../src/services/gateway/index.ts";
import type { Identity } from "../src/services/identity/index.ts";
import type { Epcis, Intake } from "../src/services/intake/index.ts";
import { factSchemas, type Inventory } from "../src/services/inventory/index.ts";
import type { Relay } from "../src/services/relay/index.ts";
import type { Reconciliations, Sync } from "../src/services/sync/index.ts";

export const openApiFile = fileURLToPath(new URL("../api/openapi.json", import.meta.url));

/** The document as the file holds it: the same text for the same routes. */
export async function openApiText(): Promise<string> {
  const gateway = await createGateway({
    // Routes are only described here: nothing is ever asked of these.
    inventory: {} as Inventory,
    identity: {} as Identity,
    intake: {} as Intake,
    relay: {} as Relay,
    epcis: {} as Epcis,
    sync: {} as Sync,
    reconciliations: {} as Reconciliations,
    logger: pino({ level: "silent" }),
    readiness: async () => ({}),
    metrics: { observe: () => {}, expose: async () => ({ contentType: "", body: "" }) },
    factSchemas,
  });
  const text = `${JSON.stringify(gateway.openapi(), null, 2)}\n`;
  await gateway.close();
  return text;
}

if (import.meta.main) {
  writeFileSync(openApiFile, await openApiText());
  process.stdout.write("api/openapi.json is written.\n");
}
