import { enableCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";

// Halves the time until a command has its code; kept where Node keeps such things, and no harm where it can't be. `bin/larder.js`
// has done so before, for this file too.
enableCompileCache();
// V8 takes what waits for the disk for long-lived, and would begin to make such objects among the old ones, where garbage
// keeps alive all that it refers to: a tenth of an import's time, and more of all that the collector costs.
setFlagsFromString("--no-allocation-site-pretenuring");
const { processIo, run } = await import("./cli/index.ts");
process.exitCode = await run(process.argv.slice(2), processIo());
