export { type Consumer, ConsumerHost, type FollowerOptions } from "./consumer.ts";
