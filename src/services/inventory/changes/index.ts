export { Changes } from "./changes.ts";
export { happenedAt, isPublic, pairsIn, recordedTypes, reservationType, toCloudEvent } from "./cloud-events.ts";
export { type LocationDescribed, locationDescribedBy, stockChangedBy, streamOfStock } from "./followed.ts";
export { recordedChanges, sequenceOfPosition } from "./recorded.ts";
