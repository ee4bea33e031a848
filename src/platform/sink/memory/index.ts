export { MemorySink } from "./memory-sink.ts";
