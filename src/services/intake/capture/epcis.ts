import type { EpcisEvents } from "../epcis/events.ts";
import type { EpcisCapture } from "./capture.ts";

/** EPCIS in and out, as it is offered over HTTP. */
export interface Epcis {
  readonly capture: EpcisCapture;
  readonly events: Pick<EpcisEvents, "events" | "event">;
}
