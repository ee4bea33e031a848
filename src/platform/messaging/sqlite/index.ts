export { openSqliteMessaging, type SqliteMessagingOptions } from "./open-messaging.ts";
