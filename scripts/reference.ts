/** Writes the pages under docs/reference/ that are made from the code. `test/reference.test.ts` says when they are old. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cliReference } from "../src/cli/index.ts";
import { configurationReference } from "../src/platform/config/index.ts";
import { metricsReference } from "../src/platform/telemetry/index.ts";
import { epcisReference } from "../src/services/intake/index.ts";
import { errorsReference, eventsReference } from "../src/services/inventory/index.ts";

/** The text of each page, by its path from the project's folder. */
export function referencePages(): Readonly<Record<string, string>> {
  return {
    "docs/reference/cli.md": cliReference(),
    "docs/reference/configuration.md": configurationReference(),
    "docs/reference/epcis.md": epcisReference(),
    "docs/reference/errors.md": errorsReference(),
    "docs/reference/events.md": eventsReference(),
    "docs/reference/metrics.md": metricsReference(),
  };
}

if (import.meta.main) {
  const home = fileURLToPath(new URL("..", import.meta.url));
  for (const [path, text] of Object.entries(referencePages())) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), text);
    process.stdout.write(`${path}\n`);
  }
}
