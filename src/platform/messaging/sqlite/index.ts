export { copyQueues, countQueues, type QueueTotals, restoreQueues } from "./backup.ts";
export { openSqliteMessaging, type SqliteMessagingOptions } from "./open-messaging.ts";
