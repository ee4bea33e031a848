export { MemoryMessaging } from "./memory-messaging.ts";
