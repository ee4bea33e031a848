import { enableCompileCache } from "node:module";

// Halves the time until a command has its code; kept where Node keeps such things, and no harm where it can't be.
enableCompileCache();
const { processIo, run } = await import("./cli/index.ts");
process.exitCode = await run(process.argv.slice(2), processIo());
