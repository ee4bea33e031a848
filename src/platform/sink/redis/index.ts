export { RedisSink, type RedisSinkOptions } from "./redis-sink.ts";
