export { type Io, processIo } from "./io.ts";
export { larderProgram, run } from "./program.ts";
export { cliReference } from "./reference.ts";
