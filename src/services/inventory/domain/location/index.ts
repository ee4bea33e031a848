export {
  decideLocation,
  evolveLocation,
  type LocationEvent,
  type LocationFields,
  type LocationState,
  noLocation,
} from "./location.ts";
