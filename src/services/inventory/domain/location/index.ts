export {
  decideLocation,
  evolveLocation,
  type LocationEvent,
  type LocationFields,
  type LocationState,
  type LocationSync,
  noLocation,
  syncKnownTo,
} from "./location.ts";
