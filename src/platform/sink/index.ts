export { type Sink, type SinkEvent, type SinkFilling, SinkMoved, type SinkSession, type SinkStock } from "./port.ts";
