export { MemoryStorage } from "./memory-storage.ts";
export { type Interruption, SharedMemoryLog, SharedMemoryStorage } from "./shared-memory-storage.ts";
