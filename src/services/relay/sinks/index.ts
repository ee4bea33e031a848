export type { SinkFigures } from "./carrier.ts";
export { type SinksObserver, silentObserver } from "./observer.ts";
export { type RunningSinks, type SinksOptions, startSinks } from "./sinks.ts";
