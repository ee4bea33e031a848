export { NatsSink, type NatsSinkOptions, positionHeader, streamName } from "./nats-sink.ts";
