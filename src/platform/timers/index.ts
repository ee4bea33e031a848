export { pause } from "./pause.ts";
export { systemTimers, type Timers } from "./timers.ts";
