export { openPostgresMessaging, type PostgresMessagingOptions } from "./postgres-messaging.ts";
